"""Appending to `events`, and the two look-up tables derived from a generation: `results` and `shown`.

All functions run inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb.journal import codec

if TYPE_CHECKING:
    import sqlite3

    from fusionflow_nb.journal.protocol import NodeResult
    from fusionflow_nb.journal.records import Coordinate, Generation

SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes an event and when. Writing an event with a known `event_id` has no effect."""

    event_id: str
    at_us: int
    kernel_id: str


def append(cursor: sqlite3.Cursor, stamp: Stamp, kind: str, entity_id: str, payload: str) -> int | None:
    """Append one event and return its seq, or None if an event with this id exists."""
    cursor.execute(
        """
        INSERT INTO events (event_id, at_us, kernel_id, kind, entity_id, version, payload)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING
        """,
        (stamp.event_id, stamp.at_us, stamp.kernel_id, kind, entity_id, codec.VERSION, payload),
    )
    return cursor.lastrowid if cursor.rowcount else None


def log_generation(cursor: sqlite3.Cursor, stamp: Stamp, generation: Generation, payload: str) -> int | None:
    """Append a generation; if it succeeded, store it as the result of its content key and of its node."""
    seq = append(cursor, stamp, "generation", generation.id, payload)
    if seq is not None and generation.status == SUCCEEDED and generation.outputs is not None:
        _store_success(cursor, generation)
    return seq


def record_project(cursor: sqlite3.Cursor, stamp: Stamp, project_id: str, payload: str) -> None:
    """Log a flow, unless it equals its last logged state."""
    digest = hashlib.sha256(payload.encode()).hexdigest()
    cursor.execute(
        """
        INSERT INTO projects (project_id, digest) VALUES (?, ?)
        ON CONFLICT (project_id) DO UPDATE SET digest = excluded.digest WHERE digest <> excluded.digest
        """,
        (project_id, digest),
    )
    if cursor.rowcount:
        append(cursor, stamp, "project", project_id, payload)


def store_result(cursor: sqlite3.Cursor, content_key: bytes, generation_id: str, outputs: str) -> None:
    """Store a generation as the result of a content key, replacing an earlier result."""
    cursor.execute(
        """
        INSERT INTO results (content_key, generation_id, outputs) VALUES (?, ?, ?)
        ON CONFLICT (content_key) DO UPDATE SET generation_id = excluded.generation_id, outputs = excluded.outputs
        """,
        (content_key, generation_id, outputs),
    )


def store_node_result(
    cursor: sqlite3.Cursor, project_id: str, node_id: str, coordinate: Coordinate, result: NodeResult
) -> None:
    """Store the result that a node shows now."""
    row = (result.generation_id, result.content_key, codec.outputs_text(result.outputs), result.ingredients)
    _write_node_result(cursor, project_id, node_id, coordinate, row)


def _store_success(cursor: sqlite3.Cursor, generation: Generation) -> None:
    if generation.content_key is None or generation.outputs is None:
        return
    outputs = codec.outputs_text(generation.outputs)
    store_result(cursor, generation.content_key, generation.id, outputs)
    row = (generation.id, generation.content_key, outputs, generation.ingredients or {})
    _write_node_result(cursor, generation.project_id, generation.node_id, generation.coordinate, row)


def _write_node_result(
    cursor: sqlite3.Cursor,
    project_id: str,
    node_id: str,
    coordinate: Coordinate,
    row: tuple[str, bytes, str, dict[str, Any]],
) -> None:
    generation_id, content_key, outputs, ingredients = row
    cursor.execute(
        """
        INSERT INTO shown (project_id, node_id, coordinate, generation_id, content_key, outputs, ingredients)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (project_id, node_id, coordinate) DO UPDATE SET
            generation_id = excluded.generation_id, content_key = excluded.content_key,
            outputs = excluded.outputs, ingredients = excluded.ingredients
        """,
        (
            project_id,
            node_id,
            codec.coordinate_text(coordinate),
            generation_id,
            content_key,
            outputs,
            codec.dumps(ingredients),
        ),
    )
