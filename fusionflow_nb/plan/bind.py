"""Bind a job: collect its inputs from upstream jobs and compute its content key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.values import Asset, Item, Value
from fusionflow_nb.plan.collect import batch_digest, batch_items, list_items
from fusionflow_nb.plan.input_checks import fit_item, fit_list
from fusionflow_nb.plan.job import Bound, Digest
from fusionflow_nb.plan.keys import content_key, key_part, key_tail, list_digest
from fusionflow_nb.plan.prepare import COMMON, check_model, key_parts, resolve_settings, task_of
from fusionflow_nb.plan.upstream import generation_of, mapped_item

if TYPE_CHECKING:
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.plan.job import Job, Link, NodePlan
    from fusionflow_nb.plan.prepare import Models, Prepared
    from fusionflow_nb.providers.model import ModelEntry


def bind(job: Job, models: Models) -> bool:
    """Set the inputs and the key of a job whose sources have ended. Returns False if a required input is missing.

    Raises:
        PortError: an upstream result does not fit the port (no depth picture, text for a number).
        ParameterError: a value from an edge fails the parameter's validation.
        ModelError: a model name from an edge is unknown, or the model lacks a setting.
    """
    node = job.node
    if node.prepared is None or node.type is None:
        return False
    job.digests = []
    result = bind_inputs(job, node.type, node.prepared, models, job.digests)
    if result is None:
        return False
    job.bound, job.key = result
    return True


def bind_inputs(
    job: Job, node_type: NodeType, prepared: Prepared, models: Models, digests: list[Digest]
) -> tuple[Bound, bytes] | None:
    """The inputs and the key of a job, for one of its node's prepared forms (the main model or a fallback).

    Appends the digests of connected inputs to `digests`. Returns None if a required input is missing; raises like
    `bind`.
    """
    node = job.node
    media: dict[str, Any] = {}
    values, parts = dict(prepared.params), prepared.parts
    entry, tail = prepared.entry, prepared.tail
    if node.inputs:
        parts = dict(parts)
        for port, links in node.inputs:
            if port.name == "model" and entry is not None:
                continue  # a fallback states its own model
            received = _receive(job, node_type, port, links, digests)
            if received is None:
                return None
            value, digest = received
            (media if port.type.is_media else values)[port.name] = value
            if port.name not in node_type.not_in_key:
                parts[port.name] = key_part(port.name, digest)
        if node_type.kind is Kind.PROVIDER:
            entry, tail = _resolve(node, node_type, prepared, values, parts, models=models)
    return Bound(media, values, entry), content_key([parts[name] for name in sorted(parts)], tail)


def _receive(
    job: Job, node_type: NodeType, port: InputPort, links: list[Link], digests: list[Digest]
) -> tuple[Any, str] | None:
    """The value of a port and its digest; None if the job cannot run without it."""
    node_id = job.node.id
    if port.collects is Collects.NO:
        mapped = mapped_item(job, links[0])
        if mapped is None:
            return None
        item = fit_item(mapped[0], links[0], node_type, node_id=node_id)
        digests.append((port.name, 0, item.digest, generation_of(mapped[1], mapped[0])))
        return _plain(item), item.digest
    if port.collects is Collects.ALL:
        items = fit_list(list_items(job, links) or (), port, node_type, node_id=node_id)
        return ([_plain(item) for item in items], list_digest([item.digest for item in items])) if items else None
    batch = batch_items(job, links)
    cells = [Cell(cell.labels, None if cell.value is None else _plain(cell.value), cell.note) for cell in batch.cells]
    return (Batch(batch.axes, cells), batch_digest(batch)) if len(batch) else None


def _plain(item: Item) -> Any:  # noqa: ANN401 - an asset unchanged, a value as data
    return item if isinstance(item, Asset) else item.data


def _resolve(
    node: NodePlan,
    node_type: NodeType,
    prepared: Prepared,
    values: dict[str, Any],
    parts: dict[str, str],
    *,
    models: Models,
) -> tuple[ModelEntry | None, str]:
    """Check settings from edges and convert them to the model's types, like typed-in settings.

    Changes `values` and `parts` in place; returns the model and the tail of the key.
    """
    over_edges = {name for name in node.connected if name in values and name not in COMMON}
    if prepared.is_resolved:
        if over_edges and prepared.entry is not None:
            checked = prepared.entry.check_settings({name: values[name] for name in over_edges}, node_id=node.id)
            values.update(checked)
            parts.update({name: key_part(name, Value.of(value).digest) for name, value in checked.items()})
        return prepared.entry, prepared.tail
    # The model, or a dict of settings, comes over an edge: resolve for each job what is otherwise resolved per edit.
    task = task_of(node_type, node.connected)
    entry = models.resolve(str(values.get("model") or models.default_for(task)), node_id=node.id)
    check_model(entry, task, node_id=node.id)
    values["model"] = entry.id
    for name in [*over_edges, "model", "settings"]:
        parts.pop(name, None)
    resolve_settings(values, entry, node_id=node.id, take=node.take, connected=node.connected)
    constants = {name: value for name, value in values.items() if name not in parts}
    parts.update(key_parts(constants, node_type, entry, frozenset(parts)))
    return entry, key_tail(node_type, entry, node.take)
