"""Recipes in saved files contain the node and its ancestors; reading one executes nothing."""

from __future__ import annotations

import builtins
import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image as Pillow

from fusionflow_nb import errors
from fusionflow_nb.api import recipe_files
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.api.node import node
from fusionflow_nb.api.recipe import recipe
from fusionflow_nb.assets import recipe as embedded
from fusionflow_nb.flow.variables import variables_used
from fusionflow_nb.media.picture import encode_jpeg, encode_png, encode_webp

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.media.handles import Media


def place_nodes(flow: Flow) -> dict[str, Any]:
    """Place nodes of every media type, in independent branches."""
    prompt = flow.text("hills at {{time}}", name="prompt")
    still = flow.generate_image(prompt, model="fake/image", seed=3, name="still")
    flow.upscale(still, model="fake/edit", name="large")
    flow.generate_video(image=still, model="fake/video", name="film")
    flow.generate_audio("waves", model="fake/audio", name="sound")
    flow.generate_image("{{other}}", model="fake/image", name="apart")
    return {"prompt": prompt, "still": still}


@pytest.fixture
def full(flow: Flow) -> Flow:
    flow.set_variable("time", "dawn")
    flow.set_variable("other", "fog")
    place_nodes(flow)
    return flow


def upstream_alone(name: str) -> Flow:
    """The expected flow, built separately."""
    flow = Flow("Other title", variables={"time": "dawn"} if name != "sound" else {})
    if name == "sound":
        flow.generate_audio("waves", model="fake/audio", name="sound")
        return flow
    still = flow.generate_image(flow.text("hills at {{time}}", name="prompt"), model="fake/image", seed=3, name="still")
    if name == "large":
        flow.upscale(still, model="fake/edit", name="large")
    if name == "film":
        flow.generate_video(image=still, model="fake/video", name="film")
    return flow


@pytest.mark.parametrize("name", ["still", "large", "film", "sound"])
def test_a_saved_result_contains_its_upstream_flow(full: Flow, tmp_path: Path, name: str) -> None:
    """The flow in the file has the hash of the node with its ancestors, their parameters and variables only."""
    saved = full.run().wait().save(tmp_path)
    [path] = [file for file in saved if file.stem == name]
    read = recipe(path)
    assert read.hash == upstream_alone(name).hash
    assert read.id == full.id  # same project, so its results are found


@pytest.mark.parametrize(("suffix", "encode"), [(".png", encode_png), (".webp", encode_webp), (".jpg", encode_jpeg)])
def test_every_picture_format_contains_the_recipe(full: Flow, tmp_path: Path, suffix: str, encode: Any) -> None:
    """A picture saved with another suffix is converted to that format, with the same recipe and pixels."""
    still = full.run().wait()["still"]
    path = still.save(tmp_path / f"still{suffix}")
    with Pillow.open(path) as picture:
        assert picture.format == {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}[suffix]
    assert recipe(path).hash == upstream_alone("still").hash
    assert (
        Pillow.open(path).convert("RGB").tobytes() == Pillow.open(_stream(encode(still.pil()))).convert("RGB").tobytes()
    )


def _stream(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def test_running_a_recipe_submits_nothing(full: Flow, fake: Any, tmp_path: Path) -> None:
    """The recipe yields the same content keys, so all jobs are cached."""
    full.run().wait()["large"].save(tmp_path / "large.png")
    before = len(fake.log())
    run = recipe(tmp_path / "large.png").run().wait()
    assert {status.state for status in run.jobs.values()} == {"cached"}
    assert len(fake.log()) == before


def test_the_recipe_of_a_cell_has_its_coordinate(flow: Flow, tmp_path: Path) -> None:
    """The recipe of a cell contains the sweep and the coordinate of the cell."""
    flow.generate_image("x", model="fake/image", seed=flow.seeds([7, 9], name="seeds"), name="many")
    paths = flow.run().wait().save(tmp_path)
    recipes = [embedded.extract(path) for path in paths]
    assert [content["coordinate"] if content else None for content in recipes] == [{"seed": "7"}, {"seed": "9"}]


def test_later_edits_do_not_change_a_recipe(full: Flow, tmp_path: Path) -> None:
    """The recipe contains the flow as it was at the start of the run."""
    run = full.run()
    full.set_variable("time", "midnight")
    run.wait()["still"].save(tmp_path / "still.png")
    assert recipe(tmp_path / "still.png").document.variables == {"time": "dawn"}


def test_reading_a_recipe_executes_nothing(session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python nodes are only names: nothing is imported, evaluated or run."""

    @node
    def shout(text: str) -> str:
        raise AssertionError

    flow = Flow("Hostile")
    flow.text("__import__('os').system('true')", name="words")
    flow.add("shout", text=flow["words"], name="loud")
    path = tmp_path / "x.png"
    path.write_bytes(
        embedded.embed(encode_png(Pillow.new("RGB", (8, 8))), recipe_files.recipe_of(flow.document, "loud"))
    )

    def refuse(*_args: Any, **_named: Any) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        for name in ("eval", "exec", "compile", "__import__"):
            patched.setattr(builtins, name, refuse)
        document = recipe_files.read(path)
    assert document.nodes["loud"].type == "shout"
    assert not session.tape.sql("FROM generations").rows()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (encode_png(Pillow.new("RGB", (4, 4))), errors.MediaError, "contains no recipe"),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": 3}), errors.MediaError, "contains no recipe"),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": "{"}), errors.FlowFileError, "x.png"),
        (
            embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": '{"fusionflow": 99}'}),
            errors.FlowFileError,
            "newer",
        ),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": "[" * 9000}), errors.FlowFileError, "x.png"),
        (b"text", errors.MediaError, "contains no recipe"),
        (b"", errors.MediaError, "contains no recipe"),
    ],
    ids=["none", "foreign", "cut", "newer", "deep", "text", "empty"],
)
def test_a_missing_or_damaged_recipe_raises(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    """A file without a recipe, or with a foreign, damaged or hostile recipe, raises an error that names the file."""
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        recipe(path)


@pytest.mark.parametrize("name", ["missing.png", "~nobody-of-this-name/x.png", "a\0b.png", ""])
def test_a_missing_file_raises_a_media_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Invalid file names raise the same error."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.MediaError, match="does not exist"):
        recipe(name)


# --- a recipe never prevents saving ----------------------------------------------------------------------------------


def is_plain_copy(medium: Media, path: Path) -> bool:
    return path.read_bytes() == medium.bytes()


def test_a_recipe_over_the_limit_is_left_out(flow: Flow, tmp_path: Path) -> None:
    """The picture is saved unchanged."""
    flow.generate_image("x" * (embedded.MAX_RECIPE_BYTES + 1), model="fake/image", name="still")
    still = flow.run().wait()["still"]
    assert is_plain_copy(still, still.save(tmp_path / "still.png"))


@pytest.mark.parametrize(
    "error", [errors.MissingExtraError("Films", extra="video"), errors.MediaError("damaged")], ids=["extra", "damaged"]
)
def test_a_recipe_that_cannot_be_embedded_is_left_out(
    full: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: errors.FusionFlowError
) -> None:
    """Without the extra for videos, or for a damaged file, the results are saved unchanged."""

    def refuse(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(recipe_files.files, "embed_file", refuse)
    run = full.run().wait()
    for path in run.save(tmp_path):
        assert is_plain_copy(run[path.stem], path)


def test_a_lone_surrogate_leaves_the_recipe_out(flow: Flow, tmp_path: Path) -> None:
    """A prompt that cannot be encoded prevents the recipe, not the saving."""
    flow.generate_image("x", model="fake/image", name="still")
    still = flow.run().wait()["still"]
    document = flow.document.model_copy(deep=True)
    document.nodes["still"].params["prompt"] = "\ud800"
    write = recipe_files.writer(document, "still", ())
    write(still.path(), tmp_path / "still.png")
    assert is_plain_copy(still, tmp_path / "still.png")


def test_a_recipe_omits_unused_variables(full: Flow) -> None:
    """Variables that no node of the recipe uses may be private."""
    content = json.loads(recipe_files.recipe_of(full.document, "apart")["flow"])
    assert content["variables"] == {"other": "fog"}
    assert variables_used(content["nodes"][0]["params"]) == {"other"}
