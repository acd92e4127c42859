"""The commands about money: what may be spent, and what became of paid work that has not ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionflow_nb.cli import output
from fusionflow_nb.cli.commands import main
from fusionflow_nb.cli.error_boundary import JSON_WANTED

if TYPE_CHECKING:
    from fusionflow_nb.api.budget import Amount
    from fusionflow_nb.api.operations import Outcome


class Dollars(click.ParamType):  # type: ignore[type-arg] # generic in click's stubs alone
    """An amount of dollars, `none` or `default`."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own
        """A number, None or "default"."""
        if value in {"none", "default"}:
            return (None if value == "none" else value,)  # in a tuple: click takes None for "was not given"
        try:
            return (float(value),)
        except ValueError:
            self.fail(f"{value!r} is no sum of dollars, none or default.", param, ctx)


@main.command()
@click.option("--run", "run", type=Dollars(), help="What one run may spend.")
@click.option("--day", type=Dollars(), help="What a day (UTC) may spend.")
@click.option("--month", type=Dollars(), help="What a month (UTC) may spend.")
@click.option("--project", type=Dollars(), help="What each project may spend in all; with --of, that one alone.")
@click.option("--unpriced", type=Dollars(), help="What one call to a model without a known price may cost.")
@click.option("--of", "flow", metavar="FLOW", help="A flow's file or a project's id: show its use too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of caps.")
def budget(*, flow: str | None, as_json: bool, **given: tuple[Amount] | None) -> None:
    """Show what may be spent and what is, or set it: dollars, `none` or `default`. It holds for all your kernels."""
    from fusionflow_nb.api import budget as budget_module  # noqa: PLC0415
    from fusionflow_nb.cli.arguments import flow_of  # noqa: PLC0415

    click.get_current_context().meta[JSON_WANTED] = as_json
    of = flow_of(Path(flow)) if flow is not None and Path(flow).exists() else flow
    found = budget_module.budget(of, **{name: amount[0] for name, amount in given.items() if amount is not None})
    if not as_json:
        output.table(found.columns, found.rows(), numbers=found.numbers)
        if found.note():
            output.line(found.note())
        return
    said = [
        {
            "scope": cap.scope,
            "cap_usd": cap.cap_usd,
            "is_set": cap.is_set,
            "spent_usd": cap.spent_usd,
            "reserved_usd": cap.reserved_usd,
            "left_usd": cap.left_usd,
            "at_stake_usd": cap.at_stake_usd,
        }
        for cap in found
    ]
    click.echo(output.as_json(said))


@main.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of calls.")
@click.pass_context
def operations(ctx: click.Context, *, as_json: bool) -> None:
    """List paid calls that have not ended, with what is at stake: open, stuck (nobody follows them) and unknown."""
    if ctx.invoked_subcommand is not None:
        return
    from fusionflow_nb.api.operations import operations as listed  # noqa: PLC0415

    ctx.meta[JSON_WANTED] = as_json
    found = listed()
    if as_json:
        click.echo(output.as_json([dataclasses.asdict(call) for call in found]))
        return
    if len(found):
        output.table(found.columns, found.rows(), numbers=found.numbers)
    output.line(found.note(in_shell=True))


@operations.command()
def resume() -> None:
    """Bring home what nobody follows: polling and fetching only, nothing is sent again."""
    from fusionflow_nb.api.operations import operations as listed  # noqa: PLC0415

    output.line(listed().resume())


@operations.command()
@click.argument("job_id", metavar="ID")
def cancel(job_id: str) -> None:
    """Ask the service to stop a stuck call; what it may bill all the same counts as spent."""
    from fusionflow_nb.api.operations import operations as listed  # noqa: PLC0415

    _say_outcome(listed().cancel(job_id))


@operations.command()
@click.argument("job_id", metavar="ID")
@click.option("--cost", "cost_usd", type=click.FloatRange(min=0), help="What your account shows, in dollars.")
def forget(job_id: str, *, cost_usd: float | None) -> None:
    """Write off an unknown or stuck call; its node is free to run again."""
    from fusionflow_nb.api.operations import operations as listed  # noqa: PLC0415

    _say_outcome(listed().forget(job_id, cost_usd=cost_usd))


@operations.command()
@click.argument("job_id", metavar="ID")
def reconcile(job_id: str) -> None:
    """Ask the service whether it knows a call of unknown outcome, and bring it home or free its node."""
    from fusionflow_nb.api.operations import operations as listed  # noqa: PLC0415

    _say_outcome(listed().reconcile(job_id))


def _say_outcome(outcome: Outcome) -> None:
    output.line(f"{outcome.status}, ${outcome.cost_micro_usd / 1e6:.2f}: {outcome.says}")
