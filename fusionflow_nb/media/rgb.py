"""Convert any image or array to a plain image.

Plain means: mode L, RGB or RGBA, 8 bits a channel, sRGB, no metadata. Transforms and providers accept and return
only plain images, so they need not handle palettes, CMYK, 16-bit greys or colour profiles.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageCms

from fusionflow_nb import errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PIXELS: Final = 100_000_000
"""Maximum width times height of an image; 400 MB as RGBA."""

PLAIN_MODES: Final = frozenset({"L", "RGB", "RGBA"})


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image to a plain image: mode L, RGB or RGBA, 8 bits, sRGB, without metadata.

    Deeper greys are scaled, not clipped: 16 bits by 255/65535, floats from 0..1 (or 0..255, if any value
    is above 1). An embedded colour profile is applied. The input is never changed; a plain image is returned
    as it is.

    Raises:
        MediaError: the image has no pixels, or a colour mode without a conversion to RGB.

    >>> to_rgb(Image.new("CMYK", (1, 1))).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.width < 1 or image.height < 1:
        message = f"This image has no pixels ({image.width} x {image.height})."
        raise errors.MediaError(message, hint="Width and height must be at least 1.")
    if type(image) is Image.Image and image.mode in PLAIN_MODES and not image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image)
    try:
        managed = _srgb(image)
        mode = "RGBA" if managed.has_transparency_data else "L" if managed.mode in {"1", "L"} else "RGB"
        plain = managed.convert(mode) if managed.mode != mode else managed.copy()
    except ValueError as error:
        message = f"An image in colour mode {image.mode} cannot be converted to RGB."
        raise errors.MediaError(message, hint="Convert it to RGB first.") from error
    plain.info = {}
    return plain


def flatten(image: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    """Remove transparency by compositing over a uniform background (RGB 0..255).

    >>> flatten(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), (9, 8, 7)).getpixel((0, 0))
    (9, 8, 7)
    """
    plain = to_rgb(image)
    if plain.mode != "RGBA":
        return plain
    base = Image.new("RGBA", plain.size, (*ground, 255))
    return Image.alpha_composite(base, plain).convert("RGB")


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels as uint8 of shape (height, width, 3), or 4 with transparency; grey is repeated.

    The array is a copy and may be written to.

    >>> to_array(Image.new("L", (4, 3))).shape
    (3, 4, 3)
    """
    plain = to_rgb(image)
    return np.array(plain.convert("RGB") if plain.mode == "L" else plain)


def from_array(array: NDArray[np.uint8]) -> Image.Image:
    """The image of a uint8 array, shape (height, width, 3) for RGB or 4 for RGBA; the pixels are copied.

    Raises:
        MediaError: the shape or type is unsupported, or the array has more than `MAX_PIXELS`.

    >>> from_array(np.zeros((3, 4, 3), np.uint8)).size
    (4, 3)
    """
    shape = " x ".join(map(str, array.shape))
    is_shaped = array.ndim == 3 and array.shape[2] in {3, 4} and min(array.shape) > 0  # noqa: PLR2004 - height, width, channels
    if array.dtype != np.uint8 or not is_shaped:
        message = (
            f"An array of shape {shape or 'none'} and type {array.dtype} is not an image: "
            "uint8 of shape height x width x 3 (RGB) or 4 (RGBA) is expected."
        )
        hint = "For values from 0 to 1: (array * 255).round().astype('uint8')." if array.dtype.kind == "f" else None
        raise errors.MediaError(message, hint=hint)
    check_pixels(array.shape[1], array.shape[0], "This array")
    return Image.frombytes("RGBA" if array.shape[2] == 4 else "RGB", array.shape[1::-1], array.tobytes())  # noqa: PLR2004


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse an image of more than `MAX_PIXELS`; the error calls it `name`.

    Raises:
        MediaError: the image is too large.
    """
    if width * height > MAX_PIXELS:
        raise too_large(name, f"{width} x {height} pixels")


def too_large(name: str, size: str) -> errors.MediaError:
    """The error for an image of `size`, as text."""
    return errors.MediaError(
        f"{name} has {size}; the limit is {MAX_PIXELS:,}.",
        hint="Make it smaller, or split it into tiles.",
    )


def _srgb(image: Image.Image) -> Image.Image:
    """Convert the image to sRGB if it has another readable colour profile."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        managed = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # an unreadable profile is ignored
    return managed if managed is not None else image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert a grey image of 16 or 32 bits or floats to L, scaled so that white stays white."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        values = values * 255 if values.max() <= 1 else values
    else:
        values = values * (255 / max(65535.0, values.max()))
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
