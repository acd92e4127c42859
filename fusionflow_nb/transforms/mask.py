"""Create and apply masks. A mask is a grey image: white selects, black excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageOps

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import flatten, to_rgb
from fusionflow_nb.transforms.checks import in_range, one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"
Shape: TypeAlias = Literal["ellipse", "rectangle", "gradient"]
Combination: TypeAlias = Literal["add", "subtract", "intersect", "difference"]
Size: TypeAlias = tuple[int, int]


def as_mask(image: Image.Image, size: Size | None = None) -> Image.Image:
    """Convert an image to a mask (mode L) by its brightness, resized to `size` if set; transparent parts are black."""
    grey = flatten(image, (0, 0, 0)).convert("L")
    # Bilinear, because Lanczos rings at hard edges, which shows as halos.
    return grey if size is None or grey.size == size else grey.resize(size, Image.Resampling.BILINEAR)


def mask_from_luminance(
    image: Image.Image, low: float = 0.5, high: float = 1.0, feather: float = 0.1, *, invert: bool = False
) -> Image.Image:
    """White where the brightness is in low..high (0..1), fading to black over `feather` (0..1) outside it.

    Brightness is Rec. 709 luma of the colours as displayed. Transparent parts are black, inverted or not.

    Raises:
        ParameterError: a value is out of 0..1, or low is above high.

    >>> mask_from_luminance(Image.new("RGB", (1, 1), "white")).getpixel((0, 0))
    255
    """
    for name, value in (("low", low), ("high", high), ("feather", feather)):
        in_range(name, value, 0.0, 1.0)
    if low > high:
        message = f"low is {low:g}, above high ({high:g})."
        raise errors.ParameterError(message, hint="Swap them, or invert the mask.")
    plain = to_rgb(image)
    matrix = (0.2126, 0.7152, 0.0722, 0.0)
    luma = plain if plain.mode == "L" else plain.convert("RGB").convert("L", matrix)
    levels = np.arange(256) / 255
    outside = np.maximum(np.maximum(low - levels, levels - high), 0)
    # Half a level of tolerance, so that a limit of 8-bit level / 255 includes that level.
    half = 0.5 / 255
    white = 1 - _smooth(outside / feather) if feather > half else (outside < half).astype(float)
    table = np.rint(255 * (1 - white if invert else white)).astype(int).tolist()
    mask = luma.point(table)
    return ImageChops.multiply(mask, plain.getchannel("A")) if plain.mode == "RGBA" else mask


def mask_shape(
    like: Image.Image | Size,
    shape: Shape = "ellipse",
    *,
    x: float = 0.5,
    y: float = 0.5,
    width: float = 0.8,
    height: float = 0.8,
    feather: float = 0.1,
    angle: float = 0.0,
    invert: bool = False,
) -> Image.Image:
    """Draw a mask, of the size of an image or of (width, height) in px.

    ellipse, rectangle: centred at x, y, of width by height, all in fractions of the sides; the edge fades
    over `feather` (a fraction of the shorter side, half of it to each side of the edge; 0 is sharp).
    gradient: from black to white through the middle of the image, rising towards `angle` in degrees (0: to
    the right, 90: downwards); `feather` 1 spreads it over the whole image, 0 is a hard line at x, y.

    Raises:
        ParameterError: the shape is unknown, or a value is out of range.

    >>> mask_shape((9, 9), feather=0).getpixel((4, 4))
    255
    """
    one_of("shape", shape, ("ellipse", "rectangle", "gradient"))
    for name, value, low, high in (
        ("x", x, -1.0, 2.0),
        ("y", y, -1.0, 2.0),
        ("width", width, 0.0, 4.0),
        ("height", height, 0.0, 4.0),
        ("feather", feather, 0.0, 1.0),
        ("angle", angle, -360.0, 360.0),
    ):
        in_range(name, value, low, high)
    size = to_rgb(like).size if isinstance(like, Image.Image) else like
    in_range("width in px", size[0], 1, 65_500)
    in_range("height in px", size[1], 1, 65_500)
    across = np.arange(size[0], dtype=np.float32) + np.float32(0.5) - np.float32(x * size[0])
    down = (np.arange(size[1], dtype=np.float32) + np.float32(0.5) - np.float32(y * size[1]))[:, None]
    if shape == "gradient":
        towards = np.deg2rad(angle)
        # The image's extent along the direction, fully used with feather 1.
        reach = abs(np.cos(towards)) * size[0] + abs(np.sin(towards)) * size[1]
        inside = across * np.float32(np.cos(towards)) + down * np.float32(np.sin(towards))
        fade = feather * reach
    else:
        half = (max(width * size[0] / 2, 1e-6), max(height * size[1] / 2, 1e-6))
        inside = _inside_ellipse(across, down, half) if shape == "ellipse" else _inside_box(across, down, half)
        fade = feather * min(size)
    # At least one pixel, so that a sharp edge is antialiased.
    ramp = np.clip(inside / np.float32(max(fade, 1.0)) + np.float32(0.5), 0, 1)
    white = ramp if shape == "gradient" else _smooth(ramp)
    mask = Image.fromarray(np.rint(white * 255).astype(np.uint8))
    return ImageOps.invert(mask) if invert else mask


def mask_combine(a: Image.Image, b: Image.Image, mode: Combination = "add") -> Image.Image:
    """Combine two masks at the size of the first: add (union), subtract (a without b), intersect, difference.

    Raises:
        ParameterError: the mode is unknown.
    """
    one_of("mode", mode, ("add", "subtract", "intersect", "difference"))
    first = as_mask(a)
    second = as_mask(b, first.size)
    if mode == "add":
        return ImageChops.lighter(first, second)
    if mode == "difference":
        return ImageChops.difference(first, second)
    return ImageChops.darker(first, ImageOps.invert(second) if mode == "subtract" else second)


def apply_mask(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Make the image (RGBA) transparent where the mask is black; its own transparency is kept.

    >>> apply_mask(Image.new("RGB", (1, 1), "red"), Image.new("L", (1, 1), 51)).getpixel((0, 0))
    (255, 0, 0, 51)
    """
    result = to_rgb(image).convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), as_mask(mask, result.size)))
    return result


def _smooth(value: NDArray[np.floating]) -> Floats:
    """0..1 with flat ends (smoothstep); clipped."""
    t: Floats = np.clip(value, 0, 1).astype(np.float32)
    return t * t * (np.float32(3) - np.float32(2) * t)


def _inside_ellipse(across: Floats, down: Floats, half: tuple[float, float]) -> Floats:
    """Px from the edge of an ellipse, positive inside; exact near the edge, where it is used."""
    u, v = across / np.float32(half[0]), down / np.float32(half[1])
    radius = np.sqrt(u * u + v * v)
    steep = np.sqrt((u / np.float32(half[0])) ** 2 + (v / np.float32(half[1])) ** 2)
    distance: Floats = radius * (1 - radius) / np.maximum(steep, np.float32(1e-9))
    return np.where(radius == 0, np.float32(min(half)), distance)


def _inside_box(across: Floats, down: Floats, half: tuple[float, float]) -> Floats:
    """Px from the edge of a box, positive inside; rounded at the outer corners."""
    u, v = np.abs(across) - np.float32(half[0]), np.abs(down) - np.float32(half[1])
    outside: Floats = np.sqrt(np.maximum(u, 0) ** 2 + np.maximum(v, 0) ** 2)
    return np.negative(outside + np.minimum(np.maximum(u, v), 0))
