"""Read video files through PyAV: their properties, and their frames, upright and in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.media.container import limit_frames, media_errors, open_media, playable, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# swscale flags: bicubic, exact rounding, colour interpolated per pixel. The default loses 1/255 and 5 dB a generation.
_TO_RGB = 0x4 | 0x40000 | 0x2000
_TO_SMALL_RGB = 0x20 | 0x40000 | 0x2000
_QUARTER_TURN = 90
_WEB_CODECS = frozenset({"vp8", "vp9", "av1", "opus", "vorbis"})


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Properties of a video file; sizes in pixels as displayed (upright), times in seconds."""

    media_type: str
    width: int
    height: int
    duration_s: float
    fps: float
    frame_count: int
    has_audio: bool
    codec: str


@dataclass(frozen=True, slots=True)
class _Packets:
    """Totals of a file's packets: the video stream's count and start times, the end of all streams."""

    count: int
    first_s: float
    last_s: float
    end_s: float


def stream_facts(path: Path) -> VideoFacts:
    """Properties of a video. Counts every packet and decodes the first frame, so a truncated file is detected.

    Raises:
        MediaError: the file has no video, is hostile or truncated.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(path) as container:
        stream = _picture_stream(container, path)
        first = next(iter(container.decode(stream)), None)
        if first is None:
            raise no_frame(path)
        turned = (first.rotation // _QUARTER_TURN) % 2
        size = (first.height, first.width) if turned else (first.width, first.height)
    with open_media(path) as container:
        stream = _picture_stream(container, path)
        packets = _walk(container, stream)
        nominal = float(stream.average_rate or stream.guessed_rate or 0)
        lasting_s = packets.last_s - packets.first_s
        measured = (packets.count - 1) / lasting_s if lasting_s > 0 else nominal
        # Containers round times (WebM: to 1 ms) and some declare a wrong rate; a small difference is rounding.
        fps = nominal if nominal and abs(measured - nominal) <= 0.02 * nominal else (measured or 25.0)
        declared_s = container.duration / 1_000_000 if container.duration else 0.0
        if packets.end_s < declared_s - max(0.25, 3 / fps) or packets.count < stream.frames:
            message = f"{path.name} ends after {packets.end_s:.1f} of {declared_s:.1f} s."
            raise errors.MediaError(message, hint="It is truncated; download or export it again.")
        return VideoFacts(
            media_type=_media_type(container, stream),
            width=size[0],
            height=size[1],
            duration_s=round(packets.count / fps, 6),
            fps=round(fps, 6),
            frame_count=packets.count,
            has_audio=bool(playable(container.streams.audio)),
            codec=stream.codec_context.codec.canonical_name,
        )


def _walk(container: Any, stream: Any) -> _Packets:  # noqa: ANN401 - av objects
    """Read every packet of a container without decoding."""
    count, first_s, last_s, end_s = 0, float("inf"), 0.0, 0.0
    for packet in container.demux():
        start_s = seconds(packet.pts, packet.time_base)
        if start_s is None or not packet.size:
            continue
        end_s = max(end_s, start_s + (seconds(packet.duration, packet.time_base) or 0.0))
        if packet.stream.index == stream.index:
            count += 1
            first_s, last_s = min(first_s, start_s), max(last_s, start_s)
    return _Packets(count, min(first_s, last_s), last_s, end_s)


def stream_frames(
    path: Path, start_s: float, max_pixels: int | None
) -> Iterator[tuple[float, float, Callable[[], NDArray[np.uint8]]]]:
    """Frames from the key frame before `start_s`: (time in s, its rounding error, function that returns the pixels).

    Raises:
        MediaError: the file has no video, is hostile or damaged.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(path) as container:
        stream = _picture_stream(container, path)
        rounding_s = 0.25 / float(stream.average_rate or stream.guessed_rate or 25)
        zero = stream.start_time or 0
        if start_s > 0:
            container.seek(zero + int(start_s / stream.time_base), stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is not None:
                time_s = float((frame.pts - zero) * stream.time_base)
                yield time_s, rounding_s, partial(_pixels, path, frame, max_pixels)


def _pixels(path: Path, frame: Any, max_pixels: int | None) -> NDArray[np.uint8]:  # noqa: ANN401 - av.VideoFrame
    """A decoded frame as upright RGB."""
    width, height = limited_size(frame.width, frame.height, max_pixels)
    flags = _TO_RGB if width == frame.width else _TO_SMALL_RGB
    # Called by the consumer, outside the block in which the file is open.
    with media_errors(path):
        rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation=flags)
    pixels: NDArray[np.uint8] = rgb.to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, frame.rotation // _QUARTER_TURN)) if frame.rotation else pixels


def limited_size(width: int, height: int, max_pixels: int | None) -> tuple[int, int]:
    """A size reduced to at most `max_pixels`, with the same aspect ratio.

    >>> limited_size(400, 100, 10_000)
    (200, 50)
    """
    if max_pixels is None or width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    return max(1, int(width * scale)), max(1, int(height * scale))


def stream_comment(path: Path) -> str | None:
    """The text in the container's comment tag, or None.

    Raises:
        MediaError: the container is unknown.
        MissingExtraError: PyAV is not installed.
    """
    with open_media(path) as container:
        return next((text for name, text in container.metadata.items() if name.lower() == "comment"), None)


def no_frame(path: Path) -> errors.MediaError:
    """The error for a video without frames."""
    return errors.MediaError(
        f"{path.name} has no frame.", hint="It is damaged or truncated; download or export it again."
    )


def _picture_stream(container: Any, path: Path) -> Any:  # noqa: ANN401 - av objects
    streams = playable(container.streams.video)
    if not streams:
        message = f"{path.name} has no video stream."
        raise errors.MediaError(message, hint="Use a video file.")
    stream = streams[0]
    limit_frames(stream)
    return stream


def _media_type(container: Any, stream: Any) -> str:  # noqa: ANN401 - av objects
    """The media type by the codecs: Matroska with web codecs is WebM."""
    kind = container.format.name
    if "webm" in kind:
        codecs = {source.codec_context.codec.canonical_name for source in (stream, *playable(container.streams.audio))}
        return "video/webm" if codecs <= _WEB_CODECS else "video/x-matroska"
    if "mp4" in kind:
        return "video/quicktime" if container.metadata.get("major_brand", "").strip() == "qt" else "video/mp4"
    return {"avi": "video/x-msvideo", "mpegts": "video/mp2t"}.get(kind, f"video/{kind}")
