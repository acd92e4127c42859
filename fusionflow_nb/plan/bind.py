"""Giving a job its inputs: which items of which upstream jobs, and the content key they make."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset, Series, Value, json_digest
from fusionflow_nb.plan import axes as axes_of
from fusionflow_nb.plan.job import Bound, Job, Link
from fusionflow_nb.plan.keys import constant_parts, content_key, key_part, key_tail
from fusionflow_nb.plan.prepare import COMMON, check_model, task_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fusionflow_nb.media.values import Item, PortValue
    from fusionflow_nb.plan.prepare import Models


def bind(job: Job, models: Models) -> bool:
    """Give a job whose upstream has ended its inputs and its key. False: an input it needs is a hole.

    Raises:
        PortError: an upstream result does not fit the port (a model that gives no depth, text where a number belongs).
        ModelError: a model that arrived over an edge does not exist or lacks a setting.
    """
    node = job.node
    prepared = node.prepared
    assert prepared is not None  # noqa: S101 - jobs exist for prepared nodes only
    media: dict[str, Any] = {}
    values = dict(prepared.params)
    parts = prepared.parts
    job.digests = []
    if node.links:
        parts = dict(parts)
        for name, links in itertools.groupby(node.links, key=lambda link: link.port.name):
            links_of = list(links)
            port_type = links_of[0].port.type
            received = _received(job, links_of)
            if received is None:
                return False
            item, digest = received
            parts[name] = key_part(name, digest)
            _put(name, item, media, values, port_type)
    entry, tail = prepared.entry, prepared.tail
    if node.type is not None and node.type.kind is Kind.PROVIDER:
        if entry is None:
            entry, tail, parts = _model_from_edge(job, values, parts, models)
        elif any(link.port.is_parameter and link.port.name not in COMMON for link in node.links):
            entry.check_settings({k: v for k, v in values.items() if k not in COMMON}, node_id=node.id)
    job.bound = Bound(media, values, entry)
    job.key = content_key([parts[name] for name in sorted(parts)], tail)
    return True


def _received(job: Job, links: list[Link]) -> tuple[Any, str] | None:
    """What a port receives and its digest, by how it collects; None where something it needs is a hole."""
    port = links[0].port
    if port.collects is Collects.NO:
        item = _item(job, links[0])
        return None if item is None else (item, _fit(item, links[0], job))
    if port.collects is Collects.ALL and not any(link.source.out_axes for link in links):
        items = _listed(job, links)
        return None if items is None else (items, _list_digest(items))
    batch = _collected(job, links)
    if len(batch) == 0 or (port.collects is Collects.ALL and batch.holes):
        return None
    return (batch if port.collects is Collects.CELLS else list(batch), _batch_digest(batch, port.collects))


def upstream(link: Link, job: Job) -> Iterator[Job]:
    """The jobs of a link's source that a job waits for."""
    if link.port.collects is Collects.NO:
        source = link.source.jobs.get(tuple(job.labels[at] for at in link.picks))
        if source is not None:
            yield source
        return
    own_axes = len(link.source.axes or ())
    for labels, source in link.source.jobs.items():
        if all(labels[there] == job.labels[here] for there, here in link.shared if there < own_axes):
            yield source


def _item(job: Job, link: Link) -> Item | None:
    """What a mapped port receives; None where there is a hole."""
    source = link.source.jobs.get(tuple(job.labels[at] for at in link.picks))
    if source is None or source.outputs is None:
        return None
    value = _port_value(source, link)
    if isinstance(value, Series):
        label = job.labels[link.series_pick] if link.series_pick is not None else None
        item = dict(zip(value.labels, value.items, strict=True)).get(label) if label is not None else None
    else:
        item = value
    if item is not None:
        job.digests.append((link.port.name, 0, item.digest, source.generation_id))
    return item


def _listed(job: Job, links: list[Link]) -> list[Item] | None:
    """What a list port receives where no source has an axis: one item per edge. None where one is a hole."""
    items: list[Item] = []
    for link in links:
        source = link.source.jobs.get(())
        if source is None or source.outputs is None:
            return None
        item = source.outputs.get(link.source_port) or _port_value(source, link)
        job.digests.append((link.port.name, len(items), _fit(item, link, job), source.generation_id))  # type: ignore[arg-type]
        items.append(item)  # type: ignore[arg-type]
    return items


def _list_digest(items: Iterable[Item]) -> str:
    """Canonical JSON of digests needs no encoder: they are plain ASCII."""
    text = "[" + ",".join([f'"{item.digest}"' for item in items]) + "]"
    return f"json:{hashlib.sha256(text.encode()).hexdigest()}"


def _port_value(source: Job, link: Link) -> PortValue:
    outputs = source.outputs or {}
    value = outputs.get(link.source_port)
    if value is None:
        gives = ", ".join(outputs) or "nothing"
        raise errors.PortError(
            f"{source.node.id} gave no {link.source_port!r} (it gave {gives}).",
            node_id=link.source.id,
            hint="Choose a model that gives it, or connect another output.",
        )
    return value


def _collected(job: Job, links: list[Link]) -> Batch[Item]:
    """Every cell of the sources that lies on the job's own coordinate, holes included."""
    cells: list[Cell[Item]] = []
    axis_names: tuple[str, ...] = ()
    for link in links:
        axes = link.source.out_axes or ()
        free = [at for at in range(len(axes)) if at not in {there for there, _ in link.shared}]
        shown = axes_of.names([axes[at] for at in free])
        own = len(link.source.axes or ())
        fixed = {there: job.labels[here] for there, here in link.shared}
        for picked in itertools.product(
            *((axes[at].labels if at not in fixed else (fixed[at],)) for at in range(len(axes)))
        ):
            source = link.source.jobs.get(picked[:own])
            labels = tuple((name, picked[at]) for name, at in zip(shown, free, strict=True))
            if len(links) > 1:
                labels = (("input", link.source.id), *labels)
            item: Item | None = None
            note = "missing"
            if source is not None and source.outputs is not None:
                value = _port_value(source, link)
                if isinstance(value, Series):
                    item = dict(zip(value.labels, value.items, strict=True)).get(picked[own])
                else:
                    item = value
            elif source is not None and source.error is not None:
                note = getattr(source.error, "root_code", source.error.code)
            if item is not None:
                note = ""
                job.digests.append((link.port.name, len(cells), item.digest, source.generation_id if source else None))
                _fit(item, link, job)
            cells.append(Cell(labels, item, note))
        axis_names = tuple(name for name, _ in cells[-1].labels) if cells else axis_names
    return Batch(axis_names, cells)


def _batch_digest(batch: Batch[Item], collects: Collects) -> str:
    """A list is its items; a batch is its items with their places, so that a hole filled later makes another key."""
    if collects is Collects.ALL:
        return _list_digest(batch)
    laid_out = [
        [list(map(list, c.labels)), c.value.digest if c.value is not None else None, c.note] for c in batch.cells
    ]
    return f"json:{json_digest(laid_out)}"


def _fit(item: Item, link: Link, job: Job) -> str:
    """The item's digest, once it is sure that the port can take it."""
    port = link.port
    if port.type.is_media and not isinstance(item, Asset):
        raise errors.PortError(
            f"{link.source.id} gave a value where {port.name!r} needs {port.type.value}.", node_id=job.node.id
        )
    if isinstance(item, Asset) and not port.type.is_media:
        raise errors.PortError(
            f"{link.source.id} gave {item.media_type} where {port.name!r} needs {port.type.value}.", node_id=job.node.id
        )
    if isinstance(item, Value):
        converted = _converted(item, port.type, link, job)
        return converted.digest
    return item.digest


def _converted(item: Value, port_type: PortType, link: Link, job: Job) -> Value:
    """A value in the form the port wants: numbers may become text; text never becomes a number by itself."""
    data = item.data
    if port_type is PortType.TEXT and not isinstance(data, str):
        if isinstance(data, int | float) and not isinstance(data, bool):
            return Value.of(f"{data:g}" if isinstance(data, float) else str(data))
        message = f"{link.source.id} gave {type(data).__name__} where {link.port.name!r} needs text."
        raise errors.PortError(message, node_id=job.node.id, hint="Choose a column or output that holds text.")
    if port_type is PortType.NUMBER and (isinstance(data, bool) or not isinstance(data, int | float)):
        message = f"{link.source.id} gave {data!r} where {link.port.name!r} needs a number."
        raise errors.PortError(message, node_id=job.node.id, hint="Choose an output that holds numbers.")
    return item


def _put(name: str, item: Any, media: dict[str, Any], values: dict[str, Any], port_type: PortType) -> None:  # noqa: ANN401
    if port_type.is_media:
        media[name] = item
    elif isinstance(item, Value):
        data = item.data
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        values[name] = (
            (f"{data:g}" if isinstance(data, float) else str(data))
            if port_type is PortType.TEXT and is_number
            else data
        )
    elif isinstance(item, Batch):
        values[name] = Batch(item.axes, [Cell(c.labels, c.value.data if c.value else None, c.note) for c in item.cells])
    else:
        values[name] = [one.data for one in item]


def _model_from_edge(
    job: Job, values: dict[str, Any], parts: dict[str, str], models: Models
) -> tuple[Any, str, dict[str, str]]:
    """A model that arrives over an edge (a sweep over models) is pinned and checked here, per job."""
    from fusionflow_nb.plan.prepare import settle_settings  # noqa: PLC0415

    node = job.node
    assert node.type is not None  # noqa: S101 - bound nodes are typed
    connected = frozenset(link.port.name for link in node.links)
    entry = models.resolve(str(values["model"]), node_id=node.id)
    check_model(entry, task_of(node.type, connected), node_id=node.id)
    values["model"] = entry.id
    take = node.take
    settle_settings(values, entry, node, connected=connected)
    keep = {name: part for name, part in parts.items() if name in connected and name != "model"}
    constants = {name: value for name, value in values.items() if name not in connected}
    keep.update(constant_parts(constants, node.type.not_in_key | {"model"}))
    return entry, key_tail(node.type, entry, take), keep
