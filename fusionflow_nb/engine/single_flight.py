"""Single flight inside a kernel: jobs that ask for the same content key share one call.

The call lives on its own; those who wait for it come and go. It is cancelled when the last one lets go.
Between kernels the journal does the same (see `dispatch`).
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
    """How a call stands, for those who watch it."""

    state: str
    progress: float | None = None
    queue_position: int | None = None
    waits_for: str = ""
    preview: bytes | None = None
    expected: Eta | None = None
    """Since when the service works on it, and how long that usually takes, where somebody knows."""


class CallResult(NamedTuple):
    """What a call gave. `is_hit`: somebody had already paid for it."""

    outputs: Outputs
    generation_id: str
    cost_micro_usd: int = 0
    is_hit: bool = False
    cost_is_exact: bool = True
    """False: the service does not say what it charges, so the cost is the table's."""
    served_by: str = ""
    """The model that made it, where a fallback stood in for the asked one."""
    is_same_model: bool = True
    """Whether that is known to be the same model."""


class SingleFlight:
    """One call and everybody who waits for it."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[CallProgress], None]] = []
        self._task: asyncio.Task[CallResult] | None = None
        self._when_over: Callable[[], object] | None = None
        self.last: CallProgress | None = None

    def start(self, call: Coroutine[Any, Any, CallResult], when_over: Callable[[], object]) -> None:
        """Begin the call; `when_over` runs when nobody may join any more: it has ended, or the last one let go."""
        self._when_over = when_over
        self._task = asyncio.get_running_loop().create_task(call)
        self._task.add_done_callback(self._ended)

    def tell(self, news: CallProgress) -> None:
        """Pass news on to everybody who waits."""
        self.last = news
        for listener in tuple(self._listeners):
            listener(news)

    async def join(self, listener: Callable[[CallProgress], None]) -> CallResult:
        """Wait for the call's answer, hearing its news meanwhile.

        Raises:
            whatever the call raised; CancelledError if this one was cancelled (the call goes on for the others).
            UnknownOutcomeError: cancelled while the request was on its way, and its answer never came.
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
                self._over()
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and isinstance(task.exception(), errors.UnknownOutcomeError):
                    return task.result()
            raise
        finally:
            self._listeners.remove(listener)

    async def cancel(self) -> None:
        """Stop the call for everybody who waits, and wait until that is written down."""
        if self._task is not None and not self._task.done():
            self._over()
            self._task.cancel()
            await asyncio.wait([self._task])

    def _ended(self, task: asyncio.Task[CallResult]) -> None:
        self._over()
        if not task.cancelled():
            task.exception()  # heard here, even if everybody has gone

    def _over(self) -> None:
        if self._when_over is not None:
            self._when_over()
            self._when_over = None
