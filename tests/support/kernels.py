"""Several kernels on one home, each a process of its own: they stop at a step when told to, and say how they stand."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.engine import PATIENCE_S

from fusionflow_nb import failpoints
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

    from fusionflow_nb.failpoints import Failpoint

# A server that has imported the product already: its children are kernels of their own, and begin at once.
KERNELS = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    KERNELS.set_forkserver_preload(["support.kernels", "support.crash_kernel", "PIL.Image"])


@dataclass(frozen=True)
class Job:
    """A picture or film to pay for: what it is estimated at follows from the model, what it costs is said here."""

    prompt: str
    cost_micro_usd: int | None = None
    seconds: int | None = None
    """Of a film, at five cents each; a picture for four cents without."""


@dataclass(frozen=True)
class Orders:
    """What a kernel does.

    Args:
        jobs: the nodes of its flow, each called by its prompt.
        stops_at: the step at which it stops (SIGSTOP); the `nth` time it gets there.
        patience_s: how long it waits for the journal.
        caps_micro_usd: its caps by kind.
        rounds: it runs its flow again each time it is told to go on.
    """

    jobs: tuple[Job, ...] = (Job("dawn"),)
    stops_at: Failpoint | None = None
    nth: int = 1
    patience_s: float | None = None
    caps_micro_usd: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 1


def live(pipe: Connection, home: str, folder: str, orders: Orders) -> None:
    """Be a kernel: wait for `go` before each round, say the states of all jobs after it."""
    os.environ[HOME_VARIABLE] = home
    fake = FakeProvider(Path(folder))
    for job in orders.jobs:
        fake.when(job.prompt, Behaviour(polls=2, cost_micro_usd=job.cost_micro_usd))
    session = Session(Path(home), Registry([fake]))
    session.services.caps_micro_usd.clear()
    session.services.caps_micro_usd.update(orders.caps_micro_usd)
    if orders.patience_s is not None:
        session.journal._writer._patience_s = orders.patience_s
    use_session(session)
    left = [orders.nth]

    def stop(step: Failpoint) -> None:
        if step is orders.stops_at:
            left[0] -= 1
            if left[0] == 0:
                pipe.send(("stops", os.getpid()))
                # To this thread: another one would take its time to stop the rest.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    flow = flow_of(orders.jobs)
    pipe.send(("ready", os.getpid()))
    for _ in range(orders.rounds):
        if pipe.recv() != "go":
            break
        failpoints.set_listener(stop)
        run = flow.run(confirmed=True)
        run._run.subscribe(lambda event: pipe.send(("waits", event.waits_for)) if event.waits_for else None)
        trouble = ""
        try:
            run.result()
        except Exception as error:  # noqa: BLE001 - said to the test, which judges it
            trouble = str(error)
        said = [str(error) for error in run.errors]
        pipe.send(("ends", ({node: status.state for (node, _), status in run.jobs.items()}, trouble, said)))
    failpoints.set_listener(None)
    use_session(None)


def flow_of(jobs: tuple[Job, ...]) -> Flow:
    """A flow of this kernel's own, with a node for each job."""
    flow = Flow("Together", id=f"of-{os.getpid()}")
    for job in jobs:
        if job.seconds is None:
            flow.generate_image(job.prompt, model="fake/image", seed=1, name=job.prompt)
        else:
            flow.generate_video(job.prompt, model="fake/video", seed=1, duration_s=job.seconds, name=job.prompt)
    return flow


class Kernel:
    """A kernel that lives in a process of its own."""

    def __init__(self, home: Path, folder: Path, orders: Orders) -> None:
        self._pipe, theirs = KERNELS.Pipe()
        self.process = KERNELS.Process(target=live, args=(theirs, str(home), str(folder), orders), daemon=True)
        self.process.start()
        theirs.close()

    def hears(self, word: str) -> Any:
        """What it says with this word, the next time it does."""
        while True:
            assert self._pipe.poll(PATIENCE_S), f"the kernel never says {word!r}"
            said, what = self._pipe.recv()
            if said == word:
                return what

    def go(self) -> None:
        """Let it run its flow."""
        self._pipe.send("go")

    def until_stopped(self) -> int:
        """Wait until the system has stopped it; its pid."""
        pid: int = self.hears("stops")
        while not _state(pid).startswith("T"):
            pass
        return pid

    def goes_on(self) -> None:
        """Wake it."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def dies(self) -> None:
        """Kill it, stopped or not."""
        self.process.kill()
        self.process.join()

    def ends(self) -> tuple[dict[str, str], str, list[str]]:
        """States by node, why the run itself failed if it did, and the errors of jobs."""
        found: tuple[dict[str, str], str, list[str]] = self.hears("ends")
        return found

    def close(self) -> None:
        """Whatever became of it: it is gone afterwards."""
        self.dies()
        self.process.close()
        self._pipe.close()


@contextmanager
def kernels(home: Path, folder: Path, *orders: Orders) -> Iterator[list[Kernel]]:
    """Kernels that have opened their sessions and wait to be told to go."""
    begun: list[Kernel] = []
    try:
        for each in orders:
            begun.append(Kernel(home, folder, each))
            if len(begun) == 1:
                begun[0].hears("ready")  # the first makes the home
        for kernel in begun[1:]:
            kernel.hears("ready")
        yield begun
    finally:
        for kernel in begun:
            kernel.close()


def _state(pid: int) -> str:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return done.stdout.strip()
