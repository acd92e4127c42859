"""The steps of paid work, by name: between any two of them a kernel may die, and nothing may be lost by it.

The code says which step it has reached; nobody listens but the crash harness, which ends kernels there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Failpoint(StrEnum):
    """In the order in which a call goes through them. Each value ends the sentence "the kernel died ..."."""

    BEFORE_INTENT = "before the intent"
    INHERITED = "after it had taken over a dead kernel's work"
    AFTER_INTENT = "after the intent"
    BEFORE_SUBMIT = "before the submit"
    AFTER_SUBMIT = "after the submit, before the Operation was written"
    AFTER_OPERATION = "after the Operation was written"
    DURING_POLL = "during the poll"
    DURING_DOWNLOAD = "during the download"
    AFTER_DOWNLOAD = "after the download, before the bytes were stored"
    BEFORE_SETTLEMENT = "after the bytes were stored, before the settlement"
    IN_SETTLEMENT = "in the middle of the final transaction"
    BEFORE_COMMIT = "before a commit"
    AFTER_COMMIT = "after a commit, before it was synced and anybody was told"
    AFTER_SETTLEMENT = "after the settlement"
    PUT_ASIDE = "after a result went to the outbox"
    OUTBOX_DRAINED = "after the outbox was written into the journal, before it was emptied"


_listener: Callable[[Failpoint], None] | None = None


def failpoint(step: Failpoint) -> None:
    """Say that a step is reached, on whichever thread it is."""
    if _listener is not None:
        _listener(step)


def listen(listener: Callable[[Failpoint], None] | None) -> None:
    """Hear every step of this process from now on; None ends it. One listener at a time, called on any thread."""
    global _listener  # noqa: PLW0603 - one per process is the point
    _listener = listener
