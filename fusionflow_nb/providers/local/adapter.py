"""The embedded provider: computes in this kernel's threads, without keys or cost, with real progress and cancel.

Nothing here is a service: work that a dead kernel had begun is simply done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fusionflow_nb import errors
from fusionflow_nb.providers.local.models import MODELS
from fusionflow_nb.providers.protocol import (
    NO_LIMITS,
    CancelAnswer,
    Cancelled,
    Done,
    Failed,
    Operation,
    Pending,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import LostSubmit, Status, SubmitCandidate

THREADS = max(1, min(4, os.cpu_count() or 2))
NEWS_S = 0.05
"""`poll` comes back with a new fraction at most this often."""


class StoppedError(Exception):
    """Raised inside a computation by its own tick, once it was cancelled."""


class Work:
    """One computation: its progress, and how it ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.progress = 0.0
        self.status: Status | None = None
        self._stop = threading.Event()
        self._loop = loop
        self._news = asyncio.Event()

    def tick(self, fraction: float) -> None:
        """Called by the computation; ends it if it was cancelled."""
        if self._stop.is_set():
            raise StoppedError
        self.progress = max(self.progress, min(1.0, fraction))

    def stop(self) -> None:
        """End the computation at its next tick."""
        self._stop.set()

    def end(self, status: Status) -> None:
        """Called in the worker thread."""
        self.status = status
        self._loop.call_soon_threadsafe(self._news.set)

    async def news(self) -> Status:
        """Its end, or its progress after a short while."""
        try:
            async with asyncio.timeout(NEWS_S):
                await self._news.wait()
        except TimeoutError:
            pass
        return self.status or Pending(progress=self.progress)


class LocalProvider:
    """See the module."""

    name = "local"
    is_remote = False
    max_concurrency = THREADS
    poll_interval_s = 0.0
    limits = NO_LIMITS
    reconciles_by: Literal["", "id", "listing"] = ""
    takes_references: Literal["bytes", "bytes_or_url", "url"] = "bytes"

    def __init__(self) -> None:
        self.models: Sequence[ModelEntry] = MODELS
        self._works: dict[str, Work] = {}
        self._ids = itertools.count(1)
        self._threads: ThreadPoolExecutor | None = None

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - free work
        """Begin the computation in a thread."""
        loop = asyncio.get_running_loop()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fusionflow-local")
        work = Work(loop)
        work_id = str(next(self._ids))
        self._works[work_id] = work
        self._threads.submit(_compute, request, work)
        return Operation({"id": work_id, "pid": os.getpid()})

    async def poll(self, operation: Operation) -> Status:
        """Wait for news of a computation of this kernel."""
        work = self._works.get(operation.data["id"])
        if work is None:
            return Failed("gone", "The kernel that computed this has ended.", is_retryable=True)
        status = await work.news()
        if not isinstance(status, Pending):
            del self._works[operation.data["id"]]
        return status

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Stop at the next tick."""
        work = self._works.pop(operation.data["id"], None)
        if work is None:
            return CancelAnswer.UNSUPPORTED
        work.stop()
        return CancelAnswer.CONFIRMED

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:  # noqa: ARG002 - the protocol's
        """Nothing leaves this kernel, so nothing is ever lost on the way."""
        return []

    async def aclose(self) -> None:
        """Stop everything that still computes."""
        for work in self._works.values():
            work.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _compute(request: Request, work: Work) -> None:
    """Do a request's work and say how it ended. Runs in a worker thread."""
    descriptor, name = tempfile.mkstemp(prefix="fusionflow-local-")
    os.close(descriptor)
    file = Path(name)
    ended: Done | Failed | Cancelled
    try:
        from fusionflow_nb.providers.local.compute import compute  # noqa: PLC0415 - numpy only when something is computed

        ended = Done(compute(request, file, work.tick))
    except StoppedError:
        ended = Cancelled()
    except errors.FusionFlowError as error:
        ended = Failed(error.code, str(error))
    except Exception as error:  # noqa: BLE001 - the border of a job: what breaks here fails this job alone
        ended = Failed("local", f"{type(error).__name__}: {error}")
    # Before the end is told: who hears of it finds nothing left over.
    if not isinstance(ended, Done) or all(output.content != file for output in ended.outputs):
        with contextlib.suppress(OSError):
            file.unlink()
    work.end(ended)
