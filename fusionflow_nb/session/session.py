"""The session of a kernel: home, journal, store, providers, tape, and the loop thread that runs them.

There is one session per process, created when it is first needed. It runs in a background thread with its own event
loop, because tasks on the kernel's own loop do not run while a cell executes.
"""

from __future__ import annotations

import asyncio
import atexit
import getpass
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fusionflow_nb import errors, tape
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.display.notices import Notices
from fusionflow_nb.engine.cache_lookup import look_up, scope_of
from fusionflow_nb.engine.context import EngineState, RunContext
from fusionflow_nb.engine.function_threads import FunctionThreads
from fusionflow_nb.engine.open_jobs import UNKNOWN_POLICIES
from fusionflow_nb.engine.run import Run
from fusionflow_nb.engine.status import Facts
from fusionflow_nb.journal.budgets import UNPRICED
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.plan.price import Price, price
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session.recovery import Recovery
from fusionflow_nb.session.store import home_store, resume_uploads
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import (
    HOME_VARIABLE,
    home_folder,
    notebook_name,
    resumes_automatically,
    unknown_policy,
)
from fusionflow_nb.settings.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.assets.protocol import HomeStore
    from fusionflow_nb.journal.records import Generation, ProjectRecord
    from fusionflow_nb.plan.job import Job
    from fusionflow_nb.plan.plan import Plan
    from fusionflow_nb.plan.prepare import Prepared
    from fusionflow_nb.tape.query import Tape

__all__ = ["Session", "current_session", "reopen_store", "use_session"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

DEFAULT_CAPS_USD = {"run": 2.0, "day": 5.0}
ASK_ABOVE_JOBS = 100
ASK_ABOVE_MICRO_USD = 10_000_000


class Session:
    """Everything a kernel needs to run flows. Use `current_session()` to get it.

    Args:
        home: replaces the user's folder.
        registry: replaces the installed providers (tests).

    Raises:
        UnwritableError, JournalError: the home folder cannot be used; the hint names the setting that moves it.
    """

    def __init__(self, home: Path | None = None, registry: Registry | None = None) -> None:
        configure_logging()
        self.home = home or home_folder()
        self.pid = os.getpid()
        _make_home(self.home)
        self.registry = registry or Registry()
        self.catalog = Catalog()
        self.journal = Journal.open(self.home, notebook=notebook_name())
        self.store: HomeStore = home_store(self.home, self.journal.uploads)
        self.notices = Notices()
        self.workers = ThreadPoolExecutor(max_workers=_threads(), thread_name_prefix="fusionflow")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fusionflow-loop", daemon=True)
        self._thread.start()
        context = RunContext(
            store=self.store,
            journal=self.journal,
            providers=self.registry,
            workers=self.workers,
            functions=FunctionThreads(_threads()),
            caps_micro_usd={kind: round(usd * 1e6) for kind, usd in DEFAULT_CAPS_USD.items()},
            user=_user(),
            unknown_policy=UNKNOWN_POLICIES[unknown_policy()],
            account=credentials.account,
        )
        self.engine = EngineState(context)
        self.workers.submit(resume_uploads, self.store)
        self._tape: Tape | None = None
        self._runs: set[Any] = set()
        self._written: dict[str, ProjectRecord] = {}
        self.recovery = Recovery(self.engine, self._loop, self.call, self.notices)
        self._budget_listeners: list[Callable[[], None]] = []
        self._has_announced_caps = False
        _log.debug("session opened: %s", self.home)

    # --- the loop thread ---------------------------------------------------------------------------------------------

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop thread and wait for it. An interrupt stops only the waiting."""
        if threading.current_thread() is self._thread:
            work.close()
            raise errors.JobError(
                "An async node blocked the event loop that it runs on.",
                hint="Make the node a plain function, or use await.",
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # --- flows -------------------------------------------------------------------------------------------------------

    def look_up(self, plan: Plan) -> None:
        """Look up the cached results of a plan's jobs."""
        self.call(look_up(plan, self.engine))

    def last_ingredients(self, project_id: str) -> dict[tuple[str, Any], dict[str, Any]]:
        """Key ingredients of the result that each (node id, coordinate) of a project last showed."""
        results = self.call(self.journal.node_results(project_id))
        return {place: result.ingredients for place, result in results.items()}

    def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Generations in the journal by id; unknown ids are absent."""
        if self.engine.records:
            self.call(self.engine.flush())
        return self.call(self.journal.generations(generation_ids))

    def projects_before(self, generation_id: str, *, most: int) -> list[ProjectRecord]:
        """States of a generation's flow that were recorded before it ended, newest first."""
        return self.call(self.journal.projects_before(generation_id, most=most))

    def check_assets(self, plan: Plan, scope: Iterable[str]) -> None:
        """Mark results as lost if a run needs their bytes and no store has them.

        Raises:
            LostAssetError: such a result belongs to a locked node, which must not be rerun.
        """
        for job in self.mark_lost(plan, scope):
            if job.node.is_locked:
                raise errors.LostAssetError(
                    "The bytes of the locked result are missing.",
                    node_id=job.node.id,
                    hint="Unlock the node to generate a new result.",
                )

    def mark_lost(self, plan: Plan, scope: Iterable[str]) -> list[Job]:
        """Mark lost results without raising, for plans and estimates; returns their jobs."""
        from fusionflow_nb.engine.missing_assets import mark_lost  # noqa: PLC0415

        return mark_lost(plan, scope, self.store)

    def start(
        self,
        plan: Plan,
        project: ProjectRecord,
        targets: tuple[str, ...],
        *,
        flow_hash: str | None = None,
        unpriced_usd: float | None = None,
        confirmed: bool = False,
        announce: Callable[[Run], None] | None = None,
    ) -> Run:
        """Start a run and return it without waiting.

        Args:
            plan: after the cache lookup; the run owns it until it ends.
            project: the current flow, for the tape; recorded only if it changed since it was last recorded.
            targets: ids of the nodes to run.
            flow_hash: hash of the flow's current logic.
            unpriced_usd: allowance per call to a model without a known price; by default the stored allowance, if any.
            confirmed: the user has confirmed the price of a large run.
            announce: called with the run before it starts, so that subscribers miss no event.

        Raises:
            FlowError, ModelError, LostAssetError: a node in scope cannot run; nothing was started.
            UnconfirmedError: a large run without confirmation.
        """
        scope = scope_of(plan, targets)
        for node_id in scope:
            problem = plan.nodes[node_id].problem
            if problem is not None:
                raise problem
        self.check_assets(plan, scope)
        cost = price(plan, scope)
        if not confirmed:
            _require_confirmation(cost)
        if cost.paid_jobs:
            self._announce_caps()
        self._name_accounts(plan.nodes[node_id].prepared for node_id in cost.by_node)
        allowance = None if unpriced_usd is None else round(unpriced_usd * 1e6)
        if allowance is None and cost.unpriced:
            allowance = self.call(self.journal.budgets()).get(UNPRICED)
        run = Run(plan, scope, Facts(new_id(), project.id, flow_hash, targets, allowance), self.engine, self._loop)
        if announce is not None:
            announce(run)

        async def begin() -> None:
            if self._written.get(project.id) is not project:
                await self.journal.record_project(project)
                self._written[project.id] = project
            await run.execute()

        future = asyncio.run_coroutine_threadsafe(_guarded(begin(), run), self._loop)
        self._runs.add(future)
        _log.debug("run %s started: %d nodes", run.id, len(scope))
        future.add_done_callback(self._runs.discard)
        return run

    # --- recovery ----------------------------------------------------------------------------------------------------

    def resume(self) -> list[str]:
        """Recover open calls of stopped kernels by polling and fetching; returns ids of the finished generations."""
        return [job.result.generation_id for job in self.recovery.run() if job.result is not None]

    # --- budgets -----------------------------------------------------------------------------------------------------

    def set_budgets(self, changes: Mapping[str, int | str | None]) -> None:
        """Set caps for all kernels of this user, in micro-dollars by scope (see `journal.budgets`)."""
        self.call(self.journal.set_budgets(changes))
        for listener in tuple(self._budget_listeners):
            listener()

    def subscribe_budgets(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever caps are set in this kernel. Returns the unsubscriber."""
        self._budget_listeners.append(listener)
        return lambda: self._budget_listeners.remove(listener)

    def _name_accounts(self, prepared: Iterable[Prepared | None]) -> None:
        """Look up the account of each provider here, because a slow keyring would block the loop thread."""
        for name in {call.entry.provider for call in prepared if call is not None and call.entry is not None}:
            if name not in self.engine.accounts:
                self.engine.accounts[name] = credentials.account(name)

    def _announce_caps(self) -> None:
        """Show the default caps once, before the first paid run, unless the user has set caps."""
        if self._has_announced_caps:
            return
        self._has_announced_caps = True
        if not self.call(self.journal.budgets()).keys() & DEFAULT_CAPS_USD.keys():
            run, day = DEFAULT_CAPS_USD["run"], DEFAULT_CAPS_USD["day"]
            self.notices.show(
                f"A run may spend ${run:.2f} and a day ${day:.2f}. ff.budget(run=..., day=...) sets other caps."
            )

    # --- the tape ----------------------------------------------------------------------------------------------------

    @property
    def tape(self) -> Tape:
        """The read model of the journal; one per kernel."""
        if self._tape is None:
            from fusionflow_nb.tape.query import Tape  # noqa: PLC0415 - imports DuckDB

            self._tape = Tape(self.journal.path, preview=self.preview)
        if self.engine.records:
            self.call(self.engine.flush())
        return self._tape

    def preview(self, sha256: str) -> bytes | None:
        """A thumbnail of stored bytes, by digest alone."""
        return self.store.stored_preview(sha256)

    # --- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write pending records and release all resources, without waiting for running work.

        Calls that services have accepted continue there; a later kernel recovers them.
        """
        if self.pid != os.getpid() or self._loop.is_closed():
            return
        _log.debug("session closing")
        self.engine.is_closing = True
        try:
            self.call(_cancel_all(self.engine.in_flight_submits))
            self.call(self.engine.flush())
            for provider in self.registry.loaded():
                self.call(provider.aclose())
        finally:
            self.engine.context.functions.close()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self.workers.shutdown(wait=False, cancel_futures=True)
            self.store.close()
            if self._tape is not None:
                self._tape.close()
            self.journal.close()

    def reopen_store(self) -> None:
        """Open the store again after the bucket's settings changed. Running work keeps its store."""
        previous, self.store = self.store, home_store(self.home, self.journal.uploads)
        self.engine.context = replace(self.engine.context, store=self.store)
        self.workers.submit(resume_uploads, self.store)
        previous.close()


_current: Session | None = None
_lock = threading.Lock()


def current_session() -> Session:
    """The session of this process, created at the first call, and again after a fork.

    A new session resumes the open calls of stopped kernels, unless `FUSIONFLOW_RESUME=ask`.
    """
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        session, is_new = _current, _current is None or _current.pid != os.getpid()
        if session is None or is_new:
            session = _current = Session()
    if is_new and resumes_automatically():
        session.recovery.start()
    return session


def use_session(session: Session | None) -> None:
    """Replace the current session and close the previous session (tests, another home)."""
    global _current
    with _lock:
        previous, _current = _current, session
    if previous is not None and previous is not session:
        previous.close()


def reopen_store() -> None:
    """Have the current session, if any, use changed settings of the bucket."""
    session = _current
    if session is not None and session.pid == os.getpid():
        session.reopen_store()


@atexit.register
def _close_current() -> None:
    use_session(None)


tape.bind(lambda: current_session().tape)


async def _guarded(work: Coroutine[Any, Any, None], run: Run) -> None:
    try:
        await work
    except errors.FusionFlowError as error:
        run.give_up(error)
    except BaseException as error:
        run.give_up(error)  # any failure: otherwise waiting callers would block forever
        raise


async def _cancel_all(sending: set[asyncio.Future[Any]]) -> None:
    """Cancel every task except running submits; their callers wait a short time for the outcome."""
    spared = {asyncio.current_task(), *sending}
    tasks = [task for task in asyncio.all_tasks() if task not in spared]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _threads() -> int:
    return max(4, (os.cpu_count() or 2) + 2)


def _user() -> str:
    """The user name, for the tape; in containers often an id without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UnwritableError(
            f"Cannot create the folder {home}: {error.strerror}.",
            hint=f"Set {HOME_VARIABLE} to a writable folder.",
        ) from error


def _require_confirmation(cost: Price) -> None:
    if cost.paid_jobs > ASK_ABOVE_JOBS or cost.high_micro_usd > ASK_ABOVE_MICRO_USD:
        raise errors.UnconfirmedError(
            f"This run would make {cost.paid_jobs} paid calls for {cost}.",
            hint="If that is what you want: run(confirmed=True).",
        )
