"""Write a text onto a picture."""

from __future__ import annotations

from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFilter

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import to_rgb
from fusionflow_nb.transforms import text_layout
from fusionflow_nb.transforms.checks import ANCHORS, colour, in_range, one_of

Block: TypeAlias = tuple[list[str], text_layout.TextStyle]

# A text too large for its place shrinks in these steps, to this share of the asked size; then it is cut.
_SHRINK: Final = 0.92
_SMALLEST: Final = 0.3


def text_overlay(
    image: Image.Image,
    text: str,
    position: str = "bottom",
    *,
    size: float = 0.08,
    fill: str = "white",
    outline: float = 0.0,
    outline_fill: str = "black",
    shadow: float = 0.6,
    width: float = 0.9,
    margin: float = 0.05,
) -> Image.Image:
    """The picture with a text at one of nine places, wrapped to `width` and aligned to its side.

    A text that does not fit is set smaller, and cut with an ellipsis in the end; it never leaves the picture.
    It is set in Pillow's built-in face, or where that lacks a letter in a font of the system.

    Args:
        image: any picture; grey becomes RGB, transparency stays.
        text: line breaks stay; a blank text changes nothing.
        position: one of the nine in `checks.ANCHORS`.
        size: of the letters, up to 1, of the picture's shorter side.
        fill: CSS colour of the letters.
        outline: thickness around the letters, 0..1 of their size.
        outline_fill: CSS colour of the outline.
        shadow: strength of the soft shadow behind, 0..1.
        width: widest line, up to 1, of the picture's width.
        margin: free space at the edges, 0..0.5 of the picture's shorter side.

    Raises:
        ParameterError: a value out of range, no colour, or letters that no font here has.
    """
    one_of("position", position, ANCHORS)
    for name, value, low, high in (
        ("size", size, 0.001, 1.0),
        ("outline", outline, 0.0, 1.0),
        ("shadow", shadow, 0.0, 1.0),
        ("width", width, 0.001, 1.0),
        ("margin", margin, 0.0, 0.5),
    ):
        in_range(name, value, low, high)
    ink, edge = colour("fill", fill), colour("outline_fill", outline_fill)
    plain = to_rgb(image)
    if not text.strip():
        return plain.copy()
    side = min(plain.size)
    free = round(margin * side)
    room = (max(1, min(round(width * plain.width), plain.width - 2 * free)), max(1, plain.height - 2 * free))
    lines, pen = _fitted(text.strip("\n"), room, max(4.0, size * side), outline)
    stroke = round(outline * pen.face.size)

    letters, outlined = _drawn(plain.size, (lines, pen), position, free, stroke)
    result = plain.convert("RGBA")
    if shadow > 0:
        result = _with_shadow(result, outlined, pen.face.size, shadow)
    for layer, tone in ((outlined, edge), (letters, ink)) if stroke else ((letters, ink),):
        sheet = Image.new("RGBA", plain.size, tone[:3])
        sheet.putalpha(layer.point([round(level * tone[3] / 255) for level in range(256)]))
        result = Image.alpha_composite(result, sheet)
    return result if plain.mode == "RGBA" else result.convert("RGB")


def _fitted(text: str, room: tuple[int, int], size: float, outline: float) -> Block:
    """Lines and face at the largest size, up to `size` px, at which the text fits into the room."""
    pen = text_layout.text_style(text, size)
    shown = text_layout.readable_text(text, pen)
    if shown.count("?") > text.count("?"):
        lost = text_layout.missing_letters(text)
        message = f"No font here has all the letters of text; the built-in one lacks: {lost[:20]}"
        raise errors.ParameterError(
            message, hint="Install a font that has them, such as Noto Sans, or change the text."
        )
    smallest = max(4.0, size * _SMALLEST)
    while True:
        pen = text_layout.text_style(text, size)
        wide, tall = (side - 2 * round(outline * size) for side in room)
        lines = text_layout.wrap(shown, pen, wide)
        is_broken = any(pen.length(word) > wide for word in shown.split())
        if size <= smallest or (not is_broken and len(lines) * pen.line_height <= tall):
            break
        size = max(smallest, size * _SHRINK)
    return text_layout.wrap(shown, pen, wide, max(1, tall // pen.line_height)), pen


def _drawn(
    size: tuple[int, int], block: Block, position: str, free: int, stroke: int
) -> tuple[Image.Image, Image.Image]:
    """Masks of the letters, and of the letters with their outline, in place."""
    lines, pen = block
    across, down = ANCHORS[position]
    tall = pen.line_height * (len(lines) - 1) + pen.height
    top = free + stroke + (size[1] - 2 * (free + stroke) - tall) * down
    left = free + stroke + (size[0] - 2 * (free + stroke)) * across
    letters, outlined = Image.new("L", size), Image.new("L", size)
    anchor = {0.0: "la", 0.5: "ma", 1.0: "ra"}[across]
    for layer, thick in ((letters, 0), (outlined, stroke)):
        draw = ImageDraw.Draw(layer)
        for row, line in enumerate(lines):
            draw.text((left, top + row * pen.line_height), line, 255, pen.face, anchor=anchor, stroke_width=thick)
    return letters, outlined


def _with_shadow(image: Image.Image, outlined: Image.Image, size: float, strength: float) -> Image.Image:
    """The picture darkened softly around the letters: a wide glow for calm ground, a close one for the edge."""
    for radius, share in ((0.35, 0.9), (0.06, 0.7)):
        drop = round(size * 0.03)
        moved = Image.new("L", image.size)
        moved.paste(outlined, (0, drop))
        blurred = moved.filter(ImageFilter.GaussianBlur(max(1.0, size * radius)))
        sheet = Image.new("RGBA", image.size, (0, 0, 0))
        sheet.putalpha(blurred.point([min(255, round(level * share * strength)) for level in range(256)]))
        image = Image.alpha_composite(image, sheet)
    return image
