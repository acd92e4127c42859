"""Synchronising, verifying and garbage-collecting the asset folder and the bucket, for `fusionflow assets`.

An asset is referenced if its digest occurs in any state of a project, any generation, any stored or shown result, any
open job, or any of the given flow files. References are found as text, 64 hex digits: keeping too many assets is
safe, deleting a referenced asset is not.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from fusionflow_nb.assets.local import StoredFile
    from fusionflow_nb.assets.s3.bucket import StoredObject

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_POLL_S = 0.5
_REFERENCE_QUERIES = (
    "SELECT payload FROM events",
    "SELECT outputs FROM results",
    "SELECT outputs FROM shown",
    "SELECT coalesce(draft, '') || coalesce(operation, '') FROM jobs",
)
GRACE_S = 24 * 3600
"""Younger files are kept: bytes are stored before the record that references them."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """Unreferenced files and objects."""

    files: list[StoredFile]
    objects: list[StoredObject]

    @property
    def size_bytes(self) -> int:
        """Sum of both."""
        return sum(file.size_bytes for file in self.files) + sum(item.size_bytes for item in self.objects)


def bucket_store() -> S3Store:
    """Return the store of this session, if it has a bucket.

    Raises:
        SecretError: no bucket is set up.
    """
    store = current_session().store
    if not isinstance(store, S3Store):
        raise errors.SecretError("No bucket is set up.", hint='Set one up with ff.connect("r2").')
    return store


def sync(on_progress: Callable[[int, int], None] = lambda _left, _total: None) -> int:
    """Upload all files that the bucket lacks, and wait for it; returns their number.

    Args:
        on_progress: called with the number of files left and the total.

    Raises:
        SecretError: no bucket is set up.
        BucketError: the bucket refuses the uploads; the rest is retried in the background and by the next kernel.
    """
    store = bucket_store()
    sizes = {item.sha256: item.size_bytes for item in store.bucket.objects()}
    store.uploads.resume()
    count = 0
    for stored in store.assets():
        if sizes.get(stored.sha256) == stored.size_bytes:
            continue
        with suppress(errors.LostAssetError):
            store.uploads.mark_missing([stored.sha256])
            store.uploads.add(store.folder.look_up(stored.sha256))
            count += 1
    store.uploads.retry_now()
    while not store.uploads.wait_all(timeout_s=_POLL_S):
        waiting = store.uploads.waiting()
        on_progress(len(waiting), count)
        failed = [upload.error for upload in waiting if upload.error is not None and not upload.error.is_retryable]
        if failed and len(failed) == len(waiting):
            raise failed[0]
    return count


def pull(on_progress: Callable[[int], None] = lambda _left: None) -> int:
    """Download and verify all objects that the folder lacks; returns their number.

    Args:
        on_progress: called with the number of objects left.

    Raises:
        SecretError: no bucket is set up.
        BucketError, CorruptAssetError, DiskFullError: it stopped; downloaded files are kept.
    """
    store = bucket_store()
    missing = [item for item in store.bucket.objects() if not store.folder.has(item.sha256)]
    for done, item in enumerate(missing):
        on_progress(len(missing) - done)
        store.path(item.sha256)
    return len(missing)


def verify(*, fetch: bool = False) -> Iterator[tuple[str, errors.FusionFlowError]]:
    """Verify the hash of every local file and the size (with `fetch`, the hash) of every object; yields the damage.

    Raises:
        StoreError: the folder or the bucket cannot be read.
    """
    store = current_session().store
    for stored in store.assets():
        try:
            store.verify(stored.sha256)
        except (errors.LostAssetError, errors.CorruptAssetError) as error:
            yield str(stored.path), error
    if not isinstance(store, S3Store):
        return
    for item in store.bucket.objects():
        try:
            store.verify_object(item, fetch=fetch)
        except (errors.LostAssetError, errors.CorruptAssetError) as error:
            yield f"{store.bucket.settings.uri}/{item.key}", error


def garbage(flows: Iterable[Path], *, in_bucket: bool = False, now_s: float | None = None) -> Garbage:
    """Return the unreferenced assets that are older than a day.

    Args:
        flows: flow files, and folders that are searched for `*.flow.json`.
        in_bucket: include the bucket. Assets of other machines that share it are referenced by *their* journals only.
        now_s: seconds since 1970.

    Raises:
        JournalError, FlowFileError, StoreError: a reference could not be read, so nothing is garbage.
        SecretError: `in_bucket`, and no bucket is set up.
    """
    now = time.time() if now_s is None else now_s
    needed = referenced(flows)
    session = current_session()
    files = [
        file
        for file in session.store.assets()
        if file.sha256 not in needed and now - file.path.stat().st_mtime > GRACE_S
    ]
    objects = []
    if in_bucket:
        uploading = {upload.asset.sha256 for upload in bucket_store().uploads.waiting()}
        young = {file.sha256 for file in session.store.assets()} - {file.sha256 for file in files}
        objects = [
            item
            for item in bucket_store().bucket.objects(older_than_s=GRACE_S)
            if item.sha256 not in needed | uploading | young
        ]
    return Garbage(files, objects)


def collect(unused: Garbage) -> None:
    """Delete garbage.

    Raises:
        StoreError, BucketError: some of it could not be deleted.
    """
    if unused.objects:
        store = bucket_store()
        store.bucket.delete(unused.objects)
        store.uploads.mark_missing([item.sha256 for item in unused.objects])
    for file in unused.files:
        current_session().store.discard(file)


def referenced(flows: Iterable[Path]) -> set[str]:
    """Return all referenced digests.

    Raises:
        JournalError, FlowFileError: the journal or a flow file could not be read.
    """
    session = current_session()
    session.call(session.engine.flush())

    def read(cursor: sqlite3.Cursor) -> set[str]:
        digests: set[str] = set()
        for query in _REFERENCE_QUERIES:
            for (text,) in cursor.execute(query):
                digests.update(_DIGEST.findall(text))
        return digests

    digests = session.journal.read_blocking(read)
    # Outboxes hold results that could not be written to the journal yet.
    for path in (*session.journal.path.parent.glob("kernels/*.jsonl"), *_flow_files(flows)):
        try:
            digests.update(_DIGEST.findall(path.read_text(errors="replace")))
        except OSError as error:
            raise errors.FlowFileError(
                f"{path} cannot be read ({error.strerror}).", hint="Nothing was deleted. Make it readable, or move it."
            ) from error
    return digests


def _flow_files(flows: Iterable[Path]) -> Iterator[Path]:
    for path in flows:
        if path.is_dir():
            yield from path.rglob("*.flow.json")
        elif path.exists():
            yield path
        else:
            raise errors.FlowFileError(f"{path} does not exist.", hint="Nothing was deleted. --flows takes a folder.")
