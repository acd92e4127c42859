"""Read dimensions and duration from a file's header, and render its preview.

Rendering the preview decodes the bytes, so it also verifies them. Decoders are imported at the first use: NumPy and
Pillow would be most of a session's start-up time.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.ingest import ContentInfo, check_text
from fusionflow_nb.media.container import open_media
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREVIEW_SIDE = 256
# More than the preview needs, for smooth downscaling; bounds the memory for 8K video.
_POSTER_PIXELS = 1024 * 1024
_BARS = 48

_MEDIA_STREAMS = frozenset({"video", "audio"})
_AUDIO_ONLY = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Dimensions and duration by the header; None where they do not apply or cannot be read here."""

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


@contextmanager
def _decoding_errors(path: Path) -> Iterator[None]:
    """Turn errors that the standard library and PyAV raise on hostile audio into MediaError.

    `wave` raises RuntimeError on truncated chunks, a resampler ValueError when the sample rate changes.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        message = f"{path.name} is damaged and cannot be decoded."
        raise errors.MediaError(message, hint="Download or export the file again.") from error


def resolve_type(path: Path, media_type: str) -> str:
    """The media type after opening the container: MP4, WebM and Matroska without video streams are audio.

    Without the extra `video` the sniffed type is returned.

    Raises:
        MediaError: the container cannot be opened, or uses a codec that FFmpeg does not know.
    """
    if media_type not in _AUDIO_ONLY:
        return media_type
    try:
        with open_media(path) as container:
            if any(stream.codec_context is None for stream in container.streams if stream.type in _MEDIA_STREAMS):
                message = f"{path.name} uses an unsupported codec."
                raise errors.MediaError(message, hint="Export it as WebM (VP9, AV1) or MP4 (H.264).")
            return media_type if container.streams.video else _AUDIO_ONLY[media_type]
    except errors.MissingExtraError:
        return media_type


def read_facts(path: Path, media_type: str) -> Facts:
    """Width, height (px) and duration (s) from the header of a file.

    Without the extra `video`, video and compressed audio have no facts.

    Raises:
        MediaError: the header does not match the type.
    """
    try:
        match media_type.partition("/")[0]:
            case "image":
                from fusionflow_nb.media import picture  # noqa: PLC0415

                facts = picture.picture_facts(path)
                return Facts(facts.width, facts.height)
            case "video":
                from fusionflow_nb.media import video  # noqa: PLC0415

                video_facts = video.video_facts(path)
                return Facts(video_facts.width, video_facts.height, video_facts.duration_s)
            case "audio":
                from fusionflow_nb.media import audio  # noqa: PLC0415

                with _decoding_errors(path):
                    return Facts(duration_s=audio.audio_facts(path).duration_s)
            case _:
                return Facts()
    except errors.MissingExtraError:
        return Facts()


def verify_and_preview(path: Path, media_type: str) -> bytes | None:
    """Decode a file and render its preview: WebP, at most 256 px a side; None for text, or without a decoder.

    Raises:
        MediaError: the bytes do not match their type: truncated, hostile or damaged.
    """
    if not media_type.startswith(("image/", "video/", "audio/")):
        check_text(path, media_type)
        return None
    from fusionflow_nb.assets.waveform import draw_waveform  # noqa: PLC0415
    from fusionflow_nb.media import audio, picture, video  # noqa: PLC0415

    try:
        match media_type.partition("/")[0]:
            case "image":
                return picture.thumbnail(picture.open_picture(path), PREVIEW_SIDE)
            case "video":
                return picture.thumbnail(
                    picture.from_array(video.poster(path, max_pixels=_POSTER_PIXELS)), PREVIEW_SIDE
                )
            case _:
                with _decoding_errors(path):
                    return picture.thumbnail(draw_waveform(audio.waveform(path, _BARS)), PREVIEW_SIDE)
    except errors.MissingExtraError:
        return None


def describe(path: Path, sniffed_type: str, content: ContentInfo) -> Asset:
    """Describe a file as an asset, by its container and header.

    Raises:
        MediaError: the header does not match the type.
    """
    media_type = resolve_type(path, sniffed_type)
    facts = read_facts(path, media_type)
    return Asset(content.sha256, media_type, content.size_bytes, facts.width, facts.height, facts.duration_s)
