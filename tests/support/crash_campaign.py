"""Campaigns of the crash harness: kernels that die one after the other on one home, a person, and the services."""

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
from support.crash_kernel import Order, live

from fusionflow_nb.failpoints import Failpoint
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.simulator import Simulator
from fusionflow_nb.simulator.scenario import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 120.0
"""Only a hang takes so long."""
LONGEST_LIFE_S = 0.5
"""The latest random instant after a run's beginning; a whole run takes about twice as long."""
MOST_STARTS = 30

# A server that has imported the product already: its children are kernels of their own, and begin at once.
KERNELS = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    KERNELS.set_forkserver_preload(
        ["support.crash_kernel", "fusionflow_nb.providers.services.fal", "httpx_aiohttp", "PIL.Image"]
    )


class Services:
    """The simulator on a thread of its own; it outlives every kernel."""

    def __init__(self) -> None:
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # clients that die in mid-answer are the point
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator")
        self._thread.start()
        self.simulator = Simulator(world=World(asked=deque()))
        self._call(self.simulator.__aenter__())

    def forget(self) -> None:
        """Begin a campaign: nobody has asked for anything yet."""

        async def clear() -> None:
            self.simulator.world.asked.clear()
            self.simulator.world.jobs.clear()
            self.simulator.world.files.clear()

        self._call(clear())

    def close(self) -> None:
        """End the server and its thread."""
        self._call(self.simulator.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


@dataclass
class Campaign:
    """One home, one flow, many deaths.

    Args:
        home: a folder that is not there yet.
        services: what the kernels pay.
        chance: draws instants and a person's mind.
    """

    home: Path
    services: Services
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    """Kernels that died, by where."""
    ends: dict[str, str] = field(default_factory=dict)
    """How each job ended in the last run that ended by itself."""
    is_done: bool = False
    """Whether that was well, for all of them."""

    def __post_init__(self) -> None:
        self.services.forget()
        self.books = Books(self.home, self.services.simulator.world)

    def kernel(self, order: Order, *, dies_after_s: float | None = None) -> bool:
        """Let a kernel live until its order or a random instant ends it. True: it ended by itself."""
        [ended] = self.kernels((order, dies_after_s))
        return ended

    def kernels(self, *orders: tuple[Order, float | None]) -> list[bool]:
        """The same for several that live at once."""
        lives = [_Life(str(self.home), self.services.simulator.base, order) for order, _ in orders]
        threads = [
            threading.Thread(target=life.watch, args=(after_s,))
            for life, (_, after_s) in zip(lives, orders, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for life, (order, _) in zip(lives, orders, strict=True):
            assert not life.hangs, f"a kernel hangs: {order}"
            assert life.code in {0, -9}, f"a kernel failed with {life.code}: {order}"
            self.books.done |= life.done
            if life.code:
                self.killed[order.step or "at a random instant"] += 1
            elif life.ends is not None:
                self.ends = life.ends
                self.is_done = set(life.ends.values()) <= {"succeeded", "cached"}
        return [life.code == 0 for life in lives]

    def decide(self, likely: float = 0.5) -> None:
        """A person looks at what is unknown, and lets some of it be sent again."""
        with Journal.open(self.home) as journal:
            for job in journal.call(journal.open_jobs()):
                if job.state == "unknown" and self.chance.random() < likely:
                    given_up = replace(job.draft, status="failed", cost_micro_usd=0, error_code="forgotten")
                    assert journal.call(journal.resolve(job.job_id, given_up))
                    assert job.draft.content_key is not None
                    self.books.forgotten[job.draft.content_key] += 1

    def resume(self) -> None:
        """A kernel that only resumes; it submits nothing."""
        before = len(self.services.simulator.world.jobs)
        self.kernel(Order(("resume",)))
        assert len(self.services.simulator.world.jobs) == before

    def finish(self) -> dict[str, int]:
        """Kernels without an order, until one has ended every job; then the books."""
        for _ in range(MOST_STARTS):
            if self.kernel(Order()) and not {"failed", "cancelled", "over_budget"} & set(self.ends.values()):
                return self.books.check(self.ends)
        raise AssertionError(f"never done: {Counter(self.ends.values())}")


def seeded(seed: int) -> random.Random:
    """Chance that can be repeated."""
    return random.Random(seed)  # noqa: S311 - instants, not secrets


def drawn(chance: random.Random) -> tuple[Order, float | None]:
    """A kernel and its death: half of them at a step, half at any instant."""
    words = chance.choice((("run",), ("run",), ("resume", "run")))
    if chance.random() < 0.5:
        return Order(words), chance.uniform(0, LONGEST_LIFE_S)
    step = chance.choice(list(Failpoint))
    if step in {Failpoint.PUT_ASIDE, Failpoint.OUTBOX_DRAINED}:
        words = ("busy", *words)
    nth = 1 if step is Failpoint.INHERITED else chance.choice((1, 1, 2, 3, 5, 8))
    return Order(words, step, nth), None


class _Life:
    """A kernel's process, and what it says until its end."""

    def __init__(self, home: str, base: str, order: Order) -> None:
        self._pipe, theirs = KERNELS.Pipe(duplex=False)
        self._process = KERNELS.Process(target=live, args=(theirs, home, base, order), daemon=True)
        self._process.start()
        theirs.close()
        self.done: set[str] = set()
        self.ends: dict[str, str] | None = None
        self.code: int | None = None
        self.hangs = False

    def watch(self, dies_after_s: float | None) -> None:
        """Hear it out; with an instant, kill it so long after its run has begun."""
        said: dict[str, Callable[[Any], None]] = {
            "done": self.done.add,
            "ends": lambda ends: setattr(self, "ends", ends),
            "runs": lambda _: self._kill_after(dies_after_s),
            "home": lambda _: None,
        }
        try:
            while self._pipe.poll(PATIENCE_S):
                word, what = self._pipe.recv()
                said[word](what)
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


def tell(campaigns: list[Campaign], figures: list[dict[str, int]], say: Callable[[str], None]) -> None:
    """The sums, and where kernels died."""
    killed: Counter[str] = sum((campaign.killed for campaign in campaigns), Counter())
    total: Counter[str] = sum((Counter(each) for each in figures), Counter())
    say(f"{killed.total()} kernels killed in {len(campaigns)} campaigns")
    for where, count in killed.most_common():
        say(f"{count:6} {where}")
    for what, count in total.items():
        say(f"{count:6} {what}")
