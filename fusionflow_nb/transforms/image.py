"""Resize and crop images."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import MAX_PIXELS, to_rgb
from fusionflow_nb.transforms.checks import ANCHORS, colour, in_range, one_of

Fit: TypeAlias = Literal["contain", "cover", "stretch", "inside"]
Size: TypeAlias = tuple[int, int]

MAX_SIDE: Final = 65_500
_ASPECT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:/x]\s*(\d+(?:\.\d+)?)\s*")


def resize(
    image: Image.Image,
    width: int | None = None,
    height: int | None = None,
    fit: Fit = "inside",
    *,
    upscale: bool = True,
    ground: str = "transparent",
) -> Image.Image:
    """Resize an image, in px, with Lanczos. A missing side follows from the aspect ratio.

    inside: the whole image, with one side possibly smaller; contain: the same, centred on `ground` (a CSS
    colour) of the requested size; cover: filled, the excess cropped evenly; stretch: the ratio changes.
    With `upscale=False` the image is never enlarged: contain keeps the requested size with more background,
    the other modes return a smaller image.

    Raises:
        ParameterError: both sides are missing, a side is out of range, or fit or colour are unknown.

    >>> resize(Image.new("RGB", (40, 20)), 10, 10, "cover").size
    (10, 10)
    >>> resize(Image.new("RGB", (40, 20)), 10).size
    (10, 5)
    """
    one_of("fit", fit, ("contain", "cover", "stretch", "inside"))
    plain = to_rgb(image)
    size = _requested_size(plain.size, width, height)
    if fit == "stretch":
        target = size if upscale else (min(size[0], plain.width), min(size[1], plain.height))
        return _resampled(plain, target)
    if fit == "cover":
        return _covered(plain, size, upscale=upscale)
    target = _inside(plain.size, size, upscale=upscale)
    inner = _resampled(plain, target)
    return inner if fit == "inside" else _on_ground(inner, size, colour("ground", ground))


def crop(
    image: Image.Image,
    x: float = 0.0,
    y: float = 0.0,
    width: float = 1.0,
    height: float = 1.0,
    *,
    aspect: str | None = None,
    anchor: str = "center",
) -> Image.Image:
    """Crop a box, in fractions 0..1 of the sides, from the top left corner.

    With an `aspect` such as "16:9", the largest part of that ratio within the box, at the `anchor` (one of
    `checks.ANCHORS`). The result has at least one pixel.

    Raises:
        ParameterError: the box exceeds the image, or anchor or aspect are invalid.

    >>> crop(Image.new("RGB", (160, 160)), aspect="16:9").size
    (160, 90)
    """
    plain = to_rgb(image)
    for name, value in (("x", x), ("y", y)):
        in_range(name, value, 0.0, 1.0)
    for name, value, start, start_name in (("width", width, x, "x"), ("height", height, y, "y")):
        in_range(name, value, 0.0, 1.0)
        if value == 0 or start + value > 1 + 1e-9:
            message = f"{name} is {value:g} at {start_name} {start:g}; the box must have an area and end within 1."
            raise errors.ParameterError(message, hint=f"Set {name} to at most {1 - start:g}.")
    left, right = _span(x, width, plain.width)
    top, bottom = _span(y, height, plain.height)
    if aspect is not None:
        one_of("anchor", anchor, ANCHORS)
        part_width, part_height = _shaped((right - left, bottom - top), aspect_ratio(aspect))
        across, down = ANCHORS[anchor]
        left += round((right - left - part_width) * across)
        top += round((bottom - top - part_height) * down)
        right, bottom = left + part_width, top + part_height
    return plain.crop((left, top, right, bottom))


def aspect_ratio(text: str) -> float:
    """Width by height of a text such as "16:9", "4/5" or "1x1".

    Raises:
        ParameterError: the text is not a ratio, or is above 100:1.

    >>> aspect_ratio("16:9")
    1.7777777777777777
    """
    match = _ASPECT.fullmatch(text)
    wide, high = (float(part) for part in match.groups()) if match else (0.0, 0.0)
    if min(wide, high) <= 0 or not 1 / 100 <= wide / high <= 100:  # noqa: PLR2004 - said in the docstring
        message = f"aspect is {text!r}, which is not a ratio width:height up to 100:1."
        raise errors.ParameterError(message, hint='Write it like "16:9".')
    return wide / high


def _requested_size(own: Size, width: int | None, height: int | None) -> Size:
    """Both sides in px; a missing side follows from the image's aspect ratio."""
    if width is None and height is None:
        message = "width and height are both missing."
        raise errors.ParameterError(message, hint="Set one of them, or both.")
    for name, value in (("width", width), ("height", height)):
        if value is not None:
            in_range(name, value, 1, MAX_SIDE)
    if width is None:
        width = max(1, round(own[0] * (height or 0) / own[1]))
    elif height is None:
        height = max(1, round(own[1] * width / own[0]))
    size = (int(width), int(height or 0))
    if size[0] * size[1] > MAX_PIXELS or max(size) > MAX_SIDE:
        message = f"width x height would be {size[0]} x {size[1]}; the limit is {MAX_PIXELS:,} pixels."
        raise errors.ParameterError(message, hint="Set a smaller width or height.")
    return size


def _inside(own: Size, box: Size, *, upscale: bool) -> Size:
    """The largest size of the image's aspect ratio within a box."""
    scale = min(box[0] / own[0], box[1] / own[1])
    if not upscale:
        scale = min(scale, 1.0)
    return (min(box[0], max(1, round(own[0] * scale))), min(box[1], max(1, round(own[1] * scale))))


def _covered(image: Image.Image, size: Size, *, upscale: bool) -> Image.Image:
    """Crop the middle of the image to the ratio of `size`, then resize it if allowed."""
    ratio = size[0] / size[1]
    # Cropped in fractions of a pixel while resampling: rounding first would distort small images.
    part_width = min(float(image.width), image.height * ratio)
    part_height = min(float(image.height), image.width / ratio)
    left, top = (image.width - part_width) / 2, (image.height - part_height) / 2
    if not upscale and (part_width < size[0] or part_height < size[1]):
        size = (max(1, round(part_width)), max(1, round(part_height)))
    box = (left, top, min(left + part_width, image.width), min(top + part_height, image.height))
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def _resampled(image: Image.Image, size: Size) -> Image.Image:
    return image.copy() if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _on_ground(image: Image.Image, size: Size, ground: tuple[int, int, int, int]) -> Image.Image:
    """The image centred on a uniform background; RGBA only if a part is transparent."""
    if size == image.size:
        return image
    mode = "RGB" if ground[3] == 255 and image.mode != "RGBA" else "RGBA"  # noqa: PLR2004 - opaque
    sheet = Image.new("RGBA", size, ground)
    at = ((size[0] - image.width) // 2, (size[1] - image.height) // 2)
    if image.mode == "RGBA":
        sheet.alpha_composite(image, at)
    else:
        sheet.paste(image, at)
    return sheet if mode == "RGBA" else sheet.convert("RGB")


def _span(start: float, length: float, side: int) -> tuple[int, int]:
    """Start and end pixel (exclusive) of a span in fractions; at least one pixel."""
    first = min(round(start * side), side - 1)
    return first, max(first + 1, min(side, round((start + length) * side)))


def _shaped(box: Size, ratio: float) -> Size:
    """The largest size of a given width by height within a box."""
    width = min(box[0], max(1, round(box[1] * ratio)))
    return width, min(box[1], max(1, round(width / ratio)))
