"""Masks, text overlays, contact sheets and templates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from fusionflow_nb import errors
from fusionflow_nb.transforms import text_layout
from fusionflow_nb.transforms.checks import ANCHORS
from fusionflow_nb.transforms.contact_sheet import SheetCell, contact_sheet
from fusionflow_nb.transforms.mask import (
    apply_mask,
    as_mask,
    mask_combine,
    mask_from_luminance,
    mask_shape,
)
from fusionflow_nb.transforms.text import fill_template, join_text, slots, split_lines
from fusionflow_nb.transforms.text_overlay import text_overlay

RED = Image.new("RGB", (64, 64), (255, 0, 0))


def ramp() -> Image.Image:
    """A ramp with every grey level."""
    return Image.fromarray(np.arange(256, dtype=np.uint8)[None, :])


# Masks


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255), st.floats(0, 0.5))
def test_luminance_mask_is_white_in_its_range(first: int, second: int, feather: float) -> None:
    """Levels in the range are white, levels beyond the feather black; `invert` swaps them."""
    low, high = sorted((first, second))
    got = np.asarray(mask_from_luminance(ramp(), low / 255, high / 255, feather))[0].astype(int)
    levels = np.arange(256)
    outside = np.maximum(low - levels, levels - high) / 255
    assert (got[outside <= 0] == 255).all()
    assert (got[outside > feather + 1 / 255] == 0).all()
    inverted = np.asarray(mask_from_luminance(ramp(), low / 255, high / 255, feather, invert=True))[0].astype(int)
    assert np.abs(got + inverted - 255).max() <= 1


def test_ellipse_and_rectangle_have_the_exact_area() -> None:
    """A sharp shape covers its geometric fraction of the picture."""
    ellipse = np.asarray(mask_shape((400, 300), "ellipse", width=0.5, height=0.8, feather=0)) / 255
    rectangle = np.asarray(mask_shape((400, 300), "rectangle", width=0.5, height=0.8, feather=0)) / 255
    assert ellipse.mean() == pytest.approx(np.pi / 4 * 0.4, rel=0.01)
    assert rectangle.mean() == pytest.approx(0.4, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["ellipse", "rectangle", "gradient"]), st.integers(1, 60), st.integers(1, 60), st.floats(0, 1))
def test_shapes_have_the_size_and_invert(shape: str, width: int, height: int, feather: float) -> None:
    """A mask has the requested size; the sum with its inverse is white."""
    mask = mask_shape((width, height), shape, feather=feather)
    inverse = mask_shape(Image.new("RGB", (width, height)), shape, feather=feather, invert=True)
    assert mask.size == (width, height)
    assert ImageChops.add(mask, inverse).getextrema() == (255, 255)


def test_gradient_rises_towards_its_angle() -> None:
    """Angle 0 increases to the right, 90 downwards, 180 to the left; feather 1 uses the whole width."""
    right = np.asarray(mask_shape((100, 10), "gradient", feather=1))[5].astype(int)
    down = np.asarray(mask_shape((10, 100), "gradient", angle=90, feather=1))[:, 5].astype(int)
    left = np.asarray(mask_shape((100, 10), "gradient", angle=180, feather=1))[5].astype(int)
    assert (np.diff(right) >= 0).all()
    assert (right[0], right[-1]) == (1, 254)
    assert np.array_equal(right, down)
    assert np.array_equal(right[::-1], left)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255))
def test_mask_algebra(first: int, second: int) -> None:
    """Combinations with itself, white and black follow the rules of sets."""
    a, b = Image.new("L", (2, 2), first), Image.new("L", (3, 3), second)
    white, black = Image.new("L", (2, 2), 255), Image.new("L", (2, 2))
    assert mask_combine(a, b, "add").getpixel((0, 0)) == max(first, second)
    assert mask_combine(a, b, "intersect").getpixel((0, 0)) == min(first, second)
    assert mask_combine(a, a, "difference").getpixel((0, 0)) == 0
    assert mask_combine(a, black, "subtract").getpixel((0, 0)) == first
    assert mask_combine(a, white, "subtract").getpixel((0, 0)) == 0


def test_apply_mask_multiplies_transparency() -> None:
    """Alpha is multiplied by the mask, colours do not change, and the mask is resized to the picture."""
    half = Image.new("RGBA", (4, 4), (9, 8, 7, 128))
    assert apply_mask(half, Image.new("L", (2, 2), 128)).getpixel((3, 3)) == (9, 8, 7, 64)
    assert as_mask(Image.new("RGBA", (1, 1), (255, 255, 255, 0))).getpixel((0, 0)) == 0


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: mask_from_luminance(RED, 0.8, 0.2), "low"),
        (lambda: mask_from_luminance(RED, feather=2), "feather"),
        (lambda: mask_shape(RED, "star"), "shape"),
        (lambda: mask_shape(RED, angle=720), "angle"),
        (lambda: mask_shape((0, 5)), "width in px"),
        (lambda: mask_combine(RED, RED, "xor"), "mode"),
    ],
    ids=["swapped", "feather", "shape", "angle", "empty", "mode"],
)
def test_mask_errors_name_the_parameter(call, name: str) -> None:
    """A parameter out of range raises an error with its name."""
    with pytest.raises(errors.ParameterError, match=name):
        call()


# Text overlays


@pytest.mark.parametrize("position", ANCHORS)
def test_text_is_at_its_position(position: str) -> None:
    """The centre of the text is on the side of the position, inside the margin."""
    image = Image.new("RGB", (300, 200))
    written = text_overlay(image, "Dawn", position, shadow=0, margin=0.05)
    left, top, right, bottom = written.getbbox()
    across, down = ANCHORS[position]
    assert min(left, top, 300 - right, 200 - bottom) >= 8
    assert abs((left + right) / 2 - (150 + (across - 0.5) * (280 - (right - left)))) <= 3
    assert abs((top + bottom) / 2 - (100 + (down - 0.5) * 180)) <= 20


@settings(max_examples=40, deadline=None)
@example("00000y", "top", 1.0, 0.25)  # the outline also needs space above and below
@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120),
    st.sampled_from(sorted(ANCHORS)),
    st.floats(0.02, 1),
    st.floats(0, 0.3),
)
def test_text_stays_inside_the_picture(text: str, position: str, size: float, outline: float) -> None:
    """Text of any length and size is inside the picture, and the picture keeps its size."""
    image = Image.new("RGB", (160, 120), "black")
    written = text_overlay(image, text, position, size=size, outline=outline, outline_fill="red", shadow=0, margin=0.1)
    assert written.size == image.size
    box = written.getbbox()
    if box is not None:
        assert min(box[0], box[1], 160 - box[2], 120 - box[3]) >= 1


def test_blank_text_changes_nothing() -> None:
    """Blank text draws no shadow: the pixels are equal."""
    assert text_overlay(RED, "  \n ").tobytes() == RED.tobytes()


def test_overlay_keeps_transparency() -> None:
    """An RGBA picture remains RGBA; a half-transparent colour is composited."""
    clear = text_overlay(Image.new("RGBA", (80, 40)), "Hi", shadow=0, size=0.5)
    assert clear.mode == "RGBA"
    assert clear.getextrema()[3] == (0, 255)
    half = text_overlay(Image.new("RGB", (80, 40)), "Hi", fill="#ffffff80", shadow=0, size=0.5)
    assert half.getextrema()[0][1] == 128


@pytest.mark.parametrize(
    ("values", "name"),
    [({"position": "middle"}, "position"), ({"size": 0}, "size"), ({"fill": "no"}, "fill"), ({"shadow": 2}, "shadow")],
    ids=["position", "size", "fill", "shadow"],
)
def test_overlay_errors_name_the_parameter(values: dict, name: str) -> None:
    """A parameter out of range raises an error with its name."""
    with pytest.raises(errors.ParameterError, match=name):
        text_overlay(RED, "words", **values)


def test_letters_without_a_font_are_reported() -> None:
    """A text that no font can draw is rejected instead of drawn as boxes."""
    with pytest.raises(errors.ParameterError, match="text"):
        text_overlay(RED, "unwritable: \U0010fffe")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(20, 200), st.integers(1, 4))
def test_wrapped_lines_fit(text: str, width: int, max_lines: int) -> None:
    """Lines are within the width (except a single letter) and the count; omitted words leave an ellipsis."""
    style = text_layout.text_style("", 14)
    shown = text_layout.readable_text(text, style)
    lines = text_layout.wrap(shown, style, width, max_lines)
    assert len(lines) <= max_lines
    assert all(style.length(line) <= width or len(line) <= 2 for line in lines)
    if not lines[-1].endswith(text_layout.ELLIPSIS):
        assert "".join("".join(lines).split()) == "".join(shown.split())


# Contact sheets


def test_missing_combinations_are_empty_cells() -> None:
    """A missing combination looks like an empty cell without a note; a note changes the pixels."""
    cells = [SheetCell(RED, "a", "1"), SheetCell(RED, "a", "2"), SheetCell(RED, "b", "1")]
    missing = contact_sheet(cells, cell_px=64)
    hole = contact_sheet([*cells, SheetCell(None, "b", "2")], cell_px=64)
    refused = contact_sheet([*cells, SheetCell(None, "b", "2", "refused")], cell_px=64)
    assert missing.tobytes() == hole.tobytes()
    assert refused.size == hole.size
    assert refused.tobytes() != hole.tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_every_picture_is_complete_on_the_sheet(count: int) -> None:
    """The sheet has as many red pixels as the pictures, except round corners and hairlines."""
    sheet = np.asarray(contact_sheet([SheetCell(RED, column=str(at)) for at in range(count)], cell_px=64)).astype(int)
    red = ((sheet[..., 0] > 200) & (sheet[..., 1] < 30)).sum()
    assert 0.9 * count * 60 * 60 < red <= count * 64 * 64


def test_small_pictures_are_not_enlarged() -> None:
    """A picture smaller than its cell keeps its pixels."""
    sheet = np.asarray(contact_sheet([SheetCell(RED.resize((10, 10)))], cell_px=128))
    assert ((sheet == (255, 0, 0)).all(axis=-1)).sum() == 100


def test_columns_set_the_width() -> None:
    """A list has `columns` cells per row; more columns than cells leave no gap."""
    cells = [SheetCell(RED) for _ in range(6)]
    widths = [contact_sheet(cells, columns=columns, cell_px=64).width for columns in (1, 2, 3, 6, 50)]
    assert widths == sorted(widths)
    assert widths[-1] == widths[-2]


def test_equal_sheets_have_equal_pixels() -> None:
    """Equal cells give an equal sheet; the two themes differ."""
    cells = [SheetCell(RED, "neon city", "7", "$0.04"), SheetCell(None, "neon city", "21", "refused by the model")]
    dark, again = (contact_sheet(cells, title="Sheet", row_axis="prompt", column_axis="seed") for _ in range(2))
    assert dark.tobytes() == again.tobytes()
    assert contact_sheet(cells, theme="light").getpixel((0, 0)) == (246, 247, 249)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80), st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80), st.text(max_size=80))
def test_any_label_is_drawn(title: str, row: str, column: str, note: str) -> None:
    """Labels of any length and script are drawn; a long label does not widen a cell."""
    sheet = contact_sheet([SheetCell(None, row, column, note), SheetCell(RED, note=note)], title=title, cell_px=48)
    assert sheet.width < 400


@pytest.mark.parametrize(
    ("cells", "values", "name"),
    [
        ([], {}, "cells"),
        ([SheetCell(RED)], {"cell_px": 10}, "cell_px"),
        ([SheetCell(RED)], {"columns": 0}, "columns"),
        ([SheetCell(RED)], {"theme": "pink"}, "theme"),
        ([SheetCell(None)] * 100, {"cell_px": 2048}, "cell_px"),
    ],
    ids=["none", "cell", "columns", "theme", "too-large"],
)
def test_sheet_errors_name_the_parameter(cells: list, values: dict, name: str) -> None:
    """A parameter out of range raises an error with its name, before drawing."""
    with pytest.raises(errors.ParameterError, match=name):
        contact_sheet(cells, **values)


# Texts

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(max_size=20), max_size=5), st.lists(st.text("abc ,.", max_size=5), min_size=6))
def test_templates_replace_every_slot(values: dict[str, str], between: list[str]) -> None:
    """Text between slots is expected, every slot is replaced, and values are not searched for slots."""
    parts = list(zip(between, values, strict=False))
    template = "".join(f"{text}{{{name}}}" for text, name in parts)
    assert fill_template(template, values) == "".join(text + values[name] for text, name in parts)
    assert slots(template) == [name for _, name in parts]


@given(NAMES, st.text(max_size=10))
def test_double_braces_are_kept(name: str, value: str) -> None:
    """Flow variables are not slots, and braces around other text are text."""
    for template in (f"at {{{{{name}}}}}", '{"a": 1}', "{}", "{ x }", "{1}"):
        assert fill_template(template, {name: value}) == template


def test_missing_slots_are_all_listed() -> None:
    """One error lists every slot without a value, once."""
    with pytest.raises(errors.ParameterError, match="mood, place") as caught:
        fill_template("{mood} {place} {mood} {time}", {"time": "dawn"})
    assert caught.value.hint


@given(st.lists(st.text("ab c", max_size=6)))
def test_split_lines_inverts_join(texts: list[str]) -> None:
    """Splitting joined texts at line breaks returns the texts, trimmed, without empty texts."""
    expected = [text.strip() for text in texts if text.strip()]
    assert split_lines(join_text(texts, "\n")) == expected
