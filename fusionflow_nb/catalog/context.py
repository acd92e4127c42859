"""What a node's function may ask of the run around it: progress and cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable


class Context:
    """Given to functions that take a parameter of this type.

    >>> seen = []
    >>> Context("grain_1", seen.append).progress(0.5)
    >>> seen
    [0.5]
    """

    def __init__(self, node_id: str, report: Callable[[float], None]) -> None:
        self.node_id = node_id
        self._report = report
        self._is_cancelled = False

    @property
    def cancelled(self) -> bool:
        """True once somebody cancelled this job: stop soon, the result is dropped."""
        return self._is_cancelled

    def progress(self, fraction: float) -> None:
        """Say how much of the work is done, 0..1.

        Raises:
            JobCancelledError: the job was cancelled; let it pass.
        """
        if self._is_cancelled:
            raise errors.JobCancelledError("The job was cancelled.", node_id=self.node_id)
        self._report(min(1.0, max(0.0, fraction)))

    def cancel(self) -> None:
        """Called by the engine."""
        self._is_cancelled = True
