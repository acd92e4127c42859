"""The recipe in the file: how a picture, film or sound was made travels inside it, as JSON, free of secrets.

    PNG         a compressed iTXt chunk named `fusionflow`
    JPEG, WebP  one property of the XMP packet; the rest of the packet is kept
    WAV         a LIST INFO comment (ICMT)
    MP4, MOV, WebM, Matroska    the container's comment tag

Pixels, samples and all other metadata stay as they are: nothing is encoded again. Equal bytes and equal recipe give
equal bytes (under one build of zlib and FFmpeg). What is read may be hostile: sizes are bounded before anything is
unpacked, and a recipe is only ever parsed as JSON, never executed.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from fusionflow_nb import errors
from fusionflow_nb.assets.atomic_write import part_file
from fusionflow_nb.assets.os_errors import EXPORT_HINT, source_errors
from fusionflow_nb.assets.recipe import film, jpeg, png, wav, webp
from fusionflow_nb.assets.recipe.chunks import chunks_of
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, recipe_from_text, recipe_to_text
from fusionflow_nb.assets.sniff import HEAD_BYTES, extension, sniff

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_RECIPE_BYTES", "can_carry", "embed", "embed_file", "extract"]

_BYTE_FORMATS = {"image/png": png, "image/jpeg": jpeg, "image/webp": webp, "audio/wav": wav}
_EXPORT_MODE = 0o644


def can_carry(media_type: str) -> bool:
    """Whether files of this type can hold a recipe.

    >>> can_carry("image/png"), can_carry("image/gif")
    (True, False)
    """
    return media_type in _BYTE_FORMATS or media_type in film.MEDIA_TYPES


def embed(data: bytes, recipe: Mapping[str, Any]) -> bytes:
    """The same file with a recipe inside; a recipe that was there is replaced.

    Raises:
        MediaError: the recipe is no JSON or above 1 MiB, the type cannot carry one, or the file is damaged.
        MissingExtraError: films need the extra `video`.
    """
    text = recipe_to_text(recipe)
    media_type = _carrier(data[:HEAD_BYTES])
    if media_type in film.MEDIA_TYPES:
        with TemporaryDirectory(prefix="fusionflow-") as folder:
            source, target = Path(folder) / "video", Path(folder) / "target"
            source.write_bytes(data)
            film.remux(source, target, text, media_type)
            return target.read_bytes()
    with BytesIO(data) as stream:
        return b"".join(chunks_of(stream, _BYTE_FORMATS[media_type].rewrite(stream, text)))


def embed_file(source: Path, target: Path, recipe: Mapping[str, Any]) -> None:
    """Write a copy of a file with a recipe inside, in one step; `target` may be `source`.

    Raises:
        MediaError, MissingExtraError: as `embed`, or the source cannot be read.
        DiskFullError, UnwritableError, StoreError: the target cannot be written; it is as it was.
    """
    text = recipe_to_text(recipe)
    with source_errors(source), source.open("rb") as stream:
        media_type = _carrier(stream.read(HEAD_BYTES))
        with part_file(target.absolute().parent, hint=EXPORT_HINT) as part:
            if media_type in film.MEDIA_TYPES:
                film.remux(source, part.path, text, media_type)
            else:
                for piece in chunks_of(stream, _BYTE_FORMATS[media_type].rewrite(stream, text)):
                    part.write(piece)
            part.finish()
            part.publish(target.absolute(), mode=_EXPORT_MODE)


def extract(source: Path | bytes) -> dict[str, Any] | None:
    """The recipe a file carries; None where it carries none (or is of a kind that cannot).

    Raises:
        MediaError: the file cannot be read, or what it carries is damaged, no JSON, or larger than a recipe may be.
        MissingExtraError: films need the extra `video`.
    """
    if isinstance(source, Path):
        with source_errors(source), source.open("rb") as stream:
            media_type = sniff(stream.read(HEAD_BYTES))
            if media_type in film.MEDIA_TYPES:
                return _parsed(film.read(source))
            return _from_stream(stream, media_type)
    media_type = sniff(source[:HEAD_BYTES])
    if media_type in film.MEDIA_TYPES:
        with TemporaryDirectory(prefix="fusionflow-") as folder:
            path = Path(folder) / f"video.{extension(str(media_type))}"
            path.write_bytes(source)
            return _parsed(film.read(path))
    with BytesIO(source) as stream:
        return _from_stream(stream, media_type)


def _from_stream(stream: BinaryIO, media_type: str | None) -> dict[str, Any] | None:
    reader = _BYTE_FORMATS.get(media_type or "")
    return _parsed(reader.read(stream)) if reader else None


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else recipe_from_text(text)


def _carrier(head: bytes) -> str:
    media_type = sniff(head)
    if media_type is None or not can_carry(media_type):
        message = f"A file of type {media_type or 'unknown'} cannot carry a recipe."
        raise errors.MediaError(message, hint="Save it as PNG, WebP, JPEG, WAV, WebM or MP4.")
    return media_type
