"""Work of dead kernels on its way home, and what a person is told of it: how much, of which flow, from where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fusionflow_nb.engine.resume import resume_jobs, waiting_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from fusionflow_nb.display.notices import Notices
    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.engine.resume import RecoveredJob
    from fusionflow_nb.journal.protocol import OpenJob

_SHOWN_PLACES = 3


class Recovery:
    """What this kernel takes up of the work that nobody follows.

    Args:
        services: the engine's living parts.
        loop: where they live.
        call: does async work there and waits for it.
        notices: where the person is told.
    """

    def __init__(
        self,
        services: Services,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[Coroutine[Any, Any, Any]], Any],
        notices: Notices,
    ) -> None:
        self._services = services
        self._loop = loop
        self._call = call
        self._notices = notices
        self._under_way: Future[list[RecoveredJob]] | None = None
        self._listeners: list[Callable[[str], None]] = []

    def bring(self) -> list[RecoveredJob]:
        """Finish what nobody follows, and wait for it, and for what this kernel took up by itself before."""
        before = self.wait()

        async def work() -> list[RecoveredJob]:
            return await resume_jobs(await waiting_jobs(self._services), self._services, self._came)

        found: list[RecoveredJob] = self._call(work())
        return before + found

    def begin(self) -> None:
        """Begin to finish what nobody follows, tell the person so, and return; how it ended is told too."""
        if self._under_way is not None and not self._under_way.done():
            return
        jobs = self._call(waiting_jobs(self._services))
        if not jobs:
            return
        names = self._call(self._services.journal.project_names(list({job.draft.project_id for job in jobs})))
        notice = self._notices.say(begins(jobs, names))

        async def work() -> list[RecoveredJob]:
            found = await resume_jobs(jobs, self._services, self._came)
            notice.replace(ended(found, names))
            return found

        self._under_way = asyncio.run_coroutine_threadsafe(work(), self._loop)

    def wait(self, timeout_s: float | None = None) -> list[RecoveredJob]:
        """What this kernel had taken up by itself, when it has ended; told once.

        Raises:
            TimeoutError: it goes on.
        """
        if self._under_way is None:
            return []
        found = self._under_way.result(timeout_s)
        self._under_way = None
        return found

    def listen(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Hear the project id of each call that came home, on the loop thread; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, project_id: str) -> None:
        """Say that a call of a flow has ended outside of its runs."""
        for listener in tuple(self._listeners):
            listener(project_id)

    def _came(self, one: RecoveredJob) -> None:
        self.tell(one.job.draft.project_id)


def begins(jobs: Sequence[OpenJob], names: Mapping[str, str]) -> str:
    """The line at the start: what is followed now, and that nothing is sent.

    Args:
        jobs: that nobody follows.
        names: of the flows, by project id.
    """
    return f"Resuming {_calls(len(jobs))} of {_places(jobs, names)}: asked for and fetched, nothing is sent again."


def ended(homecomings: Sequence[RecoveredJob], names: Mapping[str, str]) -> str:
    """The line at the end: what came home, what it cost, what did not and why."""
    home = [one for one in homecomings if one.answer is not None]
    unknown = [one for one in homecomings if one.is_unknown]
    still = [one for one in homecomings if one.is_open]
    failed = [one for one in homecomings if one.error is not None and not one.is_open]
    cost = sum(one.answer.cost_micro_usd for one in home if one.answer is not None)
    of = _places([one.job for one in homecomings], names)
    said = [f"Resumed {_calls(len(homecomings))} of {of}: {len(home)} came home (${cost / 1e6:.2f})"]
    if failed:
        said.append(f"{len(failed)} had failed ({failed[0].error})")
    if unknown:
        at_stake = sum(one.job.reserve_micro_usd for one in unknown)
        said.append(
            f"{len(unknown)} may or may not have been taken (${at_stake / 1e6:.2f} at stake: see ff.operations())"
        )
    if still:
        why = next((f": {one.error}" for one in still if one.error is not None), "")
        said.append(f"{len(still)} still open{why}")
    return ", ".join(said).removesuffix(".") + "."


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _places(jobs: Iterable[OpenJob], names: Mapping[str, str]) -> str:
    """`“City” (city.ipynb)`, or the first few of many."""
    found: dict[str, None] = {}
    for job in jobs:
        flow = names.get(job.draft.project_id, job.draft.project_id)
        found[f"“{flow}” ({job.notebook})" if job.notebook else f"“{flow}”"] = None
    more = len(found) - _SHOWN_PLACES
    return ", ".join(list(found)[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
