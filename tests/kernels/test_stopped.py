"""Kernels that are stopped, sleep or die while others want the same: what is theirs stays so while they live."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.kernels import Job, Orders, kernels

from fusionflow_nb.failpoints import Failpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be stopped here")
IMPATIENCE_S = 0.3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the kernels share."""
    (tmp_path / "service").mkdir()
    return tmp_path / "home"


def submissions(home: Path) -> list[Any]:
    """The service's own log."""
    path = home.parent / "service" / "submissions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_stopped_kernel_keeps_its_intent(home: Path) -> None:
    """Stopped between intent and submit: who wants the same key waits, until it goes on. One submission."""
    first_orders = Orders(stops_at=Failpoint.AFTER_INTENT)
    with kernels(home, home.parent / "service", first_orders, Orders()) as (first, second):
        first.go()
        first.until_stopped()
        second.go()
        assert second.hears("waits") == "lease"
        assert submissions(home) == []
        first.goes_on()
        assert first.ends()[0] == {"dawn": "succeeded"}
        assert second.ends()[0] == {"dawn": "cached"}
    assert len(submissions(home)) == 1


@pytest.mark.parametrize(
    ("step", "end", "sent"),
    [
        (Failpoint.AFTER_INTENT, "unknown", 0),
        (Failpoint.AFTER_SUBMIT, "unknown", 1),
        (Failpoint.AFTER_OPERATION, "succeeded", 1),
        (Failpoint.BEFORE_SETTLEMENT, "succeeded", 1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_dead_kernel_held_passes_on(home: Path, step: Failpoint, end: str, sent: int) -> None:
    """While it is stopped others wait; dead, its Operation passes on, and an intent alone becomes unknown, unsent."""
    with kernels(home, home.parent / "service", Orders(stops_at=step), Orders(), Orders()) as (first, *others):
        first.go()
        first.until_stopped()
        for other in others:
            other.go()
            assert other.hears("waits") == "lease"
        first.dies()
        states = {other.ends()[0]["dawn"] for other in others}
    assert states == ({"unknown"} if end == "unknown" else {"succeeded", "cached"})
    assert len(submissions(home)) == sent


@pytest.mark.parametrize(
    ("step", "nth"),
    [(Failpoint.BEFORE_COMMIT, 3), (Failpoint.IN_SETTLEMENT, 1)],
    ids=["before a commit", "in the final one"],
)
def test_a_kernel_stopped_inside_a_commit_makes_others_say_so(home: Path, step: Failpoint, nth: int) -> None:
    """Nothing paid is submitted meanwhile, the error names the process; once it goes on, all goes on."""
    impatient = Orders((Job("dusk"),), patience_s=IMPATIENCE_S, rounds=2)
    with kernels(home, home.parent / "service", Orders(stops_at=step, nth=nth), impatient) as (first, second):
        first.go()
        pid = first.until_stopped()
        before = submissions(home)
        second.go()
        _, trouble, said = second.ends()
        assert f"process {pid}" in " ".join([trouble, *said])
        assert "nothing paid was submitted" in " ".join([trouble, *said])
        assert submissions(home) == before
        first.goes_on()
        assert first.ends()[0] == {"dawn": "succeeded"}
        second.go()
        assert second.ends()[0] == {"dusk": "succeeded"}
    assert sorted(entry["prompt"] for entry in submissions(home)) == ["dawn", "dusk"]


def test_a_commit_that_a_dead_kernel_began_never_was(home: Path) -> None:
    """Killed while it is stopped inside the final transaction: the next one settles, once."""
    with kernels(home, home.parent / "service", Orders(stops_at=Failpoint.IN_SETTLEMENT), Orders()) as (first, second):
        first.go()
        first.until_stopped()
        second.go()
        first.dies()
        assert second.ends()[0] == {"dawn": "succeeded"}
    assert len(submissions(home)) == 1


def test_many_kernels_on_one_key_submit_once(home: Path) -> None:
    """Whoever comes first pays; the others have the same result."""
    with kernels(home, home.parent / "service", *[Orders()] * 5) as together:
        for kernel in together:
            kernel.go()
        states = [kernel.ends()[0]["dawn"] for kernel in together]
    assert sorted(states) == ["cached"] * 4 + ["succeeded"]
    assert len(submissions(home)) == 1
