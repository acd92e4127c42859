"""Video: write frames, read frames, inspect files.

PyAV (extra `video`) writes WebM or MP4 and reads the formats of FFmpeg; without it videos become animated WebP (see
`VideoFacts.media_type`). Files may be hostile: sizes are bounded, and damage is a MediaError.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.media import animated_images
from fusionflow_nb.media.audio import read_sound
from fusionflow_nb.media.container import is_av_available, whole_file
from fusionflow_nb.media.decode import VideoFacts, no_frame, stream_comment, stream_facts, stream_frames
from fusionflow_nb.media.encode import VideoCodec, encode_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

__all__ = [
    "VideoCodec",
    "VideoFacts",
    "frame_at",
    "poster",
    "read_comment",
    "read_frames",
    "video_facts",
    "write_video",
]

# Below this standard deviation (of 0..255) a frame has nearly one colour, such as a fade from black.
_NEARLY_FLAT = 12.0


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float,
    width: int,
    height: int,
    codec: VideoCodec = "vp9",
    audio: Path | Iterable[NDArray[np.float32]] | None = None,
    comment: str | None = None,
) -> VideoFacts:
    """Write frames to `path` atomically and return the properties of the video.

    Args:
        path: the target; its extension has no effect.
        frames: uint8 arrays (height, width, 3), sRGB; read one at a time.
        fps: frames per second, 1 to 120.
        width: of each frame; an odd last column is dropped, because video halves its colour planes.
        height: of each frame; likewise for an odd last row.
        codec: "vp9" and "av1" give WebM, "h264" gives MP4. Without PyAV "vp9" becomes an animated WebP.
        audio: a file, or blocks of samples (n, 2) at 48 kHz as of `read_sound`; cut to the duration of the
            video.
        comment: text stored in the file, see `read_comment`.

    Raises:
        MediaError: there are no frames, a frame has another shape, or the audio cannot be read.
        MissingExtraError: audio or another codec than the default needs PyAV, which is not installed.
        StoreError: the file cannot be written.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "grey.webm"
    >>> grey = np.full((16, 16, 3), 128, np.uint8)
    >>> write_video(path, [grey] * 12, fps=12, width=16, height=16).duration_s
    1.0
    """
    for name, value, low, high in (("fps", fps, 1, 120), ("width", width, 16, 8192), ("height", height, 16, 8192)):
        if not low <= value <= high:
            message = f"A video's {name} of {value} is out of range."
            raise errors.MediaError(message, hint=f"Use {low} to {high}.")
    size = (width - width % 2, height - height % 2)
    checked = _checked_frames(frames, width, height)
    # If the first frame raises (a cancel, a wrong shape), no file is created.
    first = next(checked, None)
    if first is None:
        message = "A video needs at least one frame."
        raise errors.MediaError(message, hint="Set a longer duration.")
    every = chain([first], checked)
    with whole_file(path) as part:
        if is_av_available():
            sound = read_sound(audio) if isinstance(audio, Path) else audio
            rate = Fraction(fps).limit_denominator(1001)
            encode_video(part, every, rate=rate, size=size, codec=codec, sound=sound, comment=comment)
        elif audio is not None or codec != "vp9":
            raise errors.MissingExtraError("Audio in a video" if audio is not None else f"{codec} video", extra="video")
        else:
            animated_images.write_webp(part, every, fps=fps, size=size, comment=comment)
    return video_facts(path)


def _checked_frames(frames: Iterable[NDArray[np.uint8]], width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """The frames, after checking their shape, cropped to even sizes."""
    for index, frame in enumerate(frames):
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            message = f"Frame {index} is {frame.dtype} {frame.shape}, not uint8 ({height}, {width}, 3)."
            raise errors.MediaError(message, hint="Every frame must have the size of the video.")
        yield np.ascontiguousarray(frame[: height - height % 2, : width - width % 2])


def video_facts(path: Path) -> VideoFacts:
    """Properties of a video. Reads all packets, so a truncated file is detected. A still image is one frame.

    Raises:
        MediaError: the file has no video, is hostile or truncated.
        MissingExtraError: PyAV is not installed and the file is not an animated image.
    """
    media_type = _flipbook_type(path)
    if media_type is None:
        return stream_facts(path)
    with animated_images.open_flipbook(path) as picture:
        durations_s = [duration_s for _, duration_s, _ in animated_images.iter_frames(picture, None)]
        count, total_s = len(durations_s), round(sum(durations_s), 3)
        return VideoFacts(
            media_type=media_type,
            width=picture.width,
            height=picture.height,
            duration_s=total_s,
            fps=round(count / total_s, 6),
            frame_count=count,
            has_audio=False,
            codec=media_type.removeprefix("image/"),
        )


def read_frames(
    path: Path,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    every: int = 1,
    max_pixels: int | None = None,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Frames of a video with start_s <= time < end_s, decoded one at a time: (time in s, uint8 (h, w, 3)).

    Times count from the first frame. A quarter of a frame is tolerated, because containers round times.

    Args:
        path: the video.
        start_s: start of the range, inclusive.
        end_s: end of the range, exclusive; None for the end of the video.
        every: 1 for all frames, n for each n-th of those in range.
        max_pixels: larger frames are downscaled to it, with the same aspect ratio.

    Raises:
        MediaError: the file has no video, is hostile or damaged. A truncated file ends the frames: see `video_facts`.
        MissingExtraError: PyAV is not installed and the file is not an animated image.
    """
    index = 0
    for time_s, rounding_s, pixels in _frames_from(path, start_s, max_pixels):
        if time_s < start_s - rounding_s:
            continue
        if end_s is not None and time_s >= end_s - rounding_s:
            return
        if index % every == 0:
            yield time_s, pixels()
        index += 1


def frame_at(path: Path, time_s: float) -> NDArray[np.uint8]:
    """The frame shown at `time_s`; beyond the end, the last frame. A quarter of a frame is tolerated.

    Raises:
        MediaError: the file has no video, is hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is not an animated image.
    """
    facts = video_facts(path)
    wanted_s = min(max(time_s, 0.0), max(0.0, facts.duration_s - 0.5 / facts.fps))
    shown_pixels: Callable[[], NDArray[np.uint8]] | None = None
    for start_s, rounding_s, pixels in _frames_from(path, wanted_s, None):
        if shown_pixels is not None and start_s > wanted_s + rounding_s:
            break
        shown_pixels = pixels
    if shown_pixels is None:
        raise no_frame(path)
    return shown_pixels()


def poster(path: Path, *, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """A representative frame: the first of start, quarter and middle that is not nearly uniform.

    Raises:
        MediaError: the file has no video, is hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is not an animated image.
    """
    duration_s = video_facts(path).duration_s
    best: NDArray[np.uint8] | None = None
    for start_s in (0.0, duration_s / 4, duration_s / 2):
        for _, frame in read_frames(path, start_s=start_s, max_pixels=max_pixels):
            if best is None or frame.std() > best.std():
                best = frame
            break
        if best is not None and best.std() > _NEARLY_FLAT:
            break
    if best is None:
        raise no_frame(path)
    return best


def read_comment(path: Path) -> str | None:
    """The comment that `write_video` stored in the file, or None.

    Raises:
        MediaError: the file has no video, is hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is not an animated image.
    """
    return stream_comment(path) if _flipbook_type(path) is None else animated_images.read_comment(path)


def _frames_from(
    path: Path, start_s: float, max_pixels: int | None
) -> Iterator[tuple[float, float, Callable[[], NDArray[np.uint8]]]]:
    """Frames from `start_s`, perhaps some before: (time in s, its rounding error, function that returns the pixels)."""
    if _flipbook_type(path) is None:
        yield from stream_frames(path, start_s, max_pixels)
        return
    with animated_images.open_flipbook(path) as picture:
        for time_s, duration_s, pixels in animated_images.iter_frames(picture, max_pixels):
            yield time_s, 0.25 * duration_s, pixels


def _flipbook_type(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return animated_images.media_type_of(file.read(16))
    except OSError as error:
        message = f"{path.name} cannot be read ({error.strerror})."
        raise errors.MediaError(message, hint="Check the path and its permissions.") from error
