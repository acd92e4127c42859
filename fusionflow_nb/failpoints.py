"""Failpoints: named steps of paid work at which the crash tests kill a kernel. No result may be lost at any of them.

The code calls `failpoint(...)` when it reaches a step; without a listener that does nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Failpoint(StrEnum):
    """The steps in the order of a call. Each value completes the sentence "the kernel died ..."."""

    BEFORE_INTENT = "before the intent"
    AFTER_TAKEOVER = "after it had taken over a dead kernel's job"
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
    AFTER_COMMIT = "after a commit, before it was synced and acknowledged"
    AFTER_SETTLEMENT = "after the settlement"
    AFTER_OUTBOX_WRITE = "after a result was written to the outbox"
    OUTBOX_DRAINED = "after the outbox was copied to the journal, before it was emptied"


_listener: Callable[[Failpoint], None] | None = None


def failpoint(step: Failpoint) -> None:
    """Report that a step is reached; may be called on any thread."""
    if _listener is not None:
        _listener(step)


def set_listener(listener: Callable[[Failpoint], None] | None) -> None:
    """Set the listener for all steps of this process, or remove it with None. It is called on any thread."""
    global _listener  # noqa: PLW0603 - one per process is the point
    _listener = listener
