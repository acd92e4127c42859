"""What a person is told of work that comes home by itself: how much, of which flow, begun in which notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionflow_nb.engine.resume import Homecoming
    from fusionflow_nb.journal.protocol import OpenJob

_SHOWN_PLACES = 3


def begins(jobs: Sequence[OpenJob], names: Mapping[str, str]) -> str:
    """The line at the start: what is followed now, and that nothing is sent.

    Args:
        jobs: that nobody follows.
        names: of the flows, by project id.
    """
    return f"Resuming {_calls(len(jobs))} of {_places(jobs, names)}: asked for and fetched, nothing is sent again."


def ended(homecomings: Sequence[Homecoming], names: Mapping[str, str]) -> str:
    """The line at the end: what came home, what it cost, what did not and why."""
    home = [one for one in homecomings if one.answer is not None]
    unknown = [one for one in homecomings if one.is_unknown]
    still = [one for one in homecomings if one.is_open]
    failed = [one for one in homecomings if one.error is not None and not one.is_open]
    cost = sum(one.answer.cost_micro_usd for one in home if one.answer is not None)
    of = _places([one.job for one in homecomings], names)
    said = [f"Resumed {_calls(len(homecomings))} of {of}: {len(home)} came home (${cost / 1e6:.2f})"]
    if failed:
        said.append(f"{len(failed)} had failed ({failed[0].error})")
    if unknown:
        at_stake = sum(one.job.reserve_micro_usd for one in unknown)
        said.append(
            f"{len(unknown)} may or may not have been taken (${at_stake / 1e6:.2f} at stake: see ff.operations())"
        )
    if still:
        why = next((f": {one.error}" for one in still if one.error is not None), "")
        said.append(f"{len(still)} still open{why}")
    return ", ".join(said).removesuffix(".") + "."


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def _places(jobs: Iterable[OpenJob], names: Mapping[str, str]) -> str:
    """`“City” (city.ipynb)`, or the first few of many."""
    found: dict[str, None] = {}
    for job in jobs:
        flow = names.get(job.draft.project_id, job.draft.project_id)
        found[f"“{flow}” ({job.notebook})" if job.notebook else f"“{flow}”"] = None
    more = len(found) - _SHOWN_PLACES
    return ", ".join(list(found)[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
