"""Bringing local files to the bucket in the background: kept in a durable list, tried until they are there.

Waiting uploads are logged before a put returns, so that a dead kernel's uploads are gone
on with by the next one, a large file in the middle. Trouble with the bucket never fails a run: the files are at hand.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.errors import unreachable
from fusionflow_nb.assets.s3.multipart import Progress, StoppedError
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fusionflow_nb.assets.s3.bucket import Bucket

WAITING, DONE = "waiting", "done"
AT_ONCE = 8
BACKOFF_S = 1.0
LONGEST_WAIT_S = 120.0
"""An outage of hours costs a request every two minutes; `nudge` ends the wait at once."""


class UploadLog(Protocol):
    """What is remembered of uploads to one bucket, over the death of kernels."""

    def keep(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Write (sha256, state, detail) rows durably, each in place of what was known of its digest."""
        ...

    def state(self, sha256: str) -> str | None:
        """`waiting`, `done`, or None where nothing is known."""
        ...

    def adopt(self) -> list[dict[str, Any]]:
        """Details of waiting uploads of dead kernels; this kernel owns them from now on."""
        ...

    def forget(self, sha256: Iterable[str]) -> None:
        """They are not in the bucket (any more)."""
        ...


@dataclass(slots=True)
class _Job:
    """One upload until it has ended."""

    asset: Asset
    recipe: str | None
    overwrite: bool
    progress: Progress
    tries: int = 0
    is_held: bool = False
    """A thread has it."""
    sent_bytes: int = 0
    error: errors.FusionFlowError | None = None
    done: threading.Event = field(default_factory=threading.Event)
    """It has ended, for good or bad."""
    tried: threading.Event = field(default_factory=threading.Event)
    """It has ended, or failed in a way that an early retry does not fix."""

    def detail(self) -> dict[str, Any]:
        """What another process needs to continue it."""
        return {
            "asset": self.asset.to_json(),
            "recipe": self.recipe,
            "upload_id": self.progress.upload_id,
            "part_bytes": self.progress.part_bytes,
        }


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unfinished upload, as reported to users."""

    asset: Asset
    sent_bytes: int
    error: errors.FusionFlowError | None


class Uploads:
    """The uploads of one kernel to one bucket. Safe to call from any thread; starts no thread before the first upload.

    Args:
        bucket: where they go.
        file_of: finds the local file of a digest, verified.
        log: remembers them.
        clock: returns seconds.
    """

    def __init__(
        self,
        bucket: Bucket,
        file_of: Callable[[str], Path],
        log: UploadLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bucket = bucket
        self._file_of = file_of
        self._log = log
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._due: list[tuple[float, str]] = []
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._there: set[str] = set()
        self._is_stopped = threading.Event()

    # --- what is asked -----------------------------------------------------------------------------------------------

    def add(self, asset: Asset, *, recipe: str | None = None, overwrite: bool = False) -> None:
        """Have a file brought there; written down before this returns. Nothing happens where it is there already."""
        if not overwrite and self.is_there(asset.sha256):
            return
        with self._news:
            if asset.sha256 in self._jobs or self._is_stopped.is_set():
                return
            job = self._jobs[asset.sha256] = self._job(asset, recipe, overwrite=overwrite)
        # The bytes are safe on this disk. A log that cannot be written now is no reason to fail what was made;
        # `fusionflow assets sync` finds what it does not know.
        with suppress(errors.JournalError):
            self._log.keep([(asset.sha256, WAITING, job.detail())])
        self._begin(job)

    def resume(self) -> int:
        """Continue the uploads of dead kernels; returns their number.

        Raises:
            JournalError: the log cannot be read.
        """
        adopted = self._log.adopt()
        for detail in adopted:
            asset = Asset.from_json(detail["asset"])
            with self._news:
                if asset.sha256 in self._jobs:
                    continue
                job = self._job(asset, detail.get("recipe"), overwrite=False)
                job.progress.upload_id, job.progress.part_bytes = detail.get("upload_id"), detail.get("part_bytes")
                self._jobs[asset.sha256] = job
            self._begin(job)
        return len(adopted)

    def is_there(self, sha256: str) -> bool:
        """Whether it is known to be in the bucket, without asking the bucket."""
        if sha256 in self._there:
            return True
        try:
            is_done = self._log.state(sha256) == DONE
        except errors.JournalError:
            return False
        if is_done:
            self._there.add(sha256)
        return is_done

    def came(self, asset: Asset) -> None:
        """It was uploaded elsewhere (by a browser)."""
        self._there.add(asset.sha256)
        with suppress(errors.JournalError):
            self._log.keep([(asset.sha256, DONE, {"asset": asset.to_json()})])

    def gone(self, sha256: Iterable[str]) -> None:
        """They are not in the bucket any more."""
        named = list(sha256)
        self._there.difference_update(named)
        with suppress(errors.JournalError):
            self._log.forget(named)

    def wait(self, sha256: str, *, timeout_s: float) -> None:
        """Wait for one upload; it goes before all others.

        Raises:
            BucketError: the upload fails or times out; it is still retried.
            LostAssetError, CorruptAssetError: the local file is gone.
        """
        with self._news:
            job = self._jobs.get(sha256)
            if job is not None and not job.done.is_set():
                heapq.heappush(self._due, (0.0, sha256))
                self._news.notify()
        if job is None:
            return
        job.tried.wait(timeout_s)
        if sha256 not in self._there:
            raise job.error or unreachable(self._bucket.settings, f"not there after {timeout_s:g} s")

    def settle(self, *, timeout_s: float | None = None) -> bool:
        """Wait until nothing is on its way; False where that took too long."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        with self._news:
            return self._news.wait_for(
                lambda: not self._jobs, None if deadline is None else max(0.0, deadline - self._clock())
            )

    def waiting(self) -> list[Waiting]:
        """What is not there yet."""
        with self._news:
            return [Waiting(job.asset, job.sent_bytes, job.error) for job in self._jobs.values()]

    def nudge(self) -> None:
        """Try everything again now."""
        with self._news:
            self._due = [(0.0, sha256) for sha256 in self._jobs]
            heapq.heapify(self._due)
            self._news.notify_all()

    def close(self) -> None:
        """Stop; what is not there yet is left to the next kernel."""
        self._is_stopped.set()
        with self._news:
            self._news.notify_all()
            for job in self._jobs.values():
                job.tried.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join(_GRACE_S)

    # --- what is done ------------------------------------------------------------------------------------------------

    def _job(self, asset: Asset, recipe: str | None, *, overwrite: bool) -> _Job:
        job = _Job(asset, recipe, overwrite, Progress(is_stopped=self._is_stopped))

        def begun(_upload_id: str, _part_bytes: int) -> None:
            with suppress(errors.JournalError):
                self._log.keep([(asset.sha256, WAITING, job.detail())])

        def sent(count: int) -> None:
            job.sent_bytes = count

        job.progress.begun, job.progress.sent = begun, sent
        return job

    def _begin(self, job: _Job) -> None:
        with self._news:
            heapq.heappush(self._due, (self._clock(), job.asset.sha256))
            if self._idle == 0 and len(self._threads) < AT_ONCE:
                thread = threading.Thread(target=self._work, name="fusionflow-upload", daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._news.notify()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._send(job)
            except StoppedError:
                self._put_back(job)
            except errors.FusionFlowError as error:
                self._failed(job, error)
            except OSError as error:
                self._failed(job, unreachable(self._bucket.settings, error.strerror or type(error).__name__))
            else:
                self._ended(job)

    def _next(self) -> _Job | None:
        """The next job that is due; None where the kernel ends. A job that is being sent is not in the list."""
        with self._news:
            while not self._is_stopped.is_set():
                while self._due and not self._is_free(self._due[0][1]):
                    heapq.heappop(self._due)
                wait_s = self._due[0][0] - self._clock() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    job = self._jobs[heapq.heappop(self._due)[1]]
                    job.tries += 1
                    job.is_held = True
                    return job
                self._idle += 1
                self._news.wait(wait_s)
                self._idle -= 1
            return None

    def _is_free(self, sha256: str) -> bool:
        job = self._jobs.get(sha256)
        return job is not None and not job.is_held

    def _send(self, job: _Job) -> None:
        path = self._file_of(job.asset.sha256)
        self._bucket.upload(job.asset, path, recipe=job.recipe, overwrite=job.overwrite, progress=job.progress)

    def _ended(self, job: _Job) -> None:
        self._there.add(job.asset.sha256)
        with suppress(errors.JournalError):
            self._log.keep([(job.asset.sha256, DONE, {"asset": job.asset.to_json()})])
        job.error = None
        self._out(job)

    def _failed(self, job: _Job, error: errors.FusionFlowError) -> None:
        job.error = error
        if isinstance(error, (errors.LostAssetError, errors.CorruptAssetError, errors.MissingExtraError)):
            with suppress(errors.JournalError):
                self._log.forget([job.asset.sha256])
            self._out(job)
            return
        if not error.is_retryable:
            job.tried.set()  # waiters are notified now; the user may fix it, so it stays queued
        self._put_back(job, after_s=_backoff_s(job.tries) if error.is_retryable else LONGEST_WAIT_S)

    def _put_back(self, job: _Job, *, after_s: float = 0.0) -> None:
        with self._news:
            job.is_held = False
            heapq.heappush(self._due, (self._clock() + after_s, job.asset.sha256))
            self._news.notify()

    def _out(self, job: _Job) -> None:
        with self._news:
            self._jobs.pop(job.asset.sha256, None)
            job.done.set()
            job.tried.set()
            self._news.notify_all()


_GRACE_S = 5.0


def _backoff_s(tries: int) -> float:
    """Exponential, with jitter."""
    return min(LONGEST_WAIT_S, BACKOFF_S * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class MemoryLog:
    """An UploadLog that ends with the object, where there is no journal."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, dict[str, Any]]] = {}

    def keep(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Remember rows."""
        self.rows.update({sha256: (state, detail) for sha256, state, detail in rows})

    def state(self, sha256: str) -> str | None:
        """What is known of a digest."""
        return self.rows[sha256][0] if sha256 in self.rows else None

    def adopt(self) -> list[dict[str, Any]]:
        """All waiting uploads: no other process handles them."""
        return [detail for state, detail in list(self.rows.values()) if state == WAITING]

    def forget(self, sha256: Iterable[str]) -> None:
        """Nothing is known of them any more."""
        for one in sha256:
            self.rows.pop(one, None)
