"""A kernel of the crash harness: runs a flow of 40 paid jobs and kills itself at a failpoint.

Only top-level functions, so that child processes can import them.
"""

from __future__ import annotations

import itertools
import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusionflow_nb import failpoints
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.failpoints import Failpoint
from fusionflow_nb.journal.commit_lock import CommitLock
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

JOBS = 40
SERVICES = ("fal", "openai", "replicate")
MAX_CONCURRENCY = 2
"""Concurrent calls per service, so that a kill leaves only a few calls of unknown outcome."""
UNPRICED_USD = 0.05
WRITER_TIMEOUT_S = 0.2


@dataclass(frozen=True)
class Order:
    """What a kernel runs, and when it kills itself: the `nth` time that it reaches `step`, if any."""

    words: tuple[str, ...] = ("run",)
    """`resume`: finish calls of other kernels. `run`: run the flow. `busy`: lock the journal while results arrive."""
    step: Failpoint | None = None
    nth: int = 1


def flow() -> Flow:
    """40 jobs of three services: polled or synchronous, with and without media inputs, some with equal keys."""
    crash_flow = Flow("Crash", id="crash")
    draw, change = crash_flow.generate_image, crash_flow.edit_image
    fal = [draw(f"fal still {at}", model="flux-schnell", seed=1, name=f"fal_{at}") for at in range(7)]
    rep = [draw(f"replicate still {at}", model="flux-schnell-rep", seed=1, name=f"rep_{at}") for at in range(7)]
    own = [draw(f"openai still {at}", model="gpt-image-2", name=f"openai_{at}") for at in range(8)]
    for at in range(5):
        change(fal[at], f"fal edit {at}", model="flux-kontext", name=f"fal_edit_{at}")
        crash_flow.upscale(rep[at], model="recraft-crisp-upscale", name=f"rep_large_{at}")
    for at in range(3):
        change(own[at], f"openai edit {at}", model="gpt-image-2", name=f"openai_edit_{at}")
    # Calls with the same key as another node:
    again = [draw(f"fal still {at}", model="flux-schnell", seed=1, name=f"fal_again_{at}") for at in range(2)]
    draw("replicate still 0", model="flux-schnell-rep", seed=1, name="rep_again")
    for name, still in (("rep_edit", fal[0]), ("rep_edit_again", again[0])):
        change(still, "replicate edit", model="flux-kontext-pro-rep", name=name)
    assert len(crash_flow.document.nodes) == JOBS
    return crash_flow


def run_kernel(pipe: Connection, home: str, base: str, order: Order) -> None:
    """Run a kernel; send finished nodes and the final state of each job."""
    os.environ[SIMULATOR_VARIABLE] = base
    os.environ[HOME_VARIABLE] = home
    Path(home).mkdir(exist_ok=True)
    with ExitStack() as at_the_end:
        set_failpoint(order, Path(home), at_the_end)
        registry = Registry()
        for name in SERVICES:
            service = registry.provider(name)
            service.poll_interval_s, service.max_concurrency = 0.02, MAX_CONCURRENCY
        session = Session(Path(home), registry)
        session.engine.context.caps_micro_usd.clear()
        if "busy" in order.words:
            session.journal._writer._timeout_s = WRITER_TIMEOUT_S
        use_session(session)
        if "resume" in order.words:
            pipe.send(("resumed", session.resume()))
        if "run" in order.words:
            run = flow().run(unpriced=UNPRICED_USD, confirmed=True)
            run._run.subscribe(
                lambda event: (
                    pipe.send(("done", event.node_id))
                    if event.kind == "job-end" and event.state in {"succeeded", "cached"}
                    else None
                )
            )
            pipe.send(("runs", run.id))
            run.wait()
            pipe.send(("ends", {node_id: status.state for (node_id, _), status in run.jobs.items()}))
        use_session(None)


def set_failpoint(order: Order, home: Path, at_the_end: ExitStack) -> None:
    """Kill the process at the step; if `busy`, lock the journal from the first download to the first outbox write."""
    steps_to_go = itertools.count(order.nth - 1, -1)
    locks = iter((True,) if "busy" in order.words else ())
    commit_lock = CommitLock(home / "journal.turnstile") if "busy" in order.words else None
    lock_stack = ExitStack()
    at_the_end.callback(failpoints.set_listener, None)

    def on_failpoint(step: Failpoint) -> None:
        if commit_lock is not None and step is Failpoint.AFTER_DOWNLOAD and next(locks, False):
            lock_stack.enter_context(commit_lock.hold())
        if step is order.step and next(steps_to_go) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if step is Failpoint.AFTER_OUTBOX_WRITE:
            lock_stack.close()

    failpoints.set_listener(on_failpoint)
