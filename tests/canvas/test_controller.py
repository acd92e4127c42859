"""The kernel's side of the canvas: requests of views are handled, and all views receive the same broadcasts."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.canvas import View, open_view

import fusionflow_nb as ff
from fusionflow_nb.canvas.messages import read_message
from fusionflow_nb.canvas.wire import WIRE_VERSION
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
    opened = open_view(flow)
    yield opened
    opened.close()


def add(node_id: str, node_type: str = "text", **params: Any) -> dict[str, Any]:
    """An edit that adds a node."""
    return {"kind": "add_node", "node": {"id": node_id, "type": node_type, "params": params}}


def still_of(message: dict[str, Any]) -> dict[str, Any]:
    """The plan of the node `still` in a plan message; empty for other messages."""
    return message["plan"]["nodes"].get("still", {}) if message["type"] == "plan" else {}


def test_edits_reach_every_view_in_order(flow: Flow, view: View) -> None:
    """Edits of one view reach other views and Python, and all have the same document."""
    other = open_view(flow, name="other")
    first = view.edit(add("words", text="dawn"))
    message = view.wait_for(lambda message: message["type"] == "edits" and message.get("id") == first)
    assert message["origin"] == "view"
    assert message["history"] == {"can_undo": True, "can_redo": False}
    flow.set("words", text="dusk")
    other.edit({"kind": "set_layout", "node_id": "words", "fields": {"x": 40, "y": 8}})
    for open_one in (view, other):
        open_one.wait_for(lambda message: message["type"] == "edits" and message["rev"] == 3)
        assert open_one.graph() == to_wire(flow.document)
    assert flow.document.nodes["words"].params == {"text": "dusk"}
    other.close()


def test_an_edit_of_a_missing_node_changes_nothing(flow: Flow, view: View) -> None:
    """The reply is an error; neither this edit nor the others of the message are applied."""
    sent = view.edit(add("words"), {"kind": "remove_node", "node_id": "missing"})
    reply = view.wait_for(lambda message: message.get("id") == sent)
    assert reply["error"]["node_id"] == "missing"
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
def test_an_invalid_message_gets_an_error_reply(view: View, content: Any) -> None:
    """The controller reports any invalid message and continues to work."""
    with pytest.raises(EditError):
        read_message(content)
    assert view.controller is not None
    view.controller.handle(content, [])
    assert view.wait_for(lambda message: message["type"] == "reply")["error"]["code"] == "edit"
    assert view.request("ask", what="snapshot")["rev"] == 0


def test_the_layered_layout_is_sent_on_request(view: View) -> None:
    """It is a separate module, sent as a buffer, and not part of the canvas bundle."""
    reply = view.request("ask", what="layering")
    module = view.buffers_of(reply)[0].decode()
    assert "export" in module
    assert len(module) > 10_000


def test_undo_belongs_to_the_document(flow: Flow, view: View) -> None:
    """A view undoes edits of other views and of Python."""
    flow.text("dawn", name="words")
    other = open_view(flow, name="other")
    other.post("undo", client_id="other")
    view.wait_for(lambda message: message["type"] == "edits" and message["origin"] == "undo")
    assert view.graph()["nodes"] == []
    other.post("redo", client_id="other")
    view.wait_for(lambda message: message["type"] == "edits" and message["origin"] == "redo")
    assert [node["id"] for node in view.graph()["nodes"]] == ["words"]
    other.close()


def test_edits_of_a_gesture_are_undone_together(flow: Flow, view: View) -> None:
    """Dragging a slider through many values is one undo step."""
    view.edit(add("words", text="a"))
    for text in "bcd":
        view.edit({"kind": "set_param", "node_id": "words", "name": "text", "value": text}, gesture="words.text")
    view.post("undo", client_id="view")
    assert flow.document.nodes["words"].params == {"text": "a"}


def test_a_new_plan_contains_only_changed_nodes(view: View) -> None:
    """State, reasons and price are sent after an edit, without a request; unchanged nodes are omitted."""
    view.edit(add("first", "generate_image", model="fake/image", prompt="dawn", seed=1))
    assert view.plan(rev=1)["first"]["state"] == "stale"
    view.edit(add("second", "generate_image", model="fake/image", prompt="dusk", seed=2))
    view.plan(rev=2)
    plans = [message["plan"] for message in view.received if message["type"] == "plan"]
    last = [plan for plan in plans if plan["rev"] == 2][-1]
    assert set(last["nodes"]) == {"second"}
    assert last["nodes"]["second"]["reasons"] == [{"text": "never ran"}]
    assert last["nodes"]["second"]["high_micro_usd"] > 0


def test_a_run_sends_events_and_results_as_urls(view: View, fake: FakeProvider) -> None:
    """Events of a run contain results with URLs, never bytes."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    started = view.request("run", targets=["still"])
    events = view.wait_for_run_end()
    assert {event["run_id"] for event in events} == {started["run_id"]}
    assert [event["kind"] for event in events if event.get("node_id") != "still"] == ["run-start", "run-end"]
    end = next(event for event in events if event["kind"] == "job-end")
    assert end["state"] == "succeeded"
    cell = end["result"]["cells"][0]
    assert cell["url"].startswith(f"fusionflow/assets/{cell['sha256']}.png?")
    assert cell["preview_url"].startswith(f"fusionflow/previews/{cell['sha256']}?")
    assert len(fake.log()) == 1
    view.wait_for(lambda message: still_of(message).get("state") == "fresh")


def test_a_stale_node_keeps_its_result_and_shows_a_diff(view: View) -> None:
    """After an edit the old result remains, with the change from old to new."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    view.wait_for_run_end()
    view.wait_for(lambda message: still_of(message).get("state") == "fresh")
    view.edit({"kind": "set_param", "node_id": "still", "name": "prompt", "value": "midnight"})
    still = view.plan(rev=2)["still"]
    assert still["reasons"] == [
        {"text": "prompt: 'dawn' → 'midnight'", "field": "prompt", "old": "dawn", "new": "midnight"}
    ]
    snapshot = view.request("ask", what="snapshot")
    assert snapshot["results"]["still"][0]["cells"][0]["media_type"] == "image/png"


def test_a_new_canvas_shows_earlier_results_without_a_submit(
    view: View, session: Session, flow: Flow, fake: FakeProvider
) -> None:
    """A second canvas on the same flow shows the same results."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    view.wait_for_run_end()
    again = open_view(flow, name="again")
    again.wait_for(
        lambda message: message["type"] == "plan" and "still" in message.get("results", message["plan"]["nodes"])
    )
    snapshot = again.request("ask", what="snapshot")
    assert snapshot["plan"]["nodes"]["still"]["state"] == "fresh"
    assert snapshot["results"]["still"][0]["state"] == "cached"
    assert len(fake.log()) == 1
    assert session.home.exists()
    again.close()


def test_a_run_started_in_a_cell_shows_on_the_canvas(flow: Flow, view: View) -> None:
    """Every view receives the events of a run, wherever it was started."""
    flow.generate_image("dawn", model="fake/image", name="still")
    run = flow.run().wait()
    events = view.wait_for_run_end()
    assert {event["run_id"] for event in events} == {run.id}
    assert [event["state"] for event in events if event["kind"] == "job-end"] == ["succeeded"]


def test_a_finished_node_is_fresh_before_the_run_ends(flow: Flow, view: View) -> None:
    """A node is marked fresh as soon as it has its result, while other nodes still run."""
    release = threading.Event()

    @ff.node(version=1)  # its closure would make it volatile
    def slow(text: str) -> str:
        release.wait(60)
        return text

    still = flow.generate_image("dawn", model="fake/image", seed=1, name="still")
    flow.add(slow, "dusk", name="slow")
    run = flow.run()
    view.wait_for(lambda message: still_of(message) == {"state": "fresh"})
    assert not run.is_done
    # An edit during the run creates a new plan, which receives later results of the run.
    flow.remove_background(still, model="fake/cutout", name="alone")
    assert flow.states()["slow"] == "stale"
    release.set()
    run.wait()
    assert flow.states()["slow"] == "fresh"


def test_a_late_view_shows_the_run_and_can_cancel_it(flow: Flow, view: View) -> None:
    """Its snapshot contains events of the active run, and its cancel request ends it."""
    started, release = threading.Event(), threading.Event()

    def wait(text: str) -> str:
        started.set()
        release.wait(60)
        return text

    flow.add(wait, "dawn", name="slow")
    run = flow.run()
    assert started.wait(60)
    late = open_view(flow, name="late")
    live = late.wait_for(lambda message: message["type"] == "snapshot")["live"]
    assert live[0]["kind"] == "run-start"
    assert any(event.get("node_id") == "slow" and event["state"] == "running" for event in live)
    late.post("cancel", node_id="slow")
    release_later = threading.Timer(5, release.set)
    release_later.start()
    events = late.wait_for_run_end()
    release.set()
    release_later.cancel()
    assert run.wait().status == "cancelled"
    assert next(event for event in events if event["kind"] == "job-end")["state"] == "cancelled"
    late.close()


def test_an_error_names_its_node_and_the_next_step(view: View, fake: FakeProvider) -> None:
    """An error has message, node and hint; the other branch has its result."""
    view.edit(
        add("good", "generate_image", model="fake/image", prompt="dawn", seed=1),
        add("bad", "generate_image", model="fake/image", prompt="dusk", seed=1),
    )
    fake.when("dusk", Behaviour(end="refused"))
    view.request("run", targets=[])
    events = view.wait_for_run_end()
    ends = {event["node_id"]: event for event in events if event["kind"] == "job-end"}
    assert (ends["good"]["state"], ends["bad"]["state"]) == ("succeeded", "refused")
    error = ends["bad"]["error"]
    assert (error["code"], error["node_id"]) == ("refused", "bad")
    assert error["hint"]
    assert not error["message"].startswith("bad")  # the view shows the node's name next to it


def test_an_unfinished_node_does_not_block_other_nodes(view: View, fake: FakeProvider) -> None:
    """A run includes all nodes that can run; if none can, the reply is the reason."""
    view.edit(add("big", "upscale", model="fake/image"))
    assert view.request("run", targets=[])["error"]["node_id"] == "big"
    view.edit(add("good", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    ends = {event["node_id"]: event["state"] for event in view.wait_for_run_end() if event["kind"] == "job-end"}
    assert ends == {"good": "succeeded"}
    assert len(fake.log()) == 1


def test_a_large_run_needs_confirmation(flow: Flow, view: View, fake: FakeProvider) -> None:
    """Above the limits the reply is `unconfirmed`; nothing is submitted until the user confirms."""
    flow.generate_image("dawn", model="fake/image", seed=flow.seeds(count=101), name="many")
    assert view.request("run", targets=[])["error"]["code"] == "unconfirmed"
    assert not fake.log()
    assert "run_id" in view.request("run", targets=[], is_confirmed=True)
    view.post("cancel")
    view.wait_for_run_end()


def test_bytes_travel_as_buffers_without_a_server(view: View, session: Session) -> None:
    """An upload in a buffer becomes an asset; asset and preview are sent as buffers; URLs can be renewed."""
    from io import BytesIO

    from PIL import Image

    picture = BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    asset = view.request("upload", media_type="image/png", buffers=[picture.getvalue()])["asset"]
    assert (asset["width"], asset["height"]) == (8, 6)
    reply = view.request("media", sha256=asset["sha256"], use="asset")
    assert view.buffers_of(reply) == [picture.getvalue()]
    assert view.buffers_of(view.request("media", sha256=asset["sha256"], use="preview"))[0][:4] == b"RIFF"
    assert view.request("sign", sha256=[asset["sha256"]])["urls"][asset["sha256"]]["url"].startswith(
        "fusionflow/assets/"
    )
    assert view.request("media", sha256="0" * 64, use="asset")["error"]["code"] == "lost"
    assert session.store.has(asset["sha256"])


def test_a_download_contains_its_recipe(view: View, tmp_path: Path) -> None:
    """A downloaded file can be opened as the flow that produced it."""
    from fusionflow_nb.api import recipe_files

    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    end = next(event for event in view.wait_for_run_end() if event["kind"] == "job-end")
    reply = view.request("download", sha256=end["result"]["cells"][0]["sha256"], node_id="still")
    assert reply["name"] == "still.png"
    (tmp_path / "still.png").write_bytes(view.buffers_of(reply)[0])
    assert "still" in recipe_files.read(tmp_path / "still.png").nodes


def test_a_view_can_request_the_tape_and_a_generation(view: View) -> None:
    """Frames of the filmstrip and facts of a generation come from the tape."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    view.wait_for_run_end()
    view.wait_for(lambda message: message["type"] == "facts" and message.get("tape", {}).get("frames"))
    frames = view.request("ask", what="tape", of="all")["tape"]["frames"]
    assert [frame["node_id"] for frame in frames] == ["still"]
    generation = view.request("ask", what="generation", generation_id=frames[0]["generation_id"])["generation"]
    assert (generation["prompt"], generation["seed"], generation["model"]) == ("dawn", 1, "fake/image")
    assert view.request("ask", what="python")["python"].startswith("import fusionflow_nb as ff")


def test_messages_contain_no_media_as_text(view: View) -> None:
    """No message contains base64 or data URIs."""
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=[])
    view.wait_for_run_end()
    view.request("ask", what="snapshot")
    text = repr(view.received)
    assert "base64" not in text
    assert "data:image" not in text


def test_a_closed_controller_sends_nothing(flow: Flow, view: View) -> None:
    """After `close`, neither edits nor runs are broadcast."""
    view.close()
    before = len(view.received)
    flow.text("dawn")
    flow.run().wait()
    assert len(view.received) == before


def _large_png() -> bytes:
    """An image larger than a preview may be."""
    noise = np.random.default_rng(7).integers(0, 255, (1024, 1024, 3), dtype=np.uint8)
    return encode_png(from_array(noise))


def test_previews_of_unfinished_work_are_small_buffers(
    session: Session, fake: FakeProvider, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view receives a small WebP in a buffer; no message, row or stored file contains it."""
    poll, picture, is_seen = fake.poll, _large_png(), threading.Event()

    async def with_preview(operation: Any) -> Any:
        return await poll(operation) if is_seen.is_set() else Pending(preview=picture)

    monkeypatch.setattr(fake, "poll", with_preview)
    view.edit(add("still", "generate_image", model="fake/image", prompt="dawn", seed=1))
    view.request("run", targets=["still"])
    message = view.wait_for(
        lambda message: message["type"] == "events" and any("preview" in event for event in message["events"])
    )
    assert "preview" not in json.dumps(view.request("ask", what="snapshot")["live"])
    is_seen.set()
    view.wait_for_run_end()
    [event] = [event for event in message["events"] if "preview" in event]
    small = view.buffers_of(message)[event["preview"]]
    assert small[8:12] == b"WEBP"
    assert max(open_picture(small).size) <= 512
    (assets,) = session.tape.sql("SELECT count(*) FROM assets").rows()[0]
    assert assets == 1


@pytest.mark.parametrize(
    ("view_version", "advice"),
    [
        (0, "reload the page"),  # a view older than the version check
        (WIRE_VERSION - 1, "reload the page"),
        (WIRE_VERSION + 1, "Restart the kernel"),
    ],
)
def test_another_wire_version_gets_advice_not_a_snapshot(view: View, view_version: int, advice: str) -> None:
    """The error names the side to restart; edits and runs of other views continue."""
    reply = view.request("ask", what="snapshot", wire=view_version)
    assert reply["type"] == "reply"
    assert reply["error"]["code"] == "wire_version"
    assert advice in reply["error"]["hint"]
    assert view.request("ask", what="snapshot")["wire"] == WIRE_VERSION


def test_requests_are_logged_without_their_content(view: View, caplog: pytest.LogCaptureFixture) -> None:
    """At debug level each request is one line with type, outcome and duration."""
    caplog.set_level("DEBUG", "fusionflow_nb.canvas")
    view.edit(add("still", "generate_image", model="fake/image", prompt="a secret prompt", seed=1))
    view.request("run", targets=[])
    view.wait_for_run_end()
    view.close()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("fusionflow_nb.canvas")]
    assert any(line.startswith("request run: ok, ") for line in lines)
    assert "secret" not in caplog.text
