"""`%%tape` and `%tape`: SQL over what was generated, right in a cell.

    %%tape newest <<
    SELECT prompt_snapshot, output_url FROM generations WHERE model = $model ORDER BY finished_at DESC

`$model` is the notebook's variable of that name; `newest <<` keeps the result in a variable instead of showing it.
Load them with `%load_ext fusionflow_nb.tape.magic`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors, tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from fusionflow_nb.tape.result import Result

_KEEP_IN = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*<<(?P<rest>.*)", re.DOTALL)


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Make `%tape` and `%%tape` known to a shell; IPython calls this."""
    ipython.magics_manager.register_function(_magic_for(ipython), magic_kind="line_cell", magic_name="tape")


def split(line: str, cell: str | None) -> tuple[str | None, str]:
    """The variable to keep the result in, if any, and the query.

    >>> split("best << SELECT 1", None)
    ('best', 'SELECT 1')
    >>> split("", "SELECT 1 << 3")
    (None, 'SELECT 1 << 3')
    """
    kept = _KEEP_IN.fullmatch(line)
    name, rest = (kept["name"], kept["rest"]) if kept else (None, line)
    return name, "\n".join(part for part in (rest.strip(), cell) if part)


def _magic_for(ipython: InteractiveShell) -> Callable[[str, str | None], Result | None]:
    from IPython.core.magic import no_var_expand  # noqa: PLC0415 - only where there is a shell

    @no_var_expand  # else IPython would paste the value of $name into the SQL
    def run(line: str, cell: str | None = None) -> Result | None:
        """Ask the tape: `%tape SELECT ...`, `%tape name << SELECT ...`, or a whole cell with `%%tape`."""
        name, query = split(line, cell)
        if not query.strip():
            message = "There is no query."
            raise errors.TapeError(message, hint="Write one: %tape SELECT * FROM generations LIMIT 5.")
        namespace: dict[str, Any] = ipython.user_ns
        result = tape.sql(query, namespace)
        if name is None:
            return result
        namespace[name] = result
        return None

    return run
