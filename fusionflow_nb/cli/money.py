"""The commands about money: what may be spent, and what became of paid work that has not ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionflow_nb.cli import say
from fusionflow_nb.cli.border import JSON_WANTED
from fusionflow_nb.cli.commands import main

if TYPE_CHECKING:
    from fusionflow_nb.caps import Amount


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
    from fusionflow_nb import caps  # noqa: PLC0415
    from fusionflow_nb.cli.given import flow_of  # noqa: PLC0415

    click.get_current_context().meta[JSON_WANTED] = as_json
    of = flow_of(Path(flow)) if flow is not None and Path(flow).exists() else flow
    found = caps.budget(of, **{name: amount[0] for name, amount in given.items() if amount is not None})
    if not as_json:
        say.table(found.columns, found.rows(), numbers=found.numbers)
        if found.note():
            say.line(found.note())
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
    click.echo(say.as_json(said))
