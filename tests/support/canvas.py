"""A view without a browser: it says what views say, hears what the kernel says, and keeps its own copy of the flow."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fusionflow_nb.canvas.controller import CanvasController
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.react_flow import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow

PATIENCE_S = 60.0
_EDITS: TypeAdapter[list[edits.Edit]] = TypeAdapter(list[edits.Edit])


class View:
    """One view of a conversation, on a thread-safe line: `send` is what the conversation is given."""

    def __init__(self, name: str = "view") -> None:
        self.name = name
        self.heard: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        self._news = threading.Condition()
        self._numbers = itertools.count()
        self.conversation: CanvasController | None = None

    def send(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        """What the kernel calls to say something."""
        with self._news:
            self.heard.append(message)
            self.buffers.append(buffers)
            self._news.notify_all()

    def say(self, kind: str, *, buffers: list[bytes] | None = None, **fields: Any) -> str:
        """Say something; returns the message's id."""
        message_id = f"{self.name}-{next(self._numbers)}"
        assert self.conversation is not None
        self.conversation.hear({"type": kind, "id": message_id, **fields}, buffers or [])
        return message_id

    def edit(self, *changes: dict[str, Any], **fields: Any) -> str:
        """Send edits as a canvas does."""
        return self.say("edits", client_id=self.name, base_rev=0, edits=list(changes), **fields)

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Say something and wait for its reply."""
        message_id = self.say(kind, **fields)
        return self.until(lambda one: one["type"] in {"reply", "snapshot"} and one.get("id") == message_id)

    def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that fits, when it has come."""
        deadline = time.monotonic() + PATIENCE_S
        with self._news:
            while True:
                for message in self.heard:
                    if fits(message):
                        return message
                left = deadline - time.monotonic()
                assert left > 0, f"never heard; last: {[one['type'] for one in self.heard[-8:]]}"
                self._news.wait(left)

    def buffers_of(self, message: dict[str, Any]) -> list[bytes]:
        """What came along with a message."""
        return self.buffers[self.heard.index(message)]

    def events(self) -> list[dict[str, Any]]:
        """Every run event so far, in order."""
        return [event for one in list(self.heard) if one["type"] == "events" for event in one["events"]]

    def run_ended(self, *, times: int = 1) -> list[dict[str, Any]]:
        """Wait for the ends of runs; returns all events."""
        self.until(lambda _: sum(event["kind"] == "run-end" for event in self.events()) >= times)
        return self.events()

    def plan(self, *, rev: int) -> dict[str, Any]:
        """Every node's plan as this view knows it, once a revision has been planned."""
        self.until(lambda one: one["type"] == "plan" and one["plan"]["rev"] >= rev)
        nodes: dict[str, Any] = {}
        for one in list(self.heard):
            if one["type"] == "plan":
                nodes.update(one["plan"]["nodes"])
            elif one["type"] == "snapshot":
                nodes = dict(one["plan"]["nodes"])
        return nodes

    def graph(self) -> dict[str, Any]:
        """The flow as this view has it: the last snapshot, and every edit told since."""
        document, rev = None, -1
        for one in list(self.heard):
            if one["type"] == "snapshot":
                flow = one["flow"]
                document = from_wire(flow["graph"], id=flow["id"], name=flow["name"], variables=flow["variables"])
                rev = one["rev"]
            elif one["type"] == "edits" and document is not None and one["rev"] > rev:
                assert one["rev"] == rev + 1, "a gap: the view would ask for a snapshot"
                edits.apply(document, edits.EditGroup(edits=_EDITS.validate_python(one["edits"])))
                rev = one["rev"]
        assert document is not None
        return to_wire(document)


class NoFile:
    """A flow that stands in no file."""

    def facts(self) -> dict[str, Any]:
        return {"path": None, "saved_at_us": None, "is_conflicting": False}

    def close(self) -> None: ...


def talk(flow: Flow, *, name: str = "view", path: Path | None = None) -> View:
    """A view on a conversation of its own about a flow; begun with a snapshot."""
    from fusionflow_nb.canvas.autosave import Autosave

    view = View(name)
    file: Any = NoFile() if path is None else Autosave(flow, path, on_change=lambda _: None)
    view.conversation = CanvasController(flow, view.send, file)
    view.ask("ask", what="snapshot")
    return view
