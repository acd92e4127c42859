"""Translation of DuckDB, SQLite and operating system errors to TapeError."""

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
    """Raise TapeError for errors in the block; DuckDB's messages are passed on unchanged."""
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
        message = f"A value of this result cannot be converted to Python: {error}."
        raise errors.TapeError(message, hint="Cast its column to text: SELECT x::VARCHAR.") from None
    except OSError as error:
        message = f"The tape could not write a temporary file: {error}."
        raise errors.TapeError(message, hint="Free disk space and run the query again.") from error
