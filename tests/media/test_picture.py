"""Decoding pictures: one function, safe for hostile files."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from fusionflow_nb import errors
from fusionflow_nb.media import picture

if TYPE_CHECKING:
    from pathlib import Path

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def textured(width: int = 64, height: int = 48) -> Image.Image:
    """A picture that compresses badly, so that truncated bytes lose pixels."""
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb_png(width: int, height: int) -> bytes:
    """A PNG whose header declares a huge picture and that contains almost no data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def bomb_gif() -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
        + b"\x02\x02\x4c\x01\x00;"
    )


def bomb_webp() -> bytes:
    data = bytearray(saved(Image.new("RGB", (8, 8)), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9  # after the chunk's length and signature: 14 bits of width - 1, 14 of height - 1
    data[at : at + 4] = struct.pack("<I", 16383 | 16383 << 14)
    return bytes(data)


def bomb_bmp() -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    )


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_facts_agree_with_the_opened_picture(kind: str, tmp_path: Path) -> None:
    """Type and size from the header equal those of the opened picture, for bytes and files."""
    data = saved(textured(), kind)
    path = tmp_path / "picture.bin"
    path.write_bytes(data)
    facts = picture.picture_facts(data)
    opened = picture.open_picture(path)
    assert facts == picture.PictureFacts(MEDIA_TYPES[kind], 64, 48)
    assert picture.picture_facts(path) == facts
    assert opened.size == (64, 48)
    assert opened.mode == "RGB"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("1", "L"), ("L", "L"), ("LA", "RGBA"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("CMYK", "RGB"),
     ("I;16", "L"), ("I", "L"), ("F", "L"), ("YCbCr", "RGB"), ("HSV", "RGB"), ("PA", "RGBA"), ("RGBa", "RGBA")],
)  # fmt: skip
def test_every_mode_is_converted_to_l_rgb_or_rgba(mode: str, expected: str) -> None:
    """The result has no metadata, and the input is not modified."""
    image = Image.new(mode, (3, 2))
    image.info["comment"] = "kept by the input"
    plain = picture.to_rgb(image)
    assert plain.mode == expected
    assert plain.size == (3, 2)
    assert plain.info == {}
    assert image.info == {"comment": "kept by the input"}


def test_a_palette_with_transparency_becomes_rgba() -> None:
    """A palette with one transparent colour, as in GIF."""
    image = Image.new("P", (2, 1), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((0, 0), 0)
    opened = picture.open_picture(saved(image, "PNG", transparency=0))
    assert opened.mode == "RGBA"
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30, 0), (40, 50, 60, 255)]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    """A 16-bit grey PNG is scaled to 8 bits: black, middle and white correspond."""
    image = Image.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    opened = picture.open_picture(saved(image, "PNG"))
    assert [opened.getpixel((x, 0)) for x in range(3)] == [0, 128, 255]


def test_float_pictures_are_read_by_their_range() -> None:
    """Floats up to 1 are fractions, larger values are 0..255; NaN is black."""
    fractions = Image.fromarray(np.array([[0.0, 0.5, 1.0, np.nan]], np.float32))
    levels = Image.fromarray(np.array([[0.0, 128.0, 300.0]], np.float32))
    assert np.asarray(picture.to_rgb(fractions)).tolist() == [[0, 128, 255, 0]]
    assert np.asarray(picture.to_rgb(levels)).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    """The EXIF orientation is applied to the pixels and to the size."""
    upright = Image.new("L", (32, 16))
    upright.paste(255, (0, 0, 16, 8))  # white in the top left quarter
    as_stored = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }[orientation]  # fmt: skip
    stored = upright
    for turn in as_stored:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored.convert("RGB"), kind, exif=exif)
    opened = picture.open_picture(data)
    facts = picture.picture_facts(data)
    assert opened.size == (facts.width, facts.height) == (32, 16)
    lights = np.asarray(opened.convert("L")).reshape(2, 8, 2, 16).mean(axis=(1, 3))
    assert lights[0, 0] > 240
    assert max(lights[0, 1], lights[1, 0], lights[1, 1]) < 15


def test_a_colour_profile_is_applied_and_removed() -> None:
    """A picture with another profile is converted to sRGB without a profile."""
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = textured()
    tagged = picture.open_picture(saved(image, "PNG", icc_profile=srgb.tobytes()))
    broken = picture.open_picture(saved(image, "PNG", icc_profile=b"no profile at all"))
    assert np.array_equal(np.asarray(tagged), np.asarray(image))
    assert np.array_equal(np.asarray(broken), np.asarray(image))
    assert picture.open_picture(saved(image, "PNG", icc_profile=wide.tobytes())).info == {}


def test_only_the_first_frame_of_an_animation() -> None:
    """An animated file is opened as its first frame."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        opened = picture.open_picture(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
        red, _, blue = opened.convert("RGB").getpixel((4, 4))
        assert (red > 200, blue > 60) == (True, False)


@pytest.mark.parametrize(
    "data",
    [bomb_png(50_000, 50_000), bomb_png(10_000, 10_001), bomb_gif(), bomb_webp(), bomb_bmp()],
    ids=["png", "png-just-above", "gif", "webp", "bmp"],
)
def test_decompression_bombs_are_rejected_by_their_header(data: bytes) -> None:
    """Too many declared pixels are rejected before decoding; the error names the limit."""
    for look in (picture.picture_facts, picture.open_picture):
        with pytest.raises(errors.MediaError, match="100,000,000"):
            look(data)


def test_no_bomb_warning_below_our_limit() -> None:
    """Between Pillow's warning threshold and the package's limit, pictures open without a warning."""
    assert picture.picture_facts(bomb_png(9_800, 9_800)).width == 9_800


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_truncated_files_are_rejected(kind: str, share: float, tmp_path: Path) -> None:
    """A truncated file raises an error with the file name and a hint; missing pixels are not filled."""
    data = saved(textured(), kind)
    path = tmp_path / "cut.png"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(errors.MediaError, match=r"cut\.png.*again"):
        picture.open_picture(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_facts_need_the_header_only(kind: str) -> None:
    """A file truncated in its pixel data has facts: nothing is decoded."""
    data = saved(textured(), kind)
    facts = picture.picture_facts(data[: int(len(data) * 0.6)])
    assert (facts.width, facts.height) == (64, 48)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"just some words\n", "not an image"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<svg xmlns='...'/>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0", "video"),
        (b"<!DOCTYPE html><p>404", "web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "not an image"),
    ],
    ids=["zero-bytes", "text", "pdf", "svg", "heic", "mp4", "html", "eps"],
)
def test_other_files_are_rejected(data: bytes, what: str, tmp_path: Path) -> None:
    """A file that is not a picture is rejected regardless of its suffix; the error lists the supported types."""
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for look in (picture.picture_facts, picture.open_picture):
        with pytest.raises(errors.MediaError, match=what) as caught:
            look(path)
        assert "PNG" in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """A missing file or a folder is an error with the path."""
    for path in (tmp_path / "nowhere.png", tmp_path):
        with pytest.raises(errors.MediaError, match="Check the path"):
            picture.open_picture(path)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(MEDIA_TYPES)), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damage_is_a_media_error_or_a_picture(kind: str, at: int, junk: bytes) -> None:
    """Overwritten bytes give a picture within limits or a MediaError, no other exception and no warning."""
    data = bytearray(saved(textured(20, 20), kind))
    at %= len(data)
    data[at : at + len(junk)] = junk
    try:
        opened = picture.open_picture(bytes(data))
    except errors.MediaError as error:
        assert error.hint  # noqa: PT017 - both outcomes are valid
    else:
        assert opened.mode in {"L", "RGB", "RGBA"}
        assert opened.width * opened.height <= picture.MAX_PIXELS


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]), st.integers(0, 2**32 - 1))
def test_png_round_trip_is_exact(width: int, height: int, channels: int, seed: int) -> None:
    """Array -> picture -> PNG -> picture -> array is exact, and encoding is deterministic."""
    array = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    image = picture.from_array(array)
    data = picture.encode_png(image)
    assert picture.encode_png(image) == data
    assert np.array_equal(picture.to_array(picture.open_picture(data)), array)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8),
     np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 3), np.int64), np.uint8(3)],
    ids=["flat", "two-channels", "no-rows", "floats", "wide-integers", "scalar"],
)  # fmt: skip
def test_invalid_arrays_are_rejected(array: np.ndarray) -> None:
    """The error names the actual and the expected shape and type."""
    with pytest.raises(errors.MediaError, match=r"uint8 of shape height x width x 3 \(RGB\) or 4"):
        picture.from_array(np.asarray(array))


def test_thumbnail_fits_and_never_grows() -> None:
    """The longer side is at most the requested size; thin pictures keep a pixel, small pictures do not change."""
    for size, expected in [((1000, 500), (256, 128)), ((3, 9000), (1, 256)), ((20, 10), (20, 10))]:
        facts = picture.picture_facts(picture.thumbnail(Image.new("RGB", size)))
        assert (facts.media_type, facts.width, facts.height) == ("image/webp", *expected)
    assert picture.open_picture(picture.thumbnail(Image.new("RGBA", (9, 9), (1, 2, 3, 0)))).mode == "RGBA"


def test_a_too_large_picture_names_a_format_that_fits() -> None:
    """The error names a format without the size limit."""
    with pytest.raises(errors.MediaError, match="16383"):
        picture.encode_webp(Image.new("L", (16_384, 1)))
    with pytest.raises(errors.MediaError, match="65500"):
        picture.encode_jpeg(Image.new("L", (65_501, 1)))
    assert picture.picture_facts(picture.encode_jpeg(Image.new("RGBA", (2, 2)))).media_type == "image/jpeg"
