"""The built-in provider: computes in threads of this kernel, without keys or cost, with progress and cancel.

It is not a service: computations of a kernel that has ended are repeated.
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
POLL_S = 0.05
"""Maximum time in seconds that `poll` waits for the end."""


class CancelledWorkError(Exception):
    """Raised by `tick` inside a computation that was cancelled."""


class Computation:
    """A computation in a worker thread, with its progress and final status."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.progress = 0.0
        self.status: Status | None = None
        self._stop = threading.Event()
        self._loop = loop
        self._done = asyncio.Event()

    def tick(self, fraction: float) -> None:
        """Record progress. Raises CancelledWorkError if the computation was cancelled."""
        if self._stop.is_set():
            raise CancelledWorkError
        self.progress = max(self.progress, min(1.0, fraction))

    def stop(self) -> None:
        """Cancel the computation at its next tick."""
        self._stop.set()

    def end(self, status: Status) -> None:
        """Set the final status; called in the worker thread."""
        self.status = status
        self._loop.call_soon_threadsafe(self._done.set)

    async def wait(self) -> Status:
        """Return the final status, or the progress after POLL_S."""
        try:
            async with asyncio.timeout(POLL_S):
                await self._done.wait()
        except TimeoutError:
            pass
        return self.status or Pending(progress=self.progress)


class LocalProvider:
    """Provider of the models that run in this kernel."""

    name = "local"
    is_remote = False
    max_concurrency = THREADS
    poll_interval_s = 0.0
    limits = NO_LIMITS
    reconciles_by: Literal["", "id", "listing"] = ""
    takes_references: Literal["bytes", "bytes_or_url", "url"] = "bytes"

    def __init__(self) -> None:
        self.models: Sequence[ModelEntry] = MODELS
        self._computations: dict[str, Computation] = {}
        self._ids = itertools.count(1)
        self._threads: ThreadPoolExecutor | None = None

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - nothing is charged
        """Start the computation in a thread."""
        loop = asyncio.get_running_loop()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fusionflow-local")
        computation = Computation(loop)
        computation_id = str(next(self._ids))
        self._computations[computation_id] = computation
        self._threads.submit(_compute, request, computation)
        return Operation({"id": computation_id, "pid": os.getpid()})

    async def poll(self, operation: Operation) -> Status:
        """Return the status of a computation of this kernel, waiting up to POLL_S for its end."""
        computation = self._computations.get(operation.data["id"])
        if computation is None:
            return Failed("gone", "The kernel that computed this has ended.", is_retryable=True)
        status = await computation.wait()
        if not isinstance(status, Pending):
            del self._computations[operation.data["id"]]
        return status

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Cancel a computation at its next tick."""
        computation = self._computations.pop(operation.data["id"], None)
        if computation is None:
            return CancelAnswer.UNSUPPORTED
        computation.stop()
        return CancelAnswer.CONFIRMED

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:  # noqa: ARG002 - protocol
        """Return nothing: submits do not leave this kernel, so none is lost."""
        return []

    async def aclose(self) -> None:
        """Cancel all running computations."""
        for computation in self._computations.values():
            computation.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _compute(request: Request, computation: Computation) -> None:
    """Compute a request and set its final status. Runs in a worker thread."""
    descriptor, name = tempfile.mkstemp(prefix="fusionflow-local-")
    os.close(descriptor)
    file = Path(name)
    status: Done | Failed | Cancelled
    try:
        from fusionflow_nb.providers.local.compute import compute  # noqa: PLC0415 - imports numpy

        status = Done(compute(request, file, computation.tick))
    except CancelledWorkError:
        status = Cancelled()
    except errors.FusionFlowError as error:
        status = Failed(error.code, str(error))
    except Exception as error:  # noqa: BLE001 - an error fails only this job
        status = Failed("local", f"{type(error).__name__}: {error}")
    # Before the status is set: readers of the status find no leftover file.
    if not isinstance(status, Done) or all(output.content != file for output in status.outputs):
        with contextlib.suppress(OSError):
            file.unlink()
    computation.end(status)
