"""Media handles: types, representations and saving."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

from fusionflow_nb import errors
from fusionflow_nb.media import handles
from fusionflow_nb.media.handles import Audio, Image, Mask, Video, handle
from fusionflow_nb.media.picture import encode_jpeg, encode_png
from fusionflow_nb.media.ports import PortType, accepts
from fusionflow_nb.media.video import write_video
from fusionflow_nb.testing.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    memory = MemoryStore()
    yield memory
    if hasattr(memory, "close"):
        memory.close()


def picture(store: MemoryStore, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    image = handle(store.put(encode_png(Pillow.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode))), store)
    assert isinstance(image, Image)
    return image


@pytest.fixture
def still(store: MemoryStore) -> Image:
    return picture(store)


@pytest.fixture
def film(store: MemoryStore, tmp_path: Path) -> Video:
    frames = (np.full((32, 48, 3), level, np.uint8) for level in (0, 90, 180, 250))
    path = tmp_path / "film.webm"
    write_video(path, frames, fps=4, width=48, height=32)
    video = handle(store.put(path), store)
    assert isinstance(video, Video)
    return video


def test_the_port_determines_the_handle_class(store: MemoryStore, still: Image) -> None:
    """The port determines the class, else the media type."""
    assert type(handle(still.asset, store)) is Image
    assert type(handle(still.asset, store, PortType.MASK)) is Mask
    assert type(handle(still.asset, store, PortType.VIDEO)) is Video  # a video without the extra is an animated WebP
    tone = np.zeros(80, np.uint8).tobytes()
    wav = b"RIFF" + (36 + 80).to_bytes(4, "little") + b"WAVEfmt " + bytes([16, 0, 0, 0, 1, 0, 1, 0])
    wav += (8000).to_bytes(4, "little") * 2 + bytes([1, 0, 8, 0]) + b"data" + (80).to_bytes(4, "little") + tone
    assert type(handle(store.put(wav), store)) is Audio


def test_only_masks_and_images_are_compatible_ports() -> None:
    """Ports accept their own type; media are never converted implicitly."""
    media = [port for port in PortType if port.is_media]
    crossing = {(a, b) for a in media for b in PortType if a != b and (accepts(a, b) or accepts(b, a))}
    assert crossing == {(PortType.IMAGE, PortType.MASK), (PortType.MASK, PortType.IMAGE)}
    assert all(accepts(port, port) for port in PortType)
    assert not accepts(PortType.NUMBER, PortType.TEXT)


def test_every_accessor_returns_the_same_picture(still: Image, store: MemoryStore) -> None:
    """`.pil()`, `.numpy()`, `.bytes()` and `.path()` agree."""
    assert (still.width, still.height) == (40, 30)
    assert still.numpy().shape == (30, 40, 3)
    assert np.array_equal(np.asarray(still.pil()), still.numpy())
    assert still.bytes() == still.path().read_bytes()
    assert picture(store, "RGBA").numpy().shape == (30, 40, 4)
    grey = Mask(picture(store, "L").asset, store)
    assert grey.numpy().shape == (30, 40)


def test_an_image_has_one_notebook_representation(still: Image, store: MemoryStore) -> None:
    """JPEG for opaque images, else PNG, at most 1024 px: notebooks store every representation."""
    assert (still._repr_png_(), still._repr_html_()) == (None, None)
    assert still._repr_jpeg_()
    clear = picture(store, "RGBA", (1500, 100))
    assert clear._repr_jpeg_() is None
    shown = clear._repr_png_()
    assert shown is not None
    import io

    assert Pillow.open(io.BytesIO(shown)).size == (1024, 68)


def test_a_small_video_is_embedded(film: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small video is embedded, no wider than its frames; a large video is shown as a picture."""
    shown = film._repr_html_()
    assert shown is not None
    assert "<video" in shown
    assert "width:48px" in shown
    monkeypatch.setattr(handles, "PLAYED_BYTES", 10)
    small = film._repr_html_()
    assert small is not None
    assert "<img" in small
    assert film.frame(0.3).shape == (32, 48, 3)


def test_save_copies_the_stored_bytes(still: Image, tmp_path: Path) -> None:
    """Without a recipe the stored bytes are copied, folders are created, and the file is writable."""
    path = still.save(tmp_path / "deep" / "er" / "cat.png")
    assert path.read_bytes() == still.bytes()
    path.write_bytes(b"mine")
    assert still.bytes() != b"mine"


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP"), (".png", "PNG"), ("", "PNG"), (".bin", "PNG")],
)
def test_the_suffix_determines_the_saved_type(still: Image, tmp_path: Path, suffix: str, kind: str) -> None:
    """An image is converted to the type of its suffix; without a known suffix the bytes are copied."""
    path = still.save(tmp_path / f"cat{suffix}")
    with Pillow.open(path) as opened:
        assert (opened.format, opened.size) == (kind, (40, 30))


def test_a_jpeg_becomes_a_png_with_the_same_pixels(store: MemoryStore, tmp_path: Path, still: Image) -> None:
    """Lossless conversion changes no pixel."""
    jpeg = handle(store.put(encode_jpeg(still.pil())), store)
    assert isinstance(jpeg, Image)
    path = jpeg.save(tmp_path / "x.png")
    assert np.array_equal(np.asarray(Pillow.open(path).convert("RGB")), jpeg.numpy())


@pytest.mark.parametrize("name", ["film.mp4", "film.png", "film.wav"])
def test_a_video_is_not_saved_under_a_wrong_suffix(film: Video, tmp_path: Path, name: str) -> None:
    """Videos are not converted; the error names the right suffix, and no file is written."""
    with pytest.raises(errors.MediaError, match=r"film\.webm"):
        film.save(tmp_path / "out" / name)
    assert not (tmp_path / "out" / name).exists()


def test_an_unsupported_image_type_is_rejected(still: Image, tmp_path: Path) -> None:
    """The error names the image's type and the requested type."""
    with pytest.raises(errors.MediaError, match=r"x\.png"):
        still.save(tmp_path / "x.gif")


def test_a_tilde_is_expanded(still: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the user's home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert still.save("~/cat.png") == tmp_path / "cat.png"


@pytest.mark.parametrize("name", ["", "folder", "file/x.png", "a\0b.png", "x" * 400 + ".png"])
def test_an_unwritable_path_is_reported(still: Image, tmp_path: Path, name: str) -> None:
    """A folder, a file as parent or an invalid name: the error names the path, and no partial file remains."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("x")
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(errors.UnwritableError, match="cannot be written"):
        still.save(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_keeps_the_old_file(still: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file does not change, and no temporary file remains."""
    target = tmp_path / "cat.png"
    target.write_text("before")

    def full(source: Path, part: Path) -> Any:
        part.write_bytes(source.read_bytes()[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(errors.DiskFullError, match="disk is full"):
        still.save(target)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_save_does_not_overwrite_the_store(still: Image) -> None:
    """Saving to the stored file is rejected: the bytes are referenced by their digest."""
    before = still.bytes()
    with pytest.raises(errors.UnwritableError, match="the store's own file"):
        still.save(still.path())
    assert still.bytes() == before


def test_repr_shows_type_digest_and_size(still: Image, film: Video) -> None:
    """The repr shows type, digest, size and duration."""
    assert repr(still) == f"<Image {still.sha256[:8]} 40x30 image/png>"
    assert repr(film).startswith(f"<Video {film.sha256[:8]} 48x32 1.0s video/webm")
