"""`ff.random`: draw a new seed."""

from __future__ import annotations


class Random:
    """The type of `ff.random`."""

    def __repr__(self) -> str:
        return "ff.random"


random = Random()
"""Pass it as `seed=ff.random`: the node draws a seed now and the flow keeps it."""
