"""The tape as views show it: frames of the filmstrip, and how one generation was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors, session
from fusionflow_nb.canvas.shown import Shown
from fusionflow_nb.media.values import items_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.journal.records import Generation, InputRecord
    from fusionflow_nb.media.values import Asset, Item

_IN_ALL = """
SELECT count(*), coalesce(sum(cost_computation), 0) FROM generations WHERE project_id = coalesce($project, project_id)
"""
# Ids are UUIDv7 and so sort by time: they decide between frames that ended in the same microsecond.
_NEWEST = """
SELECT id FROM generations
WHERE project_id = coalesce($project, project_id) AND finished_at IS NOT NULL AND status <> 'cancelled'
  AND ($before IS NULL OR (finished_at, id) < (SELECT (finished_at, id) FROM generations WHERE id = $before))
ORDER BY finished_at DESC, id DESC LIMIT $most
"""


class Filmstrip:
    """Reads the tape for one canvas. Its first question opens the tape, which may take a second: ask on a worker.

    Args:
        project_id: of the flow.
        address: where the browser finds bytes: `{url, preview_url}`.
    """

    def __init__(self, project_id: str, address: Callable[[Asset], dict[str, str]]) -> None:
        self._project_id = project_id
        self._shown = Shown(address)

    def frames(self, of: str, before: str | None = None, *, most: int = 60) -> dict[str, Any]:
        """The newest frames of this flow (`flow`) or of all, and what there is in all.

        Args:
            of: `flow` or `all`.
            before: only frames older than this generation.
            most: how many at most.
        """
        living = session.current()
        project = self._project_id if of == "flow" else None
        [[count, usd]] = living.tape.sql(_IN_ALL, project=project).rows()
        ids = [row[0] for row in living.tape.sql(_NEWEST, project=project, before=before, most=most).rows()]
        found = living.generations(ids)
        frames = [self._frame(found[one]) for one in ids if one in found]
        return {"frames": frames, "generations": count, "cost_micro_usd": round(usd * 1e6)}

    def generation(self, generation_id: str) -> dict[str, Any]:
        """How a generation was made, as it was at that moment.

        Raises:
            TapeError: there is no such generation.
        """
        living = session.current()
        made = living.generations([generation_id]).get(generation_id)
        if made is None:
            raise errors.TapeError(f"There is no generation {generation_id}.", hint="It may be of another machine.")
        sources = living.generations([one.source_generation_id for one in made.inputs if one.source_generation_id])
        names = living.tape.sql("SELECT name FROM projects WHERE id = $id", id=made.project_id).rows()
        return {
            "generation_id": made.id,
            "node_id": made.node_id,
            "node_type": made.node_type,
            "status": made.status,
            "provider": made.provider,
            "model": made.model,
            "prompt": made.prompt_snapshot,
            "seed": made.seed,
            "take": made.take,
            "settings": made.settings_snapshot,
            "coordinate": made.coordinate,
            "cost_micro_usd": made.cost_micro_usd,
            "cost_is_exact": made.cost_is_exact,
            "queued_at_us": made.queued_at_us,
            "started_at_us": made.started_at_us,
            "finished_at_us": made.finished_at_us,
            "flow_name": names[0][0] if names else None,
            "error": _error(made),
            "cells": self._shown.cells(made.outputs or {}, made.coordinate),
            "inputs": [self._input(one, sources) for one in made.inputs],
        }

    def _frame(self, made: Generation) -> dict[str, Any]:
        node_type = session.current().catalog.find(made.node_type)
        cells = self._shown.cells(made.outputs or {}, made.coordinate)
        return {
            "generation_id": made.id,
            "node_id": made.node_id,
            "node_type": made.node_type,
            "title": node_type.title if node_type is not None else made.node_type,
            "state": made.status,
            "cell": cells[0] if cells else None,
            "cost_micro_usd": made.cost_micro_usd or 0,
            "finished_at_us": made.finished_at_us,
        }

    def _input(self, record: InputRecord, sources: dict[str, Generation]) -> dict[str, Any]:
        kind, _, sha256 = record.digest.partition(":")
        source = sources.get(record.source_generation_id or "")
        item = None if source is None else _item(source, record.digest)
        return {
            "port": record.port,
            "index": record.index,
            "sha256": sha256 if kind == "asset" else "",
            "source_generation_id": record.source_generation_id,
            "cell": None if item is None else self._shown.cell(record.port, item, ()),
        }


def _item(source: Generation, digest: str) -> Item | None:
    """What a generation gave under a digest."""
    items = (item for value in (source.outputs or {}).values() for item in items_of(value))
    return next((item for item in items if item.digest == digest), None)


def _error(made: Generation) -> dict[str, Any] | None:
    if made.error_code is None:
        return None
    return {"code": made.error_code, "message": made.error_message or made.error_code, "node_id": made.node_id}
