"""Read a source (bytes, file or stream) in chunks and detect its media type before anything is written."""

from __future__ import annotations

import codecs
import hashlib
import json
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.assets.os_errors import source_errors
from fusionflow_nb.assets.sniff import DECLARED_TYPES, HEAD_BYTES, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

Source: TypeAlias = "bytes | Path | Iterable[bytes]"

CHUNK_BYTES = 1 << 20
# A JSON document is parsed whole to validate it; a value of an edge is never this large.
MAX_JSON_BYTES = 64 << 20
_JSON = "application/json"
_SOURCE_NAMES = {"image": "This image", "video": "This video", "audio": "This audio"}


@dataclass(frozen=True, slots=True)
class ContentInfo:
    """Digest and size of written content."""

    sha256: str
    size_bytes: int


def open_source(source: Source, declared: str | None) -> tuple[str, Iterator[bytes]]:
    """The media type of a source, and its bytes in chunks, those read for detection included.

    Args:
        source: bytes, a regular file, or an iterable of bytes.
        declared: the declared type; it decides only if the bytes are ambiguous (text, JSON).

    Raises:
        MediaError: the file is missing, the source is empty, or the media type is unknown. While the chunks are
            read: the file cannot be read, or a stream yields something other than bytes.
    """
    chunks = _chunks(source)
    head = b""
    first_chunks: list[bytes] = []
    for chunk in chunks:
        first_chunks.append(chunk)
        head += chunk[: HEAD_BYTES - len(head)]
        if len(head) >= HEAD_BYTES:
            break
    return _type_of(head, declared), chain(first_chunks, chunks)


def write_and_hash(chunks: Iterable[bytes], write: Callable[[bytes], object]) -> ContentInfo:
    """Pass each chunk to `write` and hash it. Raises what the chunks or `write` raise."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return ContentInfo(digest.hexdigest(), size)


@contextmanager
def name_source_in_errors(source: Source, part: Path, media_type: str) -> Iterator[None]:
    """Make a MediaError name the caller's source instead of the part file."""
    try:
        yield
    except errors.MediaError as error:
        name = source.name if isinstance(source, Path) else _SOURCE_NAMES.get(media_type.partition("/")[0], "This text")
        error.what = error.what.replace(part.name, name)
        error.args = (error.what,)
        raise


def file_sha256(path: Path) -> str:
    """The digest of a file, read in chunks. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_text(path: Path, media_type: str) -> None:
    """Verify a declared text: UTF-8 without NUL, and valid JSON if JSON was declared.

    Raises:
        MediaError: it is not such text.
    """
    with source_errors(path):
        if media_type == _JSON:
            _check_json(path)
            return
        decoder = codecs.getincrementaldecoder("utf-8")()
        with path.open("rb") as stream:
            while True:
                chunk = stream.read(CHUNK_BYTES)
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    raise _not_text(media_type) from error
                if "\0" in text:
                    raise _not_text(media_type)
                if not chunk:
                    return


def _check_json(path: Path) -> None:
    if path.stat().st_size > MAX_JSON_BYTES:
        message = f"A JSON document above {MAX_JSON_BYTES >> 20} MB cannot be stored."
        raise errors.MediaError(message, hint="Split it.")
    try:
        json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise _not_text(_JSON) from error


def _not_text(media_type: str) -> errors.MediaError:
    message = f"The bytes are not {media_type}, as declared."
    return errors.MediaError(message, hint="Store text as UTF-8; omit the type for images, video and audio.")


def _type_of(head: bytes, declared: str | None) -> str:
    if not head:
        message = "The source is empty."
        raise errors.MediaError(message, hint="Create or download the file again.")
    detected = sniff(head)
    if detected is not None:
        return detected
    media_type = (declared or "").partition(";")[0].strip().lower()
    if media_type in DECLARED_TYPES:
        return media_type
    note = f" (declared as {ascii(media_type)[:80]})" if media_type else ""
    message = f"Unknown media format{note}: the bytes begin with {head[:8]!r}."
    hint = "Use PNG, JPEG, WebP, GIF, AVIF, TIFF, BMP, MP4, WebM, WAV, MP3, Ogg, FLAC; declare text as text/plain."
    raise errors.MediaError(message, hint=hint)


def _chunks(source: object) -> Iterator[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = memoryview(source).cast("B")
        for start in range(0, len(data), CHUNK_BYTES):
            yield bytes(data[start : start + CHUNK_BYTES])
    elif isinstance(source, Path):
        yield from _file_chunks(source)
    elif isinstance(source, Iterable) and not isinstance(source, str):
        yield from _stream_chunks(source)
    else:
        message = f"Cannot read bytes from {type(source).__name__}."
        raise errors.MediaError(message, hint="Pass bytes, a pathlib.Path or an iterable of bytes.")


def _file_chunks(path: Path) -> Iterator[bytes]:
    with source_errors(path):
        # A pipe or device may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            message = f"{path} is not a regular file."
            raise errors.MediaError(message, hint="Pass the path of a file.")
        stream = path.open("rb")
    with stream:
        while True:
            # Only the read is guarded: errors between two chunks are the writer's.
            with source_errors(path):
                chunk = stream.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


def _stream_chunks(stream: Iterable[object]) -> Iterator[bytes]:
    for chunk in stream:
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            message = f"The stream yielded {type(chunk).__name__} instead of bytes."
            raise errors.MediaError(message, hint="Encode text before storing it.")
        yield from _chunks(chunk)
