"""`ff.random`: draw a new seed."""

from __future__ import annotations


class Random:
    """The type of `ff.random`."""

    def __repr__(self) -> str:
        return "ff.random"


random = Random()
"""As `seed=ff.random`: draw a seed when the node is placed, and store it in the flow."""
