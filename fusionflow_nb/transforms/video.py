"""The functions of video nodes: files to one file, frame by frame; progress and cancel through `tick`.

Joined videos have the size and frame rate of the first video. Audio is kept.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from fusionflow_nb import errors
from fusionflow_nb.media.audio import read_sound
from fusionflow_nb.media.camera import View, move_camera
from fusionflow_nb.media.container import SOUND_RATE, whole_file, write_errors
from fusionflow_nb.media.picture import encode_png, from_array, open_picture
from fusionflow_nb.media.remux import replace_sound
from fusionflow_nb.media.video import VideoCodec, VideoFacts, frame_at, read_frames, video_facts, write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Tick: TypeAlias = Callable[[float], None]
    Fit: TypeAlias = Literal["cover", "contain"]
    Frames: TypeAlias = Iterator[NDArray[np.uint8]]
    Sound: TypeAlias = Iterator[NDArray[np.float32]]

_COPYABLE = frozenset({"video/webm", "video/mp4", "video/quicktime", "video/x-matroska"})


def ken_burns(
    image: Path,
    output: Path,
    *,
    tick: Tick,
    start: View | None = None,
    end: View | None = None,
    duration_s: float = 4.0,
    fps: float = 24.0,
    width: int | None = None,
    height: int | None = None,
    codec: VideoCodec = "vp9",
) -> VideoFacts:
    """Render an eased camera move over an image from one view to another; by default slightly closer to its middle.

    Args:
        image: the image.
        output: the video to write.
        tick: called after each frame with the fraction done; may raise to stop.
        start: the first view; None for the whole image.
        end: the last view; None for its middle, 1.25 times closer.
        duration_s: 0.1 to 60.
        fps: 1 to 60.
        width: of the video; None for the image's width.
        height: of the video; None for the image's height.
        codec: as for `write_video`.

    Raises:
        ParameterError: a parameter is out of range.
        MediaError: the image cannot be read.
    """
    _check("duration_s", duration_s, 0.1, 60)
    _check("fps", fps, 1, 60)
    first, last = start or View(), end or View(zoom=1.25)
    for name, view in (("start", first), ("end", last)):
        _check(f"{name}.x", view.x, 0, 1)
        _check(f"{name}.y", view.y, 0, 1)
        _check(f"{name}.zoom", view.zoom, 1, 8)
    pixels = np.asarray(open_picture(image).convert("RGB"))
    size = (width or max(16, pixels.shape[1] // 2 * 2), height or max(16, pixels.shape[0] // 2 * 2))
    _check("width", size[0], 16, 4096)
    _check("height", size[1], 16, 4096)
    frames = move_camera(
        pixels, first, last, frame_count=round(duration_s * fps) or 1, width=size[0], height=size[1], tick=tick
    )
    return write_video(output, frames, fps=fps, width=size[0], height=size[1], codec=codec)


def dissolve(
    first: Path, second: Path, output: Path, *, tick: Tick, duration_s: float = 1.0, fit: Fit = "cover"
) -> VideoFacts:
    """Join two videos with a cross-fade of video and audio.

    The duration is the sum of both, minus the fade.

    Args:
        first: the video that fades out.
        second: the video that fades in.
        output: the video to write.
        tick: called after each frame with the fraction done; may raise to stop.
        duration_s: of the fade; at least 0.04 s, and at most as long as each video.
        fit: "cover" crops the second to the first's aspect ratio, "contain" puts it on black.

    Raises:
        ParameterError: the fade is longer than a video.
        MediaError: a video cannot be read.
    """
    first_facts, second_facts = video_facts(first), video_facts(second)
    _check("duration_s", duration_s, 0.04, min(first_facts.duration_s, second_facts.duration_s))
    first_count, second_count = first_facts.frame_count, _count_at(second_facts, first_facts.fps)
    fade = min(max(1, round(duration_s * first_facts.fps)), first_count, second_count)
    total = first_count + second_count - fade

    def frames() -> Frames:
        ending = _frames_at(first, first_facts, first_facts, "cover")
        beginning = _frames_at(second, second_facts, first_facts, fit)
        yield from islice(ending, first_count - fade)
        for index, (old, new) in enumerate(zip(ending, islice(beginning, fade), strict=True), start=1):
            yield _mixed(old, new, index / (fade + 1))
        yield from beginning

    sound = None
    if first_facts.has_audio or second_facts.has_audio:
        before_s, fade_s = (first_count - fade) / first_facts.fps, fade / first_facts.fps
        sound = chain(
            _sound(first, first_facts, 0.0, before_s),
            [_crossed(first, first_facts, second, second_facts, before_s=before_s, fade_s=fade_s)],
            _sound(second, second_facts, fade_s, second_count / first_facts.fps),
        )
    return _write(output, frames(), total, first_facts, sound=sound, tick=tick)


def concatenate(videos: Sequence[Path], output: Path, *, tick: Tick, fit: Fit = "cover") -> VideoFacts:
    """Join videos one after another, with audio. The number of frames is the sum of all.

    Args:
        videos: at least one; the first determines size and frame rate.
        output: the video to write.
        tick: called after each frame with the fraction done; may raise to stop.
        fit: "cover" crops the others to the first's aspect ratio, "contain" puts them on black.

    Raises:
        ParameterError: there are no videos.
        MediaError: a video cannot be read.
    """
    if not videos:
        message = "There are no videos to join."
        raise errors.ParameterError(message, hint="Connect at least one video.")
    parts = [(path, video_facts(path)) for path in videos]
    form = parts[0][1]
    total = sum(_count_at(facts, form.fps) for _, facts in parts)
    frames = chain.from_iterable(_frames_at(path, facts, form, fit) for path, facts in parts)
    sound = None
    if any(facts.has_audio for _, facts in parts):
        sound = chain.from_iterable(
            _sound(path, facts, 0.0, _count_at(facts, form.fps) / form.fps) for path, facts in parts
        )
    return _write(output, frames, total, form, sound=sound, tick=tick)


def trim(video: Path, output: Path, *, tick: Tick, start_s: float = 0.0, end_s: float | None = None) -> VideoFacts:
    """Trim a video to the part between two times, exact to the frame, with its audio.

    Args:
        video: the video.
        output: the video to write.
        tick: called after each frame with the fraction done; may raise to stop.
        start_s: start of the part, inclusive.
        end_s: end of the part, exclusive; None for the end of the video.

    Raises:
        ParameterError: the range is empty or outside the video.
        MediaError: the video cannot be read.
    """
    facts = video_facts(video)
    last_s = facts.duration_s if end_s is None else end_s
    _check("start_s", start_s, 0, facts.duration_s)
    _check("end_s", last_s, start_s, facts.duration_s + 0.5 / facts.fps)
    first, last = round(start_s * facts.fps), round(last_s * facts.fps)
    if last <= first:
        message = f"There is no frame between {start_s} and {last_s} s."
        raise errors.ParameterError(message, hint=f"A frame lasts {1 / facts.fps:.3f} s: leave at least one.")
    start_s, last_s = first / facts.fps, last / facts.fps
    frames = (pixels for _, pixels in read_frames(video, start_s=start_s, end_s=last_s))
    sound = read_sound(video, start_s=start_s, end_s=last_s) if facts.has_audio else None
    return _write(output, frames, last - first, facts, sound=sound, tick=tick)


def first_frame(video: Path, output: Path, *, tick: Tick) -> None:
    """Write the first frame as PNG.

    Raises:
        MediaError: the video cannot be read.
    """
    _write_frame(frame_at(video, 0.0), output)
    tick(1.0)


def last_frame(video: Path, output: Path, *, tick: Tick) -> None:
    """Write the last frame as PNG.

    Raises:
        MediaError: the video cannot be read.
    """
    _write_frame(frame_at(video, float("inf")), output)
    tick(1.0)


def add_audio(video: Path, audio: Path, output: Path, *, tick: Tick) -> VideoFacts:
    """Replace the audio of a video, cut to its duration; frames of WebM and MP4 are copied, not encoded again.

    Args:
        video: the video; its own audio is dropped.
        audio: an audio file, or a video with audio.
        output: the video to write.
        tick: called often with the fraction done; may raise to stop.

    Raises:
        MediaError: the video or the audio cannot be read.
        MissingExtraError: PyAV is not installed.
    """
    facts = video_facts(video)
    if facts.media_type not in _COPYABLE:
        frames = (pixels for _, pixels in read_frames(video))
        return _write(output, frames, facts.frame_count, facts, sound=read_sound(audio), tick=tick)
    with whole_file(output) as part:
        replace_sound(video, read_sound(audio), part, duration_s=facts.duration_s, tick=tick)
    return video_facts(output)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        message = f"{name} = {value} is out of range."
        raise errors.ParameterError(message, hint=f"Use {low:g} to {high:g}.")


def _write(
    output: Path, frames: Frames, total: int, form: VideoFacts, *, sound: Sound | None, tick: Tick
) -> VideoFacts:
    """Write frames with the format of a video, with progress per frame."""

    def ticked() -> Frames:
        for index, frame in enumerate(frames, start=1):
            tick(min(1.0, index / total))
            yield frame

    codec: VideoCodec = "h264" if form.media_type == "video/mp4" else "vp9"
    return write_video(output, ticked(), fps=form.fps, width=form.width, height=form.height, codec=codec, audio=sound)


def _write_frame(pixels: NDArray[np.uint8], output: Path) -> None:
    with write_errors(output):
        output.write_bytes(encode_png(from_array(pixels)))


def _count_at(facts: VideoFacts, fps: float) -> int:
    """The number of frames of a video at another rate."""
    same = abs(facts.fps - fps) < fps / 1000
    return facts.frame_count if same else max(1, round(facts.duration_s * fps))


def _frames_at(path: Path, facts: VideoFacts, form: VideoFacts, fit: Fit) -> Frames:
    """The frames of a video at the rate and size of another video; exactly `_count_at` frames."""
    count = _count_at(facts, form.fps)
    is_same_rate = count == facts.frame_count
    written, shown, shown_fitted = 0, None, None
    for time_s, pixels in read_frames(path):
        # Until this frame's time the previous frame is shown.
        while (
            shown is not None
            and written < count
            and not is_same_rate
            and written / form.fps < time_s - 0.25 / facts.fps
        ):
            shown_fitted = _fitted(shown, form, fit) if shown_fitted is None else shown_fitted
            yield shown_fitted
            written += 1
        shown, shown_fitted = pixels, None
        if is_same_rate and written < count:
            shown_fitted = _fitted(shown, form, fit)
            yield shown_fitted
            written += 1
    while shown is not None and written < count:
        shown_fitted = _fitted(shown, form, fit) if shown_fitted is None else shown_fitted
        yield shown_fitted
        written += 1


def _fitted(pixels: NDArray[np.uint8], form: VideoFacts, fit: Fit) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (form.height, form.width):
        return pixels
    picture, size = Image.fromarray(pixels), (form.width, form.height)
    if fit == "contain":
        return np.asarray(ImageOps.pad(picture, size, Image.Resampling.LANCZOS))
    return np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS))


def _mixed(old: NDArray[np.uint8], new: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Mix two frames by `share`, in integers: the same on every machine."""
    part = np.uint16(round(share * 256))
    mixed = old.astype(np.uint16) * (np.uint16(256) - part) + new.astype(np.uint16) * part + np.uint16(127)
    return (mixed >> 8).astype(np.uint8)


def _sound(path: Path, facts: VideoFacts, start_s: float, end_s: float) -> Sound:
    """The audio of a part of a video, of exactly its duration; silence without an audio stream."""
    missing = round(end_s * SOUND_RATE) - round(start_s * SOUND_RATE)
    if facts.has_audio:
        for block in read_sound(path, start_s=start_s, end_s=end_s):
            missing -= len(block)
            yield block
    while missing > 0:
        length = min(missing, SOUND_RATE)
        missing -= length
        yield np.zeros((length, 2), np.float32)


def _crossed(
    first: Path, first_facts: VideoFacts, second: Path, second_facts: VideoFacts, *, before_s: float, fade_s: float
) -> NDArray[np.float32]:
    """The audio of the cross-fade, with constant power."""
    old = np.concatenate([*_sound(first, first_facts, before_s, before_s + fade_s)])
    new = np.concatenate([*_sound(second, second_facts, 0.0, fade_s)])
    length = min(len(old), len(new))
    angle = (np.linspace(0, np.pi / 2, length, dtype=np.float32))[:, None]
    crossed: NDArray[np.float32] = old[:length] * np.cos(angle) + new[:length] * np.sin(angle)
    return crossed
