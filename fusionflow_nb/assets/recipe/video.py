"""The recipe in a video: the container's comment tag. All streams are copied into a new container, not encoded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fusionflow_nb.assets.os_errors import EXPORT_HINT, STORE_ERRNOS, store_error
from fusionflow_nb.assets.probe import read_facts, resolve_type
from fusionflow_nb.assets.recipe.chunks import truncated
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, from_comment, to_comment, too_large
from fusionflow_nb.media.container import load_av, media_errors, open_media

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "This video"
MEDIA_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm", "video/x-matroska"})

_MUXERS = {"video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "matroska"}
_COPIED_STREAMS = frozenset({"video", "audio", "subtitle"})
# bitexact: no random ids and no date, so that equal input gives equal bytes.
_OPTIONS = {"fflags": "+bitexact"}
# faststart: the index comes first, for streaming. use_metadata_tags: allows any tag.
_QUICKTIME_OPTIONS = {"movflags": "+faststart+use_metadata_tags"}
# Written by the new container; copying them would duplicate them.
_OWN_TAGS = frozenset({"comment", "encoder", "major_brand", "minor_version", "compatible_brands"})


def remux(source: Path, target: Path, text: str, media_type: str) -> None:
    """Write `target` with the streams of `source` and a recipe, which replaces an existing comment.

    Raises:
        MediaError: the source is damaged or truncated.
        DiskFullError, UnwritableError, StoreError: the target cannot be written.
        MissingExtraError: PyAV is not installed.
    """
    av = load_av("A recipe in a video")
    options = _OPTIONS | (_QUICKTIME_OPTIONS if _MUXERS[media_type] in {"mp4", "mov"} else {})
    # Detects a truncated video, which would otherwise be copied as a shorter video.
    read_facts(source, resolve_type(source, media_type))
    with open_media(source) as reader, media_errors(source):
        with _write_errors(target):
            writer = av.open(str(target.absolute()), "w", format=_MUXERS[media_type], options=options)
        try:
            _copy(reader, writer, text, target)
        finally:
            # Closing writes the index, also after an error, and may fail for the same reason.
            with _write_errors(target):
                writer.close()


def _copy(reader: Any, writer: Any, text: str, target: Path) -> None:  # noqa: ANN401 - av containers
    writer.metadata.update({name: tag for name, tag in reader.metadata.items() if name.lower() not in _OWN_TAGS})
    writer.metadata["comment"] = to_comment(text)
    copies: dict[int, Any] = {}
    is_empty = True
    with _write_errors(target):
        for stream in reader.streams:
            if stream.type in _COPIED_STREAMS:
                if stream.codec_context is None:
                    # A stream of an unknown codec cannot be copied, and without it the video would be incomplete.
                    raise truncated(_NAME)
                copy = writer.add_stream_from_template(stream, opaque=True)
                copy.metadata.update(stream.metadata)
                copies[stream.index] = copy
    for packet in reader.demux([stream for stream in reader.streams if stream.index in copies]):
        # The last packets of a demuxer are empty: they flush decoders, which are not used here.
        if packet.dts is not None:
            packet.stream = copies[packet.stream.index]
            is_empty = False
            with _write_errors(target):
                writer.mux(packet)
    if is_empty:
        # Without packets FFmpeg writes no file.
        raise truncated(_NAME)


@contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    """Turn errors of the file system into StoreError; errors of the muxer concern the source and pass."""
    try:
        yield
    except load_av().error.FFmpegError as error:
        if error.errno in STORE_ERRNOS:
            raise store_error(OSError(error.errno, error.strerror), target.parent, hint=EXPORT_HINT) from error
        raise


def read(path: Path) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the file is damaged, or the recipe is above 1 MiB.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(path) as container:
        tags = [tag for name, tag in container.metadata.items() if name.lower() == "comment"]
    recipe = next((text for text in map(from_comment, tags) if text is not None), None)
    if recipe is not None and len(recipe) > MAX_RECIPE_BYTES:
        raise too_large()
    return recipe
