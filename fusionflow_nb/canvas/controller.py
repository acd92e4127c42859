"""Protocol between one widget and the kernel: requests in, replies and broadcasts out.

Three threads meet here. The kernel's comm handlers call `handle`: edits, undo and cancel run there immediately (well
under a millisecond), so that they work while a cell blocks the kernel; all other requests, and planning, run on one
worker thread. The session's loop thread queues run events; a ticker thread sends them, at most one message per 33 ms.
`_send_lock` keeps messages in order: a snapshot includes exactly what was sent before it.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from fusionflow_nb import errors
from fusionflow_nb.canvas import messages
from fusionflow_nb.canvas.asset_urls import AssetUrls
from fusionflow_nb.canvas.environment import Environment
from fusionflow_nb.canvas.event_batcher import PERIOD_S, EventBatcher
from fusionflow_nb.canvas.node_results import NodeResults, error_facts
from fusionflow_nb.canvas.plan_view import PlanView
from fusionflow_nb.canvas.requests import RequestHandler
from fusionflow_nb.canvas.run_stream import RunStream
from fusionflow_nb.canvas.uploads import remote_url
from fusionflow_nb.canvas.waveform_peaks import peaks_of
from fusionflow_nb.canvas.wire import WIRE_VERSION
from fusionflow_nb.engine.cache_lookup import runnable
from fusionflow_nb.flow.react_flow import to_wire
from fusionflow_nb.session import current_session
from fusionflow_nb.settings.environment import resumes_automatically

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.canvas import wire
    from fusionflow_nb.canvas.autosave import Autosave
    from fusionflow_nb.flow.edits import Edit

    Send = Callable[[wire.KernelMessage, list[bytes]], None]

_log = logging.getLogger(__name__)


class CanvasController:
    """Keeps all views of one widget in sync with a flow. Thread-safe.

    Args:
        flow: may also be edited by cells and other canvases.
        send: sends a message and its buffers to all views.
        file: writes the flow to its file.
        on_results: called on the worker thread after a run, when its results are shown.
    """

    def __init__(
        self,
        flow: Flow,
        send: Send,
        file: Autosave,
        *,
        on_results: Callable[[], None] = lambda: None,
    ) -> None:
        session = current_session()
        self.flow = flow
        self.file = file
        self._urls = AssetUrls(session.home, remote_url=remote_url)
        self._results = NodeResults(self._urls.of, peaks_of)
        self._send = send
        self._on_results = on_results
        self._send_lock = threading.RLock()
        self._seq = 0
        self._applying: dict[str, str] = {}
        """Client id -> id of its `edits` message that is being applied."""
        self._plan_view = PlanView()
        self._planned_rev = -1
        self._is_edited_since_run = False
        self._ingredients: dict[tuple[str, Any], dict[str, Any]] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fusionflow-canvas")
        self._is_plan_due = False
        self._is_budget_due = False
        self._is_closed = False
        self._has_events = threading.Event()
        self._batcher = EventBatcher(self._has_events.set)
        self._runs = RunStream(self._batcher)
        self._environment = Environment(flow.id, self._urls.of)
        self._requests = RequestHandler(flow, file, self._urls, self._environment)
        self._unsubscribe = [
            flow.history.subscribe(self._on_edits),
            flow.on_run(self._on_run),
            session.catalog.subscribe(self._on_catalog),
            session.subscribe_budgets(self._broadcast_budgets_soon),
            session.recovery.subscribe(self._on_recovered),
            session.notices.subscribe(lambda text: self._broadcast({"type": "facts", "news": text})),
        ]
        self._enqueue(self._open)
        threading.Thread(target=self._send_event_batches, name="fusionflow-canvas-events", daemon=True).start()

    def close(self) -> None:
        """Stop sending and drop queued requests. Runs continue."""
        if self._is_closed:
            return
        self._is_closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._has_events.set()
        # Wait, so that a running request does not continue in another session.
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.file.close()

    # --- requests ----------------------------------------------------------------------------------------------------

    def handle(self, content: Any, buffers: list[Any]) -> None:  # noqa: ANN401 - unchecked JSON
        """Handle a message of a view; returns without waiting for slow work."""
        message_id = content.get("id", "") if isinstance(content, dict) else ""
        try:
            message = messages.read_message(content)
            match message:
                case messages.Edits():
                    self._edit(message)
                case messages.Undo():
                    step = self.flow.history.undo if message.type == "undo" else self.flow.history.redo
                    step(origin=message.type)
                    self.reply(message.id)
                case messages.Cancel():
                    self._runs.cancel(message.node_id, branch=message.branch)
                    self.reply(message.id)
                case _:
                    self._enqueue(lambda: self._handle_request(message, buffers))
        except errors.FusionFlowError as error:
            _log.debug("message refused: %s", error.code)
            self.reply(str(message_id), error=error)

    def _edit(self, message: messages.Edits) -> None:
        # The broadcast carries the message's id, so that the view recognizes its own edits.
        self._applying[message.client_id] = message.id
        try:
            self.flow.history.do(message.edits, origin=message.client_id, gesture=message.gesture)
        finally:
            self._applying.pop(message.client_id, None)

    def _handle_request(self, request: messages.Message, buffers: list[Any]) -> None:
        """Handle a request on the worker thread; every failure becomes an error reply."""
        started_at = time.perf_counter()
        outcome = "ok"
        try:
            match request:
                case messages.Ask(what="snapshot"):
                    messages.check_wire_version(request.wire)
                    self._send_snapshot(request.id)
                case messages.StartRun():
                    targets = request.targets or runnable(self.flow.plan())
                    run = self.flow.run(*targets, confirmed=request.is_confirmed)
                    self.reply(request.id, {"run_id": run.id})
                case _:
                    fields, reply_buffers = self._requests.handle(request, buffers)
                    self.reply(request.id, fields, buffers=reply_buffers)
        except errors.FusionFlowError as error:
            outcome = error.code
            self.reply(request.id, error=error)
        except Exception as error:
            outcome = type(error).__name__
            self.reply(request.id, error=errors.FusionFlowError(f"Internal error in the kernel: {error!r}."))
            raise
        finally:
            _log.debug("request %s: %s, %.1f ms", request.type, outcome, 1e3 * (time.perf_counter() - started_at))

    # --- changes -----------------------------------------------------------------------------------------------------

    def _on_edits(self, rev: int, origin: str, edits: list[Edit], replanned: frozenset[str]) -> None:
        """Broadcast a change of the document, from any source, in the order of changes."""
        message: wire.EditsBroadcast = {
            "type": "edits",
            "rev": rev,
            "origin": origin,
            "edits": [edit.model_dump(mode="json", by_alias=True, exclude_defaults=False) for edit in edits],
            "history": self._history(),
        }
        if origin in self._applying:
            message["id"] = self._applying[origin]
        self._broadcast(message)
        if replanned:
            self._is_edited_since_run = True
            self._plan_soon()

    def _on_run(self, run: RunHandle) -> None:
        self._is_edited_since_run = False
        self._runs.follow(run)

    def _on_catalog(self) -> None:
        self._enqueue(lambda: self._broadcast({"type": "facts", "catalog": self._environment.catalog()}))
        self._plan_soon()

    def _on_recovered(self, project_id: str) -> None:
        """Reload results after a call of a stopped kernel was recovered."""
        if project_id == self.flow.id:
            self.flow.invalidate_lookups()
            self._enqueue(self._after_run)

    def _broadcast_budgets_soon(self) -> None:
        """Send the budgets when the worker is free, combining all changes until then."""
        if not self._is_budget_due:
            self._is_budget_due = True
            self._enqueue(self._broadcast_budgets)

    def _broadcast_budgets(self) -> None:
        self._is_budget_due = False  # before reading: later changes are sent again
        self._broadcast({"type": "facts", "budgets": self._environment.budgets()})

    # --- the worker --------------------------------------------------------------------------------------------------

    def _enqueue(self, work: Callable[[], None]) -> None:
        if not self._is_closed:
            self._worker.submit(self._run_guarded, work)

    def _run_guarded(self, work: Callable[[], None]) -> None:
        """Run work that has no requester; show its failure as a notice in all views."""
        try:
            if not self._is_closed:
                work()
        except errors.FusionFlowError as error:
            self._broadcast({"type": "facts", "notice": error_facts(error)})
        except Exception:
            _log.exception("background work of a canvas failed")
            raise

    def _open(self) -> None:
        """Load the results that nodes showed last, then plan."""
        session = current_session()
        stored = session.call(session.journal.node_results(self.flow.id))
        with self._send_lock:
            self._results.load(stored)
        self._ingredients = {place: result.ingredients for place, result in stored.items()}
        self._plan()
        self._broadcast_tape()
        if resumes_automatically():
            session.recovery.start()

    def _plan_soon(self) -> None:
        """Plan when the worker is free, combining all changes until then."""
        if not self._is_plan_due:
            self._is_plan_due = True
            self._enqueue(self._plan)

    def _plan(self) -> None:
        self._is_plan_due = False  # before reading: later changes are planned again
        rev = self.flow.history.rev
        try:
            plan = self.flow.plan()
        except errors.CycleError as error:
            self._broadcast({"type": "facts", "notice": error_facts(error)})
            return
        changed = self._plan_view.update(plan, self._ingredients)
        with self._send_lock:
            self._results.update(plan.nodes.values())
            self._results.keep_only(plan.nodes)
            results = self._results.take_changed()
            self._planned_rev = rev
            self._broadcast_plan(changed, results)

    def _after_run(self) -> None:
        session = current_session()
        stored = session.call(session.journal.node_results(self.flow.id))
        self._ingredients = {place: result.ingredients for place, result in stored.items()}
        self._plan()
        self._broadcast_tape()
        self._on_results()

    def _broadcast_tape(self) -> None:
        self._broadcast(
            {
                "type": "facts",
                "tape": self._environment.tape("flow"),
                "budgets": self._environment.budgets(),
            }
        )

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send_event_batches(self) -> None:
        """Send run events in batches until the controller closes."""
        while not self._is_closed:
            self._has_events.wait()
            self._has_events.clear()
            self._broadcast_events()
            time.sleep(PERIOD_S)

    def _broadcast_events(self) -> None:
        with self._send_lock:
            events, previews = self._runs.to_messages(self._batcher.take(), self._results)
            if events:
                self._seq += 1
                self._broadcast({"type": "events", "seq": self._seq, "events": events}, previews)
                if not self._is_edited_since_run:
                    fresh = self._plan_view.mark_fresh(self._runs.fresh_nodes(events))
                    if fresh:
                        self._broadcast_plan(fresh)
        if any(event["kind"] == "job-end" and event.get("cost_micro_usd") for event in events):
            self._broadcast_budgets_soon()
        if any(event["kind"] == "run-end" for event in events):
            self._enqueue(self._after_run)

    def _broadcast_plan(
        self, nodes: dict[str, wire.NodePlan], results: dict[str, list[wire.JobResult]] | None = None
    ) -> None:
        message: wire.PlanMessage = {"type": "plan", "plan": self._wire_plan(nodes), "is_partial": True}
        if results:
            message["results"] = results
        self._broadcast(message)

    def _wire_plan(self, nodes: dict[str, wire.NodePlan]) -> wire.Plan:
        return {"rev": self._planned_rev, "nodes": nodes, "unpriced": self._plan_view.unpriced}

    def _send_snapshot(self, message_id: str) -> None:
        """Send the full state, ordered with the messages before and after it."""
        surroundings = self._environment.snapshot()
        self._broadcast_events()
        with self._send_lock:
            with self.flow.history.locked_document() as document:
                rev = self.flow.history.rev
                flow: wire.WireFlow = {
                    "id": document.id,
                    "name": document.name,
                    "variables": dict(document.variables),
                    "graph": cast("wire.WireGraph", to_wire(document)),
                }
            probe = self._urls.probe()
            snapshot: wire.Snapshot = {
                "type": "snapshot",
                "wire": WIRE_VERSION,
                "id": message_id,
                "rev": rev,
                "seq": self._seq,
                "flow": flow,
                "plan": self._wire_plan(self._plan_view.nodes),
                "results": self._results.all(),
                "live": self._runs.replay(),
                "history": self._history(),
                "file": self.file.facts(),
                "bytes": {
                    "nonce": probe["nonce"],
                    "answer": probe["answer"],
                    "has_bucket": current_session().store.has_bucket,
                },
                **surroundings,
            }
            self._broadcast(snapshot)

    def results(self) -> dict[str, list[wire.JobResult]]:
        """Results of every node, as the views show them."""
        with self._send_lock:
            return self._results.all()

    def file_changed(self, facts: wire.FileFacts) -> None:
        """Broadcast a new state of the flow's file."""
        self._broadcast({"type": "facts", "file": facts})

    def reply(
        self,
        message_id: str,
        fields: wire.ReplyFields | None = None,
        *,
        error: errors.FusionFlowError | None = None,
        buffers: list[bytes] | None = None,
    ) -> None:
        """Reply to a message of a view."""
        message: dict[str, Any] = {"type": "reply", "id": message_id, **(fields or {})}
        if error is not None:
            message["error"] = error_facts(error)
        self._broadcast(cast("wire.Reply", message), buffers)

    def _broadcast(self, message: wire.KernelMessage, buffers: list[bytes] | None = None) -> None:
        with self._send_lock:
            if not self._is_closed:
                self._send(message, buffers or [])

    def _history(self) -> wire.History:
        return {"can_undo": self.flow.history.can_undo, "can_redo": self.flow.history.can_redo}
