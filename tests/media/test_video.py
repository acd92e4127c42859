"""Video and sound: written files are read back; hostile files raise MediaError."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.media import animated_images, audio, video
from fusionflow_nb.media.camera import View, box_of, ease, move_camera

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 64, 48, 12


def frame(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A frame whose grey encodes its number (20 + 6 per frame), with a ramp that every codec keeps."""
    ramp = np.linspace(0, 20, width, dtype=np.float32)[None, :, None]
    return np.broadcast_to(ramp + 20 + 6 * index, (height, width, 3)).astype(np.uint8)


def frames(count: int) -> Iterator[NDArray[np.uint8]]:
    return (frame(index) for index in range(count))


def number(pixels: NDArray[np.uint8]) -> int:
    return round((float(pixels.mean()) - 29.5) / 6)


def tone(path: Path, seconds: float, hertz: float = 440, rate: int = 44_100) -> Path:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    audio.write_wav(path, np.repeat(wave[:, None], 2, axis=1).astype(np.float32), rate)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.webm"
    video.write_video(path, frames(36), fps=FPS, width=WIDTH, height=HEIGHT)
    return path


@pytest.mark.parametrize(("codec", "media_type"), [("vp9", "video/webm"), ("av1", "video/webm"), ("h264", "video/mp4")])
def test_facts_equal_the_written_values(tmp_path: Path, codec: video.VideoCodec, media_type: str) -> None:
    """Type, size, rate, frame count and duration are as requested, without sound."""
    facts = video.write_video(tmp_path / "film", frames(18), fps=FPS, width=WIDTH, height=HEIGHT, codec=codec)
    assert facts == video.VideoFacts(media_type, WIDTH, HEIGHT, 1.5, FPS, 18, has_audio=False, codec=codec)
    assert [number(pixels) for _, pixels in video.read_frames(tmp_path / "film")] == list(range(18))


@pytest.mark.parametrize("fps", [23.976, 25, 29.97, 60])
def test_any_frame_rate_is_kept(tmp_path: Path, fps: float) -> None:
    """Rates that a container's milliseconds cannot represent are read back exactly, and so is the duration."""
    facts = video.write_video(tmp_path / "film", frames(30), fps=fps, width=WIDTH, height=HEIGHT)
    assert facts.frame_count == 30
    assert facts.fps == pytest.approx(fps, rel=1e-3)
    assert facts.duration_s == pytest.approx(30 / fps, rel=1e-3)


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    """A file depends only on its frames: it has no date and no random id."""
    for name in ("a", "b"):
        video.write_video(tmp_path / name, frames(12), fps=FPS, width=WIDTH, height=HEIGHT, comment="recipe")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_colours_round_trip(tmp_path: Path) -> None:
    """Flat colours are kept within 4/255 on average: encoder and decoder use the same matrix and range."""
    for colour in ((200, 40, 40), (30, 160, 70), (40, 60, 200), (128, 128, 128), (0, 0, 0), (255, 255, 255)):
        flat = np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
        video.write_video(tmp_path / "film", [flat] * 3, fps=FPS, width=WIDTH, height=HEIGHT)
        read = video.frame_at(tmp_path / "film", 0).mean(axis=(0, 1))
        assert np.abs(read - colour).max() <= 4, colour


def test_odd_sizes_are_cropped_to_even(tmp_path: Path) -> None:
    """Sides of a video are even: an odd last row or column is dropped."""
    odd = (frame(index, 33, 25) for index in range(3))
    facts = video.write_video(tmp_path / "film", odd, fps=FPS, width=33, height=25)
    assert (facts.width, facts.height) == (32, 24)


def test_comment_round_trips(tmp_path: Path) -> None:
    """The comment is read back from WebM and MP4."""
    for codec in ("vp9", "h264"):
        text = '{"prompt": "Möwe über der Förde"}' * 60
        video.write_video(tmp_path / "film", frames(3), fps=FPS, width=WIDTH, height=HEIGHT, codec=codec, comment=text)
        assert video.read_comment(tmp_path / "film") == text


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.integers(0, 35), st.integers(1, 36), st.integers(1, 4))
def test_reading_a_range_returns_its_frames(film: Path, first: int, length: int, every: int) -> None:
    """start_s <= time < end_s, every `every`-th frame, independent of key frames."""
    frames = video.read_frames(film, start_s=first / FPS, end_s=(first + length) / FPS, every=every)
    assert [number(pixels) for _, pixels in frames] == list(range(first, min(first + length, 36), every))


def test_frame_at_returns_the_frame_shown(film: Path) -> None:
    """The frame that started last; before the start the first frame, after the end the last."""
    moments = {-1.0: 0, 0.0: 0, 1.0: 12, 1.04: 12, 2.88: 34, 99.0: 35, float("inf"): 35}
    assert {moment: number(video.frame_at(film, moment)) for moment in moments} == moments


def test_max_pixels_shrinks(film: Path) -> None:
    """Frames above max_pixels are shrunk with their ratio."""
    _, pixels = next(video.read_frames(film, max_pixels=768))
    assert pixels.shape == (24, 32, 3)


def test_poster_avoids_black(tmp_path: Path) -> None:
    """The poster of a video that fades in from black is not black."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    fade = ((noise * min(1.0, index / 8)).astype(np.uint8) for index in range(36))
    video.write_video(tmp_path / "film", fade, fps=FPS, width=WIDTH, height=HEIGHT)
    assert video.poster(tmp_path / "film").std() > 40


@pytest.mark.parametrize("codec", ["vp9", "h264"])
def test_sound_is_cut_to_the_frames(tmp_path: Path, codec: video.VideoCodec) -> None:
    """Sound longer than the video is cut, and keeps its loudness."""
    sound = tone(tmp_path / "tone.wav", 5)
    facts = video.write_video(
        tmp_path / "film", frames(24), fps=FPS, width=WIDTH, height=HEIGHT, codec=codec, audio=sound
    )
    assert facts.has_audio
    assert facts.duration_s == 2.0
    samples = np.concatenate(list(audio.read_sound(tmp_path / "film")))
    assert len(samples) / 48_000 == pytest.approx(2.0, abs=0.05)
    assert np.abs(samples[4800:91_200]).max() == pytest.approx(0.5, abs=0.06)


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    """An exception of the frame source propagates, and no file or temporary file remains."""

    def failing() -> Iterator[NDArray[np.uint8]]:
        yield from frames(5)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        video.write_video(tmp_path / "film", failing(), fps=FPS, width=WIDTH, height=HEIGHT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "size"),
    [([], (64, 48)), ([frame(0, 32, 32)], (64, 48)), ([frame(0).astype(np.float32)], (64, 48)), ([frame(0)], (4, 4))],
    ids=["no frames", "wrong shape", "wrong type", "too small"],
)
def test_invalid_frames_are_rejected(tmp_path: Path, bad: list[NDArray[np.uint8]], size: tuple[int, int]) -> None:
    """A video needs frames of the declared shape and type."""
    with pytest.raises(errors.MediaError):
        video.write_video(tmp_path / "film", bad, fps=FPS, width=size[0], height=size[1])
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_path_is_reported(tmp_path: Path) -> None:
    """A file as parent folder raises UnwritableError."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(errors.UnwritableError):
        video.write_video(tmp_path / "file" / "film", frames(3), fps=FPS, width=WIDTH, height=HEIGHT)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")  # noqa: PTH110 - no Path at import
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """No space left raises DiskFullError, not a decoding error."""
    (tmp_path / "film.part").symlink_to("/dev/full")
    with pytest.raises(errors.DiskFullError) as caught:
        video.write_video(tmp_path / "film", frames(40), fps=FPS, width=WIDTH, height=HEIGHT)
    assert getattr(caught.value.__cause__, "errno", None) == errno.ENOSPC


@pytest.mark.parametrize("codec", ["vp9", "av1", "h264"])
def test_truncated_videos_are_rejected(tmp_path: Path, codec: video.VideoCodec) -> None:
    """A video truncated before its last half second raises MediaError."""
    noise = np.random.default_rng(0).integers(0, 255, (36, HEIGHT, WIDTH, 3), np.uint8)
    whole = tmp_path / "whole"
    video.write_video(whole, noise, fps=FPS, width=WIDTH, height=HEIGHT, codec=codec)
    data = whole.read_bytes()
    for share in (0.01, 0.1, 0.3, 0.5, 0.8):
        (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(errors.MediaError):
            video.video_facts(tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["vp9", "h264", "webp", "wav"])
@hypothesis_settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_media_error_or_play(
    tmp_path_factory: pytest.TempPathFactory, codec: str, data: st.DataObject
) -> None:
    """Damaged or truncated bytes give a result or MediaError, no other exception."""
    content = bytearray(film_bytes(tmp_path_factory, codec))
    for _ in range(data.draw(st.integers(1, 12))):
        # The first 600 bytes are the headers, where damage has the most effects.
        content[data.draw(st.integers(0, 599) | st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path_factory.getbasetemp() / f"damaged-{codec}"
    damaged.write_bytes(bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))]))
    outcomes = []
    for read in (
        video.video_facts,
        lambda path: list(video.read_frames(path, max_pixels=1000)),
        video.read_comment,
        audio.audio_facts,
        lambda path: audio.waveform(path, 8),
    ):
        try:
            outcomes.append(read(damaged))
        except errors.MediaError as error:
            outcomes.append(error.hint)
    assert len(outcomes) == 5


_MADE: dict[str, bytes] = {}


def film_bytes(factory: pytest.TempPathFactory, codec: str) -> bytes:
    """The bytes of a short video with sound in a codec, or of a sound only."""
    if codec not in _MADE:
        folder = factory.mktemp("fuzz")
        sound, path = tone(folder / "wav", 1), folder / codec
        if codec == "webp":
            animated_images.write_webp(path, frames(8), fps=FPS, size=(WIDTH, HEIGHT), comment="x")
        elif codec != "wav":
            video.write_video(path, frames(12), fps=FPS, width=WIDTH, height=HEIGHT, codec=codec, audio=sound)
        _MADE[codec] = path.read_bytes()
    return _MADE[codec]


def test_playlists_are_rejected(tmp_path: Path) -> None:
    """A valid playlist next to a valid video is rejected: FFmpeg would open any file or host."""
    import av

    with av.open(str(tmp_path / "film.ts"), "w", format="mpegts") as output:
        stream = output.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in frames(12):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))
    assert video.video_facts(tmp_path / "film.ts").frame_count == 12
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nfilm.ts\n#EXT-X-ENDLIST\n"
    )
    with av.open(str(tmp_path / "list.m3u8")) as followed:
        assert followed.format.name == "hls"
    with pytest.raises(errors.MediaError):
        video.video_facts(tmp_path / "list.m3u8")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no film at all" * 100,
        b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x1aE\xdf\xa3" + bytes(200),
        b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(20),
        b"RIFF\x40\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00" + b"\xff" * 6 + bytes(40),
        b"\x89PNG\r\n\x1a\n" + bytes(30),
    ],
    ids=["empty", "text", "playlist", "concat list", "half Matroska", "huge GIF", "huge WebP", "half PNG"],
)
def test_hostile_files_are_rejected(tmp_path: Path, content: bytes) -> None:
    """Other files, playlists and absurd headers raise MediaError with a hint."""
    (tmp_path / "bad").write_bytes(content)
    for read in (video.video_facts, video.poster, lambda path: list(video.read_frames(path))):
        with pytest.raises(errors.MediaError) as caught:
            read(tmp_path / "bad")
        assert caught.value.hint


def test_a_missing_file_and_a_sound_are_not_videos(tmp_path: Path) -> None:
    """A missing path, a folder and a sound file raise MediaError."""
    for path in (tmp_path / "nowhere", tmp_path, tone(tmp_path / "tone.wav", 0.5)):
        with pytest.raises(errors.MediaError):
            video.video_facts(path)


def test_without_pyav_videos_are_animated_webp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, a video is an animated WebP of the same frames; sound raises an error that names the extra."""
    monkeypatch.setattr(video, "is_av_available", lambda: False)
    facts = video.write_video(tmp_path / "film", frames(18), fps=FPS, width=WIDTH, height=HEIGHT, comment="recipe")
    assert (facts.media_type, facts.frame_count, facts.duration_s) == ("image/webp", 18, 1.5)
    assert [number(pixels) for _, pixels in video.read_frames(tmp_path / "film")] == list(range(18))
    assert number(video.frame_at(tmp_path / "film", 1.0)) == 12
    assert video.read_comment(tmp_path / "film") == "recipe"
    for request in ({"codec": "h264"}, {"audio": tmp_path / "tone.wav"}):
        with pytest.raises(errors.MissingExtraError) as caught:
            video.write_video(tmp_path / "other", frames(3), fps=FPS, width=WIDTH, height=HEIGHT, **request)
        assert caught.value.extra == "video"


def test_animated_gif_is_read(tmp_path: Path) -> None:
    """An animated GIF is read as a video with its frame times."""
    pictures = [Image.fromarray(frame(index)) for index in range(4)]
    pictures[0].save(tmp_path / "film.gif", save_all=True, append_images=pictures[1:], duration=[100, 200, 300, 400])
    facts = video.video_facts(tmp_path / "film.gif")
    assert (facts.media_type, facts.frame_count, facts.duration_s) == ("image/gif", 4, 1.0)
    assert [round(time_s, 3) for time_s, _ in video.read_frames(tmp_path / "film.gif")] == [0, 0.1, 0.3, 0.6]


def test_too_many_animation_frames_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of frames of an animation is limited."""
    monkeypatch.setattr(animated_images, "MAX_FRAMES", 3)
    pictures = [Image.fromarray(frame(index)) for index in range(4)]
    pictures[0].save(tmp_path / "film.gif", save_all=True, append_images=pictures[1:], duration=100)
    with pytest.raises(errors.MediaError):
        video.video_facts(tmp_path / "film.gif")


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 8), st.sampled_from([8000, 22_050, 44_100, 48_000]))
def test_wav_round_trips(tmp_path_factory: pytest.TempPathFactory, length: int, channels: int, rate: int) -> None:
    """Samples, channels and rate are kept; the peak equals that of the waveform."""
    samples = np.random.default_rng(length).uniform(-1, 1, (length, channels)).astype(np.float32)
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    facts = audio.write_wav(path, samples, rate)
    assert audio.audio_facts(path) == facts
    assert facts == audio.AudioFacts("audio/wav", round(length / rate, 6), rate, channels)
    shape = audio.waveform(path, buckets=16)
    assert len(shape) == 16
    assert max(shape) == pytest.approx(float(np.abs(samples).max()), abs=1e-3)


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("ogg", "libopus", "audio/ogg"),
        ("flac", "flac", "audio/flac"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("ipod", "aac", "audio/mp4"),
        ("webm", "libopus", "audio/webm"),
    ],
)
def test_other_sounds_are_read(tmp_path: Path, container: str, codec: str, media_type: str) -> None:
    """Ogg, FLAC, MP3, M4A and WebM sound: type, duration and waveform."""
    import av

    with av.open(str(tmp_path / "sound"), "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="stereo")
        samples = np.zeros((2, 96_000), np.float32)
        samples[:, 48_000:] = 0.5 * np.sin(np.arange(48_000) * 0.06)
        piece = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        piece.sample_rate = 48_000
        output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    facts = audio.audio_facts(tmp_path / "sound")
    assert facts.media_type == media_type
    assert facts.duration_s == pytest.approx(2.0, abs=0.1)
    shape = audio.waveform(tmp_path / "sound", buckets=8)
    assert max(shape[:3]) < 0.05
    assert min(shape[5:7]) == pytest.approx(0.5, abs=0.1)


def test_a_range_of_sound_is_exact(tmp_path: Path) -> None:
    """read_sound returns exactly the samples between two times."""
    path = tone(tmp_path / "tone.wav", 2, rate=48_000)
    whole = np.concatenate(list(audio.read_sound(path)))
    part = np.concatenate(list(audio.read_sound(path, start_s=0.25, end_s=1.5)))
    assert np.array_equal(part, whole[12_000:72_000])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9])
def test_truncated_sound_is_rejected(tmp_path: Path, share: float) -> None:
    """A truncated WAV raises MediaError."""
    data = tone(tmp_path / "tone.wav", 1).read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(errors.MediaError):
        audio.audio_facts(tmp_path / "cut")


@pytest.mark.parametrize(
    "bad",
    [np.zeros(8, np.float32), np.zeros((0, 2), np.float32), np.full((4, 2), np.nan, np.float32), np.zeros((4, 2), int)],
    ids=["flat", "empty", "nan", "integers"],
)
def test_invalid_samples_are_rejected(tmp_path: Path, bad: NDArray[np.float32]) -> None:
    """Samples must be finite fractions of shape (n, channels)."""
    with pytest.raises(errors.MediaError):
        audio.write_wav(tmp_path / "a.wav", bad, 8000)
    assert list(tmp_path.iterdir()) == []


@given(st.floats(0, 1))
def test_ease_is_smooth_progress(t: float) -> None:
    """`ease` is within 0..1, monotonic and symmetric."""
    assert 0 <= ease(t) <= 1
    assert ease(min(1.0, t + 0.01)) >= ease(t)
    assert ease(t) + ease(1 - t) == pytest.approx(1)


@given(
    st.builds(View, st.floats(0, 1), st.floats(0, 1), st.floats(1, 8)),
    st.tuples(st.integers(8, 4000), st.integers(8, 4000)),
    st.tuples(st.integers(16, 1000), st.integers(16, 1000)),
)
def test_a_view_is_inside_the_picture(view: View, picture: tuple[int, int], size: tuple[int, int]) -> None:
    """The box of any view is inside the picture and has the ratio of the frames."""
    left, top, right, bottom = box_of(view, picture, size)
    assert 0 <= left < right <= picture[0]
    assert 0 <= top < bottom <= picture[1]
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=1e-3)


def test_a_static_camera_returns_the_picture() -> None:
    """A camera on the whole picture at its size that does not move returns it bit for bit."""
    picture = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    shares: list[float] = []
    film = list(move_camera(picture, View(), View(), frame_count=3, width=60, height=40, tick=shares.append))
    assert all(np.array_equal(frame, picture) for frame in film)
    assert shares == [1 / 3, 2 / 3, 1.0]


def test_a_move_has_no_jitter() -> None:
    """In every frame of a pan, an edge is within 0.1 pixel of its computed position."""
    edge = np.rint(255 / (1 + np.exp(-(np.arange(512) - 256) / 6.0))).astype(np.uint8)
    picture = np.repeat(np.repeat(edge[None, :, None], 64, 0), 3, 2)
    start, end, count = View(0.4, 0.5, 2), View(0.6, 0.5, 2), 60
    film = move_camera(picture, start, end, frame_count=count, width=256, height=32, tick=lambda _: None)
    places = np.array([(255 - frame[16, :, 0].astype(float)).sum() / 255 for frame in film])
    lefts = np.array(
        [box_of(View(0.4 + 0.2 * ease(index / (count - 1)), 0.5, 2), (512, 64), (256, 32))[0] for index in range(count)]
    )
    assert (np.diff(places) <= 1e-9).all()
    assert np.abs((places[0] - places) - (lefts - lefts[0])).max() < 0.1
