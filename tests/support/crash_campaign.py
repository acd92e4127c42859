"""Campaigns of the crash harness: kernels that are killed one after another on one home, and the services."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
import sys
import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from support.crash_books import Books
from support.crash_kernel import Order, run_kernel

from fusionflow_nb.failpoints import Failpoint
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.simulator import Simulator
from fusionflow_nb.simulator.scenario import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 120.0
"""Time-out for hangs."""
LATEST_KILL_S = 0.5
"""Latest random kill after the start of a run; a whole run takes about twice as long."""
MAX_STARTS = 30

# A fork server with the package already imported, so that kernels start quickly.
KERNELS = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    KERNELS.set_forkserver_preload(
        ["support.crash_kernel", "fusionflow_nb.providers.services.fal", "httpx_aiohttp", "PIL.Image"]
    )


class Services:
    """The simulator on a background thread; it outlives the kernels."""

    def __init__(self) -> None:
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # killed clients are expected
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator")
        self._thread.start()
        self.simulator = Simulator(world=World(requests=deque()))
        self._call(self.simulator.__aenter__())

    def forget(self) -> None:
        """Clear all requests, jobs and files before a campaign."""

        async def clear() -> None:
            self.simulator.world.requests.clear()
            self.simulator.world.jobs.clear()
            self.simulator.world.files.clear()

        self._call(clear())

    def close(self) -> None:
        """Stop the server and its thread."""
        self._call(self.simulator.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass
class Campaign:
    """Kernels that run one flow on one home and are killed.

    Args:
        home: a folder that does not exist yet.
        services: the simulated services.
        chance: draws kill times and decisions about unknown calls.
    """

    home: Path
    services: Services
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    """Number of killed kernels by failpoint."""
    ends: dict[str, str] = field(default_factory=dict)
    """Final state of each job in the last run that was not killed."""
    is_done: bool = False
    """Whether all jobs of that run succeeded or were cached."""

    def __post_init__(self) -> None:
        self.services.forget()
        self.books = Books(self.home, self.services.simulator.world)

    def kernel(self, order: Order, *, dies_after_s: float | None = None) -> bool:
        """Run a kernel until it ends or is killed; returns whether it ended without a kill."""
        [survived] = self.kernels((order, dies_after_s))
        return survived

    def kernels(self, *orders: tuple[Order, float | None]) -> list[bool]:
        """Run several kernels concurrently; see `kernel`."""
        processes = [_KernelProcess(str(self.home), self.services.simulator.base, order) for order, _ in orders]
        threads = [
            threading.Thread(target=process.watch, args=(after_s,))
            for process, (_, after_s) in zip(processes, orders, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process, (order, _) in zip(processes, orders, strict=True):
            assert not process.hangs, f"a kernel hangs: {order}"
            assert process.code in {0, -9}, f"a kernel failed with {process.code}: {order}"
            self.books.done |= process.done
            if process.code:
                self.killed[order.step or "at a random time"] += 1
            elif process.ends is not None:
                self.ends = process.ends
                self.is_done = set(process.ends.values()) <= {"succeeded", "cached"}
        return [process.code == 0 for process in processes]

    def decide(self, likely: float = 0.5) -> None:
        """Write off some calls of unknown outcome, as a user would, so that they are sent again."""
        with Journal.open(self.home) as journal:
            for job in journal.call(journal.open_jobs()):
                if job.state == "unknown" and self.chance.random() < likely:
                    given_up = replace(job.draft, status="failed", cost_micro_usd=0, error_code="forgotten")
                    assert journal.call(journal.resolve(job.job_id, given_up))
                    assert job.draft.content_key is not None
                    self.books.forgotten[job.draft.content_key] += 1

    def resume(self) -> None:
        """Run a kernel that only resumes, and check that it submits nothing."""
        before = len(self.services.simulator.world.jobs)
        self.kernel(Order(("resume",)))
        assert len(self.services.simulator.world.jobs) == before

    def finish(self) -> dict[str, int]:
        """Run kernels without a kill until all jobs have ended; then check the sums."""
        for _ in range(MAX_STARTS):
            if self.kernel(Order()) and not {"failed", "cancelled", "over_budget"} & set(self.ends.values()):
                return self.books.check(self.ends)
        raise AssertionError(f"not finished: {Counter(self.ends.values())}")


def seeded_random(seed: int) -> random.Random:
    """A reproducible random generator."""
    return random.Random(seed)  # noqa: S311 - not for secrets


def draw_kernel(chance: random.Random) -> tuple[Order, float | None]:
    """Draw an order and a kill time: half of the kernels die at a failpoint, half at a random time."""
    words = chance.choice((("run",), ("run",), ("resume", "run")))
    if chance.random() < 0.5:
        return Order(words), chance.uniform(0, LATEST_KILL_S)
    step = chance.choice(list(Failpoint))
    if step in {Failpoint.AFTER_OUTBOX_WRITE, Failpoint.OUTBOX_DRAINED}:
        words = ("busy", *words)
    nth = 1 if step is Failpoint.AFTER_TAKEOVER else chance.choice((1, 1, 2, 3, 5, 8))
    return Order(words, step, nth), None


class _KernelProcess:
    """The process of a kernel, and the messages that it sends."""

    def __init__(self, home: str, base: str, order: Order) -> None:
        self._pipe, child_end = KERNELS.Pipe(duplex=False)
        self._process = KERNELS.Process(target=run_kernel, args=(child_end, home, base, order), daemon=True)
        self._process.start()
        child_end.close()
        self.done: set[str] = set()
        self.ends: dict[str, str] | None = None
        self.code: int | None = None
        self.hangs = False

    def watch(self, dies_after_s: float | None) -> None:
        """Receive messages until the process ends; kill it `dies_after_s` after the start of its run."""
        handlers: dict[str, Callable[[Any], None]] = {
            "done": self.done.add,
            "ends": lambda ends: setattr(self, "ends", ends),
            "runs": lambda _: self._kill_after(dies_after_s),
            "resumed": lambda _: None,
        }
        try:
            while self._pipe.poll(PATIENCE_S):
                kind, payload = self._pipe.recv()
                handlers[kind](payload)
            self.hangs = True
            self._process.kill()
        except EOFError:
            pass
        self._process.join()
        self.code = self._process.exitcode
        self._process.close()
        self._pipe.close()

    def _kill_after(self, seconds: float | None) -> None:
        if seconds is not None:
            self._process.join(seconds)
            self._process.kill()


def print_totals(campaigns: list[Campaign], figures: list[dict[str, int]], write: Callable[[str], None]) -> None:
    """Print the totals and the number of kills by failpoint."""
    killed: Counter[str] = sum((campaign.killed for campaign in campaigns), Counter())
    total: Counter[str] = sum((Counter(figure) for figure in figures), Counter())
    write(f"{killed.total()} kernels killed in {len(campaigns)} campaigns")
    for where, count in killed.most_common():
        write(f"{count:6} {where}")
    for label, count in total.items():
        write(f"{count:6} {label}")
