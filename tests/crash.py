"""The crash harness: campaigns of kernels that are killed until so many have died.

Half of the kernels die at a named step, half at any instant; some are left to themselves, some live two at a time.
It prints its seed; `--seed` draws the same again.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from support.crash_campaign import Campaign, Services, drawn, seeded, tell
from support.crash_kernel import Order

from fusionflow_nb.failpoints import Failpoint

LIVES = 18
"""Kernels of one campaign, before those that bring it to its end."""


def campaign(home: Path, services: Services, chance: random.Random) -> tuple[Campaign, dict[str, int]]:
    """Let kernels die on one flow, then bring it to its end."""
    made = Campaign(home, services, chance)
    for _ in range(LIVES):
        if chance.random() < 0.2:
            made.kernels(drawn(chance), drawn(chance))
        else:
            order, after_s = drawn(chance)
            made.kernel(order, dies_after_s=after_s)
        if chance.random() < 0.1:
            made.resume()
        made.decide()
        if made.is_done:
            break
    return made, made.finish()


def every_step(home: Path, services: Services, chance: random.Random) -> tuple[Campaign, dict[str, int]]:
    """A kernel dies at each step there is, in turn."""
    made = Campaign(home, services, chance)
    for step in Failpoint:
        if step is Failpoint.INHERITED:
            made.kernel(Order(step=Failpoint.AFTER_OPERATION, nth=2))
        words = ("busy", "run") if step in {Failpoint.PUT_ASIDE, Failpoint.OUTBOX_DRAINED} else ("run",)
        assert not made.kernel(Order(words, step)), f"no kernel died {step}"
        made.decide(1.0)
    return made, made.finish()


def main() -> None:
    """Run campaigns until enough kernels were killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    chance = seeded(asked.seed)
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    campaigns: list[Campaign] = []
    figures: list[dict[str, int]] = []
    services = Services()
    try:
        while sum(each.killed.total() for each in campaigns) < asked.kills:
            with tempfile.TemporaryDirectory(prefix="fusionflow-crash-") as folder:
                run = campaign if campaigns else every_step
                made, figure = run(Path(folder) / "home", services, chance)
            campaigns.append(made)
            figures.append(figure)
            print(f"{time.monotonic() - began:7.0f} s  {made.killed.total():3} killed  {figure}", flush=True)
    finally:
        services.close()
    tell(campaigns, figures, print)
    print("0 results lost, 0 paid twice, the books are balanced")


if __name__ == "__main__":
    main()
