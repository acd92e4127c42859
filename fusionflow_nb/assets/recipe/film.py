"""The recipe in a film: the comment tag of its container. All streams are copied into a new one, none is encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, from_comment, to_comment, too_large
from fusionflow_nb.media.container import load_av, media_errors, open_media, write_errors

if TYPE_CHECKING:
    from pathlib import Path

MEDIA_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm", "video/x-matroska"})

_MUXERS = {"video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "matroska"}
_COPIED = frozenset({"video", "audio", "subtitle"})
# bitexact: no random ids and no date, so that equal input gives equal bytes.
_OPTIONS = {"fflags": "+bitexact"}
# faststart: the index comes first, for players that stream. use_metadata_tags: any tag may be written.
_QUICKTIME_OPTIONS = {"movflags": "+faststart+use_metadata_tags"}
# What the new container says of itself; copied, these would be told twice.
_OWN_TAGS = frozenset({"comment", "encoder", "major_brand", "minor_version", "compatible_brands"})


def remux(source: Path, target: Path, text: str, media_type: str) -> None:
    """Write `target` with the streams of `source` and a recipe; another comment that was there is replaced.

    Raises:
        MediaError: the source is damaged.
        DiskFullError, UnwritableError: the target cannot be written.
        MissingExtraError: PyAV is not installed.
    """
    av = load_av("A recipe in a video")
    options = _OPTIONS | (_QUICKTIME_OPTIONS if _MUXERS[media_type] in {"mp4", "mov"} else {})
    with open_media(source) as given, media_errors(source):
        with write_errors(target):
            written = av.open(str(target.absolute()), "w", format=_MUXERS[media_type], options=options)
        try:
            _copy(given, written, text, target)
        finally:
            # Closing writes the index, also after an error: it may then fail for the same reason.
            with write_errors(target):
                written.close()


def _copy(given: Any, written: Any, text: str, target: Path) -> None:  # noqa: ANN401 - av containers
    written.metadata.update({name: tag for name, tag in given.metadata.items() if name.lower() not in _OWN_TAGS})
    written.metadata["comment"] = to_comment(text)
    copies = {}
    with write_errors(target):
        for stream in given.streams:
            if stream.type in _COPIED:
                copy = written.add_stream_from_template(stream, opaque=True)
                copy.metadata.update(stream.metadata)
                copies[stream.index] = copy
    for packet in given.demux([stream for stream in given.streams if stream.index in copies]):
        # The last packets of a demuxer are empty: they flush decoders, and there are none here.
        if packet.dts is not None:
            packet.stream = copies[packet.stream.index]
            with write_errors(target):
                written.mux(packet)


def read(path: Path) -> str | None:
    """The recipe text, or None.

    Raises:
        MediaError: the file is damaged, or the comment above what a recipe may have.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(path) as container:
        tags = [tag for name, tag in container.metadata.items() if name.lower() == "comment"]
    found = next((text for text in map(from_comment, tags) if text is not None), None)
    if found is not None and len(found) > MAX_RECIPE_BYTES:
        raise too_large()
    return found
