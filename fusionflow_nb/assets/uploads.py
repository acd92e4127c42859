"""Background uploads of local files to the bucket, stored durably and retried until they succeed.

Pending uploads are stored before a put returns, so that the next kernel resumes the uploads of a dead kernel, also in
the middle of a large file. Errors of the bucket never fail a run: the files are in the local folder.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fusionflow_nb import errors
from fusionflow_nb.assets.backoff import backoff_s
from fusionflow_nb.assets.s3.errors import unreachable
from fusionflow_nb.assets.s3.multipart import Progress, StoppedError
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fusionflow_nb.assets.s3.bucket import Bucket

_log = logging.getLogger("fusionflow_nb.assets")
WAITING, DONE = "waiting", "done"
MAX_CONCURRENT = 8
BACKOFF_S = 1.0
MAX_BACKOFF_S = 120.0
"""During a long outage a request is sent every two minutes; `retry_now` ends the wait immediately."""


class UploadLog(Protocol):
    """Durable state of the uploads to one bucket."""

    def record(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Store (sha256, state, detail) rows durably, replacing earlier rows of the same digests."""
        ...

    def state(self, sha256: str) -> str | None:
        """`waiting`, `done`, or None without a row."""
        ...

    def adopt(self) -> list[dict[str, Any]]:
        """Take over the pending uploads of dead kernels and return their details."""
        ...

    def forget(self, sha256: Iterable[str]) -> None:
        """Delete the rows of some digests."""
        ...


@dataclass(slots=True)
class _Job:
    """One pending upload."""

    asset: Asset
    recipe: str | None
    overwrite: bool
    progress: Progress
    tries: int = 0
    is_sending: bool = False
    """A thread is sending it."""
    sent_bytes: int = 0
    error: errors.FusionFlowError | None = None
    done: threading.Event = field(default_factory=threading.Event)
    """Set when it has succeeded or failed for good."""
    tried: threading.Event = field(default_factory=threading.Event)
    """Set when it has ended, or failed with an error that a retry does not fix."""

    def detail(self) -> dict[str, Any]:
        """The state that another process needs to resume it."""
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
        bucket: the target.
        file_of: returns the verified local file of a digest.
        log: stores pending uploads.
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
        self._rows = log
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._queue: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle_threads = 0
        self._uploaded: set[str] = set()
        self._is_stopped = threading.Event()

    # --- requests ----------------------------------------------------------------------------------------------------

    def add(self, asset: Asset, *, recipe: str | None = None, overwrite: bool = False) -> None:
        """Queue the upload of a file, stored before this returns. No effect if the bucket has it."""
        if not overwrite and self.is_uploaded(asset.sha256):
            return
        with self._changed:
            if asset.sha256 in self._jobs or self._is_stopped.is_set():
                return
            job = self._jobs[asset.sha256] = self._job(asset, recipe, overwrite=overwrite)
        # The bytes are on this disk, so a failed write of the row does not fail the put;
        # `fusionflow assets sync` finds uploads without a row.
        with suppress(errors.JournalError):
            self._rows.record([(asset.sha256, WAITING, job.detail())])
        self._enqueue(job)

    def resume(self) -> int:
        """Continue the uploads of dead kernels; returns their number.

        Raises:
            JournalError: the log cannot be read.
        """
        adopted = self._rows.adopt()
        for detail in adopted:
            asset = Asset.from_json(detail["asset"])
            with self._changed:
                if asset.sha256 in self._jobs:
                    continue
                job = self._job(asset, detail.get("recipe"), overwrite=False)
                job.progress.upload_id, job.progress.part_bytes = detail.get("upload_id"), detail.get("part_bytes")
                self._jobs[asset.sha256] = job
            self._enqueue(job)
        return len(adopted)

    def is_uploaded(self, sha256: str) -> bool:
        """Whether the bucket is known to have it. Sends no request."""
        if sha256 in self._uploaded:
            return True
        try:
            is_done = self._rows.state(sha256) == DONE
        except errors.JournalError:
            return False
        if is_done:
            self._uploaded.add(sha256)
        return is_done

    def mark_uploaded(self, asset: Asset) -> None:
        """Record that the bucket has it (a browser uploaded it)."""
        self._uploaded.add(asset.sha256)
        with suppress(errors.JournalError):
            self._rows.record([(asset.sha256, DONE, {"asset": asset.to_json()})])

    def mark_missing(self, sha256: Iterable[str]) -> None:
        """Record that the bucket does not have them."""
        digests = list(sha256)
        self._uploaded.difference_update(digests)
        with suppress(errors.JournalError):
            self._rows.forget(digests)

    def wait(self, sha256: str, *, timeout_s: float) -> None:
        """Wait for one upload, which is sent next.

        Raises:
            BucketError: the upload failed or timed out; it is still retried.
            LostAssetError, CorruptAssetError: the local file is missing or damaged.
        """
        with self._changed:
            job = self._jobs.get(sha256)
            if job is not None and not job.done.is_set():
                heapq.heappush(self._queue, (0.0, sha256))
                self._changed.notify()
        if job is None:
            return
        job.tried.wait(timeout_s)
        if sha256 not in self._uploaded:
            raise job.error or unreachable(self._bucket.settings, f"timeout after {timeout_s:g} s")

    def wait_all(self, *, timeout_s: float | None = None) -> bool:
        """Wait until no upload is pending; False after the timeout."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._jobs, None if deadline is None else max(0.0, deadline - self._clock())
            )

    def waiting(self) -> list[Waiting]:
        """All pending uploads."""
        with self._changed:
            return [Waiting(job.asset, job.sent_bytes, job.error) for job in self._jobs.values()]

    def retry_now(self) -> None:
        """Retry all pending uploads now."""
        with self._changed:
            self._queue = [(0.0, sha256) for sha256 in self._jobs]
            heapq.heapify(self._queue)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop; the next kernel resumes the pending uploads."""
        self._is_stopped.set()
        with self._changed:
            self._changed.notify_all()
            for job in self._jobs.values():
                job.tried.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN_TIMEOUT_S)

    # --- worker threads ----------------------------------------------------------------------------------------------

    def _job(self, asset: Asset, recipe: str | None, *, overwrite: bool) -> _Job:
        job = _Job(asset, recipe, overwrite, Progress(is_stopped=self._is_stopped))

        def on_start(_upload_id: str, _part_bytes: int) -> None:
            with suppress(errors.JournalError):
                self._rows.record([(asset.sha256, WAITING, job.detail())])

        def on_sent(count: int) -> None:
            job.sent_bytes = count

        job.progress.on_start, job.progress.on_sent = on_start, on_sent
        return job

    def _enqueue(self, job: _Job) -> None:
        with self._changed:
            heapq.heappush(self._queue, (self._clock(), job.asset.sha256))
            if self._idle_threads == 0 and len(self._threads) < MAX_CONCURRENT:
                thread = threading.Thread(target=self._run_worker, name="fusionflow-upload", daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._changed.notify()

    def _run_worker(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._send(job)
            except StoppedError:
                self._requeue(job)
            except errors.FusionFlowError as error:
                self._fail(job, error)
            except OSError as error:
                self._fail(job, unreachable(self._bucket.settings, error.strerror or type(error).__name__))
            else:
                self._finish(job)

    def _next(self) -> _Job | None:
        """The next job that is due; None when the kernel shuts down. Skips jobs that another thread is sending."""
        with self._changed:
            while not self._is_stopped.is_set():
                while self._queue and not self._is_idle(self._queue[0][1]):
                    heapq.heappop(self._queue)
                wait_s = self._queue[0][0] - self._clock() if self._queue else None
                if wait_s is not None and wait_s <= 0:
                    job = self._jobs[heapq.heappop(self._queue)[1]]
                    job.tries += 1
                    job.is_sending = True
                    return job
                self._idle_threads += 1
                self._changed.wait(wait_s)
                self._idle_threads -= 1
            return None

    def _is_idle(self, sha256: str) -> bool:
        job = self._jobs.get(sha256)
        return job is not None and not job.is_sending

    def _send(self, job: _Job) -> None:
        path = self._file_of(job.asset.sha256)
        _log.debug("upload %s started: %d bytes, try %d", job.asset.sha256[:12], job.asset.size_bytes, job.tries)
        self._bucket.upload(job.asset, path, recipe=job.recipe, overwrite=job.overwrite, progress=job.progress)

    def _finish(self, job: _Job) -> None:
        self._uploaded.add(job.asset.sha256)
        with suppress(errors.JournalError):
            self._rows.record([(job.asset.sha256, DONE, {"asset": job.asset.to_json()})])
        job.error = None
        _log.debug("upload %s finished", job.asset.sha256[:12])
        self._remove(job)

    def _fail(self, job: _Job, error: errors.FusionFlowError) -> None:
        job.error = error
        _log.debug("upload %s failed: %s", job.asset.sha256[:12], error.code)
        if isinstance(error, (errors.LostAssetError, errors.CorruptAssetError, errors.MissingExtraError)):
            with suppress(errors.JournalError):
                self._rows.forget([job.asset.sha256])
            self._remove(job)
            return
        if not error.is_retryable:
            job.tried.set()  # waiters return now; the upload stays queued, because the user may fix the error
        self._requeue(
            job,
            after_s=backoff_s(job.tries, base_s=BACKOFF_S, cap_s=MAX_BACKOFF_S)
            if error.is_retryable
            else MAX_BACKOFF_S,
        )

    def _requeue(self, job: _Job, *, after_s: float = 0.0) -> None:
        with self._changed:
            job.is_sending = False
            heapq.heappush(self._queue, (self._clock() + after_s, job.asset.sha256))
            self._changed.notify()

    def _remove(self, job: _Job) -> None:
        with self._changed:
            self._jobs.pop(job.asset.sha256, None)
            job.done.set()
            job.tried.set()
            self._changed.notify_all()


_JOIN_TIMEOUT_S = 5.0


class MemoryLog:
    """An UploadLog in memory, for stores without a journal."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, dict[str, Any]]] = {}

    def record(self, rows: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Store rows."""
        self.rows.update({sha256: (state, detail) for sha256, state, detail in rows})

    def state(self, sha256: str) -> str | None:
        """The state of a digest, or None."""
        return self.rows[sha256][0] if sha256 in self.rows else None

    def adopt(self) -> list[dict[str, Any]]:
        """All pending uploads: no other process handles them."""
        return [detail for state, detail in list(self.rows.values()) if state == WAITING]

    def forget(self, sha256: Iterable[str]) -> None:
        """Delete the rows of some digests."""
        for digest in sha256:
            self.rows.pop(digest, None)
