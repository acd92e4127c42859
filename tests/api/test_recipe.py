"""What a saved file tells of how it was made: the part of the flow above it, exactly, and nothing is executed."""

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


def drawn(flow: Flow) -> dict[str, Any]:
    """Nodes of every medium, with parts that have nothing to do with each other."""
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
    drawn(flow)
    return flow


def upstream_alone(name: str) -> Flow:
    """The same part, drawn by hand."""
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
def test_a_saved_result_carries_the_part_above_it(full: Flow, tmp_path: Path, name: str) -> None:
    """The flow in the file has the hash of exactly what made it: no more nodes, no more variables, same parameters."""
    saved = full.run().wait().save(tmp_path)
    [path] = [one for one in saved if one.stem == name]
    read = recipe(path)
    assert read.hash == upstream_alone(name).hash
    assert read.id == full.id  # its results are found where they were made


@pytest.mark.parametrize(("suffix", "encode"), [(".png", encode_png), (".webp", encode_webp), (".jpg", encode_jpeg)])
def test_every_kind_of_picture_carries_it(full: Flow, tmp_path: Path, suffix: str, encode: Any) -> None:
    """A picture saved under the name of another kind becomes that kind, with the same recipe and the same pixels."""
    still = full.run().wait()["still"]
    path = still.save(tmp_path / f"still{suffix}")
    with Pillow.open(path) as picture:
        assert picture.format == {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}[suffix]
    assert recipe(path).hash == upstream_alone("still").hash
    assert (
        Pillow.open(path).convert("RGB").tobytes() == Pillow.open(_bytes(encode(still.pil()))).convert("RGB").tobytes()
    )


def _bytes(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def test_running_a_recipe_again_pays_nothing(full: Flow, fake: Any, tmp_path: Path) -> None:
    """All of it is known: the recipe says the same content keys."""
    full.run().wait()["large"].save(tmp_path / "large.png")
    before = len(fake.log())
    run = recipe(tmp_path / "large.png").run().wait()
    assert {status.state for status in run.jobs.values()} == {"cached"}
    assert len(fake.log()) == before


def test_a_cell_of_a_sweep_says_which_it_is(flow: Flow, tmp_path: Path) -> None:
    """The recipe of one of many holds the sweep and the coordinate of this one."""
    flow.generate_image("x", model="fake/image", seed=flow.seeds([7, 9], name="seeds"), name="many")
    paths = flow.run().wait().save(tmp_path)
    found = [embedded.extract(path) for path in paths]
    assert [one["coordinate"] if one else None for one in found] == [{"seed": "7"}, {"seed": "9"}]


def test_the_recipe_is_of_the_run_and_not_of_what_came_later(full: Flow, tmp_path: Path) -> None:
    """Edits after the start do not change how a result was made."""
    run = full.run()
    full.set_variable("time", "midnight")
    run.wait()["still"].save(tmp_path / "still.png")
    assert recipe(tmp_path / "still.png").document.variables == {"time": "dawn"}


def test_reading_a_recipe_runs_nothing(session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python nodes stay names: nothing is imported, evaluated or executed, and nothing is started."""

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
    ("content", "error", "said"),
    [
        (encode_png(Pillow.new("RGB", (4, 4))), errors.MediaError, "carries no recipe"),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": 3}), errors.MediaError, "carries no recipe"),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": "{"}), errors.FlowFileError, "x.png"),
        (
            embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": '{"fusionflow": 99}'}),
            errors.FlowFileError,
            "newer",
        ),
        (embedded.embed(encode_png(Pillow.new("RGB", (4, 4))), {"flow": "[" * 9000}), errors.FlowFileError, "x.png"),
        (b"text", errors.MediaError, "carries no recipe"),
        (b"", errors.MediaError, "carries no recipe"),
    ],
    ids=["none", "not-ours", "cut", "newer", "deep", "text", "empty"],
)
def test_what_is_no_recipe_is_a_sentence(tmp_path: Path, content: bytes, error: type[Exception], said: str) -> None:
    """A file without recipe, with somebody else's, a damaged or a hostile one: an error that names the file."""
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(error, match=said):
        recipe(path)


@pytest.mark.parametrize("name", ["missing.png", "~nobody-of-this-name/x.png", "a\0b.png", ""])
def test_a_path_that_leads_nowhere_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also names that no system takes."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.MediaError, match="no file"):
        recipe(name)


# --- saving never fails because of the recipe ------------------------------------------------------------------------


def is_plain_copy(medium: Media, path: Path) -> bool:
    return path.read_bytes() == medium.bytes()


def test_a_recipe_that_is_too_large_stays_out(flow: Flow, tmp_path: Path) -> None:
    """The picture is saved as it is."""
    flow.generate_image("x" * (embedded.MAX_RECIPE_BYTES + 1), model="fake/image", name="still")
    still = flow.run().wait()["still"]
    assert is_plain_copy(still, still.save(tmp_path / "still.png"))


@pytest.mark.parametrize(
    "error", [errors.MissingExtraError("Films", extra="video"), errors.MediaError("damaged")], ids=["extra", "damaged"]
)
def test_a_recipe_that_cannot_be_embedded_stays_out(
    full: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: errors.FusionFlowError
) -> None:
    """Without the package that films need, or where the file is odd, everything is saved all the same."""

    def refuse(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(recipe_files.files, "embed_file", refuse)
    run = full.run().wait()
    for path in run.save(tmp_path):
        assert is_plain_copy(run[path.stem], path)


def test_a_recipe_holds_no_half_character(flow: Flow, tmp_path: Path) -> None:
    """A prompt that cannot be written as text costs the recipe, not the picture."""
    flow.generate_image("x", model="fake/image", name="still")
    still = flow.run().wait()["still"]
    document = flow.document.model_copy(deep=True)
    document.nodes["still"].params["prompt"] = "\ud800"
    write = recipe_files.writer(document, "still", ())
    write(still.path(), tmp_path / "still.png")
    assert is_plain_copy(still, tmp_path / "still.png")


def test_variables_of_other_nodes_do_not_travel(full: Flow) -> None:
    """What a node above does not read says nothing about this picture, and may be private."""
    made = json.loads(recipe_files.recipe_of(full.document, "apart")["flow"])
    assert made["variables"] == {"other": "fog"}
    assert variables_used(made["nodes"][0]["params"]) == {"other"}
