"""The tape of one kernel: an in-memory DuckDB database, synchronised with the journal before each query.

It is not stored: a .duckdb file cannot be shared between processes.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import duckdb

from fusionflow_nb import errors
from fusionflow_nb.tape import guard, schema
from fusionflow_nb.tape.duckdb_errors import translate_errors
from fusionflow_nb.tape.exporter import export_to
from fusionflow_nb.tape.journal_sync import JournalSync
from fusionflow_nb.tape.lineage_graph import Lineage
from fusionflow_nb.tape.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # DuckDB would otherwise look up unknown tables among the local variables of this module.
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


_CHECKED_LIMIT = 500  # cached query texts; then the cache is cleared


class Tape:
    """SQL over the journal. Thread-safe: each query has its own connection."""

    def __init__(self, journal: Path, *, preview: Callable[[str], bytes | None] | None = None) -> None:
        """Open the tape of a journal file; the first query loads the events.

        Args:
            journal: the SQLite file of the journal.
            preview: WebP bytes for the sha256 of a picture, or None; used when results are shown.

        Raises:
            TapeError: the journal does not exist.
        """
        if not journal.exists():
            message = f"There is no journal at {journal}."
            raise errors.TapeError(message, hint="Generate something first, or check FUSIONFLOW_HOME.")
        self._preview = preview
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._checked: set[str] = set()
        with translate_errors():
            self._journal_sync = JournalSync(journal)
            self._connection = duckdb.connect(":memory:", config=_SETTINGS)
            schema.create(self._connection)
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")  # in every cursor: the tape's times are UTC
            self._connection.execute("SET lock_configuration = true")
        self._lineage = Lineage(self._connection)

    def close(self) -> None:
        """Close the journal and the database. Existing results stay usable."""
        with self._lock:
            self._journal_sync.close()
            self._connection.close()

    def refresh(self) -> None:
        """Load new events of the journal; fast without new events.

        Raises:
            TapeError: the journal cannot be read.
        """
        if os.getpid() != self._pid:
            message = "This tape was opened before the process was forked."
            raise errors.TapeError(message, hint="Open a new session in the child process.")
        with self._lock, translate_errors():
            self._journal_sync.pull(self._connection)

    def sql(
        self,
        query: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        /,
        **named: Any,  # noqa: ANN401 - any value that DuckDB accepts
    ) -> Result:
        """Run one read-only statement over all committed events of all kernels.

        Args:
            query: DuckDB SQL with `?` or `$name` for values.
            params: their values; names that the query does not use are ignored.
            named: values for `$name`; they override `params`.

        Raises:
            TapeError: the query is invalid (with DuckDB's message), or is not a read.
        """
        self.refresh()
        with translate_errors():
            cursor = self._connection.cursor()
            statement = guard.only_read(cursor, query)
            values = guard.params_for(statement, {**dict(params or {}), **named} if named else params)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            self._refuse_file_writes(cursor, statement.query, values)
            if statement.type == duckdb.StatementType.EXPLAIN:
                return self._run_explain(cursor, statement.query, values)
            # A temporary table of this cursor keeps the types, and lives as long as the result.
            cursor.execute("CREATE TEMPORARY TABLE this_result AS " + statement.query, values)
            cursor.execute("COMMIT")
            return Result(cursor, preview=self._preview)

    def export(self, path: str | Path) -> Path:
        """Export all tables to `x.duckdb`, or the generations to `x.parquet`; atomic; returns the path.

        Raises:
            TapeError: the suffix is not supported, or the file cannot be written.
        """
        self.refresh()
        with translate_errors():
            return export_to(self._connection.cursor(), path)

    def lineage(self, generation_id: str) -> Result:
        """Return the ancestors (`step` < 0) and descendants (`step` > 0) of a generation, ordered by step.

        Raises:
            TapeError: there is no such generation.
        """
        self.refresh()
        with self._lock, translate_errors():
            cursor = self._connection.cursor()
            if not cursor.execute("SELECT 1 FROM generations WHERE id = ?", [generation_id]).fetchall():
                message = f"There is no generation {generation_id}."
                raise errors.TapeError(message, hint="Ids are in the column generations.id.")
            before, after = self._lineage.ancestors(generation_id), self._lineage.descendants(generation_id)
            steps = [*before, (0, generation_id), *after]
            _fill_with_steps(cursor, steps)
            return Result(cursor, preview=self._preview)

    def ancestors(self, generation_id: str) -> list[str]:
        """Return the ids of all ancestors, nearest first, each once."""
        self.refresh()
        with self._lock, translate_errors():
            return [ancestor for _, ancestor in self._lineage.ancestors(generation_id)]

    def descendants(self, generation_id: str) -> list[str]:
        """Return the ids of all descendants, nearest first, each once."""
        self.refresh()
        with self._lock, translate_errors():
            return [descendant for _, descendant in self._lineage.descendants(generation_id)]

    def _refuse_file_writes(self, cursor: duckdb.DuckDBPyConnection, query: str, values: guard.Params) -> None:
        """Check each query text without values once: the tables do not change, so its plan stays the same."""
        if not values and query in self._checked:
            return
        guard.refuse_file_writes(cursor, query, values)
        if not values:
            if len(self._checked) >= _CHECKED_LIMIT:
                self._checked.clear()
            self._checked.add(query)

    def _run_explain(self, cursor: duckdb.DuckDBPyConnection, query: str, values: guard.Params) -> Result:
        rows = cursor.execute(query, values).fetchall()
        cursor.execute("COMMIT")
        cursor.execute("CREATE TEMPORARY TABLE this_result (explain_key VARCHAR, explain_value VARCHAR)")
        cursor.executemany("INSERT INTO this_result VALUES (?, ?)", rows)
        return Result(cursor, preview=None)


def _fill_with_steps(cursor: duckdb.DuckDBPyConnection, steps: list[tuple[int, str]]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE steps AS SELECT unnest(?::INTEGER[]) AS step, unnest(?::VARCHAR[]) AS id",
        [[step for step, _ in steps], [step_id for _, step_id in steps]],
    )
    cursor.execute("""
        CREATE TEMPORARY TABLE this_result AS
        SELECT step, id, node_id, node_type, model, status, prompt_snapshot, output_url, cost_computation, finished_at
        FROM steps LEFT JOIN generations USING (id) ORDER BY step, id
        """)
