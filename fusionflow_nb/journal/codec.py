"""Records to JSON and back. Events, drafts and the outbox share one form, which omits `None` and empty fields."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from fusionflow_nb.journal import messages
from fusionflow_nb.journal.records import Coordinate, Generation, InputRecord, ProjectRecord, RunRecord
from fusionflow_nb.media.values import Outputs, outputs_from_json, outputs_to_json

VERSION = 1
"""Version of the payloads, stored with each event."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)

_PLAIN = tuple(
    field.name
    for field in fields(Generation)
    if field.name
    not in {"content_key", "coordinate", "outputs", "inputs", "settings_snapshot", "take", "cost_is_exact"}
)


def dumps(data: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return compact, valid JSON text.

    A setting that JSON cannot represent must not lose a paid result: such values are written as their text, NaN and
    infinities as strings, and lone surrogates as `?`.

    Raises:
        JournalError: the value contains itself.
    """
    try:
        text = _ENCODER.encode(data)
    except (TypeError, ValueError, RecursionError):
        try:
            text = json.dumps(_json_safe(data), ensure_ascii=False, separators=(",", ":"))
        except RecursionError as error:
            raise messages.not_json() from error
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def generation_to_json(generation: Generation) -> dict[str, Any]:
    """Return the stored form of a generation."""
    data = {name: value for name in _PLAIN if (value := getattr(generation, name)) is not None}
    if generation.content_key is not None:
        data["content_key"] = generation.content_key.hex()
    if generation.settings_snapshot:
        data["settings_snapshot"] = generation.settings_snapshot
    if generation.take:
        data["take"] = generation.take
    if generation.coordinate:
        data["coordinate"] = generation.coordinate
    if generation.outputs is not None:
        data["outputs"] = outputs_to_json(generation.outputs)
    if generation.inputs:
        data["inputs"] = [_input_to_json(entry) for entry in generation.inputs]
    if generation.cost_is_exact:
        data["cost_is_exact"] = True
    return data


def generation_from_json(data: dict[str, Any]) -> Generation:
    """Return the generation of a stored form."""
    plain: dict[str, Any] = {name: data.get(name) for name in _PLAIN}
    content_key = data.get("content_key")
    outputs = data.get("outputs")
    return Generation(
        **plain,
        content_key=None if content_key is None else bytes.fromhex(content_key),
        settings_snapshot=data.get("settings_snapshot", {}),
        take=data.get("take", 0),
        coordinate=coordinate_from_json(data.get("coordinate", [])),
        outputs=None if outputs is None else outputs_from_json(outputs),
        inputs=tuple(InputRecord(**entry) for entry in data.get("inputs", ())),
        cost_is_exact=data.get("cost_is_exact", False),
    )


def run_to_json(run: RunRecord) -> dict[str, Any]:
    """Return the stored form of a run."""
    return {
        "id": run.id,
        "project_id": run.project_id,
        "user": run.user,
        "status": run.status,
        "started_at_us": run.started_at_us,
        "finished_at_us": run.finished_at_us,
        "flow_hash": run.flow_hash,
        "targets": list(run.targets),
        "jobs": [
            {
                "node_id": job.node_id,
                "coordinate": job.coordinate,
                "state": job.state,
                "generation_id": job.generation_id,
            }
            for job in run.jobs
        ],
        "cost_micro_usd": run.cost_micro_usd,
    }


def project_to_json(project: ProjectRecord) -> dict[str, Any]:
    """Return the stored form of a project."""
    return {
        "id": project.id,
        "name": project.name,
        "graph_state": project.graph_state,
        "variables": project.variables,
    }


def project_from_json(data: dict[str, Any]) -> ProjectRecord:
    """Return the project of a stored form."""
    return ProjectRecord(data["id"], data["name"], data["graph_state"], data["variables"])


def outputs_text(outputs: Outputs) -> str:
    """Return outputs as JSON text, the form of the look-up tables."""
    return dumps(outputs_to_json(outputs))


def coordinate_text(coordinate: Coordinate) -> str:
    """Return the text of a coordinate, for use as a key.

    >>> coordinate_text((("prompt", "a"),))
    '[["prompt","a"]]'
    """
    return dumps(coordinate)


def coordinate_from_json(data: list[list[str]]) -> Coordinate:
    """Return the coordinate of a stored form."""
    return tuple((axis, label) for axis, label in data)


def _input_to_json(entry: InputRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"port": entry.port, "index": entry.index, "digest": entry.digest}
    if entry.source_generation_id is not None:
        data["source_generation_id"] = entry.source_generation_id
    return data


def _json_safe(value: Any) -> Any:  # noqa: ANN401 - any value a user may have put into a setting
    if isinstance(value, dict):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return str(value)
