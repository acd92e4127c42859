"""The commands, except those about money (`budget`). `error_boundary` handles their errors."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionflow_nb import __version__, display, errors
from fusionflow_nb.cli import output
from fusionflow_nb.cli.assets import assets
from fusionflow_nb.cli.error_boundary import FAILED, JSON_OUTPUT, WRONG, ErrorBoundary, exit_code, print_error
from fusionflow_nb.settings.logs import configure_logging

# Everything else is imported by the command that needs it, so that `fusionflow --help` starts quickly.
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.plan.price import Price


@click.group(cls=ErrorBoundary, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fusionflow")
def main() -> None:
    """Generative media as flows: no call is paid twice, no result is lost, and SQL queries cover everything."""
    configure_logging()


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Output folder."
)
def demo(folder: Path) -> None:
    """Generate, edit, upscale and animate pictures without a key.

    Then run a SQL query about the results, and run the flow again from the cache.
    """
    from fusionflow_nb import tape  # noqa: PLC0415
    from fusionflow_nb.cli import demo_flow  # noqa: PLC0415
    from fusionflow_nb.cli.arguments import folder_for  # noqa: PLC0415
    from fusionflow_nb.session import Session, use_session  # noqa: PLC0415

    folder_for(folder)
    # A temporary home: the first run has no cached results, and the user's tape gets no demo rows.
    with tempfile.TemporaryDirectory(prefix="fusionflow-demo-", ignore_cleanup_errors=True) as home:
        use_session(Session(Path(home)))
        try:
            flow = demo_flow.build()
            output.heading("first run")
            run = _wait(flow.run())
            run.result()  # raises if a job failed
            saved = demo_flow.save(run, folder)
            flow_file = flow.save(folder / "neon-city.flow.json")
            output.heading("SQL query")
            output.line(demo_flow.QUERY, style="dim")
            _print_rows(tape.sql(demo_flow.QUERY))
            output.heading("second run")
            again = _wait(flow.run())
            states = sorted({status.state for status in again.jobs.values()})
            output.line(f"all jobs: {', '.join(states)}; paid: ${again.cost_usd:.2f}")
            output.heading("results")
            for path in (saved.still, saved.film, saved.sheet):
                output.line(path)
            output.heading("next command")
            output.line(f"{_this_command()} run {flow_file} --set time=dawn --out {folder / 'dawn'}")
        finally:
            use_session(None)


@main.command()
@click.argument("flow_file", type=click.Path(path_type=Path), metavar="FLOW")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A flow variable, or NODE.PARAMETER.")
@click.option("--to", "targets", multiple=True, metavar="NODE", help="Run only this node and its inputs (repeatable).")
@click.option(
    "--nodes",
    "node_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A Python file with @ff.node functions (repeatable).",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Save results in this folder.")
@click.option("--dry-run", is_flag=True, help="Print what would run and what it would cost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on stdout.")
@click.option("--unpriced", type=click.FloatRange(min=0), help="Cap in dollars of one call to a model without a price.")
@click.option("--yes", "confirmed", is_flag=True, help="Confirm a run of more than 100 paid calls or $10.")
@click.pass_context
def run(  # noqa: PLR0917 - click passes them by name
    ctx: click.Context,
    flow_file: Path,
    assignments: Sequence[str],
    targets: Sequence[str],
    node_files: Sequence[Path],
    folder: Path | None,
    dry_run: bool,  # noqa: FBT001 - a flag
    as_json: bool,  # noqa: FBT001
    unpriced: float | None,
    confirmed: bool,  # noqa: FBT001
) -> None:
    """Run a flow and save its results.

    FLOW is a .flow.json file, or a picture, video or sound that contains its recipe.
    """
    from fusionflow_nb.cli import arguments  # noqa: PLC0415

    ctx.meta[JSON_OUTPUT] = as_json
    for path in node_files:
        arguments.declare_nodes(path)
    flow = arguments.flow_of(flow_file)
    for assignment in assignments:
        arguments.assign(flow, assignment)
    if dry_run:
        ctx.exit(_print_plan(flow, targets, as_json=as_json))
    if folder is not None:
        arguments.folder_for(folder)
    handle = flow.run(*targets, unpriced=unpriced, confirmed=confirmed)
    handle = handle.wait() if as_json else _wait(handle)
    saved = handle.save(folder) if folder is not None else []
    if as_json:
        click.echo(output.as_json(_run_payload(handle, saved)))
    for path in [] if as_json else saved:
        output.line(path)
    if handle.status != "succeeded":
        for message in dict.fromkeys(str(error) for error in handle.errors):
            print_error(message)
        ctx.exit(exit_code(handle.errors, otherwise=FAILED))


@main.command()
@click.argument("query", metavar="SQL")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as a JSON list of objects.")
@click.pass_context
def tape(ctx: click.Context, query: str, *, as_json: bool) -> None:
    """Query the tape in SQL.

    The tape has one row per generation: prompt, settings, seed, cost, inputs and outputs.
    """
    from fusionflow_nb.session import current_session  # noqa: PLC0415

    ctx.meta[JSON_OUTPUT] = as_json
    result = current_session().tape.sql(query)
    if as_json:
        click.echo(output.as_json([dict(zip(result.columns, row, strict=True)) for row in result.rows()]))
    else:
        _print_rows(result)


@main.command()
@click.option("--task", help="Only models for this task (text-to-image, upscale ...).")
def models(task: str | None) -> None:
    """List the models with their prices and keys."""
    from fusionflow_nb.api import models as models_module  # noqa: PLC0415

    output.table(models_module.COLUMNS, models_module.models(task=task).rows())  # type: ignore[arg-type] # checked there


main.add_command(assets)


@main.command()
@click.option("--money", is_flag=True, help="Check budgets, results and stored files against the event log.")
@click.option("--repair", is_flag=True, help="With --money: rebuild derived rows from the log.")
@click.option("--mend", is_flag=True, hidden=True)  # the former name of --repair
@click.option("--r2", is_flag=True, help="Test the bucket: write, read, delete, and uploads from pages (CORS).")
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="With --r2: the address of JupyterLab (repeatable)."
)
@click.option("--set-cors", is_flag=True, help="With --r2: set a CORS rule for these addresses, if the key allows it.")
@click.pass_context
def doctor(
    ctx: click.Context, *, money: bool, repair: bool, mend: bool, r2: bool, origins: Sequence[str], set_cors: bool
) -> None:
    """Check the installation, the home folder and the services."""
    from fusionflow_nb.maintenance.doctor import bucket_findings, findings, money_findings  # noqa: PLC0415

    repair = repair or mend
    if repair and not money:
        raise click.UsageError("--repair requires --money.")
    if money and r2:
        raise click.UsageError("--money and --r2 cannot be combined.")
    if money:
        results = list(money_findings(repair=repair))
    else:
        results = list(bucket_findings(origins, is_set=set_cors) if r2 else findings())
    marks = {"ok": "✓", "optional": "·", "warning": "!", "error": "✗"}
    if r2:
        for finding in results:  # plain lines, so that a CORS rule can be copied
            output.line(f"{marks[finding.state]} {finding.name}: {finding.message}")
    else:
        output.table(("", "", ""), [(marks[finding.state], finding.name, finding.message) for finding in results])
    if any(finding.state == "error" for finding in results):
        ctx.exit(FAILED)


# --- parts -----------------------------------------------------------------------------------------------------------


def _this_command() -> str:
    """The command to type for `fusionflow`, which may not be on the path (`make demo`)."""
    if shutil.which("fusionflow"):
        return "fusionflow"
    return sys.argv[0] if os.access(sys.argv[0], os.X_OK) else f"{sys.executable} -m fusionflow_nb"


def _wait(handle: RunHandle) -> RunHandle:
    """Wait for a run: progress bars on a terminal, a table at the end elsewhere."""
    handle.wait()
    if not output.is_interactive():
        rows = [(row.mark, *row[:2], row.elapsed, row.cost, row.details) for row in display.rows(handle)]
        output.table(("", "node", "state", "time", "cost", ""), rows, numbers={3, 4})
        output.line(f"{handle.name} · {handle.status} · {handle.elapsed_s:.1f} s · {handle.cost_text}")
    elif not display.is_watched():
        output.console().print(display.terminal_table(handle))  # no progress bars: stderr is not a terminal
    return handle


def _print_plan(flow: Flow, targets: Sequence[str], *, as_json: bool) -> int:
    """Print what would run, why, and the price; returns the exit code."""
    from fusionflow_nb.engine.run import scope_of  # noqa: PLC0415

    cost, states, reasons = flow.estimate(*targets), flow.states(), flow.stale()
    plan = flow.plan()
    scope = scope_of(plan, targets or flow.document.nodes)
    in_scope = {node_id: state for node_id, state in states.items() if node_id in scope}
    problems = [plan.nodes[node_id].problem for node_id in in_scope if plan.nodes[node_id].problem is not None]
    if as_json:
        payload: dict[str, Any] = {
            "low_usd": cost.low_micro_usd / 1e6,
            "high_usd": cost.high_micro_usd / 1e6,
            "unpriced": list(cost.unpriced),
            "nodes": {
                node_id: {"state": state, "because": reasons.get(node_id, []), **_node_price(cost, node_id)}
                for node_id, state in in_scope.items()
            },
        }
        click.echo(output.as_json(payload))
    else:
        output.table(
            ("node", "state", "price", "because"),
            [
                (node_id, state, cost.node_text(node_id), "; ".join(reasons.get(node_id, [])))
                for node_id, state in in_scope.items()
            ],
            numbers={2},
        )
        output.line(f"price: {cost}")
    for problem in problems:
        print_error(problem)
    return WRONG if problems else 0


def _node_price(cost: Price, node_id: str) -> dict[str, Any]:
    """The price of a node for JSON; empty if the node makes no paid call."""
    price = cost.by_node.get(node_id)
    if price is None:
        return {}
    return {
        "low_usd": price.low_micro_usd / 1e6,
        "high_usd": price.high_micro_usd / 1e6,
        "is_unpriced": price.is_unpriced,
    }


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 for any free port.")
def simulate(port: int) -> None:
    """Simulate the services on this machine, until Ctrl-C.

    Flows can be tried on all services without a key.
    """
    from fusionflow_nb.cli.simulate import serve  # noqa: PLC0415

    serve(port)


def _run_payload(handle: RunHandle, saved: Sequence[Path]) -> dict[str, Any]:
    """A run for JSON."""
    return {
        "run": handle.id,
        "status": handle.status,
        "cost_usd": handle.cost_usd,
        "cost_is_exact": handle.cost_is_exact,
        "jobs": [
            {
                "node": node_id,
                "coordinate": dict(coordinate),
                "state": job.state,
                "cost_usd": job.cost_micro_usd / 1e6,
                "cost_is_exact": job.cost_is_exact,
                "generation": job.generation_id,
                "error": job.error.to_payload() if isinstance(job.error, errors.FusionFlowError) else None,
            }
            for (node_id, coordinate), job in handle.jobs.items()
        ],
        "saved": [str(path) for path in saved],
    }


def _print_rows(result: Any) -> None:  # noqa: ANN401 - the tape's Result
    numbers = {place for place, kind in enumerate(result.types) if kind.partition("(")[0] in _NUMBERS}
    rows = [tuple("" if cell is None else str(cell) for cell in row) for row in result.rows()]
    output.table(result.columns, rows, numbers=numbers)


_NUMBERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
    | {"FLOAT", "DOUBLE", "DECIMAL"}
)
