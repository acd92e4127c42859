"""`ff.resume()`: finish the accepted work of kernels that have stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.engine.resume import RecoveredJob


def resume() -> list[str]:
    """Finish the calls of stopped kernels by polling and fetching only; nothing is submitted or paid again.

    Returns:
        The ids of the generations whose results were fetched.
    """
    return [job.result.generation_id for job in recover() if job.result is not None]


def recover() -> list[RecoveredJob]:
    """Resume all open calls that no kernel follows, and wait for them."""
    return current_session().recovery.run()
