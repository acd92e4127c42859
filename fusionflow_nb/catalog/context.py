"""The context of a running node function: progress and cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable


class Context:
    """Passed to functions that have a parameter of this type.

    >>> reports = []
    >>> Context("grain_1", reports.append).progress(0.5)
    >>> reports
    [0.5]
    """

    def __init__(self, node_id: str, report: Callable[[float], None]) -> None:
        self.node_id = node_id
        self._report = report
        self._is_cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled. The function should stop; its result is dropped."""
        return self._is_cancelled

    def progress(self, fraction: float) -> None:
        """Report progress, 0 to 1.

        Raises:
            JobCancelledError: the job was cancelled; do not catch it.
        """
        if self._is_cancelled:
            raise errors.JobCancelledError("The job was cancelled.", node_id=self.node_id)
        self._report(min(1.0, max(0.0, fraction)))

    def cancel(self) -> None:
        """Mark the job as cancelled; called by the engine."""
        self._is_cancelled = True
