"""Keeping folder and bucket in step, whole and free of what nobody needs: what `fusionflow assets` does.

An asset is needed while anything names it: any state of any project, any generation with its inputs and outputs, any
result that is known or shown (a pinned one is), work that is open, and any flow file that was looked at. Names are
found as text, 64 hex digits: rather too many are kept than one too few.
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

_NAME = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LOOK_S = 0.5
_NAMING = (
    "SELECT payload FROM events",
    "SELECT outputs FROM results",
    "SELECT outputs FROM shown",
    "SELECT coalesce(draft, '') || coalesce(operation, '') FROM jobs",
)
GRACE_S = 24 * 3600
"""What came in so lately may be named in a moment: bytes are stored before they are written down."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nothing names."""

    files: list[StoredFile]
    objects: list[StoredObject]

    @property
    def size_bytes(self) -> int:
        """Of both together."""
        return sum(one.size_bytes for one in self.files) + sum(one.size_bytes for one in self.objects)


def bucket_store() -> S3Store:
    """The store of this session, where it has a bucket.

    Raises:
        SecretError: there is none.
    """
    store = current_session().store
    if not isinstance(store, S3Store):
        raise errors.SecretError("There is no bucket.", hint='Set one up: ff.connect("r2").')
    return store


def sync(told: Callable[[int, int], None] = lambda _left, _all: None) -> int:
    """Bring everything in the folder to the bucket, and wait for it; returns how many files were not there.

    Args:
        told: hears how many are left, of how many.

    Raises:
        SecretError: there is no bucket.
        BucketError: it takes nothing; what is left goes on in the background and with the next kernel.
    """
    store = bucket_store()
    there = {one.sha256: one.size_bytes for one in store.bucket.objects()}
    store.uploads.resume()
    count = 0
    for stored in store.assets():
        if there.get(stored.sha256) == stored.size_bytes:
            continue
        with suppress(errors.LostAssetError):
            store.uploads.gone([stored.sha256])
            store.uploads.add(store.folder.look_up(stored.sha256))
            count += 1
    store.uploads.nudge()
    while not store.uploads.settle(timeout_s=_LOOK_S):
        waiting = store.uploads.waiting()
        told(len(waiting), count)
        failed = [one.error for one in waiting if one.error is not None and not one.error.is_retryable]
        if failed and len(failed) == len(waiting):
            raise failed[0]
    return count


def pull(told: Callable[[int], None] = lambda _left: None) -> int:
    """Fetch everything the bucket has and the folder has not, verified; returns how many.

    Raises:
        SecretError: there is no bucket.
        BucketError, CorruptAssetError, DiskFullError: it stopped; what came is kept.
    """
    store = bucket_store()
    missing = [one for one in store.bucket.objects() if not store.folder.has(one.sha256)]
    for done, one in enumerate(missing):
        told(len(missing) - done)
        store.path(one.sha256)
    return len(missing)


def verify(*, fetch: bool = False) -> Iterator[tuple[str, errors.FusionFlowError]]:
    """Hash every local file, and compare lengths in the bucket (with `fetch`, its bytes too); yields what is wrong.

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
    for there in store.bucket.objects():
        try:
            store.verify_object(there, fetch=fetch)
        except (errors.LostAssetError, errors.CorruptAssetError) as error:
            yield f"{store.bucket.settings.uri}/{there.key}", error


def garbage(flows: Iterable[Path], *, in_bucket: bool = False, now_s: float | None = None) -> Garbage:
    """What no project, result, open work or flow file names, and is older than a day.

    Args:
        flows: folders that are searched for `*.flow.json`, and such files themselves.
        in_bucket: look in the bucket too. A bucket that other machines use holds what only *their* journals name.
        now_s: seconds since 1970.

    Raises:
        JournalError, FlowFileError, StoreError: something could not be read; then nothing is garbage.
        SecretError: `in_bucket`, and there is none.
    """
    now = time.time() if now_s is None else now_s
    needed = named(flows)
    living = current_session()
    files = [
        one for one in living.store.assets() if one.sha256 not in needed and now - one.path.stat().st_mtime > GRACE_S
    ]
    objects = []
    if in_bucket:
        on_the_way = {one.asset.sha256 for one in bucket_store().uploads.waiting()}
        young = {one.sha256 for one in living.store.assets()} - {one.sha256 for one in files}
        objects = [
            one
            for one in bucket_store().bucket.objects(older_than_s=GRACE_S)
            if one.sha256 not in needed | on_the_way | young
        ]
    return Garbage(files, objects)


def collect(found: Garbage) -> None:
    """Delete garbage. Raises StoreError, BucketError: some of it is still there."""
    if found.objects:
        store = bucket_store()
        store.bucket.delete(found.objects)
        store.uploads.gone([one.sha256 for one in found.objects])
    for one in found.files:
        current_session().store.discard(one)


def named(flows: Iterable[Path]) -> set[str]:
    """Every digest that something names.

    Raises:
        JournalError, FlowFileError: something could not be read.
    """
    living = current_session()
    living.call(living.engine.flush())

    def read(cursor: sqlite3.Cursor) -> set[str]:
        found: set[str] = set()
        for question in _NAMING:
            for (text,) in cursor.execute(question):
                found.update(_NAME.findall(text))
        return found

    found = living.journal.read_now(read)
    # Results that could not be written to the journal yet wait beside it.
    for path in (*living.journal.path.parent.glob("kernels/*.jsonl"), *_flow_files(flows)):
        try:
            found.update(_NAME.findall(path.read_text(errors="replace")))
        except OSError as error:
            raise errors.FlowFileError(
                f"{path} cannot be read ({error.strerror}).", hint="Nothing was deleted. Make it readable, or move it."
            ) from error
    return found


def _flow_files(flows: Iterable[Path]) -> Iterator[Path]:
    for path in flows:
        if path.is_dir():
            yield from path.rglob("*.flow.json")
        elif path.exists():
            yield path
        else:
            raise errors.FlowFileError(f"There is no {path}.", hint="Nothing was deleted. --flows takes a folder.")
