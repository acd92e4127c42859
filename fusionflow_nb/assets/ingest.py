"""How bytes come in: from memory, a file or a stream, in chunks, sniffed before anything is written."""

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
# A JSON document is parsed whole to be believed; above this it is surely no value that travels along an edge.
MAX_JSON_BYTES = 64 << 20
_JSON = "application/json"
_SHOWN_AS = {"image": "This picture", "video": "This video", "audio": "This sound"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was learnt while bytes flowed by."""

    sha256: str
    size_bytes: int


def open_source(source: Source, declared: str | None) -> tuple[str, Iterator[bytes]]:
    """The media type of a source and its bytes in chunks; what is read to sniff is not lost.

    Args:
        source: bytes, a regular file, or an iterable of bytes.
        declared: the declared type; it decides only if the bytes are ambiguous (text, JSON).

    Raises:
        MediaError: no such file, no bytes at all, or no media this house knows. While the chunks are drawn:
            the file cannot be read on, or a stream gives something other than bytes.
    """
    chunks = _chunks(source)
    head = b""
    drawn: list[bytes] = []
    for chunk in chunks:
        drawn.append(chunk)
        head += chunk[: HEAD_BYTES - len(head)]
        if len(head) >= HEAD_BYTES:
            break
    return _type_of(head, declared), chain(drawn, chunks)


def pour(chunks: Iterable[bytes], write: Callable[[bytes], object]) -> Arrival:
    """Hand each chunk to `write` and hash it on the way. Raises what the chunks or `write` raise."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return Arrival(digest.hexdigest(), size)


@contextmanager
def declared_type(source: Source, part: Path, media_type: str) -> Iterator[None]:
    """Let a MediaError name the caller's source instead of the part file."""
    try:
        yield
    except errors.MediaError as error:
        known = source.name if isinstance(source, Path) else _SHOWN_AS.get(media_type.partition("/")[0], "This text")
        error.what = error.what.replace(part.name, known)
        error.args = (error.what,)
        raise


def file_sha256(path: Path) -> str:
    """The digest of a file, read in chunks. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_text(path: Path, media_type: str) -> None:
    """Verify a declared text: UTF-8 without NUL, and valid JSON if JSON was declared.

    Raises:
        MediaError: it is not.
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
                    raise _no_text(media_type) from error
                if "\0" in text:
                    raise _no_text(media_type)
                if not chunk:
                    return


def _check_json(path: Path) -> None:
    if path.stat().st_size > MAX_JSON_BYTES:
        message = f"A JSON document above {MAX_JSON_BYTES >> 20} MB cannot be stored."
        raise errors.MediaError(message, hint="Split it.")
    try:
        json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise _no_text(_JSON) from error


def _no_text(media_type: str) -> errors.MediaError:
    message = f"These bytes were declared as {media_type} and are not."
    return errors.MediaError(message, hint="Store text as UTF-8, or leave the type away for pictures, video and sound.")


def _type_of(head: bytes, declared: str | None) -> str:
    if not head:
        message = "There are no bytes to store."
        raise errors.MediaError(message, hint="The file or the answer of the service is empty; make it again.")
    proven = sniff(head)
    if proven is not None:
        return proven
    claimed = (declared or "").partition(";")[0].strip().lower()
    if claimed in DECLARED_TYPES:
        return claimed
    said = f" (declared as {ascii(claimed)[:80]})" if claimed else ""
    message = f"These bytes are no picture, video or sound of a known kind{said}: they begin with {head[:8]!r}."
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
        message = f"{type(source).__name__} is nothing that bytes can be read from."
        raise errors.MediaError(message, hint="Pass bytes, a pathlib.Path or an iterable of bytes.")


def _file_chunks(path: Path) -> Iterator[bytes]:
    with source_errors(path):
        # A pipe or device could give bytes for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            message = f"{path} is no regular file."
            raise errors.MediaError(message, hint="Pass the path of a file.")
        stream = path.open("rb")
    with stream:
        while True:
            # Only the read is guarded: errors between two chunks belong to the writer.
            with source_errors(path):
                chunk = stream.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk


def _stream_chunks(stream: Iterable[object]) -> Iterator[bytes]:
    for chunk in stream:
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            message = f"The stream gave {type(chunk).__name__} where bytes were due."
            raise errors.MediaError(message, hint="Encode text before it is stored.")
        yield from _chunks(chunk)
