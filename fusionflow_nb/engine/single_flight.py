"""Single flight inside a kernel: jobs with the same content key share one call.

The call is a task of its own; jobs join and leave it. It is cancelled when the last job leaves. Between kernels the
journal does the same (see `lease`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fusionflow_nb.engine.eta import Eta
    from fusionflow_nb.media.values import Outputs


class CallProgress(NamedTuple):
    """The progress of a call, for the jobs that joined it."""

    state: str
    progress: float | None = None
    queue_position: int | None = None
    waits_for: str = ""
    preview: bytes | None = None
    expected: Eta | None = None
    """When the service started and how long it usually takes, if known."""


class CallResult(NamedTuple):
    """The result of a call. `is_hit`: it was already paid for."""

    outputs: Outputs
    generation_id: str
    cost_micro_usd: int = 0
    is_hit: bool = False
    cost_is_exact: bool = True
    """False: the service does not report its price, so the cost is from the price table."""
    served_by: str = ""
    """The model that served the call, if a fallback replaced the requested model."""
    is_same_model: bool = True
    """Whether that is known to be the same model."""


class SingleFlight:
    """One call and the jobs that joined it."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[CallProgress], None]] = []
        self._task: asyncio.Task[CallResult] | None = None
        self._on_closed: Callable[[], object] | None = None
        self.last: CallProgress | None = None

    def start(self, call: Coroutine[Any, Any, CallResult], on_closed: Callable[[], object]) -> None:
        """Start the call; `on_closed` is called once no job may join any more: it has ended or is being cancelled."""
        self._on_closed = on_closed
        self._task = asyncio.get_running_loop().create_task(call)
        self._task.add_done_callback(self._ended)

    def report(self, progress: CallProgress) -> None:
        """Pass progress on to every job that joined."""
        self.last = progress
        for listener in tuple(self._listeners):
            listener(progress)

    async def join(self, listener: Callable[[CallProgress], None]) -> CallResult:
        """Wait for the result of the call; `listener` receives its progress.

        Raises:
            CancelledError: this job was cancelled; the call continues for the other jobs.
            UnknownOutcomeError: cancelled after the request was sent and before its answer arrived.
            other errors: as the call.
        """
        task = self._task
        assert task is not None  # noqa: S101 - joined after start
        self._listeners.append(listener)
        if self.last is not None:
            listener(self.last)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if len(self._listeners) == 1 and not task.done():
                self._close()
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and isinstance(task.exception(), errors.UnknownOutcomeError):
                    return task.result()
            raise
        finally:
            self._listeners.remove(listener)

    async def cancel(self) -> None:
        """Cancel the call for all jobs, and wait until that is recorded."""
        if self._task is not None and not self._task.done():
            self._close()
            self._task.cancel()
            await asyncio.wait([self._task])

    def _ended(self, task: asyncio.Task[CallResult]) -> None:
        self._close()
        if not task.cancelled():
            task.exception()  # retrieved here, even if every job has left

    def _close(self) -> None:
        if self._on_closed is not None:
            self._on_closed()
            self._on_closed = None
