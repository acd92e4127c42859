"""local/backdrop: remove an even background; classical, no neural network.

It works for studio pictures: a background of one colour, or a smooth gradient, that touches the border. It does not
recognise objects: textured backgrounds are kept, and so are areas of background colour that the object encloses.
Pixels are equal on one machine; roots and powers may round differently (by 1/255) on another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAX_PIXELS = 2048 * 2048

_BORDER = 0.04
_FIT_ROUNDS = 3
_LEAST_GROUND = 0.25
_EDGE = 2


class CutOut(NamedTuple):
    """The result: rgba (h, w, 4), its edges without background colour; mask (h, w), 255 = object."""

    rgba: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def cut_out(
    pixels: NDArray[np.uint8],
    *,
    tick: Callable[[float], None],
    tolerance: float = 0.06,
    softness: float = 0.05,
) -> CutOut:
    """Remove the even background of an object.

    Args:
        pixels: uint8 (h, w, 3), at most MAX_PIXELS.
        tick: called after each step with the fraction done; an exception it raises stops the work.
        tolerance: maximum OKLab distance of a background pixel from the background colour, 0.005 to 0.3.
        softness: range of distances above the tolerance in which a pixel is partly transparent, 0.005 to 0.3.

    Raises:
        SettingError: a setting is out of range.
        MediaError: pixels of another shape, or too many, or a border without an even colour.
    """
    settings.number("tolerance", tolerance, 0.005, 0.3)
    settings.number("softness", softness, 0.005, 0.3)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 8:  # noqa: PLR2004 - RGB
        message = f"A picture of {pixels.dtype} {pixels.shape} cannot be cut out."
        raise errors.MediaError(message, hint="Give uint8 pixels (height, width, 3) of at least 8 x 8.")
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        message = f"A picture of {pixels.shape[1]} x {pixels.shape[0]} is too large to cut out."
        raise errors.MediaError(message, hint="Resize it to at most 2048 x 2048 pixels in all.")
    colours = oklab(pixels)
    tick(0.3)
    ground = _ground(colours, tolerance)
    tick(0.5)
    distance = np.sqrt(np.square(colours - ground).sum(axis=2))
    reached = _grown_from_border(distance < tolerance + softness, lambda share: tick(0.5 + 0.3 * share))
    alpha = _alpha(distance - np.float32(tolerance), reached, np.float32(softness))
    tick(0.9)
    mask = np.rint(alpha * 255).astype(np.uint8)
    rgba = np.dstack([_without_background(pixels, ground, alpha), mask])
    tick(1.0)
    return CutOut(rgba, mask)


def oklab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert pixels (h, w, 3) to OKLab (L 0..1, a, b), in which distances are close to perceived differences.

    >>> oklab(np.full((1, 1, 3), 255, np.uint8)).round(3).tolist()
    [[[1.0, 0.0, 0.0]]]
    """
    encoded = np.arange(256, dtype=np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - sRGB
    red, green, blue = np.moveaxis(linear.astype(np.float32)[pixels], 2, 0)
    long = np.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = np.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = np.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lab: NDArray[np.float32] = np.stack(
        [
            0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
            1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
            0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
        ],
        axis=2,
    ).astype(np.float32)
    return lab


def _ground(colours: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
    """Return the background colour at each pixel: a smooth surface fitted to the border without outliers."""
    height, width = colours.shape[:2]
    depth = max(2, round(min(height, width) * _BORDER))
    border = np.ones((height, width), np.bool_)
    border[depth:-depth, depth:-depth] = False
    rows, columns = np.nonzero(border)
    # A few thousand evenly spaced pixels are enough.
    step = max(1, len(rows) // 4000)
    rows, columns = rows[::step], columns[::step]
    samples = colours[rows, columns].astype(np.float64)
    terms = _terms(rows / height, columns / width)
    # Start with pixels near the median: an object that touches the border must not distort the surface.
    fits = np.sqrt(np.square(samples - np.median(samples, axis=0)).sum(axis=1)) < 5 * tolerance
    for _ in range(_FIT_ROUNDS):
        if fits.mean() < _LEAST_GROUND:
            message = "The border of this picture has no even colour."
            raise errors.MediaError(
                message,
                hint="Use a picture with a plain background, a larger tolerance, or a model that removes backgrounds.",
            )
        surface, *_ = np.linalg.lstsq(terms[fits], samples[fits], rcond=None)
        fits = np.sqrt(np.square(samples - terms @ surface).sum(axis=1)) < tolerance
    down, across = np.arange(height) / height, np.arange(width) / width
    constant, by_row, by_column, by_row2, by_both, by_column2 = surface.astype(np.float32)
    down, across = down.astype(np.float32)[:, None, None], across.astype(np.float32)[None, :, None]
    ground: NDArray[np.float32] = (
        constant
        + by_row * down
        + by_column * across
        + by_row2 * down**2
        + by_both * down * across
        + by_column2 * across**2
    )
    return ground


def _terms(down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.ones_like(down), down, across, down**2, down * across, across**2], axis=1)


def _grown_from_border(open_: NDArray[np.bool_], tick: Callable[[float], None]) -> NDArray[np.bool_]:
    """Return the open pixels that are connected to the border by open pixels.

    Sweeps rows down and up, then columns: each sweep follows straight runs completely, so a few rounds suffice.
    """
    reached = np.zeros_like(open_)
    reached[[0, -1]] = open_[[0, -1]]
    reached[:, [0, -1]] = open_[:, [0, -1]]
    rounds = 0
    before = -1
    while (now := int(reached.sum())) != before:
        before = now
        for view, allowed in ((reached, open_), (reached.T, open_.T)):
            _sweep(view, allowed)
            _sweep(view[::-1], allowed[::-1])
        rounds += 1
        tick(1 - 0.7**rounds)
    tick(1.0)
    return reached


def _sweep(reached: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> None:
    for row in range(1, len(reached)):
        reached[row] |= reached[row - 1] & allowed[row]


def _alpha(over: NDArray[np.float32], reached: NDArray[np.bool_], softness: np.float32) -> NDArray[np.float32]:
    """Return the opacity of each pixel, 0..1, by the distance of its colour above the tolerance."""
    alpha = np.where(reached, np.clip(over / softness, 0, 1), np.float32(1))
    # A pixel on the edge mixes object and background; its opacity is its distance relative to the largest nearby.
    is_edge = (_widest(reached & (alpha < 1), _EDGE) > 0) & (alpha > 0)
    whole = np.maximum(_widest(over, _EDGE), softness)
    return np.where(is_edge, np.clip(over / whole, 0, 1), alpha).astype(np.float32)


def _widest(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """Return the largest value within `reach` pixels, in a square; the border repeats."""
    for _ in range(reach):
        padded = np.pad(values, 1, mode="edge")
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        values = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return values


def _without_background(
    pixels: NDArray[np.uint8], ground: NDArray[np.float32], alpha: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Remove the background colour from partly transparent pixels, so that no rim shows on other backgrounds."""
    where = np.nonzero((alpha > 0) & (alpha < 1))
    if not len(where[0]):
        return pixels
    share = alpha[where][:, None]
    behind = _encoded(ground[where])
    own = (pixels[where] - behind * (1 - share)) / np.maximum(share, np.float32(0.1))
    cleaned = pixels.copy()
    cleaned[where] = np.clip(np.rint(own), 0, 255).astype(np.uint8)
    return cleaned


def _encoded(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert OKLab (n, 3) to sRGB of 0..255."""
    light, a, b = lab[:, 0], lab[:, 1], lab[:, 2]
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        ],
        axis=1,
    )
    linear = np.clip(linear, 0, 1)
    encoded: NDArray[np.float32] = np.where(
        linear <= 0.0031308,  # noqa: PLR2004 - sRGB
        linear * 12.92,
        1.055 * linear ** (1 / 2.4) - 0.055,
    ).astype(np.float32) * np.float32(255)
    return encoded
