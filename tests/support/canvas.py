"""A view without a browser: it sends requests, records what the kernel sends, and keeps its own copy of the flow."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fusionflow_nb.canvas.controller import CanvasController
from fusionflow_nb.canvas.wire import WIRE_VERSION
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.react_flow import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow

PATIENCE_S = 60.0
_EDITS: TypeAdapter[list[edits.Edit]] = TypeAdapter(list[edits.Edit])


class View:
    """One view of a canvas. Thread-safe; the controller sends to `receive`."""

    def __init__(self, name: str = "view") -> None:
        self.name = name
        self.received: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        self.sent: list[dict[str, Any]] = []
        self._has_news = threading.Condition()
        self._numbers = itertools.count()
        self.controller: CanvasController | None = None

    def receive(self, message: Any, buffers: list[bytes]) -> None:
        """Record a message of the kernel."""
        with self._has_news:
            self.received.append(message)
            self.buffers.append(buffers)
            self._has_news.notify_all()

    def post(self, kind: str, *, buffers: list[bytes] | None = None, **fields: Any) -> str:
        """Send a message; returns its id."""
        message_id = f"{self.name}-{next(self._numbers)}"
        if fields.get("what") == "snapshot":
            fields = {"wire": WIRE_VERSION, **fields}
        message = {"type": kind, "id": message_id, **fields}
        self.sent.append(message)
        assert self.controller is not None
        self.controller.handle(message, buffers or [])
        return message_id

    def edit(self, *changes: dict[str, Any], **fields: Any) -> str:
        """Send edits as a canvas does."""
        return self.post("edits", client_id=self.name, base_rev=0, edits=list(changes), **fields)

    def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a message and wait for its reply."""
        message_id = self.post(kind, **fields)
        return self.wait_for(
            lambda message: message["type"] in {"reply", "snapshot"} and message.get("id") == message_id
        )

    def wait_for(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the first message that matches, and return it."""
        deadline = time.monotonic() + PATIENCE_S
        with self._has_news:
            while True:
                for message in self.received:
                    if matches(message):
                        return message
                remaining_s = deadline - time.monotonic()
                assert remaining_s > 0, f"no such message; last: {[last['type'] for last in self.received[-8:]]}"
                self._has_news.wait(remaining_s)

    def buffers_of(self, message: dict[str, Any]) -> list[bytes]:
        """Buffers of a received message."""
        return self.buffers[self.received.index(message)]

    def events(self) -> list[dict[str, Any]]:
        """All run events so far, in order."""
        return [event for message in list(self.received) if message["type"] == "events" for event in message["events"]]

    def wait_for_run_end(self, *, times: int = 1) -> list[dict[str, Any]]:
        """Wait for the end of runs; returns all events."""
        self.wait_for(lambda _: sum(event["kind"] == "run-end" for event in self.events()) >= times)
        return self.events()

    def plan(self, *, rev: int) -> dict[str, Any]:
        """Wait for the plan of a revision; returns the plan of every node as this view has it."""
        self.wait_for(lambda message: message["type"] == "plan" and message["plan"]["rev"] >= rev)
        nodes: dict[str, Any] = {}
        for message in list(self.received):
            if message["type"] == "plan":
                nodes.update(message["plan"]["nodes"])
            elif message["type"] == "snapshot":
                nodes = dict(message["plan"]["nodes"])
        return nodes

    def graph(self) -> dict[str, Any]:
        """The flow as this view has it: the last snapshot with all later edits."""
        document, rev = None, -1
        for message in list(self.received):
            if message["type"] == "snapshot":
                flow = message["flow"]
                document = from_wire(flow["graph"], id=flow["id"], name=flow["name"], variables=flow["variables"])
                rev = message["rev"]
            elif message["type"] == "edits" and document is not None and message["rev"] > rev:
                assert message["rev"] == rev + 1, "a gap: a real view would request a snapshot"
                edits.apply(document, edits.EditGroup(edits=_EDITS.validate_python(message["edits"])))
                rev = message["rev"]
        assert document is not None
        return to_wire(document)

    def close(self) -> None:
        """Close the controller."""
        if self.controller is not None:
            self.controller.close()


class NoFile:
    """Stands for `Autosave` of a flow without a file."""

    def facts(self) -> dict[str, Any]:
        return {"path": None, "saved_at_us": None, "is_conflicting": False}

    def close(self) -> None: ...


def open_view(flow: Flow, *, name: str = "view", path: Path | None = None) -> View:
    """A view on a new controller, after its first snapshot."""
    from fusionflow_nb.canvas.autosave import Autosave

    view = View(name)
    file: Any = NoFile() if path is None else Autosave(flow, path, on_change=lambda _: None)
    view.controller = CanvasController(flow, view.receive, file)
    view.request("ask", what="snapshot")
    return view
