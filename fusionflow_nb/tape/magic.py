"""`%%tape` and `%tape`: SQL over all generations in a notebook cell.

    %%tape newest <<
    SELECT prompt_snapshot, output_url FROM generations WHERE model = $model ORDER BY finished_at DESC

`$model` is the notebook's variable of that name; `newest <<` assigns the result to a variable instead of showing it.
Load the magics with `%load_ext fusionflow_nb.tape.magic`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors, tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from fusionflow_nb.tape.result import Result

_ASSIGNMENT = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*<<(?P<rest>.*)", re.DOTALL)


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register `%tape` and `%%tape`; called by IPython."""
    ipython.magics_manager.register_function(_magic_for(ipython), magic_kind="line_cell", magic_name="tape")


def split(line: str, cell: str | None) -> tuple[str | None, str]:
    """Return the variable to assign the result to, or None, and the query.

    >>> split("best << SELECT 1", None)
    ('best', 'SELECT 1')
    >>> split("", "SELECT 1 << 3")
    (None, 'SELECT 1 << 3')
    """
    match = _ASSIGNMENT.fullmatch(line)
    name, rest = (match["name"], match["rest"]) if match else (None, line)
    return name, "\n".join(part for part in (rest.strip(), cell) if part)


def _magic_for(ipython: InteractiveShell) -> Callable[[str, str | None], Result | None]:
    from IPython.core.magic import no_var_expand  # noqa: PLC0415 - IPython may be missing

    @no_var_expand  # otherwise IPython replaces $name in the SQL by its value
    def run(line: str, cell: str | None = None) -> Result | None:
        """Query the tape: `%tape SELECT ...`, `%tape name << SELECT ...`, or a whole cell with `%%tape`."""
        name, query = split(line, cell)
        if not query.strip():
            message = "The query is empty."
            raise errors.TapeError(message, hint="For example: %tape SELECT * FROM generations LIMIT 5.")
        namespace: dict[str, Any] = ipython.user_ns
        result = tape.sql(query, namespace)
        if name is None:
            return result
        namespace[name] = result
        return None

    return run
