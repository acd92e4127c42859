"""Video transforms: durations, synchronous frames and sound, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.media import audio, video
from fusionflow_nb.media.camera import View
from fusionflow_nb.transforms import video as transforms

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FPS = 12


class Cancelled(Exception):  # noqa: N818 - raised by the caller's tick
    """Raised by the ticks of these tests."""


def ignore(share: float) -> None:
    assert 0 <= share <= 1


def level(pixels: NDArray[np.uint8]) -> int:
    return round(float(pixels.mean()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos: dark (30 frames, grey 40 + 2 per frame, a low tone), light (18 frames of 200, high tone), tall (24/s)."""
    folder = tmp_path_factory.mktemp("films")
    time = np.arange(48_000 * 3) / 48_000
    for name, hertz in (("low", 220), ("high", 880)):
        wave = (0.4 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
        audio.write_wav(folder / f"{name}.wav", np.stack([wave, wave], axis=1), 48_000)
    dark = (np.full((48, 64, 3), 40 + 2 * index, np.uint8) for index in range(30))
    video.write_video(folder / "dark", dark, fps=FPS, width=64, height=48, audio=folder / "low.wav", comment="recipe")
    light = [np.full((48, 64, 3), 200, np.uint8)] * 18
    video.write_video(folder / "light", light, fps=FPS, width=64, height=48, audio=folder / "high.wav")
    tall = [np.full((64, 32, 3), 120, np.uint8)] * 24
    video.write_video(folder / "tall", tall, fps=24, width=32, height=64, codec="h264")
    return folder


def heard_hertz(path: Path, start_s: float, end_s: float) -> float:
    sound = np.concatenate(list(audio.read_sound(path, start_s=start_s, end_s=end_s)))[:, 0]
    return float(np.abs(np.fft.rfft(sound)).argmax() * 48_000 / len(sound))


def test_concatenate_joins_frames_and_sound(folder: Path, tmp_path: Path) -> None:
    """The result has the frames of its parts, in order, each with its sound."""
    facts = transforms.concatenate([folder / "dark", folder / "light"], tmp_path / "out", tick=ignore)
    assert (facts.frame_count, facts.duration_s, facts.has_audio) == (48, 4.0, True)
    levels = [level(pixels) for _, pixels in video.read_frames(tmp_path / "out")]
    assert np.abs(np.array(levels) - [*range(40, 100, 2), *[200] * 18]).max() <= 3
    assert heard_hertz(tmp_path / "out", 0.5, 2.0) == pytest.approx(220, abs=2)
    assert heard_hertz(tmp_path / "out", 2.6, 3.9) == pytest.approx(880, abs=2)


def test_concatenate_uses_the_format_of_the_first(folder: Path, tmp_path: Path) -> None:
    """A part with another size and rate and no sound is converted; it keeps its duration and is silent."""
    facts = transforms.concatenate([folder / "dark", folder / "tall"], tmp_path / "out", tick=ignore, fit="contain")
    assert (facts.width, facts.height, facts.fps, facts.frame_count) == (64, 48, FPS, 42)
    last = video.frame_at(tmp_path / "out", 99)
    assert level(last[:, 30:34]) == pytest.approx(120, abs=4)
    assert level(last[:, :6]) < 6
    silent = np.concatenate(list(audio.read_sound(tmp_path / "out", start_s=2.7)))
    assert np.abs(silent).max() < 0.02


@pytest.mark.parametrize("fade", [1, 6, 18])
def test_dissolve_overlaps(folder: Path, tmp_path: Path, fade: int) -> None:
    """The duration is that of both videos less the fade; frames and sound are cross-faded."""
    facts = transforms.dissolve(folder / "dark", folder / "light", tmp_path / "out", duration_s=fade / FPS, tick=ignore)
    assert facts.frame_count == 30 + 18 - fade
    levels = np.array([level(pixels) for _, pixels in video.read_frames(tmp_path / "out")])
    part = np.arange(1, fade + 1) / (fade + 1)
    expected = (40 + 2 * np.arange(30 - fade, 30)) * (1 - part) + 200 * part
    assert np.abs(levels[30 - fade : 30] - expected).max() <= 4
    assert np.abs(levels[30:] - 200).max(initial=0) <= 3
    assert heard_hertz(tmp_path / "out", 0.2, 0.9) == pytest.approx(220, abs=3)


@hypothesis_settings(max_examples=12, deadline=None)
@given(st.integers(0, 29), st.integers(1, 30))
def test_trim_keeps_exactly_the_range(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, first: int, length: int
) -> None:
    """The frames between two times, exact to the frame, with sound of the same duration."""
    last = min(first + length, 30)
    out = tmp_path_factory.mktemp("trim") / "out"
    facts = transforms.trim(folder / "dark", out, start_s=first / FPS, end_s=last / FPS, tick=ignore)
    assert facts.frame_count == last - first
    levels = [level(pixels) for _, pixels in video.read_frames(out)]
    assert np.abs(np.array(levels) - [40 + 2 * index for index in range(first, last)]).max() <= 3
    sample_count = sum(len(block) for block in audio.read_sound(out))
    assert sample_count / 48_000 == pytest.approx((last - first) / FPS, abs=0.05)


def test_first_and_last_frame(folder: Path, tmp_path: Path) -> None:
    """They are PNG pictures of the first and last frames."""
    transforms.first_frame(folder / "dark", tmp_path / "first", tick=ignore)
    transforms.last_frame(folder / "dark", tmp_path / "last", tick=ignore)
    with Image.open(tmp_path / "first") as first, Image.open(tmp_path / "last") as last:
        assert (first.format, first.size) == ("PNG", (64, 48))
        assert abs(level(np.asarray(first)) - 40) <= 3
        assert abs(level(np.asarray(last)) - 98) <= 3


def test_add_audio_copies_the_frames(folder: Path, tmp_path: Path) -> None:
    """The new sound is cut to the video; frames and comment do not change, bit for bit."""
    facts = transforms.add_audio(folder / "dark", folder / "high.wav", tmp_path / "out", tick=ignore)
    assert (facts.frame_count, facts.duration_s, facts.media_type) == (30, 2.5, "video/webm")
    before, after = (list(video.read_frames(path)) for path in (folder / "dark", tmp_path / "out"))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(before, after, strict=True))
    assert heard_hertz(tmp_path / "out", 0.5, 2.0) == pytest.approx(880, abs=2)
    assert video.read_comment(tmp_path / "out") == "recipe"


def test_add_audio_keeps_mp4(folder: Path, tmp_path: Path) -> None:
    """The result of an MP4 is an MP4."""
    facts = transforms.add_audio(folder / "tall", folder / "low.wav", tmp_path / "out", tick=ignore)
    assert (facts.media_type, facts.frame_count, facts.has_audio) == ("video/mp4", 24, True)


def test_ken_burns_moves_from_start_to_end_view(tmp_path: Path) -> None:
    """The first frame shows the start view, the last the end view; duration and size are as requested."""
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[:, 80:] = 220
    Image.fromarray(picture).save(tmp_path / "in.png")
    facts = transforms.ken_burns(
        tmp_path / "in.png", tmp_path / "out", start=View(0, 0.5, 2), end=View(1, 0.5, 2),
        duration_s=1.5, fps=FPS, width=64, height=48, tick=ignore,
    )  # fmt: skip
    assert (facts.frame_count, facts.width, facts.height) == (18, 64, 48)
    assert level(video.frame_at(tmp_path / "out", 0)) < 8
    assert level(video.frame_at(tmp_path / "out", 99)) > 210


def test_cancel_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    """An exception in tick propagates, and no file remains."""

    def cancel(share: float) -> None:
        if share > 0.3:
            raise Cancelled

    picture = tmp_path / "in.png"
    Image.new("RGB", (64, 64)).save(picture)
    runs = (
        lambda out: transforms.concatenate([folder / "dark", folder / "light"], out, tick=cancel),
        lambda out: transforms.dissolve(folder / "dark", folder / "light", out, tick=cancel),
        lambda out: transforms.trim(folder / "dark", out, tick=cancel),
        lambda out: transforms.add_audio(folder / "dark", folder / "low.wav", out, tick=cancel),
        lambda out: transforms.ken_burns(picture, out, tick=cancel),
    )
    for run in runs:
        with pytest.raises(Cancelled):
            run(tmp_path / "out")
    assert list(tmp_path.iterdir()) == [picture]


def test_progress_rises_to_one(folder: Path, tmp_path: Path) -> None:
    """Fractions never decrease and end at 1."""
    for run in (
        lambda tick: transforms.concatenate([folder / "dark", folder / "tall"], tmp_path / "out", tick=tick),
        lambda tick: transforms.add_audio(folder / "dark", folder / "low.wav", tmp_path / "out", tick=tick),
    ):
        shares: list[float] = []
        run(shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert len(shares) > 20


def test_errors_name_the_parameter(folder: Path, tmp_path: Path) -> None:
    """ParameterError names the parameter; no file is written."""
    out = tmp_path / "out"
    cases = {
        "duration_s": lambda: transforms.dissolve(folder / "dark", folder / "light", out, duration_s=5, tick=ignore),
        "start_s": lambda: transforms.trim(folder / "dark", out, start_s=9, tick=ignore),
        "end_s": lambda: transforms.trim(folder / "dark", out, start_s=1, end_s=0.5, tick=ignore),
        "no frame": lambda: transforms.trim(folder / "dark", out, start_s=1, end_s=1, tick=ignore),
        "no videos": lambda: transforms.concatenate([], out, tick=ignore),
        "zoom": lambda: transforms.ken_burns(folder / "dark", out, start=View(zoom=0.5), tick=ignore),
    }
    for name, run in cases.items():
        with pytest.raises(errors.ParameterError, match=name):
            run()
    assert list(tmp_path.iterdir()) == []


def test_a_sound_file_is_rejected(folder: Path, tmp_path: Path) -> None:
    """A WAV is not a video, and a silent video has no sound: MediaError."""
    with pytest.raises(errors.MediaError):
        transforms.trim(folder / "low.wav", tmp_path / "out", tick=ignore)
    with pytest.raises(errors.MediaError):
        transforms.add_audio(folder / "dark", folder / "tall", tmp_path / "out", tick=ignore)
    assert list(tmp_path.iterdir()) == []
