"""The procedural styles: reproducible pixels, effects of words, progress and cancel."""

from __future__ import annotations

import hashlib
import platform
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionflow_nb import errors, procedural
from fusionflow_nb.procedural import color, noise
from fusionflow_nb.procedural.scene import plan_scene
from fusionflow_nb.procedural.words import parse_prompt

IS_REFERENCE = sys.platform == "linux" and platform.machine() == "x86_64"

# Name: style, prompt, seed, width, height, settings.
RECIPES = {
    "city": ("landscape", "neon city at midnight", 1, 128, 128, {}),
    "mountains": ("landscape", "misty mountains at dawn", 2, 128, 96, {}),
    "aurora": ("landscape", "aurora over a pine forest", 3, 96, 96, {}),
    "dunes": ("landscape", "desert dunes at sunset", 4, 130, 97, {}),
    "lake": ("landscape", "autumn lake with trees", 5, 128, 72, {"phase": 0.25}),
    "ocean": ("landscape", "ocean under a full moon", 6, 96, 128, {}),
    "candy": ("sdf-scene", "candy dream", 7, 96, 96, {}),
    "dark-studio": ("sdf-scene", "neon night", 8, 112, 80, {"companions": 5}),
    "attractor": ("attractor", "neon butterfly", 9, 96, 96, {"density": 0.1}),
    "flow-field": ("flow-field", "ocean gold", 10, 96, 96, {"density": 0.1}),
    "marble": ("marble", "fire opal", 11, 96, 96, {}),
    "reaction-diffusion": ("reaction-diffusion", "coral", 12, 96, 96, {"growth": 200, "scale": 0.5}),
}
# Name: sha256 of the pixels, and the means of the picture in a grid of 3 x 3 (for platforms that round differently).
PINNED: dict[str, tuple[str, tuple[float, ...]]] = {
    # PINNED-BEGIN
    "city": (
        "50e39884e6cca89380f1e9f868f05eb4ec830ef330b93105e53c7bb27f2faae5",
        (85.933, 93.659, 61.297, 88.582, 84.565, 77.710, 76.871, 73.211, 73.526),
    ),
    "mountains": (
        "600d6c24e001b4ee76f0e0654cf66c28e83faa24f277c673349e76ea30365a19",
        (158.400, 164.153, 161.805, 185.031, 196.635, 189.062, 101.347, 114.921, 85.131),
    ),
    "aurora": (
        "ea8d08f772c1ba6b033ab53c380cb247a44c91e8b5df3d381d53187446614659",
        (70.722, 90.550, 97.146, 65.297, 69.930, 74.980, 30.354, 31.825, 29.758),
    ),
    "dunes": (
        "04ace4713819b13f38706f6bb866cd32b41bec8563820a9f2001a5de3d7a157a",
        (109.790, 120.106, 115.215, 121.750, 132.465, 122.837, 62.356, 61.309, 76.811),
    ),
    "lake": (
        "9154babbd22111cd21e9ce39472a48961b785a1af02a7dbfbb0be86eece31868",
        (112.855, 116.830, 107.821, 128.676, 136.570, 124.968, 125.343, 126.326, 79.905),
    ),
    "ocean": (
        "e18d11a34808a8c6c7eabae492b0b7447a26e6fa77891f2e39302c9de5b5e52e",
        (85.637, 85.481, 51.016, 84.324, 86.645, 73.646, 107.114, 113.914, 55.969),
    ),
    "candy": (
        "e733bd7f1d64f5c33c003a98ba10d73a03496d34184b541d468a9a0000f021a5",
        (213.255, 215.633, 213.205, 200.066, 167.596, 193.967, 189.404, 198.139, 179.554),
    ),
    "dark-studio": (
        "df94b885184814d4f1dca4eaafcfb3550de45a83dac5246e076bef7deb67f685",
        (68.419, 98.975, 66.467, 71.928, 110.622, 85.623, 61.432, 61.909, 65.951),
    ),
    "attractor": (
        "c16822df8534b1adeea6cc6c5e7034d35108d716db4fd3fdffc92c476e823325",
        (42.139, 68.248, 29.698, 59.799, 80.577, 49.419, 38.804, 39.402, 20.448),
    ),
    "flow-field": (
        "eb583e84b30b51ac0595bbca6bb46b7a80163277b7c2086a32801ba7a8bc6907",
        (39.334, 35.014, 30.937, 43.656, 47.466, 36.947, 42.173, 47.785, 45.046),
    ),
    "marble": (
        "fb4c376909f6b499af5a03916492a941b3a19bdabb9773f9c5cf79e2f41f8c98",
        (58.106, 88.038, 70.916, 80.015, 93.285, 73.814, 130.916, 107.321, 69.314),
    ),
    "reaction-diffusion": (
        "4a9f5047e5dc971969701d388425e32de35aa98526eb99ce2872523bba54da17",
        (67.717, 72.597, 75.287, 69.942, 72.913, 72.429, 70.452, 73.077, 82.343),
    ),
    # PINNED-END
}
QUICK = {
    "attractor": {"density": 0.0},
    "flow-field": {"density": 0.0},
    "reaction-diffusion": {"growth": 200, "scale": 0.5},
}


class StopWorkError(Exception):
    """Raised by a tick to cancel."""


def render(style, prompt="quiet picture", *, seed=1, width=96, height=96, **given_settings):
    return procedural.render(
        style, prompt, seed=seed, width=width, height=height, settings=QUICK.get(style, {}) | given_settings
    )


def grid_means(pixels):
    rows, columns = (np.linspace(0, size, 4).astype(int) for size in pixels.shape[:2])
    return [
        float(pixels[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].mean()) for i in range(3) for j in range(3)
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_the_pinned_pixels(name):
    """Equal pixels on the reference platform, equal means elsewhere."""
    style, prompt, seed, width, height, given_settings = RECIPES[name]
    pixels = procedural.render(style, prompt, seed=seed, width=width, height=height, settings=given_settings).pixels
    digest, means = PINNED[name]
    if IS_REFERENCE:
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == digest
    else:
        assert np.abs(np.array(grid_means(pixels)) - np.array(means)).mean() < 0.01


@pytest.mark.parametrize("style", procedural.STYLES)
def test_the_seed_determines_the_picture(style):
    """Equal seeds give equal pictures, different seeds different pictures."""
    first, again, other = render(style, seed=5), render(style, seed=5), render(style, seed=6)
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
def test_prompts_are_normalised(style):
    """Case, spacing and punctuation are ignored; an unknown word changes the picture."""
    plain = render(style, "misty lake at dawn").pixels
    assert np.array_equal(plain, render(style, "  Misty LAKE, at dawn!").pixels)
    assert not np.array_equal(plain, render(style, "misty lake at dawn qwertz").pixels)


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
def test_the_phase_is_smooth_and_loops(style):
    """A small phase changes the picture slightly, and phase 1 equals phase 0."""
    start, soon, half, end = (render(style, phase=phase).pixels.astype(int) for phase in (0.0, 0.02, 0.5, 1.0))
    assert np.abs(start - end).mean() < 0.5
    assert 0 < np.abs(start - soon).mean() < np.abs(start - half).mean() + 1.0


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (97, 131), (203, 64), (64, 211)])
def test_every_size_is_rendered(style, width, height):
    """Odd, wide and tall sizes give a picture (and depth) of exactly that size that is not empty."""
    rendered = render(style, "mountain lake with trees", width=width, height=height)
    assert rendered.pixels.shape == (height, width, 3)
    assert rendered.pixels.dtype == np.uint8
    assert rendered.pixels.std() > 2
    assert (rendered.depth is not None) == procedural.STYLES[style].gives_depth
    if rendered.depth is not None:
        assert rendered.depth.shape == (height, width)
        assert rendered.depth.dtype == np.float32


@pytest.mark.parametrize(
    ("style", "prompt"),
    [
        ("landscape", "snowy peaks, clear day"),
        ("landscape", "neon city at midnight"),
        ("landscape", "ocean under a full moon"),
        ("landscape", "autumn lake with trees"),
        ("sdf-scene", "candy dream"),
    ],
)
def test_depth_is_near_at_the_ground(style, prompt):
    """Depth is within 0..1, and the sky is farther than the foreground."""
    depth = render(style, prompt, width=128, height=128).depth
    assert depth.min() >= 0
    assert depth.max() <= 1
    assert depth[-12:].mean() > depth[:12].mean() + 0.3


@pytest.mark.parametrize(
    ("darker", "lighter"),
    [
        ("mountains at night", "mountains by day"),
        ("ocean at midnight", "ocean at noon"),
        ("city at night", "city at dawn"),
        ("stormy sea", "sunny sea"),
    ],
)
def test_time_words_determine_the_light(darker, lighter):
    """A landscape at night is darker than by day."""
    assert render("landscape", darker).pixels.mean() < render("landscape", lighter).pixels.mean() - 15


def test_a_setting_overrides_the_prompt():
    """The time setting overrides the words of the prompt."""
    by_day, forced = render("landscape", "hills by day"), render("landscape", "hills by day", time="night")
    assert forced.pixels.mean() < by_day.pixels.mean() - 30


@pytest.mark.parametrize(
    ("prompt", "ground", "trees", "is_lake"),
    [
        ("neon city at midnight", "city", None, False),
        ("misty mountains at dawn", "mountains", None, False),
        ("aurora over a pine forest", "hills", "conifers", False),
        ("desert dunes at sunset", "dunes", None, False),
        ("ocean under a full moon", "ocean", None, False),
        ("autumn lake with trees", "hills", "broadleaf", True),
    ],
)
def test_words_select_elements(prompt, ground, trees, is_lake):
    """Elements depend on the words, for example trees only if named."""
    scene = plan_scene(parse_prompt(prompt), noise.Stream(1), "auto", -1, -1)
    assert (scene.ground, scene.trees, scene.lake) == (ground, trees, is_lake)


def test_palette_words_determine_the_hue():
    """Fire is red and ocean is blue in every style."""
    for style in ("attractor", "flow-field", "marble", "reaction-diffusion"):
        fire, ocean = render(style, "fire").pixels.astype(int), render(style, "ocean").pixels.astype(int)
        assert fire[..., 0].mean() > fire[..., 2].mean() + 5, style
        assert ocean[..., 2].mean() > ocean[..., 0].mean() + 5, style


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
def test_progress_never_decreases_and_ends_at_1(style):
    """Fractions are within 0..1, never decrease and end at 1."""
    fractions = []
    procedural.render(
        style, "mountain lake", seed=1, width=300, height=300, settings=QUICK.get(style), tick=fractions.append
    )
    assert all(before <= after for before, after in pairwise(fractions))
    assert fractions[0] >= 0
    assert fractions[-1] == 1.0
    assert len(fractions) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
def test_tick_is_called_often(style):
    """At the default size there are at least 20 calls, so cancel is quick."""
    fractions = []
    procedural.render(
        style, "forest lake", seed=1, width=640, height=640, settings=QUICK.get(style), tick=fractions.append
    )
    assert len(fractions) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("style", procedural.STYLES)
def test_an_exception_in_tick_cancels(style):
    """The exception propagates, and the next picture is not affected."""
    before = render(style).pixels

    def stop(fraction):
        if fraction > 0.3:
            raise StopWorkError

    with pytest.raises(StopWorkError):
        procedural.render(style, "quiet picture", seed=1, width=96, height=96, settings=QUICK.get(style), tick=stop)
    assert np.array_equal(before, render(style).pixels)


@pytest.mark.parametrize(
    ("style", "given_settings", "says"),
    [
        ("landscape", {"cloud": 1}, "no setting 'cloud'"),
        ("landscape", {"time": "noonish"}, "one of auto, dawn"),
        ("landscape", {"phase": 1.5}, "number from 0 to 1"),
        ("landscape", {"phase": float("nan")}, "number from 0 to 1"),
        ("landscape", {"detail": True}, "number from 0 to 1"),
        ("sdf-scene", {"companions": 2.5}, "whole number from 0 to 16"),
        ("sdf-scene", {"smooth_edges": 1}, "true or false"),
        ("watercolour", {}, "no procedural style 'watercolour'"),
    ],
)
def test_invalid_settings_are_rejected(style, given_settings, says):
    """An unknown style or setting, a wrong type or a value out of range raises an error before any work."""
    with pytest.raises(errors.ParameterError, match=says):
        procedural.render(style, "x", seed=1, width=64, height=64, settings=given_settings)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 4097), (0, 100), (-5, 100)])
def test_invalid_sizes_are_rejected(width, height):
    """A side below 64 or above 4096 pixels raises ParameterError."""
    with pytest.raises(errors.ParameterError, match="64 to 4096 pixels"):
        procedural.render("marble", "x", seed=1, width=width, height=height)


def test_styles_describe_their_method():
    """Every style describes its method; its defaults are valid."""
    for name, style in procedural.STYLES.items():
        assert style.id == name
        assert style.says_how.startswith("Procedural")
        assert "phase" in style.settings
        assert style.complete({}) == {key: setting.default for key, setting in style.settings.items()}
        for setting in style.settings.values():
            assert setting.problem(setting.default) is None
            assert setting.description.endswith(".")


@given(seed=st.integers(-(2**70), 2**70), prompt=st.text(max_size=40))
@settings(max_examples=15, deadline=None)
def test_any_seed_and_prompt_render(seed, prompt):
    """Every seed and every prompt, also an empty prompt, gives a picture."""
    assert procedural.render("landscape", prompt, seed=seed, width=64, height=64).pixels.std() > 1


def picture():
    return render("landscape", "green hills by day", width=128, height=96).pixels


@pytest.mark.parametrize("prompt", ["night", "dusk", "darker", "noir"])
def test_recolor_darkens(prompt):
    """Dark words darken the picture."""
    before = picture()
    assert procedural.recolor(before, prompt, strength=1, seed=1).mean() < before.mean() - 8


def test_recolor_words_have_their_effect():
    """Warmer, cooler, monochrome, mist and autumn change the colours as named."""
    before = picture().astype(int)

    def after(prompt):
        return procedural.recolor(picture(), prompt, strength=1, seed=1).astype(int)

    def warmth(pixels):
        return (pixels[..., 0] - pixels[..., 2]).mean()

    assert warmth(after("warmer")) > warmth(before) + 5
    assert warmth(after("cooler")) < warmth(before) - 5
    assert np.ptp(after("monochrome"), axis=-1).mean() < 2.5
    assert np.percentile(after("mist"), 2) > np.percentile(before, 2) + 30
    ground = before[-30:]
    assert (ground[..., 1] > ground[..., 0]).mean() > 0.5
    assert (after("autumn")[-30:, :, 0] > after("autumn")[-30:, :, 1]).mean() > 0.9


@pytest.mark.parametrize("prompt", ["sunset", "night", "neon", "vintage", "winter", "no such word"])
def test_recolor_keeps_structure(prompt):
    """Luminance before and after is correlated."""
    before = picture()
    after = procedural.recolor(before, prompt, strength=1, seed=3)
    assert after.shape == before.shape
    light = [pixels.astype(float).mean(axis=-1).ravel() for pixels in (before, after)]
    assert np.corrcoef(light[0], light[1])[0, 1] > 0.9


@given(strength=st.floats(0, 1), prompt=st.sampled_from(["night", "sunset", "mist", "noir", "teal", "xyz"]))
@settings(max_examples=20, deadline=None)
def test_recolor_strength(strength, prompt):
    """Strength 0 changes no byte; full strength changes at least as much as a quarter."""
    before = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    assert np.array_equal(procedural.recolor(before, prompt, strength=0, seed=1), before)
    less, more = (
        np.abs(procedural.recolor(before, prompt, strength=share, seed=1).astype(int) - before).mean()
        for share in (strength / 4, strength)
    )
    assert less <= more + 1.0


def test_recolor_rejects_invalid_arguments():
    """Wrong shapes, types and strengths raise errors."""
    with pytest.raises(errors.MediaError, match="height, width, 3"):
        procedural.recolor(np.zeros((4, 4), np.uint8), "night", strength=1, seed=1)
    with pytest.raises(errors.MediaError, match="float32"):
        procedural.recolor(np.zeros((4, 4, 3), np.float32), "night", strength=1, seed=1)
    with pytest.raises(errors.ParameterError, match="from 0 to 1"):
        procedural.recolor(np.zeros((4, 4, 3), np.uint8), "night", strength=1.2, seed=1)


def test_recolor_can_be_cancelled():
    """Progress ends at 1, and an exception in tick propagates."""
    fractions = []
    procedural.recolor(np.zeros((900, 700, 3), np.uint8), "night", strength=1, seed=1, tick=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0

    def stop(fraction):
        raise StopWorkError(fraction)

    with pytest.raises(StopWorkError):
        procedural.recolor(np.zeros((900, 700, 3), np.uint8), "night", strength=1, seed=1, tick=stop)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50))
def test_sine_agrees_with_the_library(turns):
    """`sine` agrees with the library to a few parts in a million, also far from zero."""
    given_turns = np.array(turns, np.float32)
    part = given_turns.astype(np.float64) - np.floor(given_turns.astype(np.float64))
    assert np.abs(noise.sine(given_turns) - np.sin(part * 2 * np.pi)).max() < 4e-6


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3))
def test_oklab_round_trips(rgb):
    """Conversion to OKLab and back returns the colour, for single colours and planes."""
    back = color.from_oklab(color.to_oklab(rgb))
    assert np.abs(np.array(back) - np.array(rgb)).max() < 1e-5
    planes = [np.array([value], np.float32) for value in rgb]
    again = color.light_planes(*color.lab_planes(*planes))
    assert max(abs(float(channel[0]) - value) for channel, value in zip(again, rgb, strict=True)) < 1e-3


def test_every_byte_round_trips():
    """Bytes to light and back, without dither, are equal: the two tables are inverse."""
    codes = np.arange(256, dtype=np.uint8)
    light = color.linear_table()[codes]
    assert np.array_equal(color.to_bytes(light, np.full(256, 0.5, np.float32)), codes)
