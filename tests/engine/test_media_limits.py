"""Input media are checked against the limits of a model before the request; scaled down only with `reduce=True`."""

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
    """PNG of noise, which does not compress."""
    shape = (height, width, 4 if alpha else 3)
    return encode_png(from_array(np.random.default_rng(3).integers(0, 255, shape, dtype=np.uint8)))


def entry(reads: dict[str, InputLimits], **more: Any) -> ModelEntry:
    return ModelEntry(
        provider="x", provider_model_id="y", tasks=("edit-image",), title="Y", reads=reads, is_free=True, **more
    )


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        (InputLimits(size_bytes=100_000), r"image has 0\.\d MB; x/y accepts 0\.1 MB at most\. reduce=True"),
        (InputLimits(pixels=10_000), r"image has 400 x 300 pixels; x/y accepts 0\.01 megapixels"),
        (InputLimits(media_types=("image/jpeg",)), r"image is image/png; x/y accepts jpeg"),
    ],
    ids=["bytes", "pixels", "type"],
)
def test_error_names_the_exceeded_limit(reads: InputLimits, message: str) -> None:
    """And the next step."""
    store = MemoryStore()
    with pytest.raises(errors.MediaError, match=message):
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
def test_reduced_image_is_within_all_limits(reads: InputLimits, *, alpha: bool) -> None:
    """As large as the limits allow, in an accepted type, with transparency, and the same bytes each time."""
    store = MemoryStore()
    asset = store.put(picture(alpha=alpha))
    model = entry({"image": reads})
    fitted = fit_to_limits({"image": [asset]}, model, store, may_reduce=True, node_id="n")
    [reduced] = fitted.media["image"]
    assert reads.size_bytes is None or reduced.size_bytes <= reads.size_bytes
    assert reduced.width
    assert reduced.height
    assert reads.pixels is None or reads.pixels * 0.8 <= reduced.width * reduced.height <= reads.pixels
    assert reduced.media_type in reads.media_types
    assert ("A" in open_picture(store.path(reduced.sha256)).mode) is alpha
    [record] = fitted.reduced
    assert (record["from"]["sha256"], record["to"]["sha256"]) == (asset.sha256, reduced.sha256)
    assert fit_to_limits({"image": [asset]}, model, store, may_reduce=True, node_id="n") == fitted


def test_image_within_the_limits_is_not_changed() -> None:
    """With `reduce` and without it."""
    store = MemoryStore()
    asset = store.put(picture())
    model = entry({"image": InputLimits(size_bytes=10_000_000, pixels=1_000_000, media_types=PNG_OR_JPEG)})
    for may_reduce in (False, True):
        fitted = fit_to_limits({"image": [asset]}, model, store, may_reduce=may_reduce, node_id="n")
        assert (fitted.media, fitted.reduced) == ({"image": [asset]}, [])


def test_mask_is_scaled_with_its_image() -> None:
    """Both have the same size after the reduction."""
    store = MemoryStore()
    media = {"image": [store.put(picture())], "mask": [store.put(encode_png(open_picture(picture()).convert("L")))]}
    fitted = fit_to_limits(media, entry({"image": InputLimits(pixels=10_000)}), store, may_reduce=True, node_id="n")
    [image], [mask] = fitted.media["image"], fitted.media["mask"]
    assert (mask.width, mask.height) == (image.width, image.height)
    assert [record["port"] for record in fitted.reduced] == ["image", "mask"]


def test_too_many_inputs_raise_instead_of_being_dropped() -> None:
    """For the count of the model and for a field that accepts one asset."""
    store = MemoryStore()
    assets = [store.put(picture(40 + index, 30)) for index in range(3)]
    two_images = entry({"image": InputLimits(count=2)})
    one_reference = entry({}, wire=RequestMapping(references={"references": "image_url"}))
    with pytest.raises(errors.MediaError, match="accepts 2 images per call, got 3"):
        fit_to_limits({"image": assets[:1], "references": assets[1:]}, two_images, store, may_reduce=True, node_id="n")
    with pytest.raises(errors.MediaError, match="accepts one asset as references, got 2"):
        fit_to_limits({"references": assets[1:]}, one_reference, store, may_reduce=True, node_id="n")


@pytest.fixture
def fake() -> FakeProvider:
    """A service that accepts only small images."""
    provider = FakeProvider()
    small = {"image": InputLimits(pixels=10_000, media_types=PNG_OR_JPEG)}
    provider.models = [entry.model_copy(update={"reads": small}) for entry in provider.models]
    return provider


def test_limit_error_costs_nothing_and_tape_records_reduction(
    session: Session, fake: FakeProvider, tmp_path: Path
) -> None:
    """Nothing is sent or paid; the row of a reduced image holds both sizes."""
    file = tmp_path / "large.jpg"
    file.write_bytes(encode_jpeg(open_picture(picture())))
    with pytest.raises(errors.MediaError, match=r"400 x 300 pixels; fake/edit accepts png or jpeg, 0.01 megapixels"):
        ff.edit_image(file, "dawn", model="fake/edit", seed=1).result(PATIENCE_S)
    assert fake.log() == []
    image = ff.edit_image(file, "dawn", model="fake/edit", seed=1, reduce=True).result(PATIENCE_S)
    assert isinstance(image, ff.Image)
    assert len(fake.log()) == 1
    [(width, cost)] = session.tape.sql(
        "SELECT settings_snapshot ->> '$.reduced[0].from.width', cost_computation FROM generations"
        " WHERE status = 'succeeded'"
    ).rows()
    assert (width, cost) == ("400", 0.02)


def test_reduce_setting_is_not_part_of_the_content_key(flow: Flow, fake: FakeProvider, tmp_path: Path) -> None:
    """A result within the limits stays cached when `reduce` is set."""
    file = tmp_path / "small.png"
    file.write_bytes(picture(64, 64))
    still = flow.edit_image(flow.load_image(file), "dawn", model="fake/edit", seed=1, name="still")
    flow.run().result(PATIENCE_S)
    flow.set(still, reduce=True)
    flow.run().result(PATIENCE_S)
    assert len(fake.log()) == 1
