"""Frames of the filmstrip and facts of one generation, read from the tape.

A query takes milliseconds, and the first query loads the tape: call these on a worker thread.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.canvas.node_results import add_asset, add_urls
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fusionflow_nb.canvas import wire
    from fusionflow_nb.tape.query import Tape

    Urls: TypeAlias = Callable[[Asset], Mapping[str, str]]
    Coordinate: TypeAlias = list[list[str]]

# Every row repeats the totals, so that a single query returns both. A frame is a generation that has ended.
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
SELECT generation.id, node_id, node_type, status, provider, model, prompt_snapshot, settings_snapshot, seed,
       coalesce(take, 0) AS take, coordinate, cost_micro_usd, estimate_micro_usd, coalesce(cost_is_exact, FALSE),
       queued_at_us, started_at_us, finished_at_us, error_code, error_message, outputs, inputs,
       project.name, project.graph_state
FROM internal.generations AS generation LEFT JOIN internal.projects AS project ON project.id = generation.project_id
WHERE generation.id = $id
"""
_SOURCES = "SELECT outputs FROM internal.generations WHERE list_contains($ids::VARCHAR[], id)"
_TITLE_CHARS = 80


def tape_facts(tape: Tape, *, project_id: str | None, before: str | None, limit: int, urls: Urls) -> wire.Tape:
    """Frames of the filmstrip, newest first, with the count and cost of all generations.

    Args:
        tape: queried once.
        project_id: id of a flow; None: all flows.
        before: id of a generation; only older frames are returned.
        limit: maximum number of frames.
        urls: returns `{url, preview_url}` of an asset.

    Raises:
        TapeError: the journal cannot be read.
    """
    rows = tape.sql(_FRAMES, project_id=project_id, before=before, limit=limit).rows()
    count, cost = rows[0][:2]
    return {
        "frames": [_frame(row[2:], urls) for row in rows if row[2] is not None],
        "generations": count,
        "cost_micro_usd": cost,
    }


def generation_facts(tape: Tape, generation_id: str, urls: Urls) -> wire.GenerationFacts:
    """Recorded facts of a generation: settings, inputs, outputs, cost.

    Raises:
        TapeError: there is no such generation, or the journal cannot be read.
    """
    rows = tape.sql(_GENERATION, id=generation_id).rows()
    if not rows:
        raise errors.TapeError(f"There is no generation {generation_id}.", hint="Reload the filmstrip.")
    node_id, node_type, status, provider, model, prompt, settings, seed, take, coordinate, cost, estimate = rows[0][
        1:13
    ]
    is_exact, queued, started, finished, code, message, outputs, inputs, flow_name, graph = rows[0][13:]
    return {
        "generation_id": generation_id,
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
        "cells": [_cell(*item, urls) for item in _items(outputs, coordinate or [])],
        "inputs": _inputs(tape, inputs or [], graph, urls),
    }


def _frame(row: tuple[Any, ...], urls: Urls) -> wire.TapeFrame:
    generation_id, node_id, node_type, prompt, status, outputs, coordinate, cost, _code, at_us, is_exact = row
    first = next(_items(outputs, coordinate or []), None)
    title = " ".join((prompt or "").split()) or node_id
    return {
        "generation_id": generation_id,
        "node_id": node_id,
        "node_type": node_type,
        "title": title if len(title) <= _TITLE_CHARS else f"{title[: _TITLE_CHARS - 1]}…",
        "state": status,
        "cell": None if first is None else _cell(*first, urls),
        "cost_micro_usd": cost,
        "cost_is_exact": is_exact,
        "finished_at_us": at_us,
    }


def _items(
    outputs: dict[str, dict[str, Any]] | None, coordinate: Coordinate
) -> Iterator[tuple[str, Coordinate, dict[str, Any]]]:
    """(port, coordinate, item) of every output of a generation, and of every item of a series."""
    for port, output in (outputs or {}).items():
        if output["items"] is None:
            yield port, coordinate, output
        else:
            for label, item in zip(output["labels"], output["items"], strict=True):
                yield port, [*coordinate, [output["axis"], label]], item


def _cell(port: str, coordinate: Coordinate, item: dict[str, Any], urls: Urls) -> wire.ResultCell:
    """A cell: media by URL, values inline."""
    cell: wire.ResultCell = {"port": port, "coordinate": coordinate}
    if item["asset"] is None:
        cell["value"] = None if item["value"] is None else json.loads(item["value"])
        return cell
    asset = Asset.from_json(item["asset"])
    add_asset(cell, asset)
    with contextlib.suppress(errors.FusionFlowError):  # no server can serve it: the view describes it
        add_urls(cell, urls(asset))
    return cell


def _inputs(tape: Tape, inputs: list[dict[str, Any]], graph: str | None, urls: Urls) -> list[wire.GenerationInput]:
    """Media inputs of a generation: outputs of earlier generations, or files of the flow itself."""
    media = [entry for entry in inputs if entry["digest"].startswith("asset:")]
    if not media:
        return []
    sources = sorted({entry["source_generation_id"] for entry in media if entry["source_generation_id"]})
    items: dict[str, dict[str, Any]] = dict(_files_in(graph))
    for (outputs,) in tape.sql(_SOURCES, ids=sources).rows() if sources else ():
        items.update((item["asset"]["sha256"], item) for _, _, item in _items(outputs, []) if item["asset"])
    facts: list[wire.GenerationInput] = []
    for entry in media:
        sha256 = entry["digest"].removeprefix("asset:")
        item = items.get(sha256)
        facts.append(
            {
                "port": entry["port"],
                "index": entry["index"],
                "sha256": sha256,
                "source_generation_id": entry["source_generation_id"],
                "cell": None if item is None else _cell(entry["port"], [], item, urls),
            }
        )
    return facts


def _files_in(graph: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Assets in the parameters of a flow's nodes: files that the user placed."""
    for node in json.loads(graph or "{}").get("nodes", []):
        asset = node.get("data", {}).get("params", {}).get("asset")
        if isinstance(asset, dict) and {"sha256", "media_type", "size_bytes"} <= asset.keys():
            yield asset["sha256"], {"asset": asset, "value": None}
