"""Media are held against the limits of a service before anything is sent; smaller only where a person allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.engine import PATIENCE_S

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.engine.media_limits import fit_to_limits
from fusionflow_nb.media.picture import encode_jpeg, encode_png, from_array, open_picture
from fusionflow_nb.providers.input_limits import InputLimits
from fusionflow_nb.providers.model import ModelEntry
from fusionflow_nb.providers.request_mapping import RequestMapping
from fusionflow_nb.testing.fake import FakeProvider
from fusionflow_nb.testing.memory_store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session

PNG_OR_JPEG = ("image/png", "image/jpeg")


def picture(width: int = 400, height: int = 300, *, alpha: bool = False) -> bytes:
    """Noise: it does not shrink by itself."""
    shape = (height, width, 4 if alpha else 3)
    return encode_png(from_array(np.random.default_rng(3).integers(0, 255, shape, dtype=np.uint8)))


def entry(reads: dict[str, InputLimits], **more: Any) -> ModelEntry:
    return ModelEntry(
        provider="x", provider_model_id="y", tasks=("edit-image",), title="Y", reads=reads, is_free=True, **more
    )


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        (InputLimits(size_bytes=100_000), r"image has 0\.\d MB; x/y reads 0\.1 MB at most\. reduce=True"),
        (InputLimits(pixels=10_000), r"image has 400 x 300 pixels; x/y reads 0\.01 megapixels"),
        (InputLimits(media_types=("image/jpeg",)), r"image is image/png; x/y reads jpeg"),
    ],
    ids=["bytes", "pixels", "type"],
)
def test_what_is_beyond_a_limit_is_an_error_that_names_it(reads: InputLimits, says: str) -> None:
    """With the next step."""
    store = MemoryStore()
    with pytest.raises(errors.MediaError, match=says):
        fit_to_limits({"image": [store.put(picture())]}, entry({"image": reads}), store, may_reduce=False, node_id="n")


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize(
    "reads",
    [
        InputLimits(size_bytes=60_000, media_types=PNG_OR_JPEG),
        InputLimits(pixels=10_000, media_types=PNG_OR_JPEG),
        InputLimits(media_types=("image/webp",)),
    ],
    ids=["bytes", "pixels", "type"],
)
def test_a_picture_that_may_be_reduced_keeps_within_all_limits(reads: InputLimits, *, alpha: bool) -> None:
    """As large as it may be, in a type that is read, transparency kept, and always the same bytes."""
    store = MemoryStore()
    asset = store.put(picture(alpha=alpha))
    given = entry({"image": reads})
    found = fit_to_limits({"image": [asset]}, given, store, may_reduce=True, node_id="n")
    [made] = found.media["image"]
    assert reads.size_bytes is None or made.size_bytes <= reads.size_bytes
    assert made.width
    assert made.height
    assert reads.pixels is None or reads.pixels * 0.8 <= made.width * made.height <= reads.pixels
    assert made.media_type in reads.media_types
    assert ("A" in open_picture(store.path(made.sha256)).mode) is alpha
    [said] = found.reduced
    assert (said["from"]["sha256"], said["to"]["sha256"]) == (asset.sha256, made.sha256)
    assert fit_to_limits({"image": [asset]}, given, store, may_reduce=True, node_id="n") == found


def test_what_is_within_the_limits_goes_as_it_is() -> None:
    """Allowed to be reduced or not."""
    store = MemoryStore()
    asset = store.put(picture())
    given = entry({"image": InputLimits(size_bytes=10_000_000, pixels=1_000_000, media_types=PNG_OR_JPEG)})
    for may_reduce in (False, True):
        found = fit_to_limits({"image": [asset]}, given, store, may_reduce=may_reduce, node_id="n")
        assert (found.media, found.reduced) == ({"image": [asset]}, [])


def test_a_mask_stays_as_large_as_its_picture() -> None:
    """It lies on it."""
    store = MemoryStore()
    media = {"image": [store.put(picture())], "mask": [store.put(encode_png(open_picture(picture()).convert("L")))]}
    found = fit_to_limits(media, entry({"image": InputLimits(pixels=10_000)}), store, may_reduce=True, node_id="n")
    [image], [mask] = found.media["image"], found.media["mask"]
    assert (mask.width, mask.height) == (image.width, image.height)
    assert [one["port"] for one in found.reduced] == ["image", "mask"]


def test_too_many_are_never_left_out_in_silence() -> None:
    """Neither beyond the service's count nor where its field takes one."""
    store = MemoryStore()
    assets = [store.put(picture(40 + index, 30)) for index in range(3)]
    two = entry({"image": InputLimits(count=2)})
    one = entry({}, wire=RequestMapping(references={"references": "image_url"}))
    with pytest.raises(errors.MediaError, match="reads 2 images in one call, not 3"):
        fit_to_limits({"image": assets[:1], "references": assets[1:]}, two, store, may_reduce=True, node_id="n")
    with pytest.raises(errors.MediaError, match="reads one medium as references, not 2"):
        fit_to_limits({"references": assets[1:]}, one, store, may_reduce=True, node_id="n")


@pytest.fixture
def fake() -> FakeProvider:
    """A service that reads small pictures."""
    made = FakeProvider()
    small = {"image": InputLimits(pixels=10_000, media_types=PNG_OR_JPEG)}
    made.models = [one.model_copy(update={"reads": small}) for one in made.models]
    return made


def test_a_call_says_it_before_it_is_sent_and_the_tape_says_what_was_reduced(
    session: Session, fake: FakeProvider, tmp_path: Path
) -> None:
    """Nothing is paid for a refusal of ours; a reduced picture's row names both sizes."""
    file = tmp_path / "large.jpg"
    file.write_bytes(encode_jpeg(open_picture(picture())))
    with pytest.raises(errors.MediaError, match=r"400 x 300 pixels; fake/edit reads png or jpeg, 0.01 megapixels"):
        ff.edit_image(file, "dawn", model="fake/edit", seed=1).result(PATIENCE_S)
    assert fake.log() == []
    made = ff.edit_image(file, "dawn", model="fake/edit", seed=1, reduce=True).result(PATIENCE_S)
    assert isinstance(made, ff.Image)
    assert len(fake.log()) == 1
    [(width, cost)] = session.tape.sql(
        "SELECT settings_snapshot ->> '$.reduced[0].from.width', cost_computation FROM generations"
        " WHERE status = 'succeeded'"
    ).rows()
    assert (width, cost) == ("400", 0.02)


def test_allowing_it_changes_nothing_that_was_made(flow: Flow, fake: FakeProvider, tmp_path: Path) -> None:
    """It is no part of the key: what was within the limits, or was reduced already, is known."""
    file = tmp_path / "small.png"
    file.write_bytes(picture(64, 64))
    still = flow.edit_image(flow.load_image(file), "dawn", model="fake/edit", seed=1, name="still")
    flow.run().result(PATIENCE_S)
    flow.set(still, reduce=True)
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == 1
