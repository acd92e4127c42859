"""What all kernels of a user share beside results and leases: their caps, and how each service may be asked."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fusionflow_nb.journal import audit, budgets, queries, rate_limits, reconcile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.journal import event_log
    from fusionflow_nb.journal.claims import Claims
    from fusionflow_nb.journal.protocol import Gate, Inherited

T = TypeVar("T")


class Shared:
    """The part of a journal that answers for them; reading and writing are the journal's."""

    _claims: Claims
    _clock_us: Callable[[], int]

    async def budgets(self) -> dict[str, int | None]:
        """What a person has set: scope -> micro-dollars, None for no cap; what was never set is absent."""
        return await self._read(budgets.read)

    async def set_budgets(self, changes: Mapping[str, int | str | None]) -> None:
        """Set caps of scopes in micro-dollars; None takes a cap away, `budgets.BY_DEFAULT` forgets what was set."""
        stamp = self._stamp()
        await self._write(lambda cursor: budgets.write(cursor, stamp, changes))

    async def project_names(self, project_ids: Sequence[str]) -> dict[str, str]:
        """What flows were called when they were last logged; unknown ones are absent."""
        return await self._read(lambda cursor: queries.project_names(cursor, project_ids))

    async def turn(self, gate: Gate) -> int:
        """A further start of a claimed job: 0 where it may leave now, else the microseconds until it may ask again."""
        now_us = self._clock_us()

        def work(cursor: sqlite3.Cursor) -> int:
            wait_us = rate_limits.wait_us(cursor, replace(gate, concurrent=None), now_us, self._claims.is_alive)
            if not wait_us:
                rate_limits.take(cursor, gate, now_us, None)
            return wait_us

        return await self._write(work)

    async def block(self, name: str, until_us: int) -> None:
        """A service asked to be left alone until then; every kernel obeys."""
        now_us = self._clock_us()
        await self._write(lambda cursor: rate_limits.block(cursor, name, until_us, now_us))

    def blocked_until_us(self, name: str) -> int:
        """Until when a service wants to be left alone, 0 where it does not; at once and on this thread, as `peek`."""
        now_us = self._clock_us()
        return self._peek(lambda cursor: rate_limits.blocked_until_us(cursor, name, now_us))

    async def audit(self) -> audit.Audit:
        """Compare budgets, jobs and look-ups with the log; what does not agree, and the sums."""
        return await self._read(audit.audit)

    async def mend(self) -> int:
        """Write again what follows from the log, where an audit finds that it differs; how much."""
        return await self._write(audit.mend)

    async def is_known(self, name: str) -> bool:
        """Whether a service's name for its work stands in an Operation of ours, open or ended."""
        return await self._read(lambda cursor: reconcile.is_known(cursor, name))

    async def recognise(self, job_id: str, operation: dict[str, Any]) -> Inherited | None:
        """The service knows a job of unknown outcome: keep its Operation and follow it. None: it is not unknown."""
        stamp = self._stamp()
        return await self._write(lambda cursor: reconcile.reconcile(cursor, self._claims, stamp, job_id, operation))

    @abstractmethod
    async def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T: ...

    @abstractmethod
    def _peek(self, work: Callable[[sqlite3.Cursor], T]) -> T: ...

    @abstractmethod
    async def _write(self, work: Callable[[sqlite3.Cursor], T]) -> T: ...

    @abstractmethod
    def _stamp(self) -> event_log.Stamp: ...
