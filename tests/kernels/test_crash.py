"""A part of the crash harness (`make crash` runs all of it): kernels killed at failpoints and at random times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crash import run_campaign, run_each_failpoint
from support.crash_campaign import Campaign, Services, seeded_random
from support.crash_kernel import JOBS, Order

from fusionflow_nb import failpoints
from fusionflow_nb.failpoints import Failpoint, failpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 7


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """The simulator, for all campaigns of this file."""
    simulated = Services()
    yield simulated
    simulated.close()


def test_a_kernel_may_die_at_each_failpoint(tmp_path: Path, services: Services) -> None:
    """Kernels are killed at each failpoint in turn; the next kernel continues, and all sums agree."""
    campaign, figures = run_each_failpoint(tmp_path / "home", services, seeded_random(SEED))
    assert set(campaign.killed) == set(Failpoint)
    assert figures["keys"] + figures["unknown"] > JOBS / 2


def test_a_kernel_may_die_at_random_times(tmp_path: Path, services: Services) -> None:
    """Seeded failpoints and times, single kernels and pairs, and a user who writes off unknown calls."""
    print(f"seed {SEED}")  # noqa: T201 - shown on failure: `tests/crash.py --seed` starts the same way
    campaign, figures = run_campaign(tmp_path / "home", services, seeded_random(SEED))
    assert campaign.killed.total() > 0
    assert figures["keys"] > 0


def test_a_kernel_that_only_resumes_submits_nothing(tmp_path: Path, services: Services) -> None:
    """Accepted calls are finished by polling and fetching; nothing is submitted."""
    campaign = Campaign(tmp_path / "home", services, seeded_random(SEED))
    assert not campaign.kernel(Order(step=Failpoint.AFTER_OPERATION, nth=3))
    accepted = campaign.books.rows("SELECT count(*) FROM jobs WHERE operation IS NOT NULL")
    campaign.resume()
    assert campaign.books.rows("SELECT count(*) FROM jobs WHERE state = 'succeeded'") >= accepted > [(0,)]
    campaign.finish()


def test_a_failpoint_without_a_listener_does_nothing() -> None:
    """A listener receives each failpoint until it is removed."""
    steps: list[Failpoint] = []
    failpoint(Failpoint.BEFORE_SUBMIT)
    failpoints.set_listener(steps.append)
    try:
        failpoint(Failpoint.AFTER_SUBMIT)
    finally:
        failpoints.set_listener(None)
    failpoint(Failpoint.BEFORE_SUBMIT)
    assert steps == [Failpoint.AFTER_SUBMIT]
