"""Video: write frames, read frames, inspect files.

PyAV (extra `video`) writes WebM or MP4 and reads what FFmpeg reads; without it videos become animated WebP, which
`VideoFacts.media_type` names it. Files may be hostile: sizes are bounded, and damage is a MediaError.
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

# Below this standard deviation (of 0..255) a frame is nearly one colour: a fade from black, a title ground.
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
    """Write frames to `path`, whole or not at all, and give the facts of what was written.

    Args:
        path: where to; the name's ending decides nothing.
        frames: uint8 arrays (height, width, 3), sRGB; taken one at a time.
        fps: frames per second, 1 to 120.
        width: of each frame; an odd last column is left out, since video halves its colour planes.
        height: of each frame; likewise for an odd last row.
        codec: "vp9" and "av1" give WebM, "h264" gives MP4. Without PyAV "vp9" becomes an animated WebP.
        audio: sound that goes along, cut to the length of the pictures: a file, or blocks of samples (n, 2)
            at 48 kHz as `read_sound` gives them.
        comment: text kept in the file, readable by `read_comment`.

    Raises:
        MediaError: no frames, or frames of another shape, or sound that cannot be read.
        MissingExtraError: sound was asked for, or another codec than the default, and PyAV is not installed.
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
    # A first frame that fails (a cancel, a wrong shape) fails before any file exists.
    first = next(checked, None)
    if first is None:
        message = "A video needs at least one frame."
        raise errors.MediaError(message, hint="Ask for a longer duration.")
    every = chain([first], checked)
    with whole_file(path) as part:
        if is_av_available():
            sound = read_sound(audio) if isinstance(audio, Path) else audio
            rate = Fraction(fps).limit_denominator(1001)
            encode_video(part, every, rate=rate, size=size, codec=codec, sound=sound, comment=comment)
        elif audio is not None or codec != "vp9":
            raise errors.MissingExtraError("Sound in a video" if audio is not None else f"{codec} video", extra="video")
        else:
            animated_images.write_webp(part, every, fps=fps, size=size, comment=comment)
    return video_facts(path)


def _checked_frames(frames: Iterable[NDArray[np.uint8]], width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """The frames, each of the promised shape, cut to even sizes."""
    for index, frame in enumerate(frames):
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            message = f"Frame {index} is {frame.dtype} {frame.shape}, not uint8 ({height}, {width}, 3)."
            raise errors.MediaError(message, hint="Give every frame the size of the video.")
        yield np.ascontiguousarray(frame[: height - height % 2, : width - width % 2])


def video_facts(path: Path) -> VideoFacts:
    """What a video holds. The whole file is walked, so that a truncated one is found out. A still is one frame.

    Raises:
        MediaError: no video, hostile, or truncated.
        MissingExtraError: PyAV is not installed and the file is no animated picture.
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

    Times count from the first frame. A quarter of a frame is forgiven, since containers round times.

    Args:
        path: the video.
        start_s: start of the range, inclusive.
        end_s: end of the range, exclusive; None for the end of the video.
        every: 1 for all frames, n for each n-th of those in range.
        max_pixels: frames above that many pixels are shrunk to it, their shape kept.

    Raises:
        MediaError: no video, hostile or damaged. A file that merely stops early ends the frames: see `video_facts`.
        MissingExtraError: PyAV is not installed and the file is no animated picture.
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
        MediaError: no video, hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is no animated picture.
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
    """A frame that stands for the video: the first of start, quarter and middle that is not nearly flat.

    Raises:
        MediaError: no video, hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is no animated picture.
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
    """The text that `write_video` kept in the file, or None.

    Raises:
        MediaError: no video, hostile or damaged.
        MissingExtraError: PyAV is not installed and the file is no animated picture.
    """
    return stream_comment(path) if _flipbook_type(path) is None else animated_images.read_comment(path)


def _frames_from(
    path: Path, start_s: float, max_pixels: int | None
) -> Iterator[tuple[float, float, Callable[[], NDArray[np.uint8]]]]:
    """Frames from `start_s` on, perhaps some before: (time in s, how much of it is rounding, gives the pixels)."""
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
