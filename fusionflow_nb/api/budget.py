"""`ff.budget()`: show or set the caps on spending. All kernels of a user share one set of caps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.display import dollars
from fusionflow_nb.display.table import TextTable
from fusionflow_nb.journal.budgets import BY_DEFAULT, UNPRICED, cap_of
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.session import Session


class Unset:
    """Type of `UNSET`, the default of amounts: `None` already means no cap."""

    def __repr__(self) -> str:
        return "unchanged"


UNSET: Final = Unset()
Amount: TypeAlias = float | Literal["default"] | Unset | None


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A cap and its use, in dollars."""

    scope: str
    """`run`, `day`, `month`, `project`, `project:<id>` or `unpriced`."""
    says: str
    """The scope in words, for display: `today (2026-11-23)`."""
    cap_usd: float | None
    """No cap if None."""
    is_set: bool
    """Whether the user has set the cap; otherwise it is the default."""
    spent_usd: float | None = None
    """None for a cap that applies to each of many scopes, such as `run`."""
    reserved_usd: float | None = None
    """Reserved by running calls, at their high estimate."""
    at_stake_usd: float = 0.0
    """Cost of calls of unknown outcome from an earlier day: no longer reserved, possibly spent."""

    @property
    def left_usd(self) -> float | None:
        """What new calls may still reserve; None without a cap or without `spent_usd`."""
        if self.cap_usd is None or self.spent_usd is None:
            return None
        return max(0.0, self.cap_usd - self.spent_usd - (self.reserved_usd or 0.0))


class Budgets(TextTable):
    """The caps as a table; iterating yields the lines."""

    def __init__(self, caps: list[BudgetLine]) -> None:
        super().__init__(("", "cap", "spent", "reserved", "left"), numbers=(1, 2, 3, 4))
        self.caps = tuple(caps)

    def __getitem__(self, scope: str) -> BudgetLine:
        return next(cap for cap in self.caps if cap.scope == scope)

    def __iter__(self) -> Iterator[BudgetLine]:
        return iter(self.caps)

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text per cap."""
        return [
            (
                cap.says,
                _cap_text(cap),
                *("" if usd is None else dollars(round(usd * 1e6)) for usd in (cap.spent_usd, cap.reserved_usd)),
                "" if cap.left_usd is None else dollars(round(cap.left_usd * 1e6)),
            )
            for cap in self.caps
        ]

    def note(self) -> str:
        """The unconfirmed cost of calls of unknown outcome, if any."""
        usd = max(cap.at_stake_usd for cap in self.caps)
        return f"Unconfirmed cost: {dollars(round(usd * 1e6))}. ff.operations() lists the calls." if usd else ""


def budget(
    flow: Flow | str | None = None,
    *,
    run: Amount = UNSET,
    day: Amount = UNSET,
    month: Amount = UNSET,
    project: Amount = UNSET,
    unpriced: Amount = UNSET,
) -> Budgets:
    """Return the caps and their use; with amounts, set caps first, for all kernels of this user on this machine.

    A cap refuses new calls that could exceed it, each counted at its high estimate. Running calls and finished results
    are never discarded. Days and months are UTC. By default a run may spend $2 and a day $5.

    Args:
        flow: a flow or a project id whose use is shown too; `project` then applies to it only.
        run: dollars per run.
        day: dollars per day.
        month: dollars per month.
        project: total dollars of each project, or of `flow` if given.
        unpriced: dollars per call to a model without a known price; without an allowance such calls are refused.
            Each amount may be None (no cap; for `unpriced`: no such calls) or "default".

    Raises:
        ParameterError: an amount is not a dollar amount.
        JournalError: the caps could not be stored; the old caps apply.

    >>> budget(day=7.5)["day"].cap_usd
    7.5
    """
    amounts = {"run": run, "day": day, "month": month, "project": project, UNPRICED: unpriced}
    project_id = flow.id if isinstance(flow, Flow) else flow
    changes = {
        f"project:{project_id}" if name == "project" and project_id else name: _micro(name, amount)
        for name, amount in amounts.items()
        if not isinstance(amount, Unset)
    }
    session = current_session()
    if changes:
        session.set_budgets(changes)
    return Budgets(current_caps(session, project_id))


def current_caps(session: Session, project_id: str | None = None) -> list[BudgetLine]:
    """The current caps and their use, narrowest scope first."""
    stored = session.call(session.journal.budgets())
    today = time.strftime("%Y-%m-%d", time.gmtime(session.engine.context.clock() / 1e6))
    projects = [name.partition(":")[2] for name in stored if name.startswith("project:")]
    if project_id is not None and project_id not in projects:
        projects.append(project_id)
    scopes = {
        "day": f"day:{today}",
        "month": f"month:{today[:7]}",
        **{f"project:{project}": f"project:{project}" for project in projects},
    }
    spending = session.call(session.journal.spending(list(scopes.values())))
    names = session.call(session.journal.project_names(projects))
    labels = {
        "run": "a run",
        "day": f"today ({today})",
        "month": f"this month ({today[:7]})",
        "project": "a project",
        **{f"project:{project}": f"project {names.get(project, project)}" for project in projects},
        UNPRICED: "a call to an unpriced model",
    }
    lines = []
    for scope, label in labels.items():
        cap = cap_of(scope, stored, session.engine.context.caps_micro_usd)
        use = spending.get(scopes.get(scope, ""))
        lines.append(
            BudgetLine(
                scope,
                label,
                None if cap is None else cap / 1e6,
                scope in stored,
                None if use is None else use.spent_micro_usd / 1e6,
                None if use is None else use.reserved_micro_usd / 1e6,
                0.0 if use is None else use.at_stake_micro_usd / 1e6,
            )
        )
    return lines


def _cap_text(cap: BudgetLine) -> str:
    if cap.cap_usd is None:
        return "not allowed" if cap.scope == UNPRICED else "none"
    return dollars(round(cap.cap_usd * 1e6))


def _micro(name: str, amount: object) -> int | str | None:
    if amount is None or amount == BY_DEFAULT:
        return amount
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount) or amount < 0:
        raise errors.ParameterError(
            f"{name}: expected a dollar amount >= 0, got {amount!r}.",
            hint='Use a number, None for no cap, or "default" for the default cap.',
        )
    return round(amount * 1e6)
