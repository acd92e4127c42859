"""Multipart uploads: parts of equal length, as R2 requires, each with its MD5; interrupted uploads are resumed."""

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
MAX_CONCURRENT_PARTS = 4
_READ_BYTES = 1 << 20
_MEBIBYTE = 1 << 20


class StoppedError(errors.StoreError):
    """The kernel shuts down; uploaded parts are kept, and the next kernel continues."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("The upload was stopped because the kernel shuts down.", hint="The next kernel continues it.")


@dataclass(slots=True)
class Progress:
    """Stored state of a multipart upload, and its callbacks.

    Args:
        upload_id: the id of an interrupted upload, if any.
        part_bytes: the length of its parts.
        on_start: called with upload id and part length before the first part is sent: store both.
        on_sent: called with the number of uploaded bytes.
        is_stopped: set when the kernel shuts down.
    """

    upload_id: str | None = None
    part_bytes: int | None = None
    on_start: Callable[[str, int], None] = lambda _id, _part_bytes: None
    on_sent: Callable[[int], None] = lambda _bytes: None
    is_stopped: threading.Event = field(default_factory=threading.Event)

    def check_stopped(self) -> None:
        """Raise StoppedError if the kernel shuts down."""
        if self.is_stopped.is_set():
            raise StoppedError


class FilePart:
    """A part of a file as a file object: parts are read from the disk while they are sent."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._stream = path.open("rb")
        self._start, self._size = start, size
        self._stream.seek(start)

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        """Close the file at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._stream.close()

    def tell(self) -> int:
        """The position within the part."""
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._stream.seek(self._start + base + offset)
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, never beyond the part."""
        remaining = max(0, self._size - self.tell())
        return self._stream.read(remaining if size is None or size < 0 else min(size, remaining))


class MultipartUpload:
    """The multipart upload of one file. Another process may call `send` again with the stored `Progress`.

    Args:
        client: boto3's client.
        attributes: bucket, key, type and metadata of the object.
        path: the file.
        size_bytes: its size.
        progress: the stored state, and its callbacks.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - boto3's own
        attributes: dict[str, Any],
        path: Path,
        size_bytes: int,
        progress: Progress,
    ) -> None:
        self._client = client
        self._attributes = attributes
        self._object = {"Bucket": attributes["Bucket"], "Key": attributes["Key"]}
        self._path = path
        self._size_bytes = size_bytes
        self._progress = progress

    def send(self, *, overwrite: bool) -> bool:
        """Upload the missing parts and complete the object; False if the object exists.

        Raises:
            StoppedError: the kernel shuts down.
            botocore's errors: uploaded parts are kept.
        """
        upload_id, part_bytes, uploaded = self._start_or_resume()
        count = -(-self._size_bytes // part_bytes)
        missing = [number for number in range(1, count + 1) if number not in uploaded]
        done = sum(self._length(number, part_bytes) for number in uploaded)
        self._progress.on_sent(done)
        with ThreadPoolExecutor(MAX_CONCURRENT_PARTS, thread_name_prefix="fusionflow-parts") as threads:
            waiting: set[Future[tuple[int, str]]] = set()
            try:
                while missing or waiting:
                    self._progress.check_stopped()
                    while missing and len(waiting) < MAX_CONCURRENT_PARTS:
                        waiting.add(threads.submit(self._send_part, upload_id, missing.pop(0), part_bytes))
                    ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for part in ended:
                        number, etag = part.result()
                        uploaded[number] = etag
                        done += self._length(number, part_bytes)
                        self._progress.on_sent(done)
            except BaseException:
                for part in waiting:
                    part.cancel()
                raise
        return self._complete(upload_id, uploaded, overwrite=overwrite)

    def _start_or_resume(self) -> tuple[str, int, dict[int, str]]:
        """Upload id, length of a part, and ETags of the uploaded parts by number."""
        stored_id, part_bytes = self._progress.upload_id, self._progress.part_bytes
        if stored_id is not None and part_bytes:
            uploaded = self._list_parts(stored_id, part_bytes)
            if uploaded is not None:
                return stored_id, part_bytes, uploaded
        part_bytes = part_length(self._size_bytes)
        upload_id: str = self._client.create_multipart_upload(**self._attributes)["UploadId"]
        self._progress.upload_id, self._progress.part_bytes = upload_id, part_bytes
        self._progress.on_start(upload_id, part_bytes)
        return upload_id, part_bytes, {}

    def _list_parts(self, upload_id: str, part_bytes: int) -> dict[int, str] | None:
        """Uploaded parts of the right length (the server has checked their MD5); None if the upload expired."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        try:
            pages = list(self._client.get_paginator("list_parts").paginate(**self._object, UploadId=upload_id))
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

    def _send_part(self, upload_id: str, number: int, part_bytes: int) -> tuple[int, str]:
        with FilePart(self._path, (number - 1) * part_bytes, self._length(number, part_bytes)) as body:
            md5 = hashlib.md5(usedforsecurity=False)
            while chunk := body.read(_READ_BYTES):
                md5.update(chunk)
            body.seek(0)
            response = self._client.upload_part(
                **self._object,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
                ContentLength=len(body),
                ContentMD5=base64.b64encode(md5.digest()).decode(),
            )
        return number, response["ETag"]

    def _complete(self, upload_id: str, uploaded: dict[int, str], *, overwrite: bool) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        parts = [{"PartNumber": number, "ETag": uploaded[number]} for number in sorted(uploaded)]
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        arguments = {**self._object, "UploadId": upload_id}
        try:
            self._client.complete_multipart_upload(**arguments, **condition, MultipartUpload={"Parts": parts})
        except ClientError as error:
            if status_of(error.response) != EXISTS_ALREADY:
                raise
            self._client.abort_multipart_upload(**arguments)
            return False
        return True

    def _length(self, number: int, part_bytes: int) -> int:
        return max(0, min(part_bytes, self._size_bytes - (number - 1) * part_bytes))


def part_length(size_bytes: int) -> int:
    """The length of each part but the last: whole mebibytes, at least 8, for at most MAX_PARTS parts.

    >>> part_length(64 << 20) >> 20
    8
    >>> part_length(1 << 40) >> 20
    105
    """
    return max(PART_BYTES, -(-size_bytes // MAX_PARTS // _MEBIBYTE) * _MEBIBYTE)
