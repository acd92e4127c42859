"""`ff.resume()`: finish the accepted work of kernels that have stopped."""

from __future__ import annotations

from fusionflow_nb.session import current_session


def resume() -> list[str]:
    """Finish the jobs of dead kernels by polling and fetching only; nothing is submitted or paid again.

    Returns:
        The ids of the generations whose results were fetched.
    """
    return current_session().resume()
