"""Recovers the calls that stopped kernels left open, and reports them to the user."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from fusionflow_nb.engine.resume import resume_jobs, waiting_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from fusionflow_nb.display.notices import Notices
    from fusionflow_nb.engine.context import EngineState
    from fusionflow_nb.engine.resume import RecoveredJob
    from fusionflow_nb.journal.protocol import OpenJob

_log = logging.getLogger(__name__)
_SHOWN_PLACES = 3


class Recovery:
    """Resumes open calls that no kernel follows. Only polls and fetches; never submits.

    Args:
        engine: shared state of the kernel.
        loop: the loop thread's event loop.
        call: runs a coroutine on that loop and waits for it.
        notices: shows messages to the user.
    """

    def __init__(
        self,
        engine: EngineState,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[Coroutine[Any, Any, Any]], Any],
        notices: Notices,
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._call = call
        self._notices = notices
        self._background: Future[list[RecoveredJob]] | None = None
        self._listeners: list[Callable[[str], None]] = []

    def run(self) -> list[RecoveredJob]:
        """Recover all open calls and wait for them, including those that `start` resumed before."""
        earlier = self.wait()

        async def work() -> list[RecoveredJob]:
            return await resume_jobs(await waiting_jobs(self._engine), self._engine, self._on_job)

        jobs: list[RecoveredJob] = self._call(work())
        return earlier + jobs

    def start(self) -> None:
        """Start to recover open calls in the background. Shows a notice at the start and at the end."""
        if self._background is not None and not self._background.done():
            return
        jobs = self._call(waiting_jobs(self._engine))
        if not jobs:
            return
        names = self._call(self._engine.context.journal.project_names(list({job.draft.project_id for job in jobs})))
        notice = self._notices.show(start_message(jobs, names))
        _log.debug("resuming %d calls", len(jobs))

        async def work() -> list[RecoveredJob]:
            recovered = await resume_jobs(jobs, self._engine, self._on_job)
            _log.debug("resumed %d calls", len(recovered))
            notice.replace(end_message(recovered, names))
            return recovered

        self._background = asyncio.run_coroutine_threadsafe(work(), self._loop)

    def wait(self, timeout_s: float | None = None) -> list[RecoveredJob]:
        """Wait for the calls that `start` resumed and return them; each is returned once.

        Raises:
            TimeoutError: they have not all ended; they continue.
        """
        if self._background is None:
            return []
        jobs = self._background.result(timeout_s)
        self._background = None
        return jobs

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with the project id of each recovered call, on the loop thread. Returns the unsubscriber."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def notify(self, project_id: str) -> None:
        """Report that a call of a flow has ended outside of a run."""
        for listener in tuple(self._listeners):
            listener(project_id)

    def _on_job(self, recovered: RecoveredJob) -> None:
        self.notify(recovered.job.draft.project_id)


def start_message(jobs: Sequence[OpenJob], names: Mapping[str, str]) -> str:
    """The notice at the start of a recovery.

    Args:
        jobs: open calls that no kernel follows.
        names: names of their flows, by project id.
    """
    return f"Resuming {_calls(len(jobs))} of {_places(jobs, names)}. Results are fetched; nothing is sent again."


def end_message(recovered: Sequence[RecoveredJob], names: Mapping[str, str]) -> str:
    """The notice at the end of a recovery: numbers of results, failures and open calls, and the cost."""
    succeeded = [entry for entry in recovered if entry.result is not None]
    unknown = [entry for entry in recovered if entry.is_unknown]
    still_open = [entry for entry in recovered if entry.is_open]
    failed = [entry for entry in recovered if entry.error is not None and not entry.is_open]
    cost = sum(entry.result.cost_micro_usd for entry in succeeded if entry.result is not None)
    places = _places([entry.job for entry in recovered], names)
    results = f"{len(succeeded)} result{'' if len(succeeded) == 1 else 's'}"
    parts = [f"Resumed {_calls(len(recovered))} of {places}: {results} (${cost / 1e6:.2f})"]
    if failed:
        parts.append(f"{len(failed)} failed ({failed[0].error})")
    if unknown:
        unconfirmed = sum(entry.job.reserve_micro_usd for entry in unknown)
        parts.append(
            f"{len(unknown)} of unknown outcome (unconfirmed cost ${unconfirmed / 1e6:.2f}: see ff.operations())"
        )
    if still_open:
        why = next((f": {entry.error}" for entry in still_open if entry.error is not None), "")
        parts.append(f"{len(still_open)} still open{why}")
    return ", ".join(parts).removesuffix(".") + "."


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _places(jobs: Iterable[OpenJob], names: Mapping[str, str]) -> str:
    """Flows and notebooks of jobs, such as `“City” (city.ipynb)`; the first few of many."""
    places: dict[str, None] = {}
    for job in jobs:
        flow = names.get(job.draft.project_id, job.draft.project_id)
        places[f"“{flow}” ({job.notebook})" if job.notebook else f"“{flow}”"] = None
    more = len(places) - _SHOWN_PLACES
    return ", ".join(list(places)[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
