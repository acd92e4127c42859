"""The journal's tables, as a list of steps that is only ever appended to: a released step is never edited.

`PRAGMA user_version` is the number of steps a file has been through; all missing ones run in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


def _step_1_events(cursor: sqlite3.Cursor) -> None:
    """What happened, append-only: the only table the tape reads.

    AUTOINCREMENT never reuses a number, and there is one writer at a time, so `seq` order is commit order and
    a reader that asks for `seq > the last one I saw` misses nothing.
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
    """Provider calls and who holds them. Two open jobs with one content key cannot exist: the index is the law.

    `ended_seq` points at the event that says how the job ended.
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
    """What is known by content key, and what each node last showed: each answered by one read."""
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
    """What jobs hold of each cap and what they cost: one row per job and scope, integer micro-dollars.

    `state` is `reserved`, `settled` or `at_stake` (nobody knows); `day` is the UTC day of the claim, because an
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
    """Who waits for whose job; what is left of a service's shared rate; which uploads are on their way."""
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
    """The digest of each project as last logged, so that an unchanged flow is written once."""
    cursor.execute("CREATE TABLE projects (project_id TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID")


def _step_7_generations_by_id(cursor: sqlite3.Cursor) -> None:
    """A generation by its id (a kept result, a restore), and the states of a project by theirs.

    Both partial, and new ids come last: an insert only ever touches the end.
    """
    cursor.execute("CREATE INDEX generations_by_id ON events (entity_id) WHERE kind = 'generation'")
    cursor.execute("CREATE INDEX projects_by_id ON events (entity_id, seq) WHERE kind = 'project'")


def _step_8_shared(cursor: sqlite3.Cursor) -> None:
    """What all kernels of a user go by together, and the notebook that a job was begun in, for whoever brings it home.

    Together: caps (NULL: none), how long a service asked to be left alone, and which calls it works on.
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
    """How many steps the file has been through; 0 for an empty one."""
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(cursor: sqlite3.Cursor) -> None:
    """Run the missing steps. The caller holds the turnstile and an open write transaction."""
    for step in STEPS[version_of(cursor) :]:
        step(cursor)
    cursor.execute(f"PRAGMA user_version = {len(STEPS)}")  # a pragma takes no parameters; the number is ours
