"""A kernel that is to die: the product as it is, on a flow of 40 paid jobs, with an order when to end itself.

Top-level functions only, so that a process of its own can import them.
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
AT_ONCE = 2
"""Calls of one service at a time: a blow must not leave the whole flow unknown."""
UNPRICED_USD = 0.05
IMPATIENCE_S = 0.2


@dataclass(frozen=True)
class Order:
    """What a kernel does, and when it dies: at the `nth` time that it reaches `step`; never by itself without one."""

    words: tuple[str, ...] = ("run",)
    """`resume`: finish what others began. `run`: the flow. `busy`: the journal is held when results come home."""
    step: Failpoint | None = None
    nth: int = 1


def flow() -> Flow:
    """40 jobs at three services: asked and polled, or answered at once; with and without media going in; some equal."""
    made = Flow("Crash", id="crash")
    draw, change = made.generate_image, made.edit_image
    fal = [draw(f"fal still {at}", model="flux-schnell", seed=1, name=f"fal_{at}") for at in range(7)]
    rep = [draw(f"replicate still {at}", model="flux-schnell-rep", seed=1, name=f"rep_{at}") for at in range(7)]
    own = [draw(f"openai still {at}", model="gpt-image-2", name=f"openai_{at}") for at in range(8)]
    for at in range(5):
        change(fal[at], f"fal edit {at}", model="flux-kontext", name=f"fal_edit_{at}")
        made.upscale(rep[at], model="recraft-crisp-upscale", name=f"rep_large_{at}")
    for at in range(3):
        change(own[at], f"openai edit {at}", model="gpt-image-2", name=f"openai_edit_{at}")
    # What another node asks for as well:
    again = [draw(f"fal still {at}", model="flux-schnell", seed=1, name=f"fal_again_{at}") for at in range(2)]
    draw("replicate still 0", model="flux-schnell-rep", seed=1, name="rep_again")
    for name, still in (("rep_edit", fal[0]), ("rep_edit_again", again[0])):
        change(still, "replicate edit", model="flux-kontext-pro-rep", name=name)
    assert len(made.document.nodes) == JOBS
    return made


def live(pipe: Connection, home: str, base: str, order: Order) -> None:
    """Be a kernel; say what is done, and how each job ended."""
    os.environ[SIMULATOR_VARIABLE] = base
    os.environ[HOME_VARIABLE] = home
    Path(home).mkdir(exist_ok=True)
    with ExitStack() as at_the_end:
        listen(order, Path(home), at_the_end)
        registry = Registry()
        for name in SERVICES:
            service = registry.provider(name)
            service.poll_interval_s, service.max_concurrency = 0.02, AT_ONCE
        session = Session(Path(home), registry)
        session.services.caps_micro_usd.clear()
        if "busy" in order.words:
            session.journal._writer._patience_s = IMPATIENCE_S
        use_session(session)
        if "resume" in order.words:
            pipe.send(("home", session.resume()))
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


def listen(order: Order, home: Path, at_the_end: ExitStack) -> None:
    """Die at the step; hold the journal from the first download on until a result is put aside, where that is asked."""
    steps_to_go = itertools.count(order.nth - 1, -1)
    holds = iter((True,) if "busy" in order.words else ())
    held = CommitLock(home / "journal.turnstile") if "busy" in order.words else None
    turn = ExitStack()
    at_the_end.callback(failpoints.set_listener, None)

    def hear(step: Failpoint) -> None:
        if held is not None and step is Failpoint.AFTER_DOWNLOAD and next(holds, False):
            turn.enter_context(held.turn())
        if step is order.step and next(steps_to_go) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if step is Failpoint.AFTER_OUTBOX_WRITE:
            turn.close()

    failpoints.set_listener(hear)
