"""Ids of everything that is written down: UUIDv7, so that they sort by time and need no one to hand them out."""

from __future__ import annotations

import os

import uuid_utils

if hasattr(os, "register_at_fork"):
    # A forked child would draw the same ids as its parent, and an insert with a known id is ignored.
    os.register_at_fork(after_in_child=uuid_utils.reseed_rng)


def new_id() -> str:
    """A fresh UUIDv7 as text; later ones of one process sort after earlier ones.

    >>> new_id() < new_id()
    True
    """
    return str(uuid_utils.uuid7())
