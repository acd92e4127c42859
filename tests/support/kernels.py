"""Several kernels on one home, each in its own process: they stop at a failpoint on request, and report states."""

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

# The fork server has imported the package, so that its child processes start quickly.
KERNELS = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    KERNELS.set_forkserver_preload(["support.kernels", "support.crash_kernel", "PIL.Image"])


@dataclass(frozen=True)
class Job:
    """A paid image or video. Its estimate follows from the model; its actual cost is set here."""

    prompt: str
    cost_micro_usd: int | None = None
    seconds: int | None = None
    """Length of a video, at five cents a second; None: an image, for four cents."""


@dataclass(frozen=True)
class Orders:
    """What a kernel does.

    Args:
        jobs: the nodes of its flow, each named by its prompt.
        stops_at: the failpoint at which it stops (SIGSTOP), at the `nth` pass.
        timeout_s: timeout for the journal's lock.
        caps_micro_usd: budget caps by kind.
        rounds: number of runs of its flow, each after a call of `start`.
    """

    jobs: tuple[Job, ...] = (Job("dawn"),)
    stops_at: Failpoint | None = None
    nth: int = 1
    timeout_s: float | None = None
    caps_micro_usd: Mapping[str, int] = field(default_factory=dict)
    rounds: int = 1


def run_kernel(pipe: Connection, home: str, folder: str, orders: Orders) -> None:
    """Main function of the process: run the flow once per `go`, and send the states of all jobs after each run."""
    os.environ[HOME_VARIABLE] = home
    fake = FakeProvider(Path(folder))
    for job in orders.jobs:
        fake.when(job.prompt, Behaviour(polls=2, cost_micro_usd=job.cost_micro_usd))
    session = Session(Path(home), Registry([fake]))
    session.engine.context.caps_micro_usd.clear()
    session.engine.context.caps_micro_usd.update(orders.caps_micro_usd)
    if orders.timeout_s is not None:
        session.journal._writer._timeout_s = orders.timeout_s
    use_session(session)
    passes = [orders.nth]

    def stop(step: Failpoint) -> None:
        if step is orders.stops_at:
            passes[0] -= 1
            if passes[0] == 0:
                pipe.send(("stops", os.getpid()))
                # Signal this thread: stopping it through another thread takes longer.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    flow = flow_of(orders.jobs)
    pipe.send(("ready", os.getpid()))
    for _ in range(orders.rounds):
        if pipe.recv() != "go":
            break
        failpoints.set_listener(stop)
        run = flow.run(confirmed=True)
        run._run.subscribe(lambda event: pipe.send(("waits", event.waits_for)) if event.waits_for else None)
        failure = ""
        try:
            run.result()
        except Exception as error:  # noqa: BLE001 - the test checks it
            failure = str(error)
        job_errors = [str(error) for error in run.errors]
        pipe.send(("ends", ({node: status.state for (node, _), status in run.jobs.items()}, failure, job_errors)))
    failpoints.set_listener(None)
    use_session(None)


def flow_of(jobs: tuple[Job, ...]) -> Flow:
    """A flow for this kernel alone, with one node per job."""
    flow = Flow("Together", id=f"of-{os.getpid()}")
    for job in jobs:
        if job.seconds is None:
            flow.generate_image(job.prompt, model="fake/image", seed=1, name=job.prompt)
        else:
            flow.generate_video(job.prompt, model="fake/video", seed=1, duration_s=job.seconds, name=job.prompt)
    return flow


class Kernel:
    """A kernel in a child process."""

    def __init__(self, home: Path, folder: Path, orders: Orders) -> None:
        self._pipe, child_end = KERNELS.Pipe()
        arguments = (child_end, str(home), str(folder), orders)
        self.process = KERNELS.Process(target=run_kernel, args=arguments, daemon=True)
        self.process.start()
        child_end.close()

    def receive(self, kind: str) -> Any:
        """Wait for the next message of this kind; returns its content."""
        while True:
            assert self._pipe.poll(PATIENCE_S), f"the kernel never sends {kind!r}"
            received, content = self._pipe.recv()
            if received == kind:
                return content

    def start(self) -> None:
        """Start the next run of its flow."""
        self._pipe.send("go")

    def wait_until_stopped(self) -> int:
        """Wait until the system has stopped the process; returns its pid."""
        pid: int = self.receive("stops")
        while not _state(pid).startswith("T"):
            pass
        return pid

    def continue_(self) -> None:
        """Continue the stopped process."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process, even if it is stopped."""
        self.process.kill()
        self.process.join()

    def wait_for_end(self) -> tuple[dict[str, str], str, list[str]]:
        """Wait for the end of the run; returns states by node, the error of the run, and the errors of jobs."""
        end: tuple[dict[str, str], str, list[str]] = self.receive("ends")
        return end

    def close(self) -> None:
        """Kill the process if needed, and release its resources."""
        self.kill()
        self.process.close()
        self._pipe.close()


@contextmanager
def kernels(home: Path, folder: Path, *orders: Orders) -> Iterator[list[Kernel]]:
    """Kernels with open sessions, which wait for `start`."""
    opened: list[Kernel] = []
    try:
        for kernel_orders in orders:
            opened.append(Kernel(home, folder, kernel_orders))
            if len(opened) == 1:
                opened[0].receive("ready")  # the first kernel creates the home
        for kernel in opened[1:]:
            kernel.receive("ready")
        yield opened
    finally:
        for kernel in opened:
            kernel.close()


def _state(pid: int) -> str:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return done.stdout.strip()
