"""What the tape tells a view: frames of the filmstrip, and how one generation was made (js/src/wire/run.ts).

Asking the tape costs milliseconds, and the first question fills it: call these on a worker thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fusionflow_nb.tape.query import Tape

    Address: TypeAlias = Callable[[Asset], Mapping[str, str]]
    Coordinate: TypeAlias = list[list[str]]

# Totals stand in every row, so that one question answers all. A frame is a generation that has ended.
_FRAMES = """
WITH ended AS (
    SELECT id, node_id, node_type, prompt_snapshot, status, outputs, coordinate,
           coalesce(cost_micro_usd, 0) AS cost_micro_usd, error_code,
           coalesce(finished_at_us, started_at_us, queued_at_us, 0) AS at_us,
           coalesce(cost_is_exact, FALSE) OR coalesce(cost_micro_usd, 0) = 0 AS is_exact
    FROM internal.generations
    WHERE is_final AND ($project_id IS NULL OR project_id = $project_id)
),
since AS (SELECT at_us, id FROM ended WHERE id = $before),
frames AS (
    SELECT * FROM ended
    WHERE status <> 'cancelled' AND ($before IS NULL OR (at_us, id) < (SELECT (at_us, id) FROM since))
    ORDER BY at_us DESC, id DESC LIMIT $limit
)
SELECT count, cost, frames.* FROM
    (SELECT count(*) AS count, coalesce(sum(cost_micro_usd), 0)::BIGINT AS cost FROM ended) AS totals
    LEFT JOIN frames ON TRUE
ORDER BY at_us DESC, id DESC
"""
_GENERATION = """
SELECT made.id, node_id, node_type, status, provider, model, prompt_snapshot, settings_snapshot, seed,
       coalesce(take, 0) AS take, coordinate, cost_micro_usd, estimate_micro_usd, coalesce(cost_is_exact, FALSE),
       queued_at_us, started_at_us, finished_at_us, error_code, error_message, outputs, inputs,
       project.name, project.graph_state
FROM internal.generations AS made LEFT JOIN internal.projects AS project ON project.id = made.project_id
WHERE made.id = $id
"""
_SOURCES = "SELECT outputs FROM internal.generations WHERE list_contains($ids::VARCHAR[], id)"
_TITLE_CHARS = 80


def tape_facts(
    tape: Tape, *, project_id: str | None, before: str | None, limit: int, address: Address
) -> dict[str, Any]:
    """Frames of the filmstrip, newest first, and count and cost of all there is.

    Args:
        tape: asked once.
        project_id: of a flow; None: everything.
        before: id of a generation: frames older than it.
        limit: frames at most.
        address: `{url, preview_url}` of stored bytes.

    Raises:
        TapeError: the journal cannot be read.
    """
    rows = tape.sql(_FRAMES, project_id=project_id, before=before, limit=limit).rows()
    count, cost = rows[0][:2]
    return {
        "frames": [_frame(row[2:], address) for row in rows if row[2] is not None],
        "generations": count,
        "cost_micro_usd": cost,
    }


def generation_facts(tape: Tape, generation_id: str, address: Address) -> dict[str, Any]:
    """How a generation was made, as it was at that moment.

    Raises:
        TapeError: there is no such generation, or the journal cannot be read.
    """
    rows = tape.sql(_GENERATION, id=generation_id).rows()
    if not rows:
        raise errors.TapeError(f"There is no generation {generation_id}.", hint="Reload the filmstrip.")
    (made, node_id, node_type, status, provider, model, prompt, settings, seed, take, coordinate, cost, estimate) = (
        rows[0][:13]
    )
    is_exact, queued, started, finished, code, message, outputs, inputs, flow_name, graph = rows[0][13:]
    return {
        "generation_id": made,
        "node_id": node_id,
        "node_type": node_type,
        "status": status,
        "provider": provider,
        "model": model,
        "prompt": prompt,
        "seed": seed,
        "take": take,
        "settings": json.loads(settings) if settings else {},
        "coordinate": coordinate or [],
        "cost_micro_usd": estimate if cost is None else cost,
        "cost_is_exact": is_exact,
        "queued_at_us": queued,
        "started_at_us": started,
        "finished_at_us": finished,
        "flow_name": flow_name,
        "error": {"code": code, "message": message or code, "node_id": node_id} if code else None,
        "cells": [_cell(*one, address) for one in _items(outputs, coordinate or [])],
        "inputs": _inputs(tape, inputs or [], graph, address),
    }


def _frame(row: tuple[Any, ...], address: Address) -> dict[str, Any]:
    generation_id, node_id, node_type, prompt, status, outputs, coordinate, cost, _code, at_us, is_exact = row
    first = next(_items(outputs, coordinate or []), None)
    title = " ".join((prompt or "").split()) or node_id
    return {
        "generation_id": generation_id,
        "node_id": node_id,
        "node_type": node_type,
        "title": title if len(title) <= _TITLE_CHARS else f"{title[: _TITLE_CHARS - 1]}…",
        "state": status,
        "cell": None if first is None else _cell(*first, address),
        "cost_micro_usd": cost,
        "cost_is_exact": is_exact,
        "finished_at_us": at_us,
    }


def _items(
    outputs: dict[str, dict[str, Any]] | None, coordinate: Coordinate
) -> Iterator[tuple[str, Coordinate, dict[str, Any]]]:
    """(port, coordinate, item) of all that a generation gave, a series item by item."""
    for port, given in (outputs or {}).items():
        if given["items"] is None:
            yield port, coordinate, given
        else:
            for label, item in zip(given["labels"], given["items"], strict=True):
                yield port, [*coordinate, [given["axis"], label]], item


def _cell(port: str, coordinate: Coordinate, item: dict[str, Any], address: Address) -> dict[str, Any]:
    """An item as views show it: media by address, values as they are."""
    cell: dict[str, Any] = {"port": port, "coordinate": coordinate}
    if item["asset"] is None:
        return {**cell, "value": None if item["value"] is None else json.loads(item["value"])}
    asset = Asset.from_json(item["asset"])
    try:
        return {**cell, **asset.to_json(), **address(asset)}
    except errors.FusionFlowError:  # of a kind that nothing serves: the view says what it is
        return {**cell, **asset.to_json()}


def _inputs(tape: Tape, inputs: list[dict[str, Any]], graph: str | None, address: Address) -> list[dict[str, Any]]:
    """What a generation was made of: media of earlier generations, else files that stand in the flow itself."""
    media = [one for one in inputs if one["digest"].startswith("asset:")]
    if not media:
        return []
    sources = sorted({one["source_generation_id"] for one in media if one["source_generation_id"]})
    known: dict[str, dict[str, Any]] = dict(_files_in(graph))
    for (outputs,) in tape.sql(_SOURCES, ids=sources).rows() if sources else ():
        known.update((item["asset"]["sha256"], item) for _, _, item in _items(outputs, []) if item["asset"])
    told = []
    for one in media:
        sha256 = one["digest"].removeprefix("asset:")
        item = known.get(sha256)
        told.append(
            {
                "port": one["port"],
                "index": one["index"],
                "sha256": sha256,
                "source_generation_id": one["source_generation_id"],
                "cell": None if item is None else _cell(one["port"], [], item, address),
            }
        )
    return told


def _files_in(graph: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Assets that nodes of a flow name in their parameters: pictures, videos and sounds that a person put there."""
    for node in json.loads(graph or "{}").get("nodes", []):
        asset = node.get("data", {}).get("params", {}).get("asset")
        if isinstance(asset, dict) and {"sha256", "media_type", "size_bytes"} <= asset.keys():
            yield asset["sha256"], {"asset": asset, "value": None}
