"""The command line: `fusionflow demo | run | tape | models | resume | doctor`.

Exit codes: 0 all is well; 1 some jobs failed (the others are kept); 2 the command or the flow is wrong; 3 money: over budget,
no funds, or an unpriced model without allowance; 130 interrupted (work goes on being remembered).
"""

from __future__ import annotations

import json
import runpy
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from fusionflow_nb import __version__, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.live_run import LiveRun

FAILED, WRONG, MONEY, INTERRUPTED = 1, 2, 3, 130
_MONEY_ERRORS = (errors.OverBudgetError, errors.NoFundsError)
out = Console()


class Commands(click.Group):
    """Turns our errors into one line and an exit code: a user's mistake is no reason to print a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        try:
            return super().invoke(ctx)
        except errors.FusionFlowError as error:
            click.echo(f"fusionflow: {error}", err=True)
            ctx.exit(MONEY if isinstance(error, _MONEY_ERRORS) else WRONG)
        except KeyboardInterrupt:
            click.echo(
                "fusionflow: interrupted; what was paid for is remembered, `fusionflow resume` brings it home.",
                err=True,
            )
            ctx.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fusionflow")
def main() -> None:
    """Generative media as flows: nothing is paid twice, nothing is lost, everything can be asked in SQL."""


@main.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Where pictures go."
)
def demo(folder: Path) -> None:
    """Generate, edit, upscale and animate real pictures, without a key; then ask what happened in SQL."""
    from fusionflow_nb import session, tape  # noqa: PLC0415 - the command line itself starts fast
    from fusionflow_nb import demo as scene  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="fusionflow-demo-") as home:
        # A home of its own: the first run shows the work, and nobody's tape gets demo rows.
        session.use(session.Session(Path(home)))
        try:
            flow = scene.build()
            out.rule("first run")
            run = flow.run()
            _show_to_the_end(run)
            saved = scene.save(run, folder)
            flow.save(folder / "neon-city.flow.json")
            out.rule("what SQL says")
            _print_rows(tape.sql(scene.QUESTION))
            out.rule("second run")
            again = flow.run()
            _show_to_the_end(again)
            states = {status.state for status in again.jobs.values()}
            out.print(f"every job says: {', '.join(sorted(states))}; paid: ${again.cost_usd:.2f}")
            out.rule("look at")
            for path in (saved.still, saved.film, saved.sheet):
                out.print(str(path), soft_wrap=True)
        finally:
            session.use(None)


@main.command()
@click.argument("flow_file", type=click.Path(path_type=Path), metavar="FLOW")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A flow variable, or NODE.PARAMETER.")
@click.option("--to", "targets", multiple=True, metavar="NODE", help="Run to this node (may be repeated).")
@click.option(
    "--nodes",
    "node_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Python files with @ff.node functions.",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Save results here.")
@click.option("--dry-run", is_flag=True, help="Say what would run and what it would cost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--unpriced", type=float, help="Dollars one call to a model without a price may cost.")
@click.option("--yes", "confirmed", is_flag=True, help="Go ahead with more than 100 paid calls or $10.")
@click.pass_context
def run(  # one option each
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
    """Run a .flow.json (or a picture that carries its recipe)."""
    from fusionflow_nb.author import Flow, recipe  # noqa: PLC0415

    for path in node_files:
        _run_nodes(path)
    flow = Flow.load(flow_file) if flow_file.suffix == ".json" or not flow_file.exists() else recipe(flow_file)
    for assignment in assignments:
        _assign(flow, assignment)
    if dry_run:
        _say_plan(flow, targets, as_json=as_json)
        return
    running = flow.run(*targets, unpriced=unpriced, confirmed=confirmed)
    if as_json:
        running.wait()
    else:
        _show_to_the_end(running)
    saved = running.save(folder) if folder is not None else []
    if as_json:
        click.echo(json.dumps(_as_json(running, saved), indent=2))
    else:
        for path in saved:
            out.print(str(path), soft_wrap=True)
    ctx.exit(_exit_code(running))


@main.command()
@click.argument("query", metavar="SQL")
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON.")
def tape(query: str, *, as_json: bool) -> None:
    """Ask the tape: every generation, its prompt, settings, seed, cost, inputs and outputs."""
    from fusionflow_nb import session  # noqa: PLC0415

    result = session.current().tape.sql(query)
    if as_json:
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows()]
        click.echo(json.dumps(rows, default=str, indent=2))
    else:
        _print_rows(result)


@main.command()
@click.option("--task", help="Only models for this task (text-to-image, upscale ...).")
def models(task: str | None) -> None:
    """List the models with price and whether a key is at hand."""
    from fusionflow_nb.model_table import COLUMNS, models as listed  # noqa: PLC0415

    _print_table(COLUMNS, listed(task=task).rows())  # type: ignore[arg-type]


@main.command()
def resume() -> None:
    """Finish what dead kernels began: polling and fetching only, nothing is paid twice."""
    from fusionflow_nb import session  # noqa: PLC0415

    came_home = session.current().resume()
    click.echo(f"{len(came_home)} results came home.")


@main.command()
def doctor() -> None:
    """Say what is installed, where things are kept, and which services can be used."""
    from fusionflow_nb.doctor import findings  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    for finding in findings():
        mark = "[green]✓[/]" if finding.is_well else "[yellow]![/]"
        table.add_row(mark, finding.what, finding.says)
    out.print(table)


# --- parts -----------------------------------------------------------------------------------------------------------


def _run_nodes(path: Path) -> None:
    """Run a file of the user's own, so that its @ff.node functions are known. The only code a flow run executes."""
    if not path.is_file():
        raise errors.FlowFileError(f"There is no file {path}.", hint="--nodes takes a Python file.")
    runpy.run_path(str(path), run_name="fusionflow_nodes")


def _assign(flow: Any, assignment: str) -> None:  # noqa: ANN401 - author's Flow
    name, separator, text = assignment.partition("=")
    if not separator:
        raise click.BadParameter(f"{assignment!r} is no NAME=VALUE.", param_hint="--set")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    node_id, dot, parameter = name.partition(".")
    if dot:
        flow.node_type(node_id).input(parameter, node_id=node_id)
        flow.set(node_id, **{parameter: value})
    elif name in flow.document.variables:
        flow.set_variable(name, value)
    else:
        known = ", ".join(flow.document.variables) or "none"
        raise errors.ParameterError(f"The flow has no variable {name!r}.", hint=f"Its variables: {known}.")


def _say_plan(flow: Any, targets: Sequence[str], *, as_json: bool) -> None:  # noqa: ANN401
    cost, states, reasons = flow.estimate(*targets), flow.states(), flow.stale()
    if as_json:
        said = {
            "low_usd": cost.low_micro_usd / 1e6,
            "high_usd": cost.high_micro_usd / 1e6,
            "unpriced": list(cost.unpriced),
            "nodes": {
                node_id: {"state": state, "because": reasons.get(node_id, [])} for node_id, state in states.items()
            },
        }
        click.echo(json.dumps(said, indent=2))
        return
    _print_table(
        ("node", "state", "because"),
        [(node_id, state, "; ".join(reasons.get(node_id, []))) for node_id, state in states.items()],
    )
    out.print(f"price: {cost}")


def _show_to_the_end(running: LiveRun) -> None:
    """Bars on a terminal while it runs; the final table everywhere."""
    from fusionflow_nb.display import terminal_table  # noqa: PLC0415

    began = time.monotonic()
    running.wait()
    if not out.is_terminal:
        out.print(terminal_table(running))
        out.print(f"took {time.monotonic() - began:.1f} s")


def _as_json(running: LiveRun, saved: Sequence[Path]) -> dict[str, Any]:
    return {
        "run": running.id,
        "status": running.status,
        "cost_usd": running.cost_usd,
        "jobs": [
            {"node": node_id, "coordinate": dict(coordinate), "state": job.state, "generation": job.generation_id,
             "error": str(job.error) if job.error else None}
            for (node_id, coordinate), job in running.jobs.items()
        ],
        "saved": [str(path) for path in saved],
    }  # fmt: skip


def _exit_code(running: LiveRun) -> int:
    if running.status == "succeeded":
        return 0
    return MONEY if any(isinstance(error, _MONEY_ERRORS) for error in running.errors) else FAILED


def _print_rows(result: Any) -> None:  # noqa: ANN401 - the tape's Result
    _print_table(result.columns, [tuple("" if cell is None else str(cell) for cell in row) for row in result.rows()])


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    out.print(table)
