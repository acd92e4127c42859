"""The kernel's side of the canvas: what views say is done, and every view hears the same."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.canvas import View, talk

import fusionflow_nb as ff
from fusionflow_nb.canvas.messages import read_message
from fusionflow_nb.errors import EditError
from fusionflow_nb.flow.react_flow import to_wire
from fusionflow_nb.media.picture import encode_png, from_array, open_picture
from fusionflow_nb.providers.protocol import Pending
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session


@pytest.fixture
def view(flow: Flow) -> Iterator[View]:
    made = talk(flow)
    yield made
    assert made.conversation is not None
    made.conversation.close()


def add(node_id: str, node_type: str = "text", **params: Any) -> dict[str, Any]:
    """An edit that places a node."""
    return {"kind": "add_node", "node": {"id": node_id, "type": node_type, "params": params}}


def test_edits_are_told_to_every_view_in_order(flow: Flow, view: View) -> None:
    """Edits of one view reach the others and Python, and all have the same document."""
    other = talk(flow, name="other")
    first = view.edit(add("words", text="dawn"))
    told = view.until(lambda one: one["type"] == "edits" and one.get("id") == first)
    assert told["origin"] == "view"
    assert told["history"] == {"can_undo": True, "can_redo": False}
    flow.set("words", text="dusk")
    other.edit({"kind": "set_layout", "node_id": "words", "fields": {"x": 40, "y": 8}})
    for one in (view, other):
        one.until(lambda said: said["type"] == "edits" and said["rev"] == 3)
        assert one.graph() == to_wire(flow.document)
    assert flow.document.nodes["words"].params == {"text": "dusk"}
    other.conversation.close()


def test_an_edit_of_a_node_that_is_gone_is_refused_and_nothing_changes(flow: Flow, view: View) -> None:
    """The reply says so; the document and the other edits of the message stay as they were."""
    asked = view.edit(add("words"), {"kind": "remove_node", "node_id": "nobody"})
    answer = view.until(lambda one: one.get("id") == asked)
    assert answer["error"]["node_id"] == "nobody"
    assert not flow.document.nodes


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        "run",
        {},
        {"type": "run"},
        {"type": "dance", "id": "a"},
        {"type": "edits", "id": "a", "edits": [{"kind": "x"}]},
        {"type": "sign", "id": "a", "sha256": ["../../etc/passwd"]},
    ],
)
def test_nonsense_is_answered_not_obeyed(view: View, content: Any) -> None:
    """Whatever comes over the wire, the kernel says what is wrong and goes on."""
    with pytest.raises(EditError):
        read_message(content)
    assert view.conversation is not None
    view.conversation.hear(content, [])
    assert view.until(lambda one: one["type"] == "reply")["error"]["code"] == "edit"
    assert view.ask("ask", what="snapshot")["rev"] == 0


def test_the_layered_layout_comes_when_a_view_asks_for_it(view: View) -> None:
    """It is a module of its own, given as a buffer: the canvas holds none of it."""
    answer = view.ask("ask", what="layering")
    module = view.buffers[view.heard.index(answer)][0].decode()
    assert "export" in module
    assert len(module) > 10_000


def test_undo_belongs_to_the_document(flow: Flow, view: View) -> None:
    """One view takes back what another, or Python, has done."""
    flow.text("dawn", name="words")
    other = talk(flow, name="other")
    other.say("undo", client_id="other")
    view.until(lambda one: one["type"] == "edits" and one["origin"] == "undo")
    assert view.graph()["nodes"] == []
    other.say("redo", client_id="other")
    view.until(lambda one: one["type"] == "edits" and one["origin"] == "redo")
    assert [node["id"] for node in view.graph()["nodes"]] == ["words"]
    other.conversation.close()


def test_steps_of_a_gesture_are_undone_together(flow: Flow, view: View) -> None:
    """A slider dragged through many values is one step."""
    view.edit(add("words", text="a"))
    for text in "bcd":
        view.edit({"kind": "set_param", "node_id": "words", "name": "text", "value": text}, gesture="words.text")
    view.say("undo", client_id="view")
    assert flow.document.nodes["words"].params == {"text": "a"}


def test_a_plan_follows_an_edit_and_tells_only_of_what_changed(view: View) -> None:
    """State, reason and price come by themselves; nodes that stay as they were are not told of again."""
    view.edit(add("first", "generate_image", model="fake/image", prompt="dawn", seed=1))
    assert view.plan(rev=1)["first"]["state"] == "stale"
    view.edit(add("second", "generate_image", model="fake/image", prompt="dusk", seed=2))
    view.plan(rev=2)
    last = [one for one in view.heard if one["type"] == "plan" and one["plan"]["rev"] == 2][-1]
    assert set(last["plan"]["nodes"]) == {"second"}
    assert last["plan"]["nodes"]["second"]["reasons"] == [{"text": "never ran"}]
    assert last["plan"]["nodes"]["second"]["high_micro_usd"] > 0


def test_a_run_streams_and_its_results_are_addresses(view: View, fake: FakeProvider) -> None:
    """A run asked for by a view sends its events with results, which hold addresses and never bytes."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    started = view.ask("run", targets=["still"])
    events = view.run_ended()
    assert {event["run_id"] for event in events} == {started["run_id"]}
    assert [event["kind"] for event in events if event.get("node_id") != "still"] == ["run-start", "run-end"]
    end = next(event for event in events if event["kind"] == "job-end")
    assert end["state"] == "succeeded"
    cell = end["result"]["cells"][0]
    assert cell["url"].startswith(f"fusionflow/assets/{cell['sha256']}.png?")
    assert cell["preview_url"].startswith(f"fusionflow/previews/{cell['sha256']}?")
    assert len(fake.log()) == 1
    view.until(lambda one: one["type"] == "plan" and one["plan"]["nodes"].get("still", {}).get("state") == "fresh")


def test_a_stale_node_keeps_its_picture_and_says_what_changed(view: View) -> None:
    """After an edit the old result stays, with the difference old -> new."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    view.run_ended()
    view.until(lambda one: one["type"] == "plan" and one["plan"]["nodes"].get("still", {}).get("state") == "fresh")
    view.edit({"kind": "set_param", "node_id": "still", "name": "prompt", "value": "midnight"})
    still = view.plan(rev=2)["still"]
    assert still["reasons"] == [
        {"text": "prompt: 'dawn' → 'midnight'", "field": "prompt", "old": "dawn", "new": "midnight"}
    ]
    snapshot = view.ask("ask", what="snapshot")
    assert snapshot["results"]["still"][0]["cells"][0]["media_type"] == "image/png"


def test_running_the_canvas_anew_brings_results_back_without_a_submission(
    view: View, living: Session, flow: Flow, fake: FakeProvider
) -> None:
    """Another conversation about the same flow shows what the last one showed."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    view.run_ended()
    again = talk(flow, name="again")
    again.until(lambda one: one["type"] == "plan" and "still" in one.get("results", one["plan"]["nodes"]))
    snapshot = again.ask("ask", what="snapshot")
    assert snapshot["plan"]["nodes"]["still"]["state"] == "fresh"
    assert snapshot["results"]["still"][0]["state"] == "cached"
    assert len(fake.log()) == 1
    assert living.home.exists()
    again.conversation.close()


def test_a_run_begun_in_a_cell_shows_on_the_canvas(flow: Flow, view: View) -> None:
    """Whoever presses Run, every view sees it."""
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait()
    events = view.run_ended()
    assert {event["run_id"] for event in events} == {run.id}
    assert [event["state"] for event in events if event["kind"] == "job-end"] == ["succeeded"]


def test_what_a_run_makes_is_fresh_before_the_run_has_ended(flow: Flow, view: View) -> None:
    """A node that has its result is told to be fresh at once, while others of the run go on."""
    release = threading.Event()

    @ff.node(version=1)  # what it closes over would make it volatile
    def slow(text: str) -> str:
        release.wait(60)
        return text

    still = flow.generate_image("dawn", model="fake/image", seed=1, name="still")
    flow.add(slow, "dusk", name="slow")
    run = flow.run()
    view.until(lambda one: one["type"] == "plan" and one["plan"]["nodes"].get("still") == {"state": "fresh"})
    assert not run.is_done
    # An edit meanwhile makes a plan of its own; it learns of what the run makes afterwards.
    flow.remove_background(still, model="fake/cutout", name="alone")
    assert flow.states()["slow"] == "stale"
    release.set()
    run.wait()
    assert flow.states()["slow"] == "fresh"


def test_a_late_view_sees_how_a_run_stands_and_can_cancel_it(flow: Flow, view: View) -> None:
    """Its snapshot holds the events of what goes on; its Cancel ends it."""
    begun, release = threading.Event(), threading.Event()

    def wait(text: str) -> str:
        begun.set()
        release.wait(60)
        return text

    flow.add(wait, "dawn", name="slow")
    run = flow.run()
    assert begun.wait(60)
    late = talk(flow, name="late")
    live = late.until(lambda one: one["type"] == "snapshot")["live"]
    assert live[0]["kind"] == "run-start"
    assert any(event.get("node_id") == "slow" and event["state"] == "running" for event in live)
    late.say("cancel", node_id="slow")
    release_later = threading.Timer(5, release.set)
    release_later.start()
    events = late.run_ended()
    release.set()
    release_later.cancel()
    assert run.wait().status == "cancelled"
    assert next(event for event in events if event["kind"] == "job-end")["state"] == "cancelled"
    late.conversation.close()


def test_an_error_stands_on_its_node_with_the_next_step(view: View, fake: FakeProvider) -> None:
    """What failed says what, where and what to do; the other branch has its result."""
    view.edit(
        add("good", "generate_image", model="fake/image", prompt="dawn", seed=1),
        add("bad", "generate_image", model="fake/image", prompt="dusk", seed=1),
    )
    fake.when("dusk", Behaviour(end="refused"))
    view.ask("run", targets=[])
    events = view.run_ended()
    ends = {event["node_id"]: event for event in events if event["kind"] == "job-end"}
    assert (ends["good"]["state"], ends["bad"]["state"]) == ("succeeded", "refused")
    error = ends["bad"]["error"]
    assert (error["code"], error["node_id"]) == ("refused", "bad")
    assert error["hint"]
    assert not error["message"].startswith("bad")  # the node's name stands beside it already


def test_an_unfinished_node_keeps_no_other_from_running(view: View, fake: FakeProvider) -> None:
    """Run does what can be done; where nothing can, it says why."""
    view.edit(add("big", "upscale", model="fake/image"))
    assert view.ask("run", targets=[])["error"]["node_id"] == "big"
    view.edit(add("good", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    ends = {event["node_id"]: event["state"] for event in view.run_ended() if event["kind"] == "job-end"}
    assert ends == {"good": "succeeded"}
    assert len(fake.log()) == 1


def test_a_large_run_waits_for_a_yes(flow: Flow, view: View, fake: FakeProvider) -> None:
    """Above the limits the reply is `unconfirmed`; nothing is submitted until the person says yes."""
    flow.generate_image("dawn", model="fake/image", seed=flow.seeds(count=101), name="many")
    assert view.ask("run", targets=[])["error"]["code"] == "unconfirmed"
    assert not fake.log()
    assert "run_id" in view.ask("run", targets=[], is_confirmed=True)
    view.say("cancel")
    view.run_ended()


def test_bytes_go_both_ways_where_no_server_answers(view: View, living: Session) -> None:
    """An upload in a buffer becomes an asset; asset and preview come back as buffers; addresses can be had anew."""
    from io import BytesIO

    from PIL import Image

    picture = BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    asset = view.ask("upload", media_type="image/png", buffers=[picture.getvalue()])["asset"]
    assert (asset["width"], asset["height"]) == (8, 6)
    answer = view.ask("media", sha256=asset["sha256"], use="asset")
    assert view.buffers_of(answer) == [picture.getvalue()]
    assert view.buffers_of(view.ask("media", sha256=asset["sha256"], use="preview"))[0][:4] == b"RIFF"
    assert view.ask("sign", sha256=[asset["sha256"]])["urls"][asset["sha256"]]["url"].startswith("fusionflow/assets/")
    assert view.ask("media", sha256="0" * 64, use="asset")["error"]["code"] == "lost"
    assert living.store.has(asset["sha256"])


def test_a_download_carries_its_recipe(view: View, tmp_path: Path) -> None:
    """What a person downloads can be opened as the flow that made it."""
    from fusionflow_nb.api import recipe_files

    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    end = next(event for event in view.run_ended() if event["kind"] == "job-end")
    answer = view.ask("download", sha256=end["result"]["cells"][0]["sha256"], node_id="still")
    assert answer["name"] == "still.png"
    (tmp_path / "still.png").write_bytes(view.buffers_of(answer)[0])
    assert "still" in recipe_files.read(tmp_path / "still.png").nodes


def test_the_tape_and_a_generation_can_be_asked(view: View) -> None:
    """The filmstrip and how a frame was made come from the tape."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    view.run_ended()
    view.until(lambda one: one["type"] == "facts" and one.get("tape", {}).get("frames"))
    frames = view.ask("ask", what="tape", of="all")["tape"]["frames"]
    assert [frame["node_id"] for frame in frames] == ["still"]
    made = view.ask("ask", what="generation", generation_id=frames[0]["generation_id"])["generation"]
    assert (made["prompt"], made["seed"], made["model"]) == ("dawn", 1, "fake/image")
    assert view.ask("ask", what="python")["python"].startswith("import fusionflow_nb as ff")


def test_messages_hold_no_bytes(view: View) -> None:
    """No message carries media as text: neither base64 nor data addresses."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=[])
    view.run_ended()
    view.ask("ask", what="snapshot")
    said = repr(view.heard)
    assert "base64" not in said
    assert "data:image" not in said


def test_a_closed_conversation_says_nothing_more(flow: Flow, view: View) -> None:
    """After close neither edits nor runs are told, and no thread is left."""
    assert view.conversation is not None
    view.conversation.close()
    before = len(view.heard)
    flow.text("dawn")
    flow.run().wait()
    assert len(view.heard) == before


def _large_png() -> bytes:
    """A picture of more pixels and bytes than belong on the wire."""
    noise = np.random.default_rng(7).integers(0, 255, (1024, 1024, 3), dtype=np.uint8)
    return encode_png(from_array(noise))


def test_pictures_in_the_making_travel_as_small_buffers_and_stay_off_the_tape(
    living: Session, fake: FakeProvider, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view gets a small WebP in a buffer; no message, no row and no stored file holds it."""
    polled, picture, is_seen = fake.poll, _large_png(), threading.Event()

    async def painting(operation: Any) -> Any:
        return await polled(operation) if is_seen.is_set() else Pending(preview=picture)

    monkeypatch.setattr(fake, "poll", painting)
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.ask("run", targets=["still"])
    message = view.until(lambda one: one["type"] == "events" and any("preview" in event for event in one["events"]))
    assert "preview" not in json.dumps(view.ask("ask", what="snapshot")["live"])
    is_seen.set()
    view.run_ended()
    [event] = [event for event in message["events"] if "preview" in event]
    small = view.buffers_of(message)[event["preview"]]
    assert small[8:12] == b"WEBP"
    assert max(open_picture(small).size) <= 512
    (assets,) = living.tape.sql("SELECT count(*) FROM assets").rows()[0]
    assert assets == 1
