"""Draw text onto an image."""

from __future__ import annotations

from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFilter

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import to_rgb
from fusionflow_nb.transforms import text_layout
from fusionflow_nb.transforms.checks import ANCHORS, colour, in_range, one_of

Block: TypeAlias = tuple[list[str], text_layout.TextStyle]

# Text that is too large is reduced in these steps down to this share of the size; then it is truncated.
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
    """Draw a text at one of nine positions, wrapped to `width` and aligned to its side.

    A text that does not fit is made smaller, then truncated with an ellipsis; it never exceeds the image. The font is
    Pillow's built-in font, or a system font if that lacks a letter.

    Args:
        image: any image; grey becomes RGB, transparency is kept.
        text: line breaks are kept; a blank text has no effect.
        position: one of `checks.ANCHORS`.
        size: letter size, up to 1, as a fraction of the shorter side.
        fill: CSS colour of the letters.
        outline: thickness around the letters, 0..1 of their size.
        outline_fill: CSS colour of the outline.
        shadow: strength of the soft shadow behind, 0..1.
        width: maximum line width, up to 1, as a fraction of the image's width.
        margin: free space at the edges, 0..0.5 of the shorter side.

    Raises:
        ParameterError: a value is out of range, a colour is invalid, or no font has the letters.
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
    lines, style = _fitted(text.strip("\n"), room, max(4.0, size * side), outline)
    stroke = round(outline * style.face.size)

    letters, outlined = _drawn(plain.size, (lines, style), position, free, stroke)
    result = plain.convert("RGBA")
    if shadow > 0:
        result = _with_shadow(result, outlined, style.face.size, shadow)
    for layer, tone in ((outlined, edge), (letters, ink)) if stroke else ((letters, ink),):
        sheet = Image.new("RGBA", plain.size, tone[:3])
        sheet.putalpha(layer.point([round(level * tone[3] / 255) for level in range(256)]))
        result = Image.alpha_composite(result, sheet)
    return result if plain.mode == "RGBA" else result.convert("RGB")


def _fitted(text: str, room: tuple[int, int], size: float, outline: float) -> Block:
    """Lines and style at the largest size, up to `size` px, at which the text fits into the available space."""
    style = text_layout.text_style(text, size)
    shown = text_layout.readable_text(text, style)
    if shown.count("?") > text.count("?"):
        lost = text_layout.missing_letters(text)
        message = f"No installed font has all letters of the text; the built-in font lacks: {lost[:20]}"
        raise errors.ParameterError(
            message, hint="Install a font with these letters, such as Noto Sans, or change the text."
        )
    smallest = max(4.0, size * _SMALLEST)
    while True:
        style = text_layout.text_style(text, size)
        wide, tall = (side - 2 * round(outline * size) for side in room)
        lines = text_layout.wrap(shown, style, wide)
        is_broken = any(style.length(word) > wide for word in shown.split())
        if size <= smallest or (not is_broken and len(lines) * style.line_height <= tall):
            break
        size = max(smallest, size * _SHRINK)
    return text_layout.wrap(shown, style, wide, max(1, tall // style.line_height)), style


def _drawn(
    size: tuple[int, int], block: Block, position: str, free: int, stroke: int
) -> tuple[Image.Image, Image.Image]:
    """Masks of the letters, and of the letters with their outline."""
    lines, style = block
    across, down = ANCHORS[position]
    tall = style.line_height * (len(lines) - 1) + style.height
    top = free + stroke + (size[1] - 2 * (free + stroke) - tall) * down
    left = free + stroke + (size[0] - 2 * (free + stroke)) * across
    letters, outlined = Image.new("L", size), Image.new("L", size)
    anchor = {0.0: "la", 0.5: "ma", 1.0: "ra"}[across]
    for layer, thick in ((letters, 0), (outlined, stroke)):
        draw = ImageDraw.Draw(layer)
        for row, line in enumerate(lines):
            draw.text((left, top + row * style.line_height), line, 255, style.face, anchor=anchor, stroke_width=thick)
    return letters, outlined


def _with_shadow(image: Image.Image, outlined: Image.Image, size: float, strength: float) -> Image.Image:
    """Darken the image around the letters: a wide soft shadow and a narrow shadow at the edge."""
    for radius, share in ((0.35, 0.9), (0.06, 0.7)):
        drop = round(size * 0.03)
        moved = Image.new("L", image.size)
        moved.paste(outlined, (0, drop))
        blurred = moved.filter(ImageFilter.GaussianBlur(max(1.0, size * radius)))
        sheet = Image.new("RGBA", image.size, (0, 0, 0))
        sheet.putalpha(blurred.point([min(255, round(level * share * strength)) for level in range(256)]))
        image = Image.alpha_composite(image, sheet)
    return image
