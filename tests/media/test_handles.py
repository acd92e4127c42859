"""Handles: what a person holds of a medium, and how it is saved."""

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
    made = MemoryStore()
    yield made
    if hasattr(made, "close"):
        made.close()


def picture(store: MemoryStore, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    made = handle(store.put(encode_png(Pillow.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode))), store)
    assert isinstance(made, Image)
    return made


@pytest.fixture
def still(store: MemoryStore) -> Image:
    return picture(store)


@pytest.fixture
def film(store: MemoryStore, tmp_path: Path) -> Video:
    frames = (np.full((32, 48, 3), level, np.uint8) for level in (0, 90, 180, 250))
    path = tmp_path / "film.webm"
    write_video(path, frames, fps=4, width=48, height=32)
    made = handle(store.put(path), store)
    assert isinstance(made, Video)
    return made


def test_the_port_decides_what_a_handle_is(store: MemoryStore, still: Image) -> None:
    """By the port it comes from, else by its media type."""
    assert type(handle(still.asset, store)) is Image
    assert type(handle(still.asset, store, PortType.MASK)) is Mask
    assert type(handle(still.asset, store, PortType.VIDEO)) is Video  # an animated WebP stands in for a film
    tone = np.zeros(80, np.uint8).tobytes()
    wav = b"RIFF" + (36 + 80).to_bytes(4, "little") + b"WAVEfmt " + bytes([16, 0, 0, 0, 1, 0, 1, 0])
    wav += (8000).to_bytes(4, "little") * 2 + bytes([1, 0, 8, 0]) + b"data" + (80).to_bytes(4, "little") + tone
    assert type(handle(store.put(wav), store)) is Audio


def test_a_mask_and_a_picture_take_each_other_and_nothing_else() -> None:
    """What may flow where is a rule of types: a medium never becomes another by itself."""
    media = [port for port in PortType if port.is_media]
    crossing = {(a, b) for a in media for b in PortType if a != b and (accepts(a, b) or accepts(b, a))}
    assert crossing == {(PortType.IMAGE, PortType.MASK), (PortType.MASK, PortType.IMAGE)}
    assert all(accepts(port, port) for port in PortType)
    assert not accepts(PortType.NUMBER, PortType.TEXT)


def test_a_picture_is_pixels_in_every_form(still: Image, store: MemoryStore) -> None:
    """`.pil()`, `.numpy()`, `.bytes()` and `.path()` are the same picture."""
    assert (still.width, still.height) == (40, 30)
    assert still.numpy().shape == (30, 40, 3)
    assert np.array_equal(np.asarray(still.pil()), still.numpy())
    assert still.bytes() == still.path().read_bytes()
    assert picture(store, "RGBA").numpy().shape == (30, 40, 4)
    grey = Mask(picture(store, "L").asset, store)
    assert grey.numpy().shape == (30, 40)


def test_one_form_of_a_picture_is_shown(still: Image, store: MemoryStore) -> None:
    """Notebooks store every form they are given: JPEG alone where opaque, else PNG alone, at most 1024 px."""
    assert (still._repr_png_(), still._repr_html_()) == (None, None)
    assert still._repr_jpeg_()
    clear = picture(store, "RGBA", (1500, 100))
    assert clear._repr_jpeg_() is None
    shown = clear._repr_png_()
    assert shown is not None
    import io

    assert Pillow.open(io.BytesIO(shown)).size == (1024, 68)


def test_a_short_film_plays_in_its_cell(film: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small film is embedded, no wider than it is; a large one is a picture of itself."""
    shown = film._repr_html_()
    assert shown is not None
    assert "<video" in shown
    assert "width:48px" in shown
    monkeypatch.setattr(handles, "PLAYED_BYTES", 10)
    small = film._repr_html_()
    assert small is not None
    assert "<img" in small
    assert film.frame(0.3).shape == (32, 48, 3)


def test_saving_copies_the_very_bytes(still: Image, tmp_path: Path) -> None:
    """A handle without recipe saves what the store holds, making folders on the way; the user may write to it."""
    path = still.save(tmp_path / "deep" / "er" / "cat.png")
    assert path.read_bytes() == still.bytes()
    path.write_bytes(b"mine")
    assert still.bytes() != b"mine"


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP"), (".png", "PNG"), ("", "PNG"), (".bin", "PNG")],
)
def test_a_picture_becomes_what_its_name_says(still: Image, tmp_path: Path, suffix: str, kind: str) -> None:
    """A name promises a kind: the file keeps the promise; a name without promise gets the stored bytes."""
    path = still.save(tmp_path / f"cat{suffix}")
    with Pillow.open(path) as opened:
        assert (opened.format, opened.size) == (kind, (40, 30))


def test_a_jpeg_becomes_a_png_with_the_same_pixels(store: MemoryStore, tmp_path: Path, still: Image) -> None:
    """Converting to a kind without loss changes no pixel."""
    jpeg = handle(store.put(encode_jpeg(still.pil())), store)
    assert isinstance(jpeg, Image)
    path = jpeg.save(tmp_path / "x.png")
    assert np.array_equal(np.asarray(Pillow.open(path).convert("RGB")), jpeg.numpy())


@pytest.mark.parametrize("name", ["film.mp4", "film.png", "film.wav"])
def test_a_film_is_not_called_what_it_is_not(film: Video, tmp_path: Path, name: str) -> None:
    """Films are not converted; the message says the name it can have, and nothing is written."""
    with pytest.raises(errors.MediaError, match=r"film\.webm"):
        film.save(tmp_path / "out" / name)
    assert not (tmp_path / "out" / name).exists()


def test_a_picture_has_kinds_it_cannot_have(still: Image, tmp_path: Path) -> None:
    """What pictures are not converted to is said with the kind it has."""
    with pytest.raises(errors.MediaError, match=r"x\.png"):
        still.save(tmp_path / "x.gif")


def test_the_users_home_is_meant_by_a_tilde(still: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home folder, as everywhere."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert still.save("~/cat.png") == tmp_path / "cat.png"


@pytest.mark.parametrize("name", ["", "folder", "file/x.png", "a\0b.png", "x" * 400 + ".png"])
def test_a_place_that_cannot_be_written_is_a_sentence(still: Image, tmp_path: Path, name: str) -> None:
    """A folder, a file in the way, a name that no system takes: one error that names it, and no half file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("x")
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(errors.UnwritableError, match="cannot be written"):
        still.save(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_leaves_what_was_there(still: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under the name before is untouched, and no part file stays."""
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


def test_the_store_is_never_written_over(still: Image) -> None:
    """Saving onto the stored file itself is refused: others hold these bytes by their digest."""
    before = still.bytes()
    with pytest.raises(errors.UnwritableError, match="the store's own file"):
        still.save(still.path())
    assert still.bytes() == before


def test_a_handle_says_what_it_is(still: Image, film: Video) -> None:
    """The repr names kind, digest, size and length: enough to tell two apart."""
    assert repr(still) == f"<Image {still.sha256[:8]} 40x30 image/png>"
    assert repr(film).startswith(f"<Video {film.sha256[:8]} 48x32 1.0s video/webm")
