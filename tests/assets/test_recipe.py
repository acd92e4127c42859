"""Recipes in files: they are returned unchanged, nothing else changes, hostile files are refused."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import sys
import textwrap
import wave
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.assets import recipe
from fusionflow_nb.assets.recipe import png as png_format
from fusionflow_nb.assets.recipe import xmp
from fusionflow_nb.assets.recipe.jpeg import _MORE
from fusionflow_nb.assets.sniff import HEAD_BYTES, sniff
from fusionflow_nb.media import audio, picture, video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = {
    "flow": {"nodes": [{"id": "text_1", "data": {"prompt": 'dawn & "dusk" <b>日本\n\U0001f307 ]]> \x7f \uffff'}}]},
    "seed": 7,
    "strength": 0.25,
    "take": None,
}
LONG = {"prompt": '&<"é' * 60_000}
LARGEST = {"prompt": "y" * (recipe.MAX_RECIPE_BYTES - len('{"prompt":""}'))}


def pixels(seed: int = 0, channels: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, channels), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def odd_wav() -> bytes:
    """A WAV with an odd number of sample bytes and a comment of another program."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(range(201)))
    comment = b"INFOICMT" + (8).to_bytes(4, "little") + b"holiday\0"
    body = stream.getvalue()[8:] + b"\0LIST" + len(comment).to_bytes(4, "little") + comment
    return b"RIFF" + len(body).to_bytes(4, "little") + body


FILES: dict[str, Callable[[], bytes]] = {
    "png": lambda: saved(pixels(), "PNG"),
    "png-rich": lambda: saved(pixels(channels=4), "PNG", dpi=(72, 72), exif=Image.Exif()),
    "apng": lambda: saved(pixels(), "PNG", save_all=True, append_images=[pixels(1)], duration=100),
    "jpeg": lambda: saved(pixels(), "JPEG"),
    "jpeg-progressive": lambda: saved(pixels(), "JPEG", progressive=True, dpi=(72, 72), comment=b"hello"),
    "jpeg-xmp": lambda: saved(pixels(), "JPEG", xmp=camera_packet(), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "webp-lossy": lambda: saved(pixels(), "WEBP", quality=80),
    "webp-lossless": lambda: saved(pixels(channels=4), "WEBP", lossless=True),
    "webp-lossless-opaque": lambda: saved(pixels(), "WEBP", lossless=True),
    "webp-alpha": lambda: saved(pixels(channels=4), "WEBP", quality=80),
    "webp-xmp": lambda: saved(pixels(), "WEBP", xmp=camera_packet(), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "webp-animated": lambda: saved(pixels(), "WEBP", save_all=True, append_images=[pixels(1)], duration=100),
    "wav": odd_wav,
}


def camera_packet() -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="a camera"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )


@pytest.fixture(params=FILES)
def data(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("videos")
    frames = [np.random.default_rng(index).integers(0, 256, (32, 48, 3), dtype=np.uint8) for index in range(12)]
    tone = (0.4 * np.sin(np.arange(8000) / 9)).astype(np.float32)[:, None].repeat(2, axis=1)
    audio.write_wav(folder / "tone.wav", tone, 8000)
    result = {}
    for codec, sound in (("vp9", folder / "tone.wav"), ("av1", None), ("h264", folder / "tone.wav")):
        video.write_video(folder / codec, frames, fps=12, width=48, height=32, codec=codec, audio=sound, comment="hi")
        result[codec] = (folder / codec).read_bytes()
    return result


def without_recipe_parts(file: bytes) -> list[tuple[str, bytes]]:
    """The content of a file without its recipe: every frame of an image, the samples of audio."""
    if file.startswith(b"RIFF") and file[8:12] == b"WAVE":
        with wave.open(io.BytesIO(file)) as sound:
            return [(str(sound.getparams()), sound.readframes(sound.getnframes()))]
    with Image.open(io.BytesIO(file)) as image:
        frames = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append((image.mode, image.convert("RGBA").tobytes()))
        return frames


@pytest.mark.parametrize("content", [RECIPE, {}, LONG, LARGEST], ids=["small", "empty", "long", "largest"])
def test_every_format_returns_its_recipe(data: bytes, content: dict[str, Any]) -> None:
    """The extracted recipe equals the embedded recipe, up to the size limit, whatever its characters."""
    assert recipe.extract(recipe.embed(data, content)) == content


def test_embedding_changes_no_pixel_or_sample(data: bytes) -> None:
    """Embedding changes no pixel and no sample, and the file keeps its type."""
    embedded = recipe.embed(data, RECIPE)
    assert sniff(embedded[:HEAD_BYTES]) == sniff(data[:HEAD_BYTES])
    assert without_recipe_parts(embedded) == without_recipe_parts(data)


def test_embedding_is_deterministic_and_replaces(data: bytes) -> None:
    """Equal bytes and recipe give equal bytes; a second recipe replaces the first completely."""
    once = recipe.embed(data, RECIPE)
    assert recipe.embed(data, RECIPE) == once
    assert recipe.embed(recipe.embed(data, LONG), RECIPE) == recipe.embed(once, RECIPE) == once


def test_a_file_without_a_recipe_returns_none(data: bytes) -> None:
    """A missing recipe is not an error."""
    assert recipe.extract(data) is None


def test_embed_file_equals_embed(data: bytes, tmp_path: Path) -> None:
    """Files and bytes give the same result; a file can be rewritten in place."""
    source = tmp_path / "source"
    source.write_bytes(data)
    recipe.embed_file(source, tmp_path / "target", RECIPE)
    assert (tmp_path / "target").read_bytes() == recipe.embed(data, RECIPE)
    assert recipe.extract(tmp_path / "target") == RECIPE
    assert recipe.extract(source) is None
    recipe.embed_file(source, source, RECIPE)
    assert source.read_bytes() == (tmp_path / "target").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_other_png_chunks_are_unchanged() -> None:
    """All other chunks are copied in order, checksums included; the recipe's checksum is valid."""
    chunks = [chunk for chunk in png_chunks(recipe.embed(FILES["png-rich"](), RECIPE)) if chunk[0] != b"iTXt"]
    assert chunks == png_chunks(FILES["png-rich"]())
    with Image.open(io.BytesIO(recipe.embed(FILES["png"](), RECIPE))) as image:
        assert json.loads(image.text["fusionflow"]) == RECIPE


def png_chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at < len(file):
        length, kind = struct.unpack(">I4s", file[at : at + 8])
        body = file[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(file[at + 8 + length : at + 12 + length], "big")
        chunks.append((kind, body))
        at += 12 + length
    return chunks


@pytest.mark.parametrize("name", ["jpeg-xmp", "webp-xmp"])
def test_existing_xmp_is_kept(name: str) -> None:
    """XMP of a camera or an editor is kept; the recipe is added as valid XML."""
    with Image.open(io.BytesIO(recipe.embed(FILES[name](), RECIPE))) as image:
        described = image.getxmp()["xmpmeta"]["RDF"]["Description"]
        assert [entry.get("source") for entry in described] == ["a camera", None]
        assert json.loads(described[1]["Recipe"]) == RECIPE
        assert image.getexif() is not None
        assert image.info["exif"]


@pytest.mark.parametrize("name", ["jpeg", "jpeg-xmp"])
def test_a_long_recipe_in_a_jpeg_is_extended_xmp(name: str) -> None:
    """A recipe above one segment is split into parts under the digest that the main packet names."""
    embedded = recipe.embed(FILES[name](), LONG)
    digest = embedded[embedded.index(b'HasExtendedXMP="') + 16 :][:32]
    parts, at = {}, 0
    while (at := embedded.find(_MORE + digest, at)) >= 0:
        size, place = struct.unpack(">II", embedded[at + len(_MORE) + 32 : at + len(_MORE) + 40])
        length = int.from_bytes(embedded[at - 2 : at], "big")
        parts[place] = embedded[at + len(_MORE) + 40 : at - 2 + length]
        at += length
    packet = b"".join(parts[place] for place in sorted(parts))
    assert len(parts) > 1
    assert len(packet) == size
    assert hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode() == digest
    assert (b"a camera" in embedded) == (name == "jpeg-xmp")


def test_other_wav_comments_are_kept() -> None:
    """A LIST INFO chunk of another program is kept."""
    embedded = recipe.embed(odd_wav(), RECIPE)
    assert b"holiday\0" in embedded
    assert embedded.count(b"LIST") == 2


def test_bytes_after_the_end_are_kept() -> None:
    """Data after the end of an image (some phones append a video) is copied."""
    for name in ("png", "jpeg", "webp-lossy"):
        assert recipe.embed(FILES[name]() + b"appended video", RECIPE).endswith(b"appended video")


@pytest.mark.parametrize("codec", ["vp9", "av1", "h264"])
def test_a_video_contains_its_recipe(videos: dict[str, bytes], codec: str, tmp_path: Path) -> None:
    """The container's comment tag contains it; streams are copied, not encoded; the result is deterministic."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(videos[codec])
    recipe.embed_file(source, target, RECIPE)
    assert recipe.extract(source) is None
    assert recipe.extract(target) == recipe.extract(target.read_bytes()) == RECIPE
    assert recipe.embed(videos[codec], RECIPE) == target.read_bytes()
    assert video.video_facts(target) == video.video_facts(source)
    for (time_a, frame_a), (time_b, frame_b) in zip(video.read_frames(source), video.read_frames(target), strict=True):
        assert time_a == time_b
        assert np.array_equal(frame_a, frame_b)
    if video.video_facts(source).has_audio:
        assert audio.waveform(source) == audio.waveform(target)
    for content in (LONG, LARGEST):
        assert recipe.extract(recipe.embed(videos[codec], content)) == content


def test_the_rotation_of_a_video_is_kept(videos: dict[str, bytes], tmp_path: Path) -> None:
    """The rotation that phones store is copied."""
    matrix_at = videos["h264"].index(b"tkhd") + 44
    quarter = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    turned = videos["h264"][:matrix_at] + quarter + videos["h264"][matrix_at + 36 :]
    (tmp_path / "turned.mp4").write_bytes(turned)
    assert video.video_facts(tmp_path / "turned.mp4").width == 32
    recipe.embed_file(tmp_path / "turned.mp4", tmp_path / "target.mp4", RECIPE)
    assert video.video_facts(tmp_path / "target.mp4") == video.video_facts(tmp_path / "turned.mp4")


def test_an_incomplete_video_is_refused(videos: dict[str, bytes], tmp_path: Path) -> None:
    """A video without packets, or with an unknown codec, raises MediaError and writes no target."""
    cluster = videos["vp9"].index(b"\x1f\x43\xb6\x75")
    for bad in (videos["vp9"][:cluster], videos["vp9"].replace(b"V_VP9", b"V_XYZ"), videos["h264"][:2000]):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(errors.MediaError):
            recipe.embed(bad, RECIPE)
        with pytest.raises(errors.MediaError):
            recipe.embed_file(tmp_path / "bad", tmp_path / "target", RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_other_types_list_the_supported_types(tmp_path: Path) -> None:
    """GIF and text are refused with the supported formats; reading them returns None."""
    for file in (saved(pixels(), "GIF"), b"words", b""):
        with pytest.raises(errors.MediaError, match="PNG, WebP"):
            recipe.embed(file, RECIPE)
        assert recipe.extract(file) is None
    assert [recipe.can_carry(kind) for kind in ("image/png", "video/webm", "image/gif")] == [True, True, False]
    with pytest.raises(errors.MediaError, match="no file"):
        recipe.extract(tmp_path / "missing.png")


@pytest.mark.parametrize(
    "bad",
    [
        {"x": float("nan")},
        {"x": object()},
        {"x": "\ud800"},
        {"prompt": "y" * recipe.MAX_RECIPE_BYTES},
    ],
    ids=["nan", "object", "half-character", "too-large"],
)
def test_an_invalid_recipe_is_not_embedded(bad: dict[str, Any]) -> None:
    """NaN, objects, lone surrogates and more than 1 MiB are refused."""
    with pytest.raises(errors.MediaError):
        recipe.embed(FILES["png"](), bad)


def test_a_deep_recipe_is_returned_or_refused() -> None:
    """Nesting that JSON can encode is returned; deeper nesting raises MediaError."""
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    assert recipe.extract(recipe.embed(FILES["png"](), {"x": deep})) == {"x": deep}
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(errors.MediaError, match="nested too deep"):
        recipe.embed(FILES["png"](), {"x": deep})


def png_with(text_chunk: bytes) -> bytes:
    file = FILES["png"]()
    body = b"iTXt" + text_chunk
    return file[:33] + struct.pack(">I", len(text_chunk)) + body + struct.pack(">I", zlib.crc32(body)) + file[33:]


@pytest.mark.parametrize(
    "chunk",
    [
        b"fusionflow\0\1\0\0\0" + zlib.compress(bytes(200_000_000), 9),
        b"fusionflow\0\1\0\0\0" + zlib.compress(b'{"x":1}')[:-3],
        b"fusionflow\0\1\0\0\0not deflate",
        b"fusionflow\0\0\0\0\0[1]",
        b"fusionflow\0\0\0\0\0{'x': 1}",
        b'fusionflow\0\0\0\0\0{"x": Infinity}',
        b'fusionflow\0\0\0\0\0{"x": 1e999}',
        b'fusionflow\0\0\0\0\0{"x": "\\ud800"}',
        b"fusionflow\0\0\0\0\0" + b'{"x":' * 100_000,
        b"fusionflow\0\0\0\0\0" + b'{"x":' + b"9" * 10_000 + b"}",
        b"fusionflow\0\0\0\0\0\xff\xfe",
        b"fusionflow\0",
        b"fusionflow\0\1",
        b"fusionflow\0\0\0\0\0" + b" " * (recipe.MAX_RECIPE_BYTES + 10) + b"{}",
        b"fusionflow\0\0\0\0\0" + b"cbuiltins\neval\n(S'1/0'\ntR.",
    ],
    ids=lambda chunk: repr(chunk[11:28]),
)
def test_hostile_recipes_are_refused(chunk: bytes) -> None:
    """Bombs, broken or foreign text, infinities, deep nesting and pickles raise MediaError; nothing is executed."""
    with pytest.raises(errors.MediaError) as caught:
        recipe.extract(png_with(chunk))
    assert caught.value.hint


def test_a_changed_recipe_chunk_is_damaged() -> None:
    """A wrong checksum is reported, not ignored."""
    embedded = bytearray(recipe.embed(FILES["png"](), RECIPE))
    embedded[embedded.index(b"fusionflow") + 30] ^= 1
    with pytest.raises(errors.MediaError, match="damaged"):
        recipe.extract(bytes(embedded))


def test_a_zip_bomb_is_not_decompressed() -> None:
    """200 MB compressed into 200 kB need little memory."""
    body = """
        import resource, struct, zlib
        from fusionflow_nb import errors
        from fusionflow_nb.assets import recipe
        packer = zlib.compressobj(9)
        data = b"fusionflow\\0\\1\\0\\0\\0" + b"".join(
            [packer.compress(bytes(1_000_000)) for _ in range(200)] + [packer.flush()]
        )
        kind = b"iTXt" + data
        file = b"\\x89PNG\\r\\n\\x1a\\n" + struct.pack(">I", len(data)) + kind + struct.pack(">I", zlib.crc32(kind))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            recipe.extract(file)
        except errors.MediaError:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000)
    """
    if sys.platform != "linux":
        pytest.skip("counts memory in Linux units")
    command = [sys.executable, "-c", textwrap.dedent(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    "packet",
    [
        b"<fusionflow:Recipe>{}",
        b"<fusionflow:Recipe>{&amp;lt;</fusionflow:Recipe>",
        b"<fusionflow:Recipe>\xff</fusionflow:Recipe>",
        b' fusionflow:Recipe="{}',
        b"<fusionflow:Recipe>&lol9;</fusionflow:Recipe>",
    ],
)
def test_hostile_packets_are_refused(packet: bytes) -> None:
    """A packet is searched, never parsed: entities are not expanded, and an unterminated recipe is damaged."""
    file = saved(pixels(), "WEBP", xmp=packet)
    with pytest.raises(errors.MediaError):
        recipe.extract(file)


def test_a_recipe_as_attribute_is_found() -> None:
    """Other programs may rewrite the property as an attribute."""
    text = '{"a":"b &amp; \'c\'"}'.replace('"', "&quot;").encode()
    for quote in (b'"', b"'"):
        packet = b"<rdf:Description fusionflow:Recipe=" + quote + text.replace(b"'", b"&#39;") + quote + b"/>"
        assert recipe.extract(saved(pixels(), "WEBP", xmp=packet)) == {"a": "b & 'c'"}


@pytest.mark.parametrize("name", ["jpeg", "webp-lossy"])
@pytest.mark.parametrize("broken", [b"</fusionflow:Recipe>", b"<rdf:Description rdf:about", b'{"flow"'])
def test_the_last_recipe_wins_over_a_damaged_recipe(name: str, broken: bytes) -> None:
    """If a damaged recipe cannot be removed, the recipe added later is read."""
    embedded = recipe.embed(FILES[name](), RECIPE)
    damaged = embedded.replace(broken, b"?" * len(broken), 1)
    assert damaged != embedded
    assert recipe.extract(recipe.embed(damaged, {"again": 1})) == {"again": 1}


def test_xmp_that_cannot_be_extended_is_an_error() -> None:
    """XMP that cannot be extended as text is not discarded."""
    file = saved(pixels(), "WEBP", xmp=b"<rdf:RDF/>")
    with pytest.raises(errors.MediaError, match="XMP"):
        recipe.embed(file, RECIPE)
    assert xmp.packet_with("{}", b"no xmp") == xmp.packet_with("{}")


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_gets_no_recipe(name: str) -> None:
    """Embedding into a truncated file is refused, wherever it ends (in a JPEG: before its pixels)."""
    file = FILES[name]()
    last = file.index(b"\xff\xda") if name.startswith("jpeg") else len(file) - 2
    for length in (12, 30, last // 2, last):
        with pytest.raises(errors.MediaError):
            recipe.embed(file[:length], RECIPE)


def test_a_partial_png_contains_its_recipe() -> None:
    """The recipe of a PNG comes right after the header, so a partial download contains it."""
    embedded = recipe.embed(FILES["png"](), RECIPE)
    assert recipe.extract(embedded[: len(embedded) // 2]) == RECIPE


def mutated(data: st.DataObject, file: bytes) -> bytes:
    bad = bytearray(file)
    del bad[data.draw(st.integers(len(bad) // 4, len(bad)), label="length") :]
    for _ in range(data.draw(st.integers(0, 8), label="changes")):
        # Half of the changes hit the start, where most of the structure is.
        where = st.integers(0, min(len(bad) - 1, 200)) | st.integers(0, len(bad) - 1)
        bad[data.draw(where)] = data.draw(st.sampled_from([0, 0x7F, 0xFF]) | st.integers(0, 255))
    return bytes(bad)


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=400)
def test_mutated_files_give_a_recipe_or_media_error(data: st.DataObject) -> None:
    """Any mutation of a valid file gives a dict, None or MediaError, for reading and embedding."""
    name = data.draw(st.sampled_from(sorted(FILES)))
    content = data.draw(st.sampled_from([RECIPE, {"prompt": "&" * 30_000}]))
    bad = mutated(data, recipe.embed(FILES[name](), content))
    try:
        result = recipe.extract(bad)
    except errors.MediaError:
        result = None
    assert result is None or isinstance(result, dict)
    try:
        again = recipe.embed(bad, {"again": 1})
    except errors.MediaError:
        return
    assert recipe.extract(again) == {"again": 1}


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_videos_give_a_recipe_or_media_error(videos: dict[str, bytes], data: st.DataObject) -> None:
    """The same for videos."""
    codec = data.draw(st.sampled_from(sorted(videos)))
    bad = mutated(data, recipe.embed(videos[codec], RECIPE))
    for step in (recipe.extract, lambda file: recipe.embed(file, {"again": 1})):
        try:
            result = step(bad)
        except errors.MediaError:
            continue
        assert result is None or isinstance(result, dict | bytes)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(content=st.dictionaries(st.text(), json_values, max_size=5), name=st.sampled_from(sorted(FILES)))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_any_json_object_is_returned(content: dict[str, Any], name: str) -> None:
    """Every JSON object that can be encoded as UTF-8 is returned by every format."""
    assert recipe.extract(recipe.embed(FILES[name](), content)) == content


def test_a_failed_export_leaves_the_target(tmp_path: Path) -> None:
    """If embedding fails, or the folder is invalid, the target is unchanged and no part file remains."""
    source, target = tmp_path / "source.png", tmp_path / "target.png"
    source.write_bytes(FILES["png"]()[:100])
    target.write_bytes(b"precious")
    with pytest.raises(errors.MediaError):
        recipe.embed_file(source, target, RECIPE)
    source.write_bytes(FILES["png"]())
    with pytest.raises(errors.UnwritableError, match="Choose a writable folder"):
        recipe.embed_file(source, target / "below" / "x.png", RECIPE)
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.png", "target.png"]


def test_images_with_a_recipe_can_be_opened() -> None:
    """An image with a recipe is still an image for the other modules."""
    for name in ("png", "jpeg", "webp-lossy"):
        embedded = recipe.embed(FILES[name](), LONG)
        assert picture.open_picture(embedded).tobytes() == picture.open_picture(FILES[name]()).tobytes()
    assert png_format.read(io.BytesIO(recipe.embed(FILES["png"](), {}))) == "{}"
