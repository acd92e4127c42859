"""Composite one image over another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from PIL import Image

from fusionflow_nb.media.rgb import to_rgb
from fusionflow_nb.transforms.checks import in_range, one_of
from fusionflow_nb.transforms.image import resize
from fusionflow_nb.transforms.mask import as_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Mode: TypeAlias = Literal["normal", "multiply", "screen", "overlay", "soft-light", "difference", "add"]
Floats: TypeAlias = "NDArray[np.float32]"

# Rows blended at a time: floats of a large image would take gigabytes.
_STRIP: Final = 128


def _overlay(base: Floats, top: Floats) -> Floats:
    return np.where(base <= 0.5, 2 * base * top, 1 - 2 * (1 - base) * (1 - top))  # noqa: PLR2004 - the middle


def _soft_light(base: Floats, top: Floats) -> Floats:
    """Soft light by the W3C compositing formula: a dark top darkens, a light top lightens."""
    curve = np.where(base <= 0.25, ((16 * base - 12) * base + 4) * base, np.sqrt(base))  # noqa: PLR2004 - its knee
    darker = base - (1 - 2 * top) * base * (1 - base)
    lighter = base + (2 * top - 1) * (curve - base)
    return np.where(top <= 0.5, darker, lighter)  # noqa: PLR2004 - the middle


# Each takes base and top colours in 0..1, as displayed (sRGB), as image editors do.
_MIX: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "normal": lambda _base, top: top,
    "multiply": lambda base, top: base * top,
    "screen": lambda base, top: base + top - base * top,
    "overlay": _overlay,
    "soft-light": _soft_light,
    "difference": lambda base, top: np.abs(base - top),
    "add": lambda base, top: np.minimum(base + top, 1),
}


def blend(
    base: Image.Image,
    top: Image.Image,
    mode: Mode = "normal",
    opacity: float = 1.0,
    mask: Image.Image | None = None,
) -> Image.Image:
    """Composite `top` over `base` at the base's size; a top of another size is resized to cover it, centred.

    `opacity` 0..1; where the mask is black the base is unchanged. Transparency of both is respected. The
    result is RGBA if the base is RGBA, grey if both are grey, else RGB.

    Raises:
        ParameterError: the mode is unknown, or the opacity is out of range.

    >>> red, blue = Image.new("RGB", (1, 1), (255, 0, 0)), Image.new("RGB", (1, 1), (0, 0, 255))
    >>> blend(red, blue, "add").getpixel((0, 0))
    (255, 0, 255)
    """
    one_of("mode", mode, _MIX)
    in_range("opacity", opacity, 0.0, 1.0)
    below = to_rgb(base)
    above = resize(top, *below.size, "cover")
    out_mode = "RGBA" if below.mode == "RGBA" else "L" if below.mode == above.mode == "L" else "RGB"
    cover = as_mask(mask, below.size) if mask is not None else None
    mixed = Image.new("RGBA", below.size)
    for first in range(0, below.height, _STRIP):
        box = (0, first, below.width, min(first + _STRIP, below.height))
        share = np.float32(opacity) if cover is None else opacity * _levels(cover.crop(box))
        strip = _composite(_rgba(below.crop(box)), _rgba(above.crop(box)), _MIX[mode], share)
        mixed.paste(Image.fromarray(strip), box)
    return mixed if out_mode == "RGBA" else mixed.convert("RGB").convert(out_mode)


def _composite(
    base: Floats, top: Floats, mix: Callable[[Floats, Floats], Floats], share: Floats | np.float32
) -> NDArray[np.uint8]:
    """Composite two strips (h, w, 4) in 0..1 to uint8: source-over with a blend function (W3C)."""
    below_alpha, alpha = base[..., 3], top[..., 3] * share
    colours = base[..., :3]
    # Over a transparent backdrop the top's colour is used unblended.
    source = top[..., :3] + below_alpha[..., None] * (mix(colours, top[..., :3]) - top[..., :3])
    out_alpha = alpha + below_alpha * (1 - alpha)
    weight = np.divide(alpha, out_alpha, out=np.zeros_like(out_alpha), where=out_alpha > 0)[..., None]
    out = np.concatenate([colours + weight * (source - colours), out_alpha[..., None]], axis=-1)
    rounded: NDArray[np.uint8] = np.rint(np.clip(out, 0, 1) * 255).astype(np.uint8)
    return rounded


def _rgba(image: Image.Image) -> Floats:
    return _levels(image.convert("RGBA"))


def _levels(image: Image.Image) -> Floats:
    return np.asarray(image, dtype=np.float32) / np.float32(255)
