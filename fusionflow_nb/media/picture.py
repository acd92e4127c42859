"""Images: open, inspect, encode and downscale them safely.

Opened images are always plain: 8 bits, L, RGB or RGBA, sRGB, upright, first frame.
`Image.open` of Pillow is not used: its check for decompression bombs depends on a global limit, and it tries some
forty formats, a few of which start other programs. Here the format is detected by the first bytes, and only the
formats below are decoded.
"""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from PIL import ExifTags, Image

from fusionflow_nb import errors
from fusionflow_nb.media.rgb import MAX_PIXELS, check_pixels, flatten, from_array, to_array, to_rgb, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.ImageFile import ImageFile

__all__ = [
    "MAX_PIXELS",
    "PictureFacts",
    "encode_jpeg",
    "encode_png",
    "encode_webp",
    "flatten",
    "from_array",
    "open_picture",
    "picture_facts",
    "thumbnail",
    "to_array",
    "to_rgb",
]

_OPENABLE: Final = "PNG, JPEG, WebP, AVIF, GIF, TIFF or BMP"

# Errors that Pillow's readers raise on damaged bytes, found by fuzzing. UserWarning: some damage only warns, and a
# caller that turns warnings into errors must get a MediaError too.
_DAMAGE: Final = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    UserWarning,
    struct.error,
    zlib.error,
)
_BOMB: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# Media type, Pillow's plugin and class, and a pattern of the first 16 bytes.
_FORMATS: Final[tuple[tuple[str, str, str, Callable[[bytes], bool]], ...]] = (
    (
        "image/png",
        "Png",
        "PngImageFile",
        lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    ),
    (
        "image/jpeg",
        "Jpeg",
        "JpegImageFile",
        lambda head: head.startswith(b"\xff\xd8\xff"),
    ),
    (
        "image/webp",
        "WebP",
        "WebPImageFile",
        lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    ),
    (
        "image/avif",
        "Avif",
        "AvifImageFile",
        lambda head: head[4:12] in {b"ftypavif", b"ftypavis"},
    ),
    (
        "image/gif",
        "Gif",
        "GifImageFile",
        lambda head: head[:6] in {b"GIF87a", b"GIF89a"},
    ),
    (
        "image/tiff",
        "Tiff",
        "TiffImageFile",
        lambda head: head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"},
    ),
    ("image/bmp", "Bmp", "BmpImageFile", lambda head: head[:2] == b"BM"),
)

# Other known formats, so that the error can name them.
_STRANGERS: Final[tuple[tuple[str, Callable[[bytes], bool]], ...]] = (
    ("is empty", lambda head: not head),
    (
        "is a HEIC photo",
        lambda head: head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"msf1"},
    ),
    ("is a video", lambda head: head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3"),
    ("is a PDF document", lambda head: head.startswith(b"%PDF")),
    ("is an SVG drawing", lambda head: head.lstrip().startswith((b"<svg", b"<?xml"))),
    (
        "is a web page",
        lambda head: head.lstrip().lower().startswith((b"<!doctype", b"<html")),
    ),
)

# EXIF orientation -> the transposition to upright. 1 is upright.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Media type and upright size in pixels, by an image's header."""

    media_type: str
    width: int
    height: int


def picture_facts(source: Path | bytes) -> PictureFacts:
    """Media type and size of an image by its header; no pixel is decoded.

    Raises:
        MediaError: the image cannot be opened, or has more than `MAX_PIXELS`.

    >>> picture_facts(encode_png(Image.new("RGB", (4, 3))))
    PictureFacts(media_type='image/png', width=4, height=3)
    """
    with _header(source) as (media_type, image):
        width, height = image.size
        if _orientation(media_type, image) in _SIDEWAYS:
            width, height = height, width
        return PictureFacts(media_type, width, height)


def open_picture(source: Path | bytes) -> Image.Image:
    """Open the image of a file or bytes: fully decoded, upright, sRGB, in mode L, RGB or RGBA.

    Of an animation, the first frame. The result has no open file and no metadata.

    Raises:
        MediaError: the image is missing, unknown, truncated, damaged, or above `MAX_PIXELS`.

    >>> open_picture(encode_png(Image.new("RGBA", (4, 3)))).mode
    'RGBA'
    """
    with _header(source) as (media_type, image):
        # Read before decoding, so that picture_facts, which never decodes, has the same result.
        turn = _UPRIGHT.get(_orientation(media_type, image))
        image.load()
        plain = to_rgb(image)
        return plain if turn is None else plain.transpose(turn)


def encode_png(image: Image.Image) -> bytes:
    r"""PNG bytes, compressed fast (level 1): the stored form of results. Deterministic.

    >>> encode_png(Image.new("L", (2, 2)))[:4]
    b'\x89PNG'
    """
    return _encode(to_rgb(image), "PNG", compress_level=1)


def encode_webp(image: Image.Image, quality: int = 85, *, effort: int = 4) -> bytes:
    """Lossy WebP bytes; `quality` 0..100, `effort` 0 (fast) .. 6 (small).

    Raises:
        MediaError: a side is above 16383 px, the limit of the format.
    """
    plain = to_rgb(image)
    _check_side(plain, 16383, "WebP")
    return _encode(plain, "WEBP", quality=quality, method=effort)


def encode_jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """JPEG bytes, `quality` 1..95; transparent parts become white.

    Raises:
        MediaError: a side is above 65500 px, the limit of the format.
    """
    plain = to_rgb(image)
    _check_side(plain, 65500, "JPEG")
    return _encode(flatten(plain, (255, 255, 255)), "JPEG", quality=quality)


def thumbnail(image: Image.Image, side: int = 256) -> bytes:
    """A small WebP (quality 70) whose longer side is at most `side` px; transparency is kept.

    >>> picture_facts(thumbnail(Image.new("RGB", (1000, 500))))
    PictureFacts(media_type='image/webp', width=256, height=128)
    """
    plain = to_rgb(image)
    scale = min(1.0, side / max(plain.size))
    size = (max(1, round(plain.width * scale)), max(1, round(plain.height * scale)))
    small = plain if size == plain.size else plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return encode_webp(small, quality=70, effort=1)


@contextmanager
def _header(source: Path | bytes) -> Iterator[tuple[str, ImageFile]]:
    """Media type and opened image; decoding errors inside the block become MediaError."""
    name = source.name if isinstance(source, Path) else "This image"
    try:
        with _stream(source, name) as stream:
            media_type, reader = _reader(stream, name)
            try:
                image = reader(stream)
                check_pixels(*image.size, name)
                yield media_type, image
            except _BOMB as error:
                raise too_large(name, f"more than {MAX_PIXELS:,} pixels") from error
            except MemoryError as error:
                message = f"There is not enough memory to decode {name}."
                raise errors.MediaError(message, hint="Free memory, or make the image smaller.") from error
            except _DAMAGE as error:
                message = f"{name} is truncated or damaged and cannot be decoded."
                raise errors.MediaError(message, hint="Download or export the file again.") from error
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror or error}."
        raise errors.MediaError(message, hint="Check the path and its permissions.") from error


def _stream(source: Path | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if not source.is_file():
        message = f"{name} does not exist."
        raise errors.MediaError(message, hint=f"Check the path: {source}")
    return source.open("rb")


def _reader(stream: BinaryIO, name: str) -> tuple[str, Callable[[BinaryIO], ImageFile]]:
    """The media type by the first bytes, and its reader."""
    head = stream.read(16)
    stream.seek(0)
    for media_type, plugin, reader, is_it in _FORMATS:
        if is_it(head):
            try:
                module = importlib.import_module(f"PIL.{plugin}ImagePlugin")
            except ImportError as error:  # AVIF: since Pillow 11.3
                message = f"{name} is {media_type}, which the installed Pillow cannot read."
                raise errors.MediaError(message, hint="Update it with: pip install -U pillow") from error
            return media_type, cast("Callable[[BinaryIO], ImageFile]", getattr(module, reader))
    what = next(
        (what for what, is_it in _STRANGERS if is_it(head)),
        "is not an image of a known format",
    )
    message = f"{name} {what}."
    raise errors.MediaError(message, hint=f"Use {_OPENABLE}.")


def _check_side(image: Image.Image, limit: int, kind: str) -> None:
    if max(image.size) > limit:
        message = (
            f"An image of {image.width} x {image.height} pixels cannot be stored as {kind}: at most {limit} px a side."
        )
        raise errors.MediaError(message, hint="Store it as PNG, or make it smaller.")


def _orientation(media_type: str, image: ImageFile) -> int:
    """The EXIF orientation 1..8; 1 if it is missing or unreadable."""
    # Pillow rotates TIFF automatically, and would decode a PNG without EXIF in its header to search behind the pixels.
    if media_type == "image/tiff" or "exif" not in image.info:
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1  # damaged metadata must not make the image unreadable
    return orientation if isinstance(orientation, int) else 1


def _encode(image: Image.Image, kind: str, **settings: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()
