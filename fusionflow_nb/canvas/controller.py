"""What one canvas widget hears and says: edits, runs and questions in; edits, events, plans and answers out.

Three threads meet here. The kernel's comm handlers call `hear`: edits, undo and cancel are done at once (well under a
millisecond), so that they work while a cell blocks the kernel; everything else is handed to one worker, which plans
too. The session's loop thread notes run events; a ticker sends them, at most one message per 33 ms. `_telling` keeps
what leaves in one order: a snapshot holds exactly what was told before it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.canvas import messages
from fusionflow_nb.canvas.asset_urls import AssetUrls
from fusionflow_nb.canvas.environment import Environment
from fusionflow_nb.canvas.event_batcher import PERIOD_S, EventBatcher
from fusionflow_nb.canvas.node_results import NodeResults, error_facts
from fusionflow_nb.canvas.plan_view import PlanView
from fusionflow_nb.canvas.requests import RequestHandler
from fusionflow_nb.canvas.run_view import RunView
from fusionflow_nb.canvas.uploads import away_url
from fusionflow_nb.canvas.waveform_peaks import peaks_of
from fusionflow_nb.engine.cache_lookup import runnable
from fusionflow_nb.flow.react_flow import to_wire
from fusionflow_nb.session import current_session
from fusionflow_nb.settings.environment import resumes_by_itself

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.api.run import RunHandle
    from fusionflow_nb.canvas.autosave import Autosave
    from fusionflow_nb.flow.edits import Edit

    Send = Callable[[dict[str, Any], list[bytes]], None]


class CanvasController:
    """Keeps all views of one widget in step with a flow. Safe to call from any thread.

    Args:
        flow: edited by cells and other canvases too.
        send: takes a message and its buffers to the views.
        file: writes the flow to its file.
        on_results: called on the worker when a run has ended and its results are shown.
    """

    def __init__(
        self,
        flow: Flow,
        send: Send,
        file: Autosave,
        *,
        on_results: Callable[[], None] = lambda: None,
    ) -> None:
        living = current_session()
        self.flow = flow
        self.file = file
        self.addresses = AssetUrls(living.home, away=away_url)
        self._shown = NodeResults(self.addresses.of, peaks_of)
        self._send = send
        self._on_results = on_results
        self._telling = threading.RLock()
        self._seq = 0
        self._ids: dict[str, str] = {}
        """Client id -> id of the message that is being applied for it."""
        self._planned = PlanView()
        self._planned_rev = -1
        self._is_edited_since_run = False
        self._ingredients: dict[tuple[str, Any], dict[str, Any]] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fusionflow-canvas")
        self._is_plan_due = False
        self._is_budget_due = False
        self._is_closed = False
        self._events = threading.Event()
        self.news = EventBatcher(self._events.set)
        self.running = RunView(self.news)
        self.surroundings = Environment(flow.id, self.addresses.of)
        self._answers = RequestHandler(flow, file, self.addresses, self.surroundings)
        self._stops = [
            flow.history.subscribe(self._edited),
            flow.on_run(self._run_begins),
            living.catalog.subscribe(self._declared),
            living.on_budget(self._budget_soon),
            living.homecomings.listen(self._came_home),
            living.notices.subscribe(lambda text: self._tell({"type": "facts", "news": text})),
        ]
        self._later(self._open)
        threading.Thread(target=self._tick, name="fusionflow-canvas-news", daemon=True).start()

    def close(self) -> None:
        """Say nothing more; runs go on."""
        if self._is_closed:
            return
        self._is_closed = True
        for stop in self._stops:
            stop()
        self._events.set()
        # Waited for: what it does must not find another session, or none.
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.file.close()

    # --- hearing -----------------------------------------------------------------------------------------------------

    def hear(self, content: Any, buffers: list[Any]) -> None:  # noqa: ANN401 - whatever came over the wire
        """Take a message of a view; returns at once."""
        message_id = content.get("id", "") if isinstance(content, dict) else ""
        try:
            said = messages.read_message(content)
            match said:
                case messages.Edits():
                    self._edit(said)
                case messages.Undo():
                    back = self.flow.history.undo if said.type == "undo" else self.flow.history.redo
                    back(origin=said.type)
                    self.reply(said.id)
                case messages.Cancel():
                    self.running.cancel(said.node_id, branch=said.branch)
                    self.reply(said.id)
                case _:
                    self._later(lambda: self._answer(said, buffers))
        except errors.FusionFlowError as error:
            self.reply(str(message_id), error=error)

    def _edit(self, said: messages.Edits) -> None:
        # The broadcast carries the message's id, so that the view knows its own edits again.
        self._ids[said.client_id] = said.id
        try:
            self.flow.history.do(said.edits, origin=said.client_id, gesture=said.gesture)
        finally:
            self._ids.pop(said.client_id, None)

    def _answer(self, said: messages.Message, buffers: list[Any]) -> None:
        """Do what a view asked for, on the worker; whatever goes wrong becomes the reply."""
        try:
            match said:
                case messages.Ask(what="snapshot"):
                    self.tell_snapshot(said.id)
                case messages.StartRun():
                    run = self.flow.run(*(said.targets or runnable(self.flow.plan())), confirmed=said.is_confirmed)
                    self.reply(said.id, run_id=run.id)
                case _:
                    facts, given = self._answers.to(said, buffers)
                    self.reply(said.id, buffers=given, **facts)
        except errors.FusionFlowError as error:
            self.reply(said.id, error=error)
        except Exception as error:
            self.reply(said.id, error=errors.FusionFlowError(f"The kernel stumbled: {error!r}."))
            raise

    # --- what happens to the flow ------------------------------------------------------------------------------------

    def _edited(self, rev: int, origin: str, edits: list[Edit], replanned: frozenset[str]) -> None:
        """The document has changed, by whomever: every view hears of it, in the order of changes."""
        told = {
            "type": "edits",
            "rev": rev,
            "origin": origin,
            "edits": [edit.model_dump(mode="json", by_alias=True, exclude_defaults=False) for edit in edits],
            "history": self._history(),
        }
        if origin in self._ids:
            told["id"] = self._ids[origin]
        self._tell(told)
        if replanned:
            self._is_edited_since_run = True
            self.plan_soon()

    def _run_begins(self, run: RunHandle) -> None:
        self._is_edited_since_run = False
        self.running.follow(run)

    def _declared(self) -> None:
        self._later(lambda: self._tell({"type": "facts", "catalog": self.surroundings.catalog()}))
        self.plan_soon()

    def _came_home(self, project_id: str) -> None:
        """A call that a dead kernel had begun has ended: what its node shows may be new."""
        if project_id == self.flow.id:
            self.flow.look_again()
            self._later(self._after_run)

    def _budget_soon(self) -> None:
        """Tell of the caps again when the worker is free; what is spent until then is told together."""
        if not self._is_budget_due:
            self._is_budget_due = True
            self._later(self._tell_budgets)

    def _tell_budgets(self) -> None:
        self._is_budget_due = False  # before looking: what is spent from now on is told again
        self._tell({"type": "facts", "budgets": self.surroundings.budgets()})

    # --- the worker --------------------------------------------------------------------------------------------------

    def _later(self, work: Callable[[], None]) -> None:
        if not self._is_closed:
            self._worker.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do work whose failure has nobody to be told to but the views."""
        try:
            if not self._is_closed:
                work()
        except errors.FusionFlowError as error:
            self._tell({"type": "facts", "notice": error_facts(error)})

    def _open(self) -> None:
        """Read what the flow's nodes showed last, then plan."""
        living = current_session()
        kept = living.call(living.journal.shown(self.flow.id))
        with self._telling:
            self._shown.begin(kept)
        self._ingredients = {place: result.ingredients for place, result in kept.items()}
        self._plan()
        self._tell_of_tape()
        if resumes_by_itself():
            living.homecomings.begin()

    def plan_soon(self) -> None:
        """Plan again when the worker is free; what changes until then is planned together."""
        if not self._is_plan_due:
            self._is_plan_due = True
            self._later(self._plan)

    def _plan(self) -> None:
        self._is_plan_due = False  # before looking: what changes from now on is planned again
        rev = self.flow.history.rev
        try:
            plan = self.flow.plan()
        except errors.CycleError as error:
            self._tell({"type": "facts", "notice": error_facts(error)})
            return
        changed = self._planned.follow(plan, self._ingredients)
        with self._telling:
            self._shown.follow(plan.nodes.values())
            self._shown.keep_only(plan.nodes)
            results = self._shown.take_changed()
            self._planned_rev = rev
            self._tell_plan(changed, **({"results": results} if results else {}))

    def _after_run(self) -> None:
        living = current_session()
        kept = living.call(living.journal.shown(self.flow.id))
        self._ingredients = {place: result.ingredients for place, result in kept.items()}
        self._plan()
        self._tell_of_tape()
        self._on_results()

    def _tell_of_tape(self) -> None:
        self._tell(
            {
                "type": "facts",
                "tape": self.surroundings.tape("flow"),
                "budgets": self.surroundings.budgets(),
            }
        )

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Send run events in bundles, until the conversation ends."""
        while not self._is_closed:
            self._events.wait()
            self._events.clear()
            self._tell_events()
            time.sleep(PERIOD_S)

    def _tell_events(self) -> None:
        with self._telling:
            taken = self.news.take()
            fresh: dict[str, Any] = {}
            events, pictures = self.running.told(taken, self._shown)
            if events:
                self._seq += 1
                self._tell({"type": "events", "seq": self._seq, "events": events}, pictures)
                if not self._is_edited_since_run:
                    fresh = self._planned.freshen(self.running.done(events))
            if fresh:
                self._tell_plan(fresh)
        if any(event["kind"] == "job-end" and event.get("cost_micro_usd") for event in events):
            self._budget_soon()
        if any(event["kind"] == "run-end" for event in events):
            self._later(self._after_run)

    def _tell_plan(self, nodes: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - results come along
        plan = {"rev": self._planned_rev, "nodes": nodes, "unpriced": self._planned.unpriced}
        self._tell({"type": "plan", "plan": plan, "is_partial": True, **more})

    def tell_snapshot(self, message_id: str) -> None:
        """Everything a view needs to begin, in step with what is told before and after."""
        around = self.surroundings.snapshot()
        self._tell_events()
        with self._telling:
            with self.flow.history.held() as document:
                rev = self.flow.history.rev
                flow = {
                    "id": document.id,
                    "name": document.name,
                    "variables": dict(document.variables),
                    "graph": to_wire(document),
                }
            self._tell(
                {
                    "type": "snapshot",
                    "id": message_id,
                    "rev": rev,
                    "seq": self._seq,
                    "flow": flow,
                    "plan": {
                        "rev": self._planned_rev,
                        "nodes": self._planned.nodes,
                        "unpriced": self._planned.unpriced,
                    },
                    "results": self._shown.all(),
                    "live": self.running.live(),
                    "history": self._history(),
                    "file": self.file.facts(),
                    "bytes": {**self.addresses.probe(), "has_bucket": current_session().store.has_bucket},
                    **around,
                }
            )

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """What every node shows now, as the views have it."""
        with self._telling:
            return self._shown.all()

    def file_changed(self, facts: dict[str, Any]) -> None:
        """How the document stands against its file has changed."""
        self._tell({"type": "facts", "file": facts})

    def reply(
        self,
        message_id: str,
        *,
        error: errors.FusionFlowError | None = None,
        buffers: list[bytes] | None = None,
        **facts: Any,  # noqa: ANN401 - whatever the answer holds
    ) -> None:
        """Answer a view's message."""
        told: dict[str, Any] = {"type": "reply", "id": message_id, **facts}
        if error is not None:
            told["error"] = error_facts(error)
        self._tell(told, buffers)

    def _tell(self, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with self._telling:
            if not self._is_closed:
                self._send(message, buffers or [])

    def _history(self) -> dict[str, bool]:
        return {"can_undo": self.flow.history.can_undo, "can_redo": self.flow.history.can_redo}
