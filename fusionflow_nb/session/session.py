"""The kernel's living parts, put together: home, journal, store, providers, tape, and the loop thread they live on.

One session per process. It starts at the first need, in a background thread with its own event loop: a task on the
kernel's own loop would stand still while a cell runs.
"""

from __future__ import annotations

import asyncio
import atexit
import getpass
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from fusionflow_nb import errors, tape
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.display.notices import Notices
from fusionflow_nb.engine.cache_lookup import look_up, scope_of
from fusionflow_nb.engine.context import Services, new_id
from fusionflow_nb.engine.function_threads import FunctionThreads
from fusionflow_nb.engine.run import Run
from fusionflow_nb.engine.status import Facts
from fusionflow_nb.journal.budgets import UNPRICED
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.plan.price import Price, price
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session.recovery import Recovery
from fusionflow_nb.settings import bucket, credentials
from fusionflow_nb.settings.environment import (
    HOME_VARIABLE,
    home_folder,
    notebook_name,
    resumes_by_itself,
    unknown_policy,
)

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

DEFAULT_CAPS_USD = {"run": 2.0, "day": 5.0}
ASK_ABOVE_JOBS = 100
ASK_ABOVE_MICRO_USD = 10_000_000


class Session:
    """Everything a kernel needs to run flows. Get it with `current()`.

    Args:
        home: instead of the user's own folder.
        registry: instead of the installed providers (tests).

    Raises:
        UnwritableError, JournalError: the home folder cannot be used; says which setting moves it.
    """

    def __init__(self, home: Path | None = None, registry: Registry | None = None) -> None:
        self.home = home or home_folder()
        self.pid = os.getpid()
        _make_home(self.home)
        self.registry = registry or Registry()
        self.catalog = Catalog()
        self.journal = Journal.open(self.home, notebook=notebook_name())
        self.store: HomeStore = bucket.home_store(self.home, self.journal.uploads)
        self.notices = Notices()
        self.workers = ThreadPoolExecutor(max_workers=_threads(), thread_name_prefix="fusionflow")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fusionflow-loop", daemon=True)
        self._thread.start()
        self.services = Services(
            store=self.store,
            journal=self.journal,
            providers=self.registry,
            workers=self.workers,
            functions=FunctionThreads(_threads()),
            caps_micro_usd={kind: round(usd * 1e6) for kind, usd in DEFAULT_CAPS_USD.items()},
            user=_user(),
            unknown_policy=unknown_policy(),
            account=credentials.account,
        )
        self.workers.submit(bucket.go_on_uploading, self.store)
        self._tape: Tape | None = None
        self._runs: set[Any] = set()
        self._written: dict[str, ProjectRecord] = {}
        self.homecomings = Recovery(self.services, self._loop, self.call, self.notices)
        self._on_budget: list[Callable[[], None]] = []
        self._has_announced = False

    # --- the loop thread ---------------------------------------------------------------------------------------------

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do async work on the loop thread and wait for it; interrupting stops the waiting only."""
        if threading.current_thread() is self._thread:
            work.close()
            raise errors.JobError(
                "An async node waited for another run on the loop that runs it.",
                hint="Make the node a plain function, or await inside it.",
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # --- flows -------------------------------------------------------------------------------------------------------

    def look_up(self, plan: Plan) -> None:
        """Mark everything in a plan whose result is known."""
        self.call(look_up(plan, self.services))

    def shown(self, project_id: str) -> dict[tuple[str, Any], dict[str, Any]]:
        """Ingredients of what each node of a project last showed."""
        found = self.call(self.journal.shown(project_id))
        return {place: shown.ingredients for place, shown in found.items()}

    def generations(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """Generations of this machine's log by id; unknown ids are absent."""
        if self.services.records:
            self.call(self.services.flush())
        return self.call(self.journal.generations(generation_ids))

    def projects_before(self, generation_id: str, *, most: int) -> list[ProjectRecord]:
        """The latest states of a generation's flow that were logged before it ended, the newest first."""
        return self.call(self.journal.projects_before(generation_id, most=most))

    def find_lost(self, plan: Plan, scope: Iterable[str]) -> None:
        """Mark results whose bytes a run would need and no store holds any more.

        Raises:
            LostAssetError: a locked node keeps such a result, and is not to make another.
        """
        for job in self.mark_lost(plan, scope):
            if job.node.is_locked:
                raise errors.LostAssetError(
                    "The bytes of the result it keeps are gone.",
                    node_id=job.node.id,
                    hint="Unlock the node to make it anew.",
                )

    def mark_lost(self, plan: Plan, scope: Iterable[str]) -> list[Job]:
        """The same, for who only wants to know what a run would do and cost."""
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
        """Begin a run and return at once.

        Args:
            plan: looked up; the run owns it until it has ended.
            project: the flow as it is now, for the tape; written only where it differs from what was written last.
            targets: ids of the nodes to run to.
            flow_hash: of the flow's logic as it is now.
            unpriced_usd: allowance per call to a model without a known price; by default the standing one, if there is.
            confirmed: the person has seen the price of a large run.
            announce: called with the run before it begins, so that who listens misses nothing.

        Raises:
            FlowError, ModelError, LostAssetError: a node in scope cannot run; nothing was started.
            UnconfirmedError: a large run that nobody confirmed.
        """
        scope = scope_of(plan, targets)
        for node_id in scope:
            problem = plan.nodes[node_id].problem
            if problem is not None:
                raise problem
        self.find_lost(plan, scope)
        cost = price(plan, scope)
        if not confirmed:
            _ask_first(cost)
        if cost.paid_jobs:
            self._announce_caps()
        self._name_accounts(plan.nodes[node_id].prepared for node_id in cost.by_node)
        allowance = None if unpriced_usd is None else round(unpriced_usd * 1e6)
        if allowance is None and cost.unpriced:
            allowance = self.call(self.journal.budgets()).get(UNPRICED)
        run = Run(plan, scope, Facts(new_id(), project.id, flow_hash, targets, allowance), self.services, self._loop)
        if announce is not None:
            announce(run)

        async def begin() -> None:
            if self._written.get(project.id) is not project:
                await self.journal.record_project(project)
                self._written[project.id] = project
            await run.execute()

        future = asyncio.run_coroutine_threadsafe(_guarded(begin(), run), self._loop)
        self._runs.add(future)
        future.add_done_callback(self._runs.discard)
        return run

    # --- what dead kernels began -------------------------------------------------------------------------------------

    def resume(self) -> list[str]:
        """Finish what dead kernels began, by polling and fetching only; returns ids of generations that came home."""
        return [one.answer.generation_id for one in self.homecomings.bring() if one.answer is not None]

    # --- budgets -----------------------------------------------------------------------------------------------------

    def set_budgets(self, changes: Mapping[str, int | str | None]) -> None:
        """Set caps for every kernel of this user, in micro-dollars by scope (see `journal.budgets`)."""
        self.call(self.journal.set_budgets(changes))
        for listener in tuple(self._on_budget):
            listener()

    def on_budget(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Hear that caps were set in this kernel; returns how to stop."""
        self._on_budget.append(listener)
        return lambda: self._on_budget.remove(listener)

    def _name_accounts(self, prepared: Iterable[Prepared | None]) -> None:
        """Whose key each service is asked with, found out before the loop: a keyring may keep it waiting."""
        for name in {one.entry.provider for one in prepared if one is not None and one.entry is not None}:
            if name not in self.services.accounts:
                self.services.accounts[name] = credentials.account(name)

    def _announce_caps(self) -> None:
        """Once, before money is spent under caps that nobody has chosen: what they are and how to choose."""
        if self._has_announced:
            return
        self._has_announced = True
        if not self.call(self.journal.budgets()).keys() & DEFAULT_CAPS_USD.keys():
            run, day = DEFAULT_CAPS_USD["run"], DEFAULT_CAPS_USD["day"]
            self.notices.say(
                f"A run may spend ${run:.2f} and a day ${day:.2f}. ff.budget(run=..., day=...) sets other caps."
            )

    # --- the tape ----------------------------------------------------------------------------------------------------

    @property
    def tape(self) -> Tape:
        """The read model of everything that happened; one per kernel."""
        if self._tape is None:
            from fusionflow_nb.tape.query import Tape  # noqa: PLC0415 - DuckDB only when somebody asks

            self._tape = Tape(self.journal.path, preview=self.preview)
        if self.services.records:
            self.call(self.services.flush())
        return self._tape

    def preview(self, sha256: str) -> bytes | None:
        """A thumbnail of stored bytes, by digest alone."""
        return self.store.kept_preview(sha256)

    # --- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is still in memory and let everything go. Running work is not waited for.

        What services have accepted is left to them: `resume` brings it home, in this kernel's successor.
        """
        if self.pid != os.getpid() or self._loop.is_closed():
            return
        self.services.is_closing = True
        try:
            self.call(_cancel_all(self.services.sending))
            self.call(self.services.flush())
            for provider in self.registry.loaded():
                self.call(provider.aclose())
        finally:
            self.services.functions.close()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self.workers.shutdown(wait=False, cancel_futures=True)
            self.store.close()
            if self._tape is not None:
                self._tape.close()
            self.journal.close()

    def reopen_store(self) -> None:
        """Read anew whether there is a bucket. Work under way keeps the store that it began with."""
        before, self.store = self.store, bucket.home_store(self.home, self.journal.uploads)
        self.services.store = self.store
        self.workers.submit(bucket.go_on_uploading, self.store)
        before.close()


_current: Session | None = None
_lock = threading.Lock()


def current_session() -> Session:
    """The session of this process; begins at the first call, anew after a fork.

    A new one takes up what dead kernels began, unless `FUSIONFLOW_RESUME=ask` says that a person does.
    """
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        found, is_new = _current, _current is None or _current.pid != os.getpid()
        if found is None or is_new:
            found = _current = Session()
    if is_new and resumes_by_itself():
        found.homecomings.begin()
    return found


def use_session(session: Session | None) -> None:
    """Make a session the current one, and close the one before (tests, another home)."""
    global _current
    with _lock:
        before, _current = _current, session
    if before is not None and before is not session:
        before.close()


def reopen_store() -> None:
    """Let the living session, if there is one, use the bucket that was set up just now."""
    living = _current
    if living is not None and living.pid == os.getpid():
        living.reopen_store()


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
        run.give_up(error)  # whatever it was: nobody must wait for ever
        raise


async def _cancel_all(sending: set[asyncio.Future[Any]]) -> None:
    """Cancel every task but the submits under way: who waits for one sees it through, for a short while."""
    spared = {asyncio.current_task(), *sending}
    tasks = [task for task in asyncio.all_tasks() if task not in spared]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _threads() -> int:
    return max(4, (os.cpu_count() or 2) + 2)


def _user() -> str:
    """Who runs, for the tape; containers often run ids that have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.UnwritableError(
            f"The folder {home} cannot be made: {error.strerror}.",
            hint=f"Set {HOME_VARIABLE} to a folder that you can write.",
        ) from error


def _ask_first(cost: Price) -> None:
    if cost.paid_jobs > ASK_ABOVE_JOBS or cost.high_micro_usd > ASK_ABOVE_MICRO_USD:
        raise errors.UnconfirmedError(
            f"This run would make {cost.paid_jobs} paid calls for {cost}.",
            hint="If that is what you want: run(confirmed=True).",
        )
