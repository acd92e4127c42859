"""The tape of one kernel: a private DuckDB in memory, brought up to date before each question.

A .duckdb file cannot be shared between processes, so none is the truth: this one is thrown away with the kernel.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import duckdb

from fusionflow_nb import errors
from fusionflow_nb.tape import guard, schema
from fusionflow_nb.tape.duckdb_errors import translate_errors
from fusionflow_nb.tape.export import export_to
from fusionflow_nb.tape.journal_sync import JournalSync
from fusionflow_nb.tape.lineage import Lineage
from fusionflow_nb.tape.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Our own frames are between the user and DuckDB: it must not mistake our variables for tables.
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


_HARMLESS_LIMIT = 500  # queries remembered; then we begin anew


class Tape:
    """What people query. Any thread may ask; each question has a connection of its own."""

    def __init__(self, journal: Path, *, preview: Callable[[str], bytes | None] | None = None) -> None:
        """Open the tape of a journal file; it is filled at the first question.

        Args:
            journal: the SQLite file of the journal.
            preview: WebP bytes for the sha256 of a picture, or None; used when results are shown.

        Raises:
            TapeError: there is no such journal.
        """
        if not journal.exists():
            message = f"There is no journal at {journal}."
            raise errors.TapeError(message, hint="Generate something first, or check FUSIONFLOW_HOME.")
        self._preview = preview
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._harmless: set[str] = set()
        with translate_errors():
            self._feed = JournalSync(journal)
            self._connection = duckdb.connect(":memory:", config=_SETTINGS)
            schema.create(self._connection)
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")  # in every cursor, so that now() compares with our times
            self._connection.execute("SET lock_configuration = true")
        self._kinship = Lineage(self._connection)

    def close(self) -> None:
        """Let journal and memory go. Results that were given out stay usable."""
        with self._lock:
            self._feed.close()
            self._connection.close()

    def refresh(self) -> None:
        """Take in what the journal has got since; cheap if nothing.

        Raises:
            TapeError: the journal cannot be read.
        """
        if os.getpid() != self._pid:
            message = "This tape was opened before this process was forked."
            raise errors.TapeError(message, hint="Open a session of its own in the child process.")
        with self._lock, translate_errors():
            self._feed.pull(self._connection)

    def sql(
        self,
        query: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        /,
        **named: Any,  # noqa: ANN401 - whatever DuckDB takes
    ) -> Result:
        """The answer to one reading statement, over everything committed by now, in all kernels.

        Args:
            query: DuckDB SQL with `?` or `$name` for values.
            params: their values; a mapping may hold more than the query names.
            named: values for `$name`, beside or over those of a mapping.

        Raises:
            TapeError: the query is wrong (in DuckDB's words), or is not a read.
        """
        self.refresh()
        with translate_errors():
            cursor = self._connection.cursor()
            statement = guard.only_read(cursor, query)
            values = guard.params_for(statement, {**dict(params or {}), **named} if named else params)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            self._refuse_file_writes(cursor, statement.query, values)
            if statement.type == duckdb.StatementType.EXPLAIN:
                return self._explained(cursor, statement.query, values)
            # A temporary table of this cursor alone: typed, and kept for as long as somebody holds the result.
            cursor.execute("CREATE TEMPORARY TABLE this_result AS " + statement.query, values)
            cursor.execute("COMMIT")
            return Result(cursor, preview=self._preview)

    def export(self, path: str | Path) -> Path:
        """Write everything to `x.duckdb`, or the generations to `x.parquet`; whole or not at all; returns the path.

        Raises:
            TapeError: another suffix, or the file cannot be written.
        """
        self.refresh()
        with translate_errors():
            return export_to(self._connection.cursor(), path)

    def lineage(self, generation_id: str) -> Result:
        """What a generation was made of (`step` < 0) and what was made of it (`step` > 0), nearest first.

        Raises:
            TapeError: there is no such generation.
        """
        self.refresh()
        with self._lock, translate_errors():
            cursor = self._connection.cursor()
            if not cursor.execute("SELECT 1 FROM generations WHERE id = ?", [generation_id]).fetchall():
                message = f"There is no generation {generation_id}."
                raise errors.TapeError(message, hint="Ids are in the column generations.id.")
            before, after = self._kinship.ancestors(generation_id), self._kinship.descendants(generation_id)
            steps = [*before, (0, generation_id), *after]
            _fill_with_steps(cursor, steps)
            return Result(cursor, preview=self._preview)

    def ancestors(self, generation_id: str) -> list[str]:
        """Ids of all that a generation was made of, nearest first; each once, also where paths meet."""
        self.refresh()
        with self._lock, translate_errors():
            return [found for _, found in self._kinship.ancestors(generation_id)]

    def descendants(self, generation_id: str) -> list[str]:
        """Ids of all that was made of a generation, nearest first; each once, also where paths meet."""
        self.refresh()
        with self._lock, translate_errors():
            return [found for _, found in self._kinship.descendants(generation_id)]

    def _refuse_file_writes(self, cursor: duckdb.DuckDBPyConnection, query: str, values: guard.Params) -> None:
        """Plan each text once: nobody changes the tables, so only values could make another plan of it."""
        if not values and query in self._harmless:
            return
        guard.refuse_file_writes(cursor, query, values)
        if not values:
            if len(self._harmless) >= _HARMLESS_LIMIT:
                self._harmless.clear()
            self._harmless.add(query)

    def _explained(self, cursor: duckdb.DuckDBPyConnection, query: str, values: guard.Params) -> Result:
        rows = cursor.execute(query, values).fetchall()
        cursor.execute("COMMIT")
        cursor.execute("CREATE TEMPORARY TABLE this_result (explain_key VARCHAR, explain_value VARCHAR)")
        cursor.executemany("INSERT INTO this_result VALUES (?, ?)", rows)
        return Result(cursor, preview=None)


def _fill_with_steps(cursor: duckdb.DuckDBPyConnection, steps: list[tuple[int, str]]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE steps AS SELECT unnest(?::INTEGER[]) AS step, unnest(?::VARCHAR[]) AS id",
        [[step for step, _ in steps], [found for _, found in steps]],
    )
    cursor.execute("""
        CREATE TEMPORARY TABLE this_result AS
        SELECT step, id, node_id, node_type, model, status, prompt_snapshot, output_url, cost_computation, finished_at
        FROM steps LEFT JOIN generations USING (id) ORDER BY step, id
        """)
