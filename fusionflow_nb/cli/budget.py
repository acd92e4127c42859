"""The commands about money: caps, and paid calls that have not ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionflow_nb.cli import output
from fusionflow_nb.cli.commands import main
from fusionflow_nb.cli.error_boundary import JSON_OUTPUT

if TYPE_CHECKING:
    from fusionflow_nb.api.budget import Amount
    from fusionflow_nb.api.operations import Outcome


class Dollars(click.ParamType):  # type: ignore[type-arg] # generic in click's stubs alone
    """An amount of dollars, `none` or `default`."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """A number, None or "default", in a tuple."""
        if value in {"none", "default"}:
            return (None if value == "none" else value,)  # a bare None means "option not given" to click
        try:
            return (float(value),)
        except ValueError:
            self.fail(f"Expected a dollar amount, none or default, got {value!r}.", param, ctx)


@main.command()
@click.option("--run", "run", type=Dollars(), help="Cap of one run.")
@click.option("--day", type=Dollars(), help="Cap of a day (UTC).")
@click.option("--month", type=Dollars(), help="Cap of a month (UTC).")
@click.option("--project", type=Dollars(), help="Total cap of each project; with --of, of that project only.")
@click.option("--unpriced", type=Dollars(), help="Cap of one call to a model without a known price.")
@click.option("--of", "flow", metavar="FLOW", help="A flow file or a project id: show its spending too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of caps.")
def budget(*, flow: str | None, as_json: bool, **amounts: tuple[Amount] | None) -> None:
    """Show or set the caps on spending.

    Each cap is an amount of dollars, `none` or `default`. Caps apply to all kernels of this user.
    """
    from fusionflow_nb.api import budget as budget_module  # noqa: PLC0415
    from fusionflow_nb.cli.arguments import flow_of  # noqa: PLC0415

    click.get_current_context().meta[JSON_OUTPUT] = as_json
    project = flow_of(Path(flow)) if flow is not None and Path(flow).exists() else flow
    changes = {name: amount[0] for name, amount in amounts.items() if amount is not None}
    budgets = budget_module.budget(project, **changes)
    if not as_json:
        output.table(budgets.columns, budgets.rows(), numbers=budgets.numbers)
        if budgets.note():
            output.line(budgets.note())
        return
    lines = [
        {
            "scope": cap.scope,
            "cap_usd": cap.cap_usd,
            "is_set": cap.is_set,
            "spent_usd": cap.spent_usd,
            "reserved_usd": cap.reserved_usd,
            "left_usd": cap.left_usd,
            "at_stake_usd": cap.at_stake_usd,
        }
        for cap in budgets
    ]
    click.echo(output.as_json(lines))


@main.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of calls.")
@click.pass_context
def operations(ctx: click.Context, *, as_json: bool) -> None:
    """List paid calls that have not ended, or act on them.

    A call is open (a kernel follows it), stuck (no kernel follows it) or of unknown outcome.
    """
    if ctx.invoked_subcommand is not None:
        return
    from fusionflow_nb.api.operations import operations as open_calls  # noqa: PLC0415

    ctx.meta[JSON_OUTPUT] = as_json
    calls = open_calls()
    if as_json:
        click.echo(output.as_json([dataclasses.asdict(call) for call in calls]))
        return
    if len(calls):
        output.table(calls.columns, calls.rows(), numbers=calls.numbers)
    output.line(calls.note(in_shell=True))


@operations.command()
def resume() -> None:
    """Finish calls of stopped kernels; nothing is paid twice.

    Results are polled and fetched only; nothing is submitted again. `fusionflow resume` and
    `fusionflow operations resume` are the same command.
    """
    from fusionflow_nb.api.operations import operations as open_calls  # noqa: PLC0415

    output.line(open_calls().resume())


main.add_command(resume)


@operations.command()
@click.argument("job_id", metavar="ID")
def cancel(job_id: str) -> None:
    """Ask the service to stop a stuck call.

    What the service may still bill counts as spent.
    """
    from fusionflow_nb.api.operations import operations as open_calls  # noqa: PLC0415

    _print_outcome(open_calls().cancel(job_id))


@operations.command()
@click.argument("job_id", metavar="ID")
@click.option("--cost", "cost_usd", type=click.FloatRange(min=0), help="What your account shows, in dollars.")
def forget(job_id: str, *, cost_usd: float | None) -> None:
    """Write off an unknown or stuck call; its node may run again."""
    from fusionflow_nb.api.operations import operations as open_calls  # noqa: PLC0415

    _print_outcome(open_calls().forget(job_id, cost_usd=cost_usd))


@operations.command()
@click.argument("job_id", metavar="ID")
def reconcile(job_id: str) -> None:
    """Query the service about a call of unknown outcome.

    If the service has the call, its result is fetched; otherwise its node may run again.
    """
    from fusionflow_nb.api.operations import operations as open_calls  # noqa: PLC0415

    _print_outcome(open_calls().reconcile(job_id))


def _print_outcome(outcome: Outcome) -> None:
    output.line(f"{outcome.status}, ${outcome.cost_micro_usd / 1e6:.2f}: {outcome.says}")
