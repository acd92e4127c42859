"""What stored bytes show: their size and length from the header, and a small picture of them.

Making the picture decodes the bytes, so it is also the proof that a picture or video is one. What decodes is imported
when there is something to decode: NumPy and Pillow are most of what opening a session would cost.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.ingest import Arrival, check_text
from fusionflow_nb.media.container import open_media
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREVIEW_SIDE = 256
# More than the preview needs, so that reducing it stays smooth, and flat in memory for 8K films.
_POSTER_PIXELS = 1024 * 1024
_BARS = 48

_SEEN_OR_HEARD = frozenset({"video", "audio"})
_SOUND_ALONE = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of bytes without decoding them; None where it does not apply or cannot be known here."""

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what the standard library and PyAV let through on hostile sound into MediaError.

    `wave` raises a bare RuntimeError on chunks that end early, a resampler ValueError when the rate changes on the way.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        message = f"{path.name} is damaged and cannot be decoded."
        raise errors.MediaError(message, hint="Get the file again, or export it again.") from error


def settle_type(path: Path, media_type: str) -> str:
    """The media type once the container was opened: MP4, WebM and Matroska without pictures are sound.

    Without the extra `video` the type stays as sniffed.

    Raises:
        MediaError: the container cannot be opened, or holds a codec that FFmpeg does not know.
    """
    if media_type not in _SOUND_ALONE:
        return media_type
    try:
        with open_media(path) as container:
            if any(stream.codec_context is None for stream in container.streams if stream.type in _SEEN_OR_HEARD):
                message = f"{path.name} uses a codec that nothing here can read."
                raise errors.MediaError(message, hint="Export it as WebM (VP9, AV1) or MP4 (H.264).")
            return media_type if container.streams.video else _SOUND_ALONE[media_type]
    except errors.MissingExtraError:
        return media_type


def read_facts(path: Path, media_type: str) -> Facts:
    """Width, height (px) and duration (s) from the header of a file.

    Without the extra `video`, films and compressed sound give no facts.

    Raises:
        MediaError: the header is not what the type promises.
    """
    try:
        match media_type.partition("/")[0]:
            case "image":
                from fusionflow_nb.media import picture  # noqa: PLC0415

                facts = picture.picture_facts(path)
                return Facts(facts.width, facts.height)
            case "video":
                from fusionflow_nb.media import video  # noqa: PLC0415

                film = video.video_facts(path)
                return Facts(film.width, film.height, film.duration_s)
            case "audio":
                from fusionflow_nb.media import audio  # noqa: PLC0415

                with _damage(path):
                    return Facts(duration_s=audio.audio_facts(path).duration_s)
            case _:
                return Facts()
    except errors.MissingExtraError:
        return Facts()


def prove_and_picture(path: Path, media_type: str) -> bytes | None:
    """Decode a file and draw its preview: WebP, at most 256 px a side; None for text, or where no extra can decode it.

    Raises:
        MediaError: the bytes are not what their type promises: truncated, hostile or damaged.
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
                with _damage(path):
                    return picture.thumbnail(draw_waveform(audio.waveform(path, _BARS)), PREVIEW_SIDE)
    except errors.MissingExtraError:
        return None


def describe(path: Path, sniffed_type: str, arrival: Arrival) -> Asset:
    """The asset that a file of bytes is, from its container and header.

    Raises:
        MediaError: the header is not what the type promises.
    """
    media_type = settle_type(path, sniffed_type)
    facts = read_facts(path, media_type)
    return Asset(arrival.sha256, media_type, arrival.size_bytes, facts.width, facts.height, facts.duration_s)
