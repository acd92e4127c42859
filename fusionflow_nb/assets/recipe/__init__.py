"""Embed a recipe (how a file was created) in the file itself, as JSON without secrets.

    PNG         a compressed iTXt chunk named `fusionflow`
    JPEG, WebP  one property of the XMP packet; the rest of the packet is kept
    WAV         a LIST INFO comment (ICMT)
    MP4, MOV, WebM, Matroska    the container's comment tag

Pixels, samples and all other metadata are unchanged: nothing is encoded again. Equal bytes and equal recipe give equal
bytes (with the same build of zlib and FFmpeg). Files may be hostile: sizes are bounded before anything is decompressed,
and a recipe is only parsed as JSON, never executed.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from fusionflow_nb import errors
from fusionflow_nb.assets.atomic_write import part_file
from fusionflow_nb.assets.os_errors import EXPORT_HINT, source_errors
from fusionflow_nb.assets.recipe import jpeg, png, video, wav, webp
from fusionflow_nb.assets.recipe.chunks import iter_bytes
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, recipe_from_text, recipe_to_text
from fusionflow_nb.assets.sniff import HEAD_BYTES, extension, sniff

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_RECIPE_BYTES", "can_carry", "embed", "embed_file", "extract"]

_FORMATS = {"image/png": png, "image/jpeg": jpeg, "image/webp": webp, "audio/wav": wav}
_EXPORT_MODE = 0o644


def can_carry(media_type: str) -> bool:
    """Whether files of this type can contain a recipe.

    >>> can_carry("image/png"), can_carry("image/gif")
    (True, False)
    """
    return media_type in _FORMATS or media_type in video.MEDIA_TYPES


def embed(data: bytes, recipe: Mapping[str, Any]) -> bytes:
    """Return the file with a recipe, which replaces an earlier recipe.

    Raises:
        MediaError: the recipe is not JSON or above 1 MiB, the type cannot contain a recipe, or the file is damaged.
        MissingExtraError: video needs the extra `video`.
    """
    text = recipe_to_text(recipe)
    media_type = _supported_type(data[:HEAD_BYTES])
    if media_type in video.MEDIA_TYPES:
        with TemporaryDirectory(prefix="fusionflow-") as folder:
            source, target = Path(folder) / "video", Path(folder) / "target"
            source.write_bytes(data)
            video.remux(source, target, text, media_type)
            return target.read_bytes()
    with BytesIO(data) as stream:
        return b"".join(iter_bytes(stream, _FORMATS[media_type].rewrite(stream, text)))


def embed_file(source: Path, target: Path, recipe: Mapping[str, Any]) -> None:
    """Write a copy of a file with a recipe, atomically; `target` may be `source`.

    Raises:
        MediaError, MissingExtraError: as `embed`, or the source cannot be read.
        DiskFullError, UnwritableError, StoreError: the target cannot be written; it is unchanged.
    """
    text = recipe_to_text(recipe)
    with source_errors(source), source.open("rb") as stream:
        media_type = _supported_type(stream.read(HEAD_BYTES))
        with part_file(target.absolute().parent, hint=EXPORT_HINT) as part:
            if media_type in video.MEDIA_TYPES:
                video.remux(source, part.path, text, media_type)
            else:
                for data in iter_bytes(stream, _FORMATS[media_type].rewrite(stream, text)):
                    part.write(data)
            part.finish()
            part.publish(target.absolute(), mode=_EXPORT_MODE)


def extract(source: Path | bytes) -> dict[str, Any] | None:
    """The recipe of a file; None without a recipe, or if the type cannot contain a recipe.

    Raises:
        MediaError: the file cannot be read, or its recipe is damaged, not JSON, or above 1 MiB.
        MissingExtraError: video needs the extra `video`.
    """
    if isinstance(source, Path):
        with source_errors(source), source.open("rb") as stream:
            media_type = sniff(stream.read(HEAD_BYTES))
            if media_type in video.MEDIA_TYPES:
                return _parsed(video.read(source))
            return _from_stream(stream, media_type)
    media_type = sniff(source[:HEAD_BYTES])
    if media_type in video.MEDIA_TYPES:
        with TemporaryDirectory(prefix="fusionflow-") as folder:
            path = Path(folder) / f"video.{extension(str(media_type))}"
            path.write_bytes(source)
            return _parsed(video.read(path))
    with BytesIO(source) as stream:
        return _from_stream(stream, media_type)


def _from_stream(stream: BinaryIO, media_type: str | None) -> dict[str, Any] | None:
    reader = _FORMATS.get(media_type or "")
    return _parsed(reader.read(stream)) if reader else None


def _parsed(text: str | None) -> dict[str, Any] | None:
    return None if text is None else recipe_from_text(text)


def _supported_type(head: bytes) -> str:
    media_type = sniff(head)
    if media_type is None or not can_carry(media_type):
        message = f"A file of type {media_type or 'unknown'} cannot contain a recipe."
        raise errors.MediaError(message, hint="Save it as PNG, WebP, JPEG, WAV, WebM or MP4.")
    return media_type
