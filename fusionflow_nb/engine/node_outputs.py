"""Convert what a function or service returned to outputs: media are stored, values are kept as values. Blocking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Media
from fusionflow_nb.media.values import Asset, Series, Value, canonical_json
from fusionflow_nb.plan.plan import VARIANT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.catalog.node_type import NodeType, OutputPort
    from fusionflow_nb.media.ports import PortType
    from fusionflow_nb.media.values import Item, Outputs, PortValue
    from fusionflow_nb.providers.protocol import Output

VALUE_BYTES = 16 * 1024 * 1024
"""Limit of one value. Values are rows of the journal, so that a plan needs no files."""


def to_outputs(result: Any, node_type: NodeType, store: AssetStore, *, node_id: str) -> Outputs:  # noqa: ANN401 - user code's
    """The outputs by port for what a node's function returned.

    Raises:
        NodeFailedError: a type that no port can carry; names the supported types.
    """
    ports = node_type.outputs
    if not ports:
        return {}
    if len(ports) > 1 and isinstance(result, dict):
        return {
            port.name: _port(result[port.name], port, store, node_id)
            for port in ports
            if result.get(port.name) is not None
        }
    if len(ports) > 1 and isinstance(result, tuple):
        return {port.name: _port(value, port, store, node_id) for port, value in zip(ports, result, strict=False)}
    return {ports[0].name: _port(result, ports[0], store, node_id)}


def store_provider_outputs(
    results: Sequence[Output], store: AssetStore, *, recipe: str | None, is_series: bool
) -> Outputs:
    """Store the outputs of a service, by port; downloaded files are deleted once all are stored.

    Args:
        results: the service's outputs.
        store: receives the bytes.
        recipe: recorded with the bytes: the content key as hex.
        is_series: whether each port carries a series along the axis `variant`.
    """
    by_port: dict[str, list[Asset]] = {}
    for result in results:
        asset = store.put(result.content, media_type=result.media_type, recipe=recipe)
        by_port.setdefault(result.port, []).append(asset)
    for result in results:
        if isinstance(result.content, Path):
            result.content.unlink(missing_ok=True)
    outputs: Outputs = {}
    for port, assets in by_port.items():
        labels = tuple(str(index + 1) for index in range(len(assets)))
        outputs[port] = Series(VARIANT, labels, tuple(assets)) if is_series else assets[0]
    return outputs


def first_asset(outputs: Outputs) -> Asset | None:
    """The first item of the first port, if it is an asset."""
    value = next(iter(outputs.values()), None)
    item = value.items[0] if isinstance(value, Series) else value
    return item if isinstance(item, Asset) else None


def _port(result: Any, port: OutputPort, store: AssetStore, node_id: str) -> PortValue:  # noqa: ANN401
    if isinstance(result, Series):
        return result
    if port.is_series:
        labelled = _labelled(result)
        if labelled is None:
            raise errors.NodeFailedError(
                f"The node returned {type(result).__name__} instead of a list or dict of {port.type.value}s.",
                node_id=node_id,
            )
        items = tuple(item_of(value, port.type, store, node_id=node_id) for value in labelled.values())
        return Series("item", tuple(labelled), items)
    return item_of(result, port.type, store, node_id=node_id)


def _labelled(result: Any) -> Mapping[str, Any] | None:  # noqa: ANN401
    if isinstance(result, dict):
        return {str(label): value for label, value in result.items()}
    if isinstance(result, Batch):
        return {
            " ".join(label for _, label in cell.labels): cell.value for cell in result.cells if cell.value is not None
        }
    if isinstance(result, list | tuple):
        return {str(index + 1): value for index, value in enumerate(result)}
    return None


def item_of(result: Any, port_type: PortType, store: AssetStore, *, node_id: str) -> Item:  # noqa: ANN401
    """The asset or value for one returned object.

    Raises:
        NodeFailedError: no port can carry it.
    """
    if isinstance(result, Media):
        result = result.asset
    if isinstance(result, Asset | Value):
        return result
    if not port_type.is_media:
        return _value(result, node_id)
    if isinstance(result, bytes):
        return store.put(result)
    if isinstance(result, str | os.PathLike):
        return store.put(Path(result))
    encoded = _encoded_picture(result)
    if encoded is None:
        raise errors.NodeFailedError(
            f"The node returned {type(result).__name__}, which is not convertible to {port_type.value}.",
            node_id=node_id,
            hint="Return an ff.Image (or other handle), a PIL image, a uint8 array of shape (height, width, 3 or 4), "
            "a path or bytes.",
        )
    return store.put(encoded, media_type="image/png")


def _encoded_picture(result: Any) -> bytes | None:  # noqa: ANN401
    import numpy as np  # noqa: PLC0415 - only when a node returned pixels
    from PIL import Image as Pillow  # noqa: PLC0415

    from fusionflow_nb.media.picture import encode_png, from_array  # noqa: PLC0415

    if isinstance(result, Pillow.Image):
        return encode_png(result)
    return encode_png(from_array(result)) if isinstance(result, np.ndarray) else None


def _value(result: Any, node_id: str) -> Item:  # noqa: ANN401
    if isinstance(result, Batch):
        result = list(result)
    if isinstance(result, tuple):
        result = list(result)
    if not isinstance(result, str | int | float | bool | list | dict | type(None)):
        raise errors.NodeFailedError(
            f"The node returned {type(result).__name__}, which no port can carry.",
            node_id=node_id,
            hint="Return text, a number, a list or a dict, or declare a media type as the return hint.",
        )
    try:
        text = canonical_json(result)
    except errors.MediaError as error:
        raise errors.NodeFailedError(error.what, node_id=node_id, hint=error.hint) from error
    if len(text) > VALUE_BYTES:
        raise errors.NodeFailedError(
            f"The node returned a value of {len(text) / 1e6:.0f} MB.",
            node_id=node_id,
            hint="Write it to a file and return the path.",
        )
    return Value.from_text(result, text)
