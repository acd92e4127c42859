"""Giving a job its inputs: which items of which upstream jobs, and the content key they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.values import Asset, Item, Value
from fusionflow_nb.plan.collect import batch_digest, batched, listed
from fusionflow_nb.plan.input_checks import fitted, fitted_list
from fusionflow_nb.plan.job import Bound, Digest
from fusionflow_nb.plan.keys import content_key, key_part, key_tail, list_digest
from fusionflow_nb.plan.prepare import COMMON, check_model, key_parts, settle_settings, task_of
from fusionflow_nb.plan.upstream import maker_of, mapped_item

if TYPE_CHECKING:
    from fusionflow_nb.catalog.node_type import InputPort, NodeType
    from fusionflow_nb.plan.job import Job, Link, NodePlan
    from fusionflow_nb.plan.prepare import Models, Prepared
    from fusionflow_nb.providers.model import ModelEntry


def bind(job: Job, models: Models) -> bool:
    """Give a job whose upstream has ended its inputs and its key. False: an input it needs is a hole.

    Raises:
        PortError: an upstream result does not fit the port (a model that gives no depth, text where a number belongs).
        ParameterError: a value that came over an edge is none that the parameter takes.
        ModelError: a model that came over an edge does not exist, or lacks a setting.
    """
    node = job.node
    if node.prepared is None or node.type is None:
        return False
    job.digests = []
    found = bound(job, node.type, node.prepared, models, job.digests)
    if found is None:
        return False
    job.bound, job.key = found
    return True


def bound(
    job: Job, node_type: NodeType, prepared: Prepared, models: Models, digests: list[Digest]
) -> tuple[Bound, bytes] | None:
    """What a job is given, and the key that makes, for its node as it was prepared (with its model, or a fallback).

    Appends to `digests` what is connected. None where an input it needs is a hole; raises what `bind` raises.
    """
    node = job.node
    media: dict[str, Any] = {}
    values, parts = dict(prepared.params), prepared.parts
    entry, tail = prepared.entry, prepared.tail
    if node.inputs:
        parts = dict(parts)
        for port, links in node.inputs:
            if port.name == "model" and entry is not None:
                continue  # a fallback is the model it is
            received = _received(job, node_type, port, links, digests)
            if received is None:
                return None
            given, digest = received
            (media if port.type.is_media else values)[port.name] = given
            if port.name not in node_type.not_in_key:
                parts[port.name] = key_part(port.name, digest)
        if node_type.kind is Kind.PROVIDER:
            entry, tail = _settle(node, node_type, prepared, values, parts, models=models)
    return Bound(media, values, entry), content_key([parts[name] for name in sorted(parts)], tail)


def _received(
    job: Job, node_type: NodeType, port: InputPort, links: list[Link], digests: list[Digest]
) -> tuple[Any, str] | None:
    """What the function is given for a port, and its digest; None where the job cannot run for lack of it."""
    node_id = job.node.id
    if port.collects is Collects.NO:
        found = mapped_item(job, links[0])
        if found is None:
            return None
        item = fitted(found[0], links[0], node_type, node_id=node_id)
        digests.append((port.name, 0, item.digest, maker_of(found[1], found[0])))
        return _plain(item), item.digest
    if port.collects is Collects.ALL:
        items = fitted_list(listed(job, links) or (), port, node_type, node_id=node_id)
        return ([_plain(item) for item in items], list_digest([item.digest for item in items])) if items else None
    batch = batched(job, links)
    cells = [Cell(cell.labels, None if cell.value is None else _plain(cell.value), cell.note) for cell in batch.cells]
    return (Batch(batch.axes, cells), batch_digest(batch)) if len(batch) else None


def _plain(item: Item) -> Any:  # noqa: ANN401 - an asset as it is, a value as data
    return item if isinstance(item, Asset) else item.data


def _settle(
    node: NodePlan,
    node_type: NodeType,
    prepared: Prepared,
    values: dict[str, Any],
    parts: dict[str, str],
    *,
    models: Models,
) -> tuple[ModelEntry | None, str]:
    """Settings that came over edges, checked and in the model's own types, as if they had been typed in.

    Changes `values` and `parts` in place; returns the model and the end of the key.
    """
    over_edges = {name for name in node.connected if name in values and name not in COMMON}
    if prepared.is_settled:
        if over_edges and prepared.entry is not None:
            checked = prepared.entry.check_settings({name: values[name] for name in over_edges}, node_id=node.id)
            values.update(checked)
            parts.update({name: key_part(name, Value.of(value).digest) for name, value in checked.items()})
        return prepared.entry, prepared.tail
    # The model itself, or a dict of settings, came over an edge: what a form settles once is settled for each job.
    task = task_of(node_type, node.connected)
    entry = models.resolve(str(values.get("model") or models.default_for(task)), node_id=node.id)
    check_model(entry, task, node_id=node.id)
    values["model"] = entry.id
    for name in [*over_edges, "model", "settings"]:
        parts.pop(name, None)
    settle_settings(values, entry, node_id=node.id, take=node.take, connected=node.connected)
    constants = {name: value for name, value in values.items() if name not in parts}
    parts.update(key_parts(constants, node_type, entry, frozenset(parts)))
    return entry, key_tail(node_type, entry, node.take)
