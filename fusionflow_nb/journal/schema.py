"""The journal's tables, as a list of migration steps. Append steps only; never edit a released step.

`PRAGMA user_version` is the number of steps applied to a file; all missing steps run in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


def _step_1_events(cursor: sqlite3.Cursor) -> None:
    """Append-only event log: the only table the tape reads.

    AUTOINCREMENT never reuses a number and there is one writer at a time, so `seq` order is commit order: a reader
    that queries `seq > last seq read` misses no event.
    """
    cursor.execute("""
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL UNIQUE,
            at_us INTEGER NOT NULL,
            kernel_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            entity_id TEXT NOT NULL,
            version INTEGER NOT NULL,
            payload TEXT NOT NULL
        )""")


def _step_2_jobs(cursor: sqlite3.Cursor) -> None:
    """Provider calls and their leases. The unique index allows one open job per content key.

    `ended_seq` is the event of the job's end.
    """
    cursor.execute("""
        CREATE TABLE jobs (
            job_id TEXT PRIMARY KEY,
            content_key BLOB NOT NULL,
            state TEXT NOT NULL,
            operation TEXT,
            idempotency_key TEXT NOT NULL,
            kernel_id TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            run_id TEXT NOT NULL,
            project_id TEXT NOT NULL,
            reserve_micro_usd INTEGER NOT NULL,
            claimed_at_us INTEGER NOT NULL,
            draft TEXT NOT NULL,
            ended_seq INTEGER
        ) WITHOUT ROWID""")
    cursor.execute("""
        CREATE UNIQUE INDEX one_open_job_per_key ON jobs (content_key)
        WHERE state IN ('intent', 'accepted', 'unknown')""")


def _step_3_results(cursor: sqlite3.Cursor) -> None:
    """Results by content key, and the result that each node last showed: one read per look-up."""
    cursor.execute("""
        CREATE TABLE results (
            content_key BLOB PRIMARY KEY CHECK (length(content_key) = 32),
            generation_id TEXT NOT NULL,
            outputs TEXT NOT NULL
        ) WITHOUT ROWID""")
    cursor.execute("""
        CREATE TABLE shown (
            project_id TEXT NOT NULL,
            node_id TEXT NOT NULL,
            coordinate TEXT NOT NULL,
            generation_id TEXT NOT NULL,
            content_key BLOB NOT NULL,
            outputs TEXT NOT NULL,
            ingredients TEXT NOT NULL,
            PRIMARY KEY (project_id, node_id, coordinate)
        ) WITHOUT ROWID""")


def _step_4_money(cursor: sqlite3.Cursor) -> None:
    """Reservations and costs of jobs: one row per job and scope, in integer micro-dollars.

    `state` is `reserved`, `settled` or `at_stake` (unknown outcome); `day` is the UTC day of the claim, because an
    `at_stake` row counts against caps on that day only. The index covers the sum over a scope.
    """
    cursor.execute("""
        CREATE TABLE reservations (
            job_id TEXT NOT NULL,
            scope TEXT NOT NULL,
            micro_usd INTEGER NOT NULL,
            state TEXT NOT NULL,
            day TEXT NOT NULL,
            PRIMARY KEY (job_id, scope)
        ) WITHOUT ROWID""")
    cursor.execute("CREATE INDEX reservations_by_scope ON reservations (scope, state, day, micro_usd)")


def _step_5_waiting(cursor: sqlite3.Cursor) -> None:
    """Waiters of held jobs, token buckets of the services, and pending uploads."""
    cursor.execute("""
        CREATE TABLE waiters (
            job_id TEXT NOT NULL,
            waiting_job_id TEXT NOT NULL,
            kernel_id TEXT NOT NULL,
            PRIMARY KEY (job_id, waiting_job_id)
        ) WITHOUT ROWID""")
    cursor.execute("""
        CREATE TABLE buckets (
            name TEXT PRIMARY KEY,
            tokens REAL NOT NULL,
            refilled_at_us INTEGER NOT NULL
        ) WITHOUT ROWID""")
    cursor.execute("""
        CREATE TABLE uploads (
            sha256 TEXT NOT NULL,
            store TEXT NOT NULL,
            state TEXT NOT NULL,
            detail TEXT,
            kernel_id TEXT NOT NULL,
            PRIMARY KEY (sha256, store)
        ) WITHOUT ROWID""")


def _step_6_projects(cursor: sqlite3.Cursor) -> None:
    """The digest of each project's last logged state, so that an unchanged flow is logged once."""
    cursor.execute("CREATE TABLE projects (project_id TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID")


def _step_7_generations_by_id(cursor: sqlite3.Cursor) -> None:
    """Indexes for a generation by its id (locked result, restore) and for the states of a project.

    Both are partial, and new ids sort last, so an insert touches only the end of the index.
    """
    cursor.execute("CREATE INDEX generations_by_id ON events (entity_id) WHERE kind = 'generation'")
    cursor.execute("CREATE INDEX projects_by_id ON events (entity_id, seq) WHERE kind = 'project'")


def _step_8_shared(cursor: sqlite3.Cursor) -> None:
    """State shared by all kernels of a user, and the notebook that started a job.

    Shared: caps (NULL: no cap), blocks requested by services, and slots of running calls.
    """
    cursor.execute("CREATE TABLE budgets (scope TEXT PRIMARY KEY, micro_usd INTEGER) WITHOUT ROWID")
    cursor.execute("ALTER TABLE buckets ADD COLUMN blocked_until_us INTEGER NOT NULL DEFAULT 0")
    cursor.execute("""
        CREATE TABLE slots (
            job_id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            until_us INTEGER NOT NULL
        ) WITHOUT ROWID""")
    cursor.execute("CREATE INDEX slots_by_name ON slots (name)")
    cursor.execute("ALTER TABLE jobs ADD COLUMN notebook TEXT")


STEPS: tuple[Callable[[sqlite3.Cursor], None], ...] = (
    _step_1_events,
    _step_2_jobs,
    _step_3_results,
    _step_4_money,
    _step_5_waiting,
    _step_6_projects,
    _step_7_generations_by_id,
    _step_8_shared,
)


def version_of(cursor: sqlite3.Cursor) -> int:
    """Return the number of steps applied to the file; 0 for an empty file."""
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(cursor: sqlite3.Cursor) -> None:
    """Run the missing steps. The caller holds the commit lock and an open write transaction."""
    for step in STEPS[version_of(cursor) :]:
        step(cursor)
    cursor.execute(f"PRAGMA user_version = {len(STEPS)}")  # a pragma takes no parameters; the value is not user input
