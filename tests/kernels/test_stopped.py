"""Kernels that are stopped or killed while others need the same result: a stopped kernel keeps its leases."""

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
LOCK_TIMEOUT_S = 0.3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home that the kernels share."""
    (tmp_path / "service").mkdir()
    return tmp_path / "home"


def submissions(home: Path) -> list[Any]:
    """Submissions that the service received."""
    path = home.parent / "service" / "submissions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_stopped_kernel_keeps_its_intent(home: Path) -> None:
    """If a kernel is stopped between intent and submit, others with the same key wait for it. One submission."""
    first_orders = Orders(stops_at=Failpoint.AFTER_INTENT)
    with kernels(home, home.parent / "service", first_orders, Orders()) as (first, second):
        first.start()
        first.wait_until_stopped()
        second.start()
        assert second.receive("waits") == "lease"
        assert submissions(home) == []
        first.continue_()
        assert first.wait_for_end()[0] == {"dawn": "succeeded"}
        assert second.wait_for_end()[0] == {"dawn": "cached"}
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
def test_a_killed_kernel_passes_its_leases_on(home: Path, step: Failpoint, end: str, sent: int) -> None:
    """While it is stopped, others wait; when it is killed, its Operation passes on; a mere intent becomes unknown."""
    with kernels(home, home.parent / "service", Orders(stops_at=step), Orders(), Orders()) as (first, *others):
        first.start()
        first.wait_until_stopped()
        for other in others:
            other.start()
            assert other.receive("waits") == "lease"
        first.kill()
        states = {other.wait_for_end()[0]["dawn"] for other in others}
    assert states == ({"unknown"} if end == "unknown" else {"succeeded", "cached"})
    assert len(submissions(home)) == sent


@pytest.mark.parametrize(
    ("step", "nth"),
    [(Failpoint.BEFORE_COMMIT, 3), (Failpoint.IN_SETTLEMENT, 1)],
    ids=["before a commit", "in the final commit"],
)
def test_a_kernel_stopped_in_a_commit_is_reported_by_others(home: Path, step: Failpoint, nth: int) -> None:
    """Others submit nothing paid, and their error names the process; when it continues, they succeed."""
    impatient = Orders((Job("dusk"),), timeout_s=LOCK_TIMEOUT_S, rounds=2)
    with kernels(home, home.parent / "service", Orders(stops_at=step, nth=nth), impatient) as (first, second):
        first.start()
        pid = first.wait_until_stopped()
        before = submissions(home)
        second.start()
        _, failure, job_errors = second.wait_for_end()
        assert f"process {pid}" in " ".join([failure, *job_errors])
        assert "nothing paid was submitted" in " ".join([failure, *job_errors])
        assert submissions(home) == before
        first.continue_()
        assert first.wait_for_end()[0] == {"dawn": "succeeded"}
        second.start()
        assert second.wait_for_end()[0] == {"dusk": "succeeded"}
    assert sorted(entry["prompt"] for entry in submissions(home)) == ["dawn", "dusk"]


def test_an_unfinished_commit_is_rolled_back(home: Path) -> None:
    """If a kernel is killed in the final transaction, the next kernel settles, once."""
    with kernels(home, home.parent / "service", Orders(stops_at=Failpoint.IN_SETTLEMENT), Orders()) as (first, second):
        first.start()
        first.wait_until_stopped()
        second.start()
        first.kill()
        assert second.wait_for_end()[0] == {"dawn": "succeeded"}
    assert len(submissions(home)) == 1


def test_many_kernels_on_one_key_submit_once(home: Path) -> None:
    """The first kernel pays; the others get the same result."""
    with kernels(home, home.parent / "service", *[Orders()] * 5) as together:
        for kernel in together:
            kernel.start()
        states = [kernel.wait_for_end()[0]["dawn"] for kernel in together]
    assert sorted(states) == ["cached"] * 4 + ["succeeded"]
    assert len(submissions(home)) == 1
