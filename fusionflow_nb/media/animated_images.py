"""Animated images without PyAV: write WebP, read WebP, GIF and PNG, all by Pillow."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import GifImagePlugin, Image, PngImagePlugin, WebPImagePlugin

from fusionflow_nb import errors
from fusionflow_nb.media.container import MAX_FRAME_PIXELS, write_errors
from fusionflow_nb.media.decode import limited_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

MAX_FRAMES = 20_000

_WEBP_CANVAS = slice(24, 30)
_SNIFFED_BYTES = 30


def media_type_of(head: bytes) -> str | None:
    """The media type of an image file with a format for several frames, or None.

    >>> media_type_of(b"GIF89a")
    'image/gif'
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] == b"GIF8":
        return "image/gif"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    return None


class _Spool(Image.Image):
    """Raw frames in a temporary file, as a multi-frame image for Pillow; one frame is in memory at a time."""

    def __init__(self, file: IO[bytes], count: int, size: tuple[int, int]) -> None:
        super().__init__()
        self._mode, self._size = "RGB", size
        self._file = file
        self.n_frames = count
        self.encoderinfo: dict[str, object] = {}
        self.seek(0)

    def seek(self, frame: int) -> None:
        width, height = self._size
        self._file.seek(frame * width * height * 3)
        self.im = Image.frombytes("RGB", self._size, self._file.read(width * height * 3)).im


def write_webp(
    path: Path, frames: Iterable[NDArray[np.uint8]], *, fps: float, size: tuple[int, int], comment: str | None
) -> None:
    """Write frames (h, w, 3) of `size` (w, h), at least one, as an animated WebP that loops.

    Raises:
        StoreError: the file cannot be written.
    """
    with tempfile.TemporaryFile() as file:
        count = 0
        for pixels in frames:
            with write_errors(path):
                file.write(np.ascontiguousarray(pixels).data)
            count += 1
        options = {"xmp": comment.encode()} if comment else {}
        with write_errors(path):
            _Spool(file, count, size).save(
                path, format="WEBP", save_all=True, duration=1000 / fps, loop=0, quality=80, method=2, **options
            )


@contextmanager
def open_flipbook(path: Path) -> Iterator[Image.Image]:
    """Open an image file of one or more frames; its size is checked before decoding.

    Raises:
        MediaError: not such a file, too large or truncated; also for decoding errors inside the block.
    """
    try:
        with path.open("rb") as file:
            yield _open_by_type(file, path)
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        # Pillow's plugins raise all of these for damaged files.
        message = f"{path.name} could not be decoded ({error})."
        raise errors.MediaError(message, hint="It is damaged or truncated; export it again.") from error


def _open_by_type(file: IO[bytes], path: Path) -> Image.Image:
    head = file.read(_SNIFFED_BYTES)
    file.seek(0)
    media_type = media_type_of(head)
    if media_type == "image/webp" and head[12:16] == b"VP8X":
        # The WebP decoder allocates the whole canvas when it is opened.
        canvas = head[_WEBP_CANVAS]
        _check_size(1 + int.from_bytes(canvas[:3], "little"), 1 + int.from_bytes(canvas[3:], "little"), path)
    # Not Image.open, whose check for decompression bombs is a process-wide warning.
    picture: Image.Image
    if media_type == "image/webp":
        picture = WebPImagePlugin.WebPImageFile(file)
    elif media_type == "image/gif":
        picture = GifImagePlugin.GifImageFile(file)
    elif media_type == "image/png":
        picture = PngImagePlugin.PngImageFile(file)
    else:
        message = f"{path.name} is not an animated image."
        raise errors.MediaError(message, hint="Use an animated WebP, GIF or PNG, or a video file.")
    _check_size(*picture.size, path)
    return picture


def _check_size(width: int, height: int, path: Path) -> None:
    if width * height > MAX_FRAME_PIXELS:
        message = f"{path.name} declares frames of {width} x {height} pixels, which is out of range."
        raise errors.MediaError(message, hint="Scale it to at most 8192 x 4320 and try again.")


def iter_frames(
    picture: Image.Image, max_pixels: int | None
) -> Iterator[tuple[float, float, Callable[[], NDArray[np.uint8]]]]:
    """The frames of an open animation, in order: (start in s, duration in s, function returning the pixels).

    Raises:
        MediaError: more than MAX_FRAMES frames.
    """
    count = int(getattr(picture, "n_frames", 1))
    if count > MAX_FRAMES:
        message = f"An animation of {count} frames is out of range."
        raise errors.MediaError(message, hint=f"Keep it within {MAX_FRAMES} frames.")
    start_ms = 0.0
    for index in range(count):
        picture.seek(index)
        picture.load()
        # 0 means "as fast as possible"; browsers show such frames for 100 ms.
        duration_ms = float(picture.info.get("duration") or 100)
        frame = picture.convert("RGB")
        yield start_ms / 1000, duration_ms / 1000, partial(_pixels, frame, max_pixels)
        start_ms += duration_ms


def _pixels(frame: Image.Image, max_pixels: int | None) -> NDArray[np.uint8]:
    size = limited_size(*frame.size, max_pixels)
    return np.asarray(frame if size == frame.size else frame.resize(size, Image.Resampling.BOX))


def read_comment(path: Path) -> str | None:
    """The comment that `write_webp` stored, or None.

    Raises:
        MediaError: the file is not an animated image, hostile or damaged.
    """
    with open_flipbook(path) as picture:
        packet = picture.info.get("xmp")
        return packet.decode(errors="replace") if isinstance(packet, bytes) else None
