"""The commands. Each says what it does; how errors end them stands in `border`."""

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
from fusionflow_nb.cli.error_boundary import FAILED, JSON_WANTED, WRONG, ErrorBoundary, exit_code, print_error

# Everything else is imported by the command that needs it: `fusionflow --help` starts at once.
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.plan.price import Price


@click.group(cls=ErrorBoundary, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fusionflow")
def main() -> None:
    """Generative media as flows: nothing is paid twice, nothing is lost, everything can be asked in SQL."""


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Where pictures go."
)
def demo(folder: Path) -> None:
    """Generate, edit, upscale and animate real pictures, without a key; then ask what happened in SQL."""
    from fusionflow_nb import tape  # noqa: PLC0415
    from fusionflow_nb.cli import demo_flow as scene  # noqa: PLC0415
    from fusionflow_nb.cli.arguments import folder_for  # noqa: PLC0415
    from fusionflow_nb.session import Session, use_session  # noqa: PLC0415

    folder_for(folder)
    # A home of its own: the first run shows the work, and nobody's tape gets demo rows.
    with tempfile.TemporaryDirectory(prefix="fusionflow-demo-", ignore_cleanup_errors=True) as home:
        use_session(Session(Path(home)))
        try:
            flow = scene.build()
            output.heading("first run")
            run = _shown(flow.run())
            run.result()  # what failed, fails the demo
            saved = scene.save(run, folder)
            flow_file = flow.save(folder / "neon-city.flow.json")
            output.heading("what SQL says")
            output.line(scene.QUESTION, style="dim")
            _say_rows(tape.sql(scene.QUESTION))
            output.heading("second run")
            again = _shown(flow.run())
            states = sorted({status.state for status in again.jobs.values()})
            output.line(f"every job says: {', '.join(states)}; paid: ${again.cost_usd:.2f}")
            output.heading("look at")
            for path in (saved.still, saved.film, saved.sheet):
                output.line(path)
            output.heading("go on with")
            output.line(f"{_this_command()} run {flow_file} --set time=dawn --out {folder / 'dawn'}")
        finally:
            use_session(None)


@main.command()
@click.argument("flow_file", type=click.Path(path_type=Path), metavar="FLOW")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A flow variable, or NODE.PARAMETER.")
@click.option("--to", "targets", multiple=True, metavar="NODE", help="Run to this node (may be repeated).")
@click.option(
    "--nodes",
    "node_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A Python file with @ff.node functions (may be repeated).",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Save results here.")
@click.option("--dry-run", is_flag=True, help="Say what would run and what it would cost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on stdout.")
@click.option(
    "--unpriced", type=click.FloatRange(min=0), help="Dollars that one call to a model without a price may cost."
)
@click.option("--yes", "confirmed", is_flag=True, help="Go ahead with more than 100 paid calls or $10.")
@click.pass_context
def run(  # noqa: PLR0917 - click gives them by name
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
    """Run FLOW: a .flow.json, or a picture, film or sound that carries its recipe."""
    from fusionflow_nb.cli import arguments  # noqa: PLC0415

    ctx.meta[JSON_WANTED] = as_json
    for path in node_files:
        arguments.declare_nodes(path)
    flow = arguments.flow_of(flow_file)
    for assignment in assignments:
        arguments.assign(flow, assignment)
    if dry_run:
        ctx.exit(_say_plan(flow, targets, as_json=as_json))
    if folder is not None:
        arguments.folder_for(folder)
    running = flow.run(*targets, unpriced=unpriced, confirmed=confirmed)
    running = running.wait() if as_json else _shown(running)
    saved = running.save(folder) if folder is not None else []
    if as_json:
        click.echo(output.as_json(_facts(running, saved)))
    for path in [] if as_json else saved:
        output.line(path)
    if running.status != "succeeded":
        for said in dict.fromkeys(str(error) for error in running.errors):
            print_error(said)
        ctx.exit(exit_code(running.errors, otherwise=FAILED))


@main.command()
@click.argument("query", metavar="SQL")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as a JSON list of objects.")
@click.pass_context
def tape(ctx: click.Context, query: str, *, as_json: bool) -> None:
    """Ask the tape: every generation, its prompt, settings, seed, cost, inputs and outputs."""
    from fusionflow_nb.session import current_session  # noqa: PLC0415

    ctx.meta[JSON_WANTED] = as_json
    result = current_session().tape.sql(query)
    if as_json:
        click.echo(output.as_json([dict(zip(result.columns, row, strict=True)) for row in result.rows()]))
    else:
        _say_rows(result)


@main.command()
@click.option("--task", help="Only models for this task (text-to-image, upscale ...).")
def models(task: str | None) -> None:
    """List the models with price and whether a key is at hand."""
    from fusionflow_nb.api import models as models_module  # noqa: PLC0415

    output.table(models_module.COLUMNS, models_module.models(task=task).rows())  # type: ignore[arg-type] # checked there


@main.command()
def resume() -> None:
    """Finish what dead kernels began: polling and fetching only, nothing is paid twice."""
    from fusionflow_nb.session import current_session  # noqa: PLC0415

    count = len(current_session().resume())
    output.line(f"{count} result{'' if count == 1 else 's'} came home.")


main.add_command(assets)


@main.command()
@click.option("--money", is_flag=True, help="Prove the books: budgets, results and bytes against the log.")
@click.option("--mend", is_flag=True, help="With --money: write again what follows from the log.")
@click.option("--r2", is_flag=True, help="Try the bucket: write, read, remove, and uploads from pages (CORS).")
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="With --r2: where JupyterLab is (may be repeated)."
)
@click.option("--set-cors", is_flag=True, help="With --r2: let these pages upload, where the key may say so.")
@click.pass_context
def doctor(ctx: click.Context, *, money: bool, mend: bool, r2: bool, origins: Sequence[str], set_cors: bool) -> None:
    """Say what is installed, where things are kept, and which services can be used."""
    from fusionflow_nb.maintenance.doctor import bucket_findings, findings, money_findings  # noqa: PLC0415

    if mend and not money:
        raise click.UsageError("--mend goes with --money.")
    if money and r2:
        raise click.UsageError("--money and --r2 are two questions: ask one at a time.")
    if money:
        found = list(money_findings(mend=mend))
    else:
        found = list(bucket_findings(origins, is_set=set_cors) if r2 else findings())
    marks = {"well": "✓", "optional": "·", "look": "!", "broken": "✗"}
    if r2:
        for one in found:  # no table: a rule is there to be copied
            output.line(f"{marks[one.state]} {one.what}: {one.says}")
    else:
        output.table(("", "", ""), [(marks[one.state], one.what, one.says) for one in found])
    if any(one.state == "broken" for one in found):
        ctx.exit(FAILED)


# --- parts -----------------------------------------------------------------------------------------------------------


def _this_command() -> str:
    """How to call us again from here: `make demo` leaves no `fusionflow` on the path."""
    if shutil.which("fusionflow"):
        return "fusionflow"
    return sys.argv[0] if os.access(sys.argv[0], os.X_OK) else f"{sys.executable} -m fusionflow_nb"


def _shown(running: RunHandle) -> RunHandle:
    """Wait for the end: live bars where a terminal is; where there is none, how it ended."""
    running.wait()
    if not output.is_watched():
        rows = [(row.mark, *row[:2], row.elapsed, row.cost, row.details) for row in display.rows(running)]
        output.table(("", "node", "state", "time", "cost", ""), rows, numbers={3, 4})
        output.line(f"{running.name} · {running.status} · {running.elapsed_s:.1f} s · {running.cost_text}")
    elif not display.is_watched():
        output.console().print(display.terminal_table(running))  # the bars went elsewhere: stderr is no terminal
    return running


def _say_plan(flow: Flow, targets: Sequence[str], *, as_json: bool) -> int:
    """Say what would run, why, and for how much; gives the exit code."""
    from fusionflow_nb.engine.run import scope_of  # noqa: PLC0415

    cost, states, reasons = flow.estimate(*targets), flow.states(), flow.stale()
    plan = flow.plan()
    scope = scope_of(plan, targets or flow.document.nodes)
    wanted = {node_id: state for node_id, state in states.items() if node_id in scope}
    problems = [plan.nodes[node_id].problem for node_id in wanted if plan.nodes[node_id].problem is not None]
    if as_json:
        said: dict[str, Any] = {
            "low_usd": cost.low_micro_usd / 1e6,
            "high_usd": cost.high_micro_usd / 1e6,
            "unpriced": list(cost.unpriced),
            "nodes": {
                node_id: {"state": state, "because": reasons.get(node_id, []), **_node_price(cost, node_id)}
                for node_id, state in wanted.items()
            },
        }
        click.echo(output.as_json(said))
    else:
        output.table(
            ("node", "state", "price", "because"),
            [
                (node_id, state, cost.says_of(node_id), "; ".join(reasons.get(node_id, [])))
                for node_id, state in wanted.items()
            ],
            numbers={2},
        )
        output.line(f"price: {cost}")
    for problem in problems:
        print_error(problem)
    return WRONG if problems else 0


def _node_price(cost: Price, node_id: str) -> dict[str, Any]:
    """What a node would cost, for programs; empty where it costs nothing because nothing is bought."""
    found = cost.by_node.get(node_id)
    if found is None:
        return {}
    return {
        "low_usd": found.low_micro_usd / 1e6,
        "high_usd": found.high_micro_usd / 1e6,
        "is_unpriced": found.is_unpriced,
    }


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 takes a free one.")
def simulate(port: int) -> None:
    """Stand in for the services on this machine: try a flow over many of them without a key, until Ctrl-C."""
    from fusionflow_nb.cli.simulate import serve  # noqa: PLC0415

    serve(port)


def _facts(running: RunHandle, saved: Sequence[Path]) -> dict[str, Any]:
    """A run, for programs."""
    return {
        "run": running.id,
        "status": running.status,
        "cost_usd": running.cost_usd,
        "cost_is_exact": running.cost_is_exact,
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
            for (node_id, coordinate), job in running.jobs.items()
        ],
        "saved": [str(path) for path in saved],
    }


def _say_rows(result: Any) -> None:  # noqa: ANN401 - the tape's Result
    numbers = {place for place, kind in enumerate(result.types) if kind.partition("(")[0] in _NUMBERS}
    rows = [tuple("" if cell is None else str(cell) for cell in row) for row in result.rows()]
    output.table(result.columns, rows, numbers=numbers)


_NUMBERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
    | {"FLOAT", "DOUBLE", "DECIMAL"}
)
