"""Large files in parts: equal ones, as R2 wants them, each with its MD5, and gone on with where they stopped."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.errors import EXISTS_ALREADY, NOT_FOUND, status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SINGLE_PUT_BYTES = 16 << 20
PART_BYTES = 8 << 20
MAX_PARTS = 10_000
PARTS_AT_ONCE = 4
_READ_BYTES = 1 << 20
_MEBIBYTE = 1 << 20


class StoppedError(errors.StoreError):
    """The kernel ends; uploaded parts stay there, and the next kernel continues."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("An upload was stopped in the middle.", hint="The next kernel continues it.")


@dataclass(slots=True)
class Progress:
    """Stored state of a multipart upload, and its callbacks.

    Args:
        upload_id: the id of an earlier attempt, if any.
        part_bytes: its length of a part.
        begun: called once the upload has an id, before the first part is sent: keep both.
        sent: called with the number of bytes that have arrived.
        is_stopped: set where the kernel ends.
    """

    upload_id: str | None = None
    part_bytes: int | None = None
    begun: Callable[[str, int], None] = lambda _id, _part_bytes: None
    sent: Callable[[int], None] = lambda _bytes: None
    is_stopped: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Raise StoppedError where the kernel ends."""
        if self.is_stopped.is_set():
            raise StoppedError


class Slice:
    """A part of a file as a file: parts are sent from the disk, never from memory."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._stream = path.open("rb")
        self._start, self._size = start, size
        self._stream.seek(start)

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._stream.close()

    def tell(self) -> int:
        """Where the next read begins, within the part."""
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._stream.seek(self._start + base + offset)
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        """At most so many bytes, never beyond the part."""
        left = max(0, self._size - self.tell())
        return self._stream.read(left if size is None or size < 0 else min(size, left))


class MultipartUpload:
    """One file on its way. `send` may be called in another process for the same `Progress`.

    Args:
        client: boto3's.
        about: bucket, key, type and metadata of the object.
        path: the file.
        size_bytes: its length.
        progress: the stored state, and its callbacks.
    """

    def __init__(self, client: Any, about: dict[str, Any], path: Path, size_bytes: int, progress: Progress) -> None:  # noqa: ANN401
        self._client = client
        self._about = about
        self._where = {"Bucket": about["Bucket"], "Key": about["Key"]}
        self._path = path
        self._size_bytes = size_bytes
        self._progress = progress

    def send(self, *, overwrite: bool) -> bool:
        """Send what is missing and put it together; whether it is new there.

        Raises:
            StoppedError: the kernel ends.
            botocore's errors: what has arrived stays there.
        """
        upload_id, part_bytes, arrived = self._begun()
        count = -(-self._size_bytes // part_bytes)
        missing = [number for number in range(1, count + 1) if number not in arrived]
        done = sum(self._length(number, part_bytes) for number in arrived)
        self._progress.sent(done)
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="fusionflow-parts") as threads:
            waiting: set[Future[tuple[int, str]]] = set()
            try:
                while missing or waiting:
                    self._progress.go_on()
                    while missing and len(waiting) < PARTS_AT_ONCE:
                        waiting.add(threads.submit(self._part, upload_id, missing.pop(0), part_bytes))
                    ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for part in ended:
                        number, etag = part.result()
                        arrived[number] = etag
                        done += self._length(number, part_bytes)
                        self._progress.sent(done)
            except BaseException:
                for part in waiting:
                    part.cancel()
                raise
        return self._completed(upload_id, arrived, overwrite=overwrite)

    def arrived(self) -> dict[int, str]:
        """ETags by number of the parts that are there already."""
        known, part_bytes = self._progress.upload_id, self._progress.part_bytes
        return (known is not None and part_bytes and self._arrived(known, part_bytes)) or {}

    def _begun(self) -> tuple[str, int, dict[int, str]]:
        """Upload id, length of a part, and ETags by number of the parts that have arrived."""
        known, part_bytes = self._progress.upload_id, self._progress.part_bytes
        if known is not None and part_bytes:
            arrived = self._arrived(known, part_bytes)
            if arrived is not None:
                return known, part_bytes, arrived
        part_bytes = part_length(self._size_bytes)
        upload_id: str = self._client.create_multipart_upload(**self._about)["UploadId"]
        self._progress.upload_id, self._progress.part_bytes = upload_id, part_bytes
        self._progress.begun(upload_id, part_bytes)
        return upload_id, part_bytes, {}

    def _arrived(self, upload_id: str, part_bytes: int) -> dict[int, str] | None:
        """Parts of the right length (each was checked by its MD5 when it came); None where the upload is gone."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        try:
            pages = list(self._client.get_paginator("list_parts").paginate(**self._where, UploadId=upload_id))
        except ClientError as error:
            if status_of(error.response) == NOT_FOUND:
                return None
            raise
        listed = [part for page in pages for part in page.get("Parts", ())]
        return {
            part["PartNumber"]: part["ETag"]
            for part in listed
            if part["Size"] == self._length(part["PartNumber"], part_bytes)
        }

    def _part(self, upload_id: str, number: int, part_bytes: int) -> tuple[int, str]:
        with Slice(self._path, (number - 1) * part_bytes, self._length(number, part_bytes)) as body:
            md5 = hashlib.md5(usedforsecurity=False)
            while chunk := body.read(_READ_BYTES):
                md5.update(chunk)
            body.seek(0)
            said = self._client.upload_part(
                **self._where,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentLength=len(body),
                ContentMD5=base64.b64encode(md5.digest()).decode(),
            )
        return number, said["ETag"]

    def _completed(self, upload_id: str, arrived: dict[int, str], *, overwrite: bool) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        parts = [{"PartNumber": number, "ETag": arrived[number]} for number in sorted(arrived)]
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        asked = {**self._where, "UploadId": upload_id}
        try:
            self._client.complete_multipart_upload(**asked, **condition, MultipartUpload={"Parts": parts})
        except ClientError as error:
            if status_of(error.response) != EXISTS_ALREADY:
                raise
            self._client.abort_multipart_upload(**asked)
            return False
        return True

    def _length(self, number: int, part_bytes: int) -> int:
        return max(0, min(part_bytes, self._size_bytes - (number - 1) * part_bytes))


def part_length(size_bytes: int) -> int:
    """How long each part but the last is: whole mebibytes, at least 8, and few enough of them.

    >>> part_length(64 << 20) >> 20
    8
    >>> part_length(1 << 40) >> 20
    105
    """
    return max(PART_BYTES, -(-size_bytes // MAX_PARTS // _MEBIBYTE) * _MEBIBYTE)
