"""Image transforms: invariants of resize, crop, blend and grade."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.media.picture import to_array
from fusionflow_nb.transforms.blend import blend
from fusionflow_nb.transforms.grade import RANGES, grade, grade_table, identity_table
from fusionflow_nb.transforms.image import aspect_ratio, crop, resize

MODES = ("normal", "multiply", "screen", "overlay", "soft-light", "difference", "add")
SIDES = st.integers(1, 50)


def noise(width: int, height: int, mode: str = "RGB", seed: int = 3) -> Image.Image:
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


pictures = st.builds(noise, SIDES, SIDES, st.sampled_from(["L", "RGB", "RGBA"]), st.integers(0, 999))


@settings(max_examples=80, deadline=None)
@given(pictures, SIDES, SIDES, st.sampled_from(["contain", "cover", "stretch"]))
def test_resize_returns_the_requested_size(image: Image.Image, width: int, height: int, fit: str) -> None:
    """Contain, cover and stretch return exactly the requested size for any ratio."""
    assert resize(image, width, height, fit).size == (width, height)


@settings(max_examples=80, deadline=None)
@given(pictures, SIDES, SIDES)
def test_inside_fits_the_box_and_keeps_the_ratio(image: Image.Image, width: int, height: int) -> None:
    """The result fits the box, fills one of its sides and keeps the ratio to half a pixel."""
    got = resize(image, width, height)
    assert got.width <= width
    assert got.height <= height
    assert got.width == width or got.height == height
    scale = min(width / image.width, height / image.height)
    assert abs(got.width - max(1, image.width * scale)) <= 0.5
    assert abs(got.height - max(1, image.height * scale)) <= 0.5


@settings(max_examples=60, deadline=None)
@given(pictures, SIDES, SIDES, st.sampled_from(["inside", "cover", "stretch"]))
def test_upscale_false_enlarges_no_side(image: Image.Image, width: int, height: int, fit: str) -> None:
    """With upscale=False no side is longer than before."""
    got = resize(image, width, height, fit, upscale=False)
    assert got.width <= image.width
    assert got.height <= image.height


def test_contain_shows_ground_only_beside_the_picture() -> None:
    """The picture is centred; an opaque ground gives RGB, a transparent ground RGBA."""
    white = Image.new("RGB", (20, 10), "white")
    opaque = resize(white, 20, 20, "contain", ground="#102030")
    clear = resize(white, 20, 20, "contain")
    assert opaque.mode == "RGB"
    assert opaque.getpixel((10, 2)) == (16, 32, 48)
    assert opaque.getpixel((10, 10)) == (255, 255, 255)
    assert clear.getpixel((10, 2)) == (0, 0, 0, 0)
    assert resize(white, 40, 40, "contain", upscale=False, ground="black").getbbox() == (10, 15, 30, 25)


def test_resize_keeps_hidden_colours_hidden() -> None:
    """A colour under full transparency does not bleed into the visible edge."""
    image = Image.new("RGBA", (20, 20), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    small = to_array(resize(image, 5, 5))
    assert small[small[..., 3] > 16][:, 1].max() < 16


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "width and height"),
        ({"width": 0}, "width"),
        ({"height": 70_000}, "height"),
        ({"width": 20_000, "height": 20_000}, "100,000,000"),
        ({"width": 5, "fit": "squash"}, "fit"),
        ({"width": 5, "height": 5, "fit": "contain", "ground": "no colour"}, "ground"),
    ],
    ids=["no-side", "zero", "side-too-long", "too-many-pixels", "fit", "ground"],
)
def test_resize_errors_name_the_parameter(values: dict, name: str) -> None:
    """A parameter out of range raises an error with its name and a hint."""
    with pytest.raises(errors.ParameterError, match=name) as caught:
        resize(noise(4, 2), **values)
    assert caught.value.hint


@settings(max_examples=80, deadline=None)
@given(pictures, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0.01, 1))
def test_crop_is_a_part_with_at_least_a_pixel(
    image: Image.Image, x: float, y: float, width: float, height: float
) -> None:
    """Any box within the picture gives at least a pixel, of about its fraction, with unchanged pixels."""
    x, y = min(x, 1 - width), min(y, 1 - height)
    part = crop(image, max(x, 0), max(y, 0), width, height)
    assert 1 <= part.width <= image.width
    assert 1 <= part.height <= image.height
    assert abs(part.width - width * image.width) <= 1
    assert abs(part.height - height * image.height) <= 1
    assert crop(image).tobytes() == image.tobytes()


@pytest.mark.parametrize("anchor", ["left", "center", "right"])
def test_crop_to_an_aspect_keeps_the_anchor(anchor: str) -> None:
    """The largest part with the ratio is kept at the anchor."""
    image = Image.new("L", (90, 30))
    for start, level in ((0, 10), (30, 20), (60, 30)):
        image.paste(level, (start, 0, start + 30, 30))
    part = crop(image, aspect="1:1", anchor=anchor)
    assert part.size == (30, 30)
    assert part.getextrema() == {"left": (10, 10), "center": (20, 20), "right": (30, 30)}[anchor]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"x": 0.5, "width": 0.6}, "width"),
        ({"height": 0.0}, "height"),
        ({"y": 1.5}, "y"),
        ({"x": float("nan")}, "x"),
        ({"aspect": "16:0"}, "aspect"),
        ({"aspect": "wide"}, "aspect"),
        ({"aspect": "1:1", "anchor": "middle"}, "anchor"),
    ],
    ids=["leaves", "empty", "outside", "nan", "zero-aspect", "no-aspect", "anchor"],
)
def test_crop_errors_name_the_parameter(values: dict, name: str) -> None:
    """A box outside the picture or an invalid aspect raises an error with the parameter's name."""
    with pytest.raises(errors.ParameterError, match=name):
        crop(noise(9, 9), **values)


def test_aspect_reads_the_usual_spellings() -> None:
    """Colon, slash and x separate width and height."""
    assert aspect_ratio("3:2") == aspect_ratio(" 3 / 2 ") == aspect_ratio("3x2") == aspect_ratio("1.5:1") == 1.5


@settings(max_examples=60, deadline=None)
@given(pictures, pictures, st.sampled_from(MODES))
def test_opacity_0_returns_the_base(base: Image.Image, top: Image.Image, mode: str) -> None:
    """At opacity 0 or with a black mask, every mode returns the base exactly."""
    expected = to_array(base)
    for result in (blend(base, top, mode, 0.0), blend(base, top, mode, mask=Image.new("L", (4, 4)))):
        got = to_array(result)
        visible = expected[..., 3] > 0 if base.mode == "RGBA" else np.ones(expected.shape[:2], bool)
        assert np.array_equal(got[visible], expected[visible])
        assert np.array_equal(got.shape, expected.shape)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.sampled_from(MODES), st.floats(0, 1))
def test_blends_lie_between_the_base_and_the_full_blend(seed: int, mode: str, opacity: float) -> None:
    """Every pixel is between the base and the full blend, within one level of rounding."""
    base, top = noise(9, 7, seed=seed), noise(9, 7, seed=seed + 1)
    start, full = to_array(base).astype(int), to_array(blend(base, top, mode)).astype(int)
    got = to_array(blend(base, top, mode, opacity)).astype(int)
    assert (got >= np.minimum(start, full) - 1).all()
    assert (got <= np.maximum(start, full) + 1).all()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("normal", 200), ("multiply", 78), ("screen", 222), ("overlay", 157), ("soft-light", 134), ("difference", 100),
     ("add", 255)],
)  # fmt: skip
def test_blend_modes_use_the_standard_formulas(mode: str, expected: int) -> None:
    """Grey 200 over grey 100 (of 255) gives the value of the standard formula."""
    base, top = (Image.new("RGB", (2, 2), (level,) * 3) for level in (100, 200))
    assert blend(base, top, mode).getpixel((0, 0)) == (expected,) * 3


def test_soft_light_formula_is_the_published_one() -> None:
    """The level in the table above, computed from the W3C formula: b 100/255, s 200/255."""
    below, above = 100 / 255, 200 / 255
    expected = below + (2 * above - 1) * (below**0.5 - below)
    got = blend(Image.new("L", (1, 1), 100), Image.new("L", (1, 1), 200), "soft-light").getpixel((0, 0))
    assert got == round(255 * expected)


def test_transparent_top_changes_nothing_and_opaque_covers() -> None:
    """The top's alpha acts as a mask; over transparency the top's colour does not change."""
    base = noise(5, 5)
    assert np.array_equal(to_array(blend(base, Image.new("RGBA", (5, 5)), "add")), to_array(base))
    nothing, red = Image.new("RGBA", (1, 1)), Image.new("RGBA", (1, 1), (200, 0, 0, 128))
    assert blend(nothing, red, "multiply").getpixel((0, 0)) == (200, 0, 0, 128)


def test_blend_errors_name_the_parameter() -> None:
    """An unknown mode or an opacity out of range raises an error with its name."""
    with pytest.raises(errors.ParameterError, match="opacity"):
        blend(noise(2, 2), noise(2, 2), opacity=1.01)
    with pytest.raises(errors.ParameterError, match="mode"):
        blend(noise(2, 2), noise(2, 2), "burn")


@settings(max_examples=30, deadline=None)
@given(pictures)
def test_neutral_grade_is_exact(image: Image.Image) -> None:
    """Neutral settings give equal pixels and the identity table."""
    assert np.array_equal(to_array(grade(image)), to_array(image))
    assert np.array_equal(grade_table(), identity_table())


def test_table_axes_run_blue_green_red() -> None:
    """table[b, g, r] is the colour r, g, b: red varies fastest, as in 3D textures and .cube files."""
    table = identity_table()
    assert table.shape == (33, 33, 33, 3)
    assert table.dtype == np.float32
    assert table[0, 0, 32].tolist() == [1, 0, 0]
    assert table[32, 0, 0].tolist() == [0, 0, 1]
    assert table[16, 8, 0].tolist() == [0, 0.25, 0.5]


@settings(max_examples=15, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-1, 1), st.floats(-1, 1))
def test_table_is_monotone_under_exposure(a: float, b: float, temperature: float, contrast: float) -> None:
    """More exposure darkens no colour of the table."""
    darker, lighter = (
        grade_table(exposure=stops, temperature=temperature, contrast=contrast) for stops in sorted((a, b))
    )
    assert (lighter >= darker - 1e-6).all()


@settings(max_examples=15, deadline=None)
@given(st.fixed_dictionaries({name: st.floats(low, high) for name, (low, _, high) in RANGES.items()}))
def test_tables_stay_in_range(values: dict[str, float]) -> None:
    """For any settings the table is finite and within 0..1."""
    table = grade_table(**values)
    assert np.isfinite(table).all()
    assert table.min() >= 0
    assert table.max() <= 1


@settings(max_examples=15, deadline=None)
@given(st.floats(-1, 1), st.floats(-180, 180), st.floats(-5, 5))
def test_greys_stay_grey_under_hue_and_saturation(saturation: float, hue: float, exposure: float) -> None:
    """Hue, saturation and exposure never tint a grey."""
    table = grade_table(saturation=saturation, hue=hue, exposure=exposure)
    greys = table[range(33), range(33), range(33)]
    assert np.ptp(greys, axis=1).max() < 1e-4


def test_every_grade_setting_has_the_right_sign() -> None:
    """Warm is redder, tint is less green, saturation -1 is grey, contrast spreads, gamma lifts midtones."""
    middle = (16, 16, 16)
    warm, magenta = grade_table(temperature=1)[middle], grade_table(tint=1)[middle]
    assert warm[0] > 0.5 > warm[2]
    assert magenta[1] < 0.5 < magenta[0]
    assert np.ptp(grade_table(saturation=-1), axis=-1).max() < 1e-4
    steep = grade_table(contrast=0.5)
    assert steep[8, 8, 8, 0] < 0.25
    assert steep[24, 24, 24, 0] > 0.75
    assert steep[0, 0, 0, 0] == 0
    assert steep[32, 32, 32, 0] == 1
    assert np.allclose(grade_table(contrast=-1), 0.5)
    assert grade_table(gamma=2)[middle][0] > 0.5
    assert grade_table(lift=0.2)[0, 0, 0, 0] == pytest.approx(0.2)
    assert grade_table(gain=0.5)[32, 32, 32, 0] == pytest.approx(0.5)


def test_one_stop_is_twice_the_light() -> None:
    """Exposure works in linear light: sRGB 100 has 0.1274 of full light, one stop more is sRGB 138."""
    assert grade(Image.new("RGB", (2, 2), (100, 100, 100)), exposure=1).getpixel((1, 1)) == (138, 138, 138)


def test_grade_keeps_transparency() -> None:
    """Only colours are graded, not alpha."""
    image = noise(6, 6, "RGBA")
    assert np.array_equal(to_array(grade(image, exposure=2))[..., 3], to_array(image)[..., 3])


@pytest.mark.parametrize("name", RANGES)
def test_grade_errors_name_the_setting(name: str) -> None:
    """A setting just outside its range or not a number raises an error with its name."""
    for value in (RANGES[name][2] + 0.01, RANGES[name][0] - 0.01, float("nan")):
        with pytest.raises(errors.ParameterError, match=name):
            grade(noise(2, 2), **{name: value})
    with pytest.raises(errors.ParameterError, match="vibrance"):
        grade_table(vibrance=1.0)
