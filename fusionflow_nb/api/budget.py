"""`ff.budget()`: what may be spent, what is spent, and how to change it; one set of caps for all kernels of a user."""

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
    """Stands for an amount that nobody gave: `None` already means no cap."""

    def __repr__(self) -> str:
        return "unchanged"


UNSET: Final = Unset()
Amount: TypeAlias = float | Literal["default"] | Unset | None


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One cap and what has been used of it, in dollars."""

    scope: str
    """`run`, `day`, `month`, `project`, `project:<id>` or `unpriced`."""
    says: str
    """The same for a person: `today (2026-11-23)`."""
    cap_usd: float | None
    """None: nothing stops it."""
    is_set: bool
    """Whether a person has set it; else it is the default."""
    spent_usd: float | None = None
    """None where it is a rule for many: each run has its own."""
    reserved_usd: float | None = None
    """Held by calls under way, at their high estimate."""
    at_stake_usd: float = 0.0
    """Of unknown outcome on an earlier day: no longer held back, perhaps spent."""

    @property
    def left_usd(self) -> float | None:
        """What may still be begun; None where there is no cap, or it is a rule for many."""
        if self.cap_usd is None or self.spent_usd is None:
            return None
        return max(0.0, self.cap_usd - self.spent_usd - (self.reserved_usd or 0.0))


class Budgets(TextTable):
    """Every cap as a table; iterating gives them."""

    def __init__(self, caps: list[BudgetLine]) -> None:
        super().__init__(("", "cap", "spent", "held", "left"), numbers=(1, 2, 3, 4))
        self.caps = tuple(caps)

    def __getitem__(self, scope: str) -> BudgetLine:
        return next(cap for cap in self.caps if cap.scope == scope)

    def __iter__(self) -> Iterator[BudgetLine]:
        return iter(self.caps)

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text each, as shown."""
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
        """What nobody knows to be spent or not."""
        at_stake = max(cap.at_stake_usd for cap in self.caps)
        return f"{dollars(round(at_stake * 1e6))} at stake: ff.operations() lists it." if at_stake else ""


def budget(
    flow: Flow | str | None = None,
    *,
    run: Amount = UNSET,
    day: Amount = UNSET,
    month: Amount = UNSET,
    project: Amount = UNSET,
    unpriced: Amount = UNSET,
) -> Budgets:
    """What may be spent, and what is; with amounts, set it: at once, and for every kernel of yours on this machine.

    A cap stops new calls that could pass it, each counted at its high estimate. Calls under way and finished results
    are never thrown away. Days and months are UTC. Without any setting a run may spend $2 and a day $5.

    Args:
        flow: (or a project's id) whose use is shown too; `project` then caps it alone.
        run: dollars that one run may spend.
        day: dollars of a day.
        month: dollars of a month.
        project: dollars of each project in all; of `flow` alone where one is given.
        unpriced: dollars that one call to a model without a known price may cost; without it such calls are not made.
            Each amount may be None (no cap; of `unpriced`: no such calls) or "default".

    Raises:
        ParameterError: an amount is no sum of dollars.
        JournalError: it could not be written; the old caps hold.

    >>> budget(day=7.5)["day"].cap_usd
    7.5
    """
    given = {"run": run, "day": day, "month": month, "project": project, UNPRICED: unpriced}
    project_id = flow.id if isinstance(flow, Flow) else flow
    changes = {
        f"project:{project_id}" if name == "project" and project_id else name: _micro(name, amount)
        for name, amount in given.items()
        if not isinstance(amount, Unset)
    }
    living = current_session()
    if changes:
        living.set_budgets(changes)
    return Budgets(caps_now(living, project_id))


def caps_now(living: Session, project_id: str | None = None) -> list[BudgetLine]:
    """Every cap as it stands, the narrowest first."""
    stored = living.call(living.journal.budgets())
    today = time.strftime("%Y-%m-%d", time.gmtime(living.services.clock() / 1e6))
    projects = [name.partition(":")[2] for name in stored if name.startswith("project:")]
    if project_id is not None and project_id not in projects:
        projects.append(project_id)
    scopes = {
        "day": f"day:{today}",
        "month": f"month:{today[:7]}",
        **{f"project:{one}": f"project:{one}" for one in projects},
    }
    used = living.call(living.journal.spending(list(scopes.values())))
    names = living.call(living.journal.project_names(projects))
    says = {
        "run": "a run",
        "day": f"today ({today})",
        "month": f"this month ({today[:7]})",
        "project": "a project",
        **{f"project:{one}": f"project {names.get(one, one)}" for one in projects},
        UNPRICED: "a call to an unpriced model",
    }
    found = []
    for scope, said in says.items():
        cap = cap_of(scope, stored, living.services.caps_micro_usd)
        use = used.get(scopes.get(scope, ""))
        found.append(
            BudgetLine(
                scope,
                said,
                None if cap is None else cap / 1e6,
                scope in stored,
                None if use is None else use.spent_micro_usd / 1e6,
                None if use is None else use.reserved_micro_usd / 1e6,
                0.0 if use is None else use.at_stake_micro_usd / 1e6,
            )
        )
    return found


def _cap_text(cap: BudgetLine) -> str:
    if cap.cap_usd is None:
        return "not allowed" if cap.scope == UNPRICED else "none"
    return dollars(round(cap.cap_usd * 1e6))


def _micro(name: str, amount: object) -> int | str | None:
    if amount is None or amount == BY_DEFAULT:
        return amount
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount) or amount < 0:
        raise errors.ParameterError(
            f"{name} takes dollars, and {amount!r} is no such sum.",
            hint='A number from 0 on; None for no cap; "default" for what holds without a setting.',
        )
    return round(amount * 1e6)
