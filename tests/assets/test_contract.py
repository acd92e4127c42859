"""The contract of AssetStore. A new store is added to `STORES`; the bucket's store is built in `kind_of`."""

from __future__ import annotations

import hashlib
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.media import audio, picture, video
from fusionflow_nb.media.values import Asset
from fusionflow_nb.testing.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.s3 import S3Server

    from fusionflow_nb.assets.protocol import AssetStore

pytest_plugins = ["support.s3_fixtures"]
OTHER_SHA256 = "ab" * 32


@dataclass(frozen=True)
class StoreKind:
    """How a test creates a store, and damages it from outside."""

    make: Callable[[Path], Any]
    damage: Callable[[Any, Asset, bytes], None]
    lose: Callable[[Any, Asset], None]
    count: Callable[[Any], int]
    uri: Callable[[Asset], str] = lambda asset: f"fusionflow:{asset.sha256}"
    url_reads_bytes: bool = True
    """Whether `url` reads the bytes; a bucket does not, because it would have to download them."""


def damage_file(store: LocalFolderStore, asset: Asset, data: bytes) -> None:
    path = store.path(asset.sha256)
    path.unlink()
    path.write_bytes(data)


def damage_memory(store: MemoryStore, asset: Asset, data: bytes) -> None:
    store._bytes[asset.sha256] = (data, asset.media_type)


def clean_bucket(server: S3Server) -> Bucket:
    """The empty bucket of these tests."""
    bucket = Bucket(server.settings)
    bucket.delete(list(bucket.objects()))
    return bucket


def damage_bucket(store: S3Store, asset: Asset, data: bytes) -> None:
    """Damage both copies, because an intact copy repairs the other."""
    store.uploads.wait_all()
    damage_file(store.folder, asset, data)
    store.bucket.client.put_object(Bucket=store.bucket.settings.bucket, Key=asset.store_key, Body=data)


def lose_bucket(store: S3Store, asset: Asset) -> None:
    store.uploads.wait_all()
    store.folder.path(asset.sha256).unlink()
    store.bucket.delete([store.bucket.find(asset.sha256)])
    store.uploads.mark_missing([asset.sha256])


def count_bucket(store: S3Store) -> int:
    """The number of assets, after checking that folder and bucket have the same."""
    assert store.uploads.wait_all(timeout_s=60)
    uploaded = {stored.sha256 for stored in store.bucket.objects()}
    assert uploaded == {stored.sha256 for stored in store.assets()}
    return len(uploaded)


STORES = {
    "memory": StoreKind(
        lambda _: MemoryStore(),
        damage_memory,
        lambda store, asset: store._bytes.pop(asset.sha256),
        lambda store: len(store._bytes),
    ),
    "folder": StoreKind(
        lambda path: LocalFolderStore(path / "assets"),
        damage_file,
        lambda store, asset: store.path(asset.sha256).unlink(),
        lambda store: len(list(store.assets())),
    ),
}


def kind_of(name: str, request: pytest.FixtureRequest) -> StoreKind:
    """The kind of a store by name; a bucket needs its server."""
    if name != "s3":
        return STORES[name]
    server: S3Server = request.getfixturevalue("s3")
    return StoreKind(
        lambda path: S3Store(LocalFolderStore(path / "assets"), clean_bucket(server)),
        damage_bucket,
        lose_bucket,
        count_bucket,
        uri=lambda asset: f"s3://{server.settings.bucket}/{asset.store_key}",
        url_reads_bytes=False,
    )


@pytest.fixture(params=[*STORES, "s3"])
def kind(request: pytest.FixtureRequest) -> StoreKind:
    return kind_of(request.param, request)


@pytest.fixture
def store(kind: StoreKind, tmp_path: Path) -> Iterator[AssetStore]:
    created = kind.make(tmp_path)
    yield created
    if isinstance(created, S3Store):
        created.close()


def png(seed: int = 0, width: int = 48, height: int = 32) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return picture.encode_png(Image.fromarray(noise))


def a_wav(folder: Path) -> Path:
    samples = (0.4 * np.sin(np.arange(8000) / 9)).astype(np.float32)[:, None]
    audio.write_wav(folder / "tone.wav", samples, 8000)
    return folder / "tone.wav"


def a_video(folder: Path, codec: Any = "vp9") -> Path:
    frames = [np.random.default_rng(index).integers(0, 256, (32, 48, 3), dtype=np.uint8) for index in range(12)]
    video.write_video(folder / codec, frames, fps=12, width=48, height=32, codec=codec)
    return folder / codec


def streamed(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def test_bytes_file_and_stream_are_one_asset(store: AssetStore, kind: StoreKind, tmp_path: Path) -> None:
    """Equal bytes are one asset, stored once, whatever their source."""
    data = png()
    (tmp_path / "misnamed.jpg").write_bytes(data)
    sources = [data, tmp_path / "misnamed.jpg", streamed(data), [data[:3], b"", data[3:]]]
    assets = {store.put(source) for source in sources}
    assert assets == {Asset(hashlib.sha256(data).hexdigest(), "image/png", len(data), 48, 32)}
    assert kind.count(store) == 1


def test_a_stored_asset_can_be_read(store: AssetStore, kind: StoreKind) -> None:
    """`path` is a file with exactly the bytes; `has`, `uri` and `url` agree."""
    data = png()
    asset = store.put(data)
    assert store.path(asset.sha256).read_bytes() == data
    assert store.has(asset.sha256)
    assert not store.has(OTHER_SHA256)
    assert store.uri(asset) == kind.uri(asset)
    with urlopen(store.url(asset)) as response:  # noqa: S310 - a file, or a local server
        assert response.read() == data


def test_a_source_file_is_copied(store: AssetStore, tmp_path: Path) -> None:
    """Later changes of the caller's file do not affect the asset."""
    source = tmp_path / "picture.png"
    source.write_bytes(png(1))
    asset = store.put(source)
    source.write_bytes(b"gone")
    assert store.path(asset.sha256).read_bytes() == png(1)


@pytest.mark.parametrize("declared", ["image/jpeg", "text/plain", "application/x-sh", "", None])
def test_bytes_override_the_declared_type(store: AssetStore, declared: str | None) -> None:
    """The type is sniffed from the bytes, whatever the declared type."""
    assert store.put(png(), media_type=declared).media_type == "image/png"


def test_text_and_json_need_a_declared_type(store: AssetStore) -> None:
    """Text has no magic bytes: the declared type is used if the bytes are such text."""
    text = store.put("Grüße\n".encode(), media_type="text/plain; charset=utf-8")
    data = store.put(json.dumps({"a": [1]}).encode(), media_type="application/json")
    assert (text.media_type, data.media_type) == ("text/plain", "application/json")
    assert store.path(text.sha256).suffix == ".txt"
    assert store.preview(text) is None


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        (b"", None),
        (b"", "text/plain"),
        ([], "text/plain"),
        (b"just words", None),
        (b"#!/bin/sh", "application/x-sh"),
        (b"\xff\xfe\x00bad", "text/plain"),
        (b"zero\0byte", "text/plain"),
        (b"{not json", "application/json"),
        (b"[" * 200_000, "application/json"),
        (["text"], "text/plain"),
        ("text", "text/plain"),
        (None, "text/plain"),
        (Path("no such file"), None),
        (Path(), None),
        (Path(os.devnull), "text/plain"),
        (png()[:200], None),
        (png()[:-400], None),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), None),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(10), None),
        (b"RIFF\x24\0\0\0WAVEfmt \xff\xff\0\0" + bytes(30), None),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm" + bytes(500), None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_invalid_media_are_refused(store: AssetStore, kind: StoreKind, source: Any, declared: str | None) -> None:
    """Empty, unknown, truncated or invalid bytes raise MediaError with a hint, and nothing is stored."""
    with pytest.raises(errors.MediaError) as caught:
        store.put(source, media_type=declared)
    assert caught.value.hint
    assert ".part" not in str(caught.value)
    assert kind.count(store) == 0


def test_a_decompression_bomb_is_refused(store: AssetStore, kind: StoreKind) -> None:
    """A header with more pixels than may be decoded is refused before decoding."""
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    with pytest.raises(errors.MediaError):
        store.put(png()[:8] + (13).to_bytes(4, "big") + header + bytes(4) + png()[33:])
    assert kind.count(store) == 0


def test_an_interrupted_stream_stores_nothing(store: AssetStore, kind: StoreKind) -> None:
    """An error of the source passes unchanged, also an OSError."""

    def broken() -> Iterator[bytes]:
        yield png(2, 200, 200)[:9000]
        message = "connection lost"
        raise ConnectionResetError(message)

    with pytest.raises(ConnectionResetError, match="connection lost"):
        store.put(broken())
    assert kind.count(store) == 0


def test_missing_bytes_raise_lost_asset_error(store: AssetStore, kind: StoreKind) -> None:
    """Missing bytes raise LostAssetError; putting them again restores the asset."""
    asset = store.put(png())
    kind.lose(store, asset)
    for sha256 in (asset.sha256, OTHER_SHA256):
        with pytest.raises(errors.LostAssetError, match=sha256[:12]):
            store.path(sha256)
    assert not store.has(asset.sha256)
    assert store.put(png()) == asset
    assert store.path(asset.sha256).read_bytes() == png()


@pytest.mark.parametrize("damaged", [png(9), png()[:-1], b""], ids=["other", "shorter", "empty"])
def test_damaged_bytes_are_never_returned(store: AssetStore, kind: StoreKind, damaged: bytes) -> None:
    """Bytes that do not match their digest raise CorruptAssetError; putting the bytes again repairs the asset."""
    asset = store.put(png())
    kind.damage(store, asset, damaged)
    with pytest.raises(errors.CorruptAssetError):
        store.path(asset.sha256)
    if kind.url_reads_bytes:
        with pytest.raises(errors.CorruptAssetError):
            store.url(asset)
    store.put(streamed(png()))
    assert store.path(asset.sha256).read_bytes() == png()


@pytest.mark.parametrize("name", ["../../secret", "ab/" + "c" * 61, "A" * 64, "", "ab" * 32 + "/.."])
def test_names_cannot_leave_the_store(store: AssetStore, name: str) -> None:
    """Only a sha256 names an asset: every call refuses anything else."""
    asset = Asset(name, "image/png", 1)
    calls: list[Callable[[], object]] = [
        lambda: store.has(name),
        lambda: store.path(name),
        lambda: store.uri(asset),
        lambda: store.url(asset),
        lambda: store.preview(asset),
    ]
    for call in calls:
        with pytest.raises(errors.MediaError):
            call()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_an_image_has_a_preview(store: AssetStore, mode: str) -> None:
    """The preview of an image is a WebP of at most 256 px a side, with the same aspect ratio."""
    stream = io.BytesIO()
    Image.new(mode, (800, 400), 1).save(stream, "PNG")
    preview = store.preview(store.put(stream.getvalue()))
    assert preview is not None
    assert picture.picture_facts(preview) == picture.PictureFacts("image/webp", 256, 128)


@pytest.mark.parametrize("codec", ["vp9", "h264"])
def test_a_video_has_facts_and_a_preview(store: AssetStore, tmp_path: Path, codec: str) -> None:
    """Size and duration of a video are known when it is stored, and a frame is its preview."""
    asset = store.put(a_video(tmp_path, codec))
    preview = store.preview(asset)
    assert asset.media_type == {"vp9": "video/webm", "h264": "video/mp4"}[codec]
    assert (asset.width, asset.height, asset.duration_s) == (48, 32, 1.0)
    assert preview is not None
    assert picture.picture_facts(preview).width == 48


def test_audio_has_a_duration_and_a_preview(store: AssetStore, tmp_path: Path) -> None:
    """The duration of audio is known, and its waveform is drawn on a transparent background."""
    asset = store.put(a_wav(tmp_path))
    preview = store.preview(asset)
    assert (asset.media_type, asset.width, asset.duration_s) == ("audio/wav", None, 1.0)
    assert preview is not None
    drawn = picture.open_picture(preview)
    assert (drawn.mode, max(drawn.size)) == ("RGBA", 256)
    assert drawn.getpixel((0, 0))[3] == 0
    assert drawn.getchannel("A").getextrema() == (0, 255)


def test_a_container_with_audio_only_is_audio(store: AssetStore, tmp_path: Path) -> None:
    """An MP4 without video streams is audio, whatever its brand."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    asset = store.put(tmp_path / "sound.mp4")
    assert asset.media_type == "audio/mp4"
    assert asset.duration_s == pytest.approx(1.0, abs=0.05)


def test_a_repeated_put_returns_the_same_asset(store: AssetStore, tmp_path: Path) -> None:
    """An asset is a function of its bytes, also for a second put, which decodes nothing."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(turned, "JPEG", exif=exif)
    for source in (turned.getvalue(), a_video(tmp_path), a_wav(tmp_path)):
        assert store.put(source) == store.put(source)
    assert (store.put(turned.getvalue()).width, store.put(turned.getvalue()).height) == (20, 40)


def test_concurrent_puts_of_one_asset_store_it_once(store: AssetStore, kind: StoreKind) -> None:
    """Threads that store equal bytes get the same asset, stored once and complete."""
    data = png(5, 128, 128)
    with ThreadPoolExecutor(16) as pool:
        assets = set(pool.map(lambda _: store.put(streamed(data)), range(64)))
    assert len(assets) == kind.count(store) == 1
    assert store.path(assets.pop().sha256).read_bytes() == data


@pytest.fixture(scope="module", params=[*STORES, "s3"])
def fuzzed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AssetStore, StoreKind, list]:
    folder = tmp_path_factory.mktemp("fuzz")
    seeds = [png(3, 16, 16), a_wav(folder).read_bytes()[:400], a_video(folder).read_bytes()]
    for form in ("JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"):
        stream = io.BytesIO()
        Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(stream, form)
        seeds.append(stream.getvalue())
    kind = kind_of(request.param, request)
    return kind.make(folder), kind, seeds


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=120)
def test_hostile_bytes_are_stored_or_refused(fuzzed: tuple[AssetStore, StoreKind, list], data: st.DataObject) -> None:
    """Truncated and changed files are stored unchanged if they can be decoded, or raise MediaError."""
    store, kind, seeds = fuzzed
    bad = bytearray(data.draw(st.sampled_from(seeds), label="seed"))
    del bad[data.draw(st.integers(0, len(bad)), label="length") :]
    for _ in range(data.draw(st.integers(0, 6), label="changes") if bad else 0):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    before = kind.count(store)
    try:
        asset = store.put(bytes(bad))
    except errors.MediaError:
        assert kind.count(store) == before
    else:
        assert store.path(asset.sha256).read_bytes() == bytes(bad)
