"""What goes wrong in DuckDB or under it, as errors of the tape."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translate_errors() -> Iterator[None]:
    """What DuckDB says about a query is for the reader; what else goes wrong is said plainly."""
    try:
        yield
    except duckdb.Error as error:
        raise errors.TapeError(str(error).strip()) from None
    except sqlite3.Error as error:
        message = f"The journal could not be read: {error}."
        raise errors.TapeError(message, hint="Run `fusionflow doctor`.") from error
    except ImportError as error:
        message = f"A value of this result needs a package that is not installed: {error}."
        raise errors.TapeError(message, hint="Install it, or cast the column: SELECT x::VARCHAR.") from None
    except OverflowError as error:
        message = f"A value of this result is none that Python has: {error}."
        raise errors.TapeError(message, hint="Cast its column to text: SELECT x::VARCHAR.") from None
    except OSError as error:
        message = f"The tape needs a temporary file, or could not write one: {error}."
        raise errors.TapeError(message, hint="Make room on the disk and ask again.") from error
