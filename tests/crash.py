"""The crash harness: runs campaigns in which kernels are killed, until `--kills` kernels have died.

Half of the kernels are killed at a failpoint, half at a random time; some run to their end, some run in pairs.
The seed is printed; `--seed` repeats a run.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from support.crash_campaign import Campaign, Services, draw_kernel, print_totals, seeded_random
from support.crash_kernel import Order

from fusionflow_nb.failpoints import Failpoint

KERNELS = 18
"""Kernels of a campaign, before those that finish it."""


def run_campaign(home: Path, services: Services, chance: random.Random) -> tuple[Campaign, dict[str, int]]:
    """Kill kernels that run one flow, then finish the flow."""
    campaign = Campaign(home, services, chance)
    for _ in range(KERNELS):
        if chance.random() < 0.2:
            campaign.kernels(draw_kernel(chance), draw_kernel(chance))
        else:
            order, after_s = draw_kernel(chance)
            campaign.kernel(order, dies_after_s=after_s)
        if chance.random() < 0.1:
            campaign.resume()
        campaign.decide()
        if campaign.is_done:
            break
    return campaign, campaign.finish()


def run_each_failpoint(home: Path, services: Services, chance: random.Random) -> tuple[Campaign, dict[str, int]]:
    """Kill a kernel at each failpoint in turn."""
    campaign = Campaign(home, services, chance)
    for step in Failpoint:
        if step is Failpoint.AFTER_TAKEOVER:
            campaign.kernel(Order(step=Failpoint.AFTER_OPERATION, nth=2))
        words = ("busy", "run") if step in {Failpoint.AFTER_OUTBOX_WRITE, Failpoint.OUTBOX_DRAINED} else ("run",)
        assert not campaign.kernel(Order(words, step)), f"no kernel died {step}"
        campaign.decide(1.0)
    return campaign, campaign.finish()


def main() -> None:
    """Run campaigns until enough kernels were killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    chance = seeded_random(options.seed)
    print(f"seed {options.seed}", flush=True)
    start = time.monotonic()
    campaigns: list[Campaign] = []
    figures: list[dict[str, int]] = []
    services = Services()
    try:
        while sum(campaign.killed.total() for campaign in campaigns) < options.kills:
            with tempfile.TemporaryDirectory(prefix="fusionflow-crash-") as folder:
                run = run_campaign if campaigns else run_each_failpoint
                campaign, figure = run(Path(folder) / "home", services, chance)
            campaigns.append(campaign)
            figures.append(figure)
            print(f"{time.monotonic() - start:7.0f} s  {campaign.killed.total():3} killed  {figure}", flush=True)
    finally:
        services.close()
    print_totals(campaigns, figures, print)
    print("0 results lost, 0 paid twice, all sums agree")


if __name__ == "__main__":
    main()
