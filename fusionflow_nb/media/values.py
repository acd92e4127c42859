"""Values of edges: an asset, a JSON value, or a series of them, with their digests.

All results have one of these three forms. `to_json` and `from_json` convert their stored form (in the journal, on the
wire); `digest` is used in content keys and never depends on a URL or a file name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from json.encoder import encode_basestring as encode_text
from typing import Any, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.media import media_types

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Canonical JSON of a value: sorted keys, no spaces, floats by repr.

    Raises:
        MediaError: the value is not JSON, or contains NaN or infinity.

    >>> canonical_json({"b": 1.5, "a": "é"})
    '{"a":"é","b":1.5}'
    """
    if type(value) is str:  # fast path: most values are short texts
        return encode_text(value)
    if type(value) is float and value - value == 0.0:  # finite
        return repr(value)
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        message = f"This value cannot be stored as JSON: {error}."
        raise errors.MediaError(message, hint="Use text, finite numbers, lists and dicts.") from error


def json_digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Hex sha256 of the canonical JSON of a value (64 characters)."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Asset:
    """Immutable bytes, named by their sha256, with properties that are known without opening them."""

    sha256: str
    media_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None

    @property
    def digest(self) -> str:
        """The part that content keys use."""
        return f"asset:{self.sha256}"

    @property
    def store_key(self) -> str:
        """Its key in any store, as on the tape: `assets/ab/<sha256>.<ext>`.

        Raises:
            MediaError: the type is not supported.

        >>> Asset("ab" * 32, "image/png", 3).store_key[:14]
        'assets/ab/abab'
        """
        return f"assets/{media_types.file_name(self.sha256, self.media_type)}"

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "sha256": self.sha256,
            "media_type": self.media_type,
            "size_bytes": self.size_bytes,
            "width": self.width,
            "height": self.height,
            "duration_s": self.duration_s,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Asset:
        """Parse a stored form."""
        return Asset(**{name: data.get(name) for name in Asset.__slots__})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value: text, number, boolean, list or dict."""

    data: Any
    digest: str

    @staticmethod
    def of(data: Any) -> Value:  # noqa: ANN401 - any JSON value
        """Wrap a value and compute its digest.

        >>> Value.of("dawn").digest == Value.of("dawn").digest
        True
        """
        return Value.from_text(data, canonical_json(data))

    @staticmethod
    def from_text(data: Any, text: str) -> Value:  # noqa: ANN401 - any JSON value
        """Wrap a value whose canonical JSON is known."""
        return Value(data, f"json:{hashlib.sha256(text.encode()).hexdigest()}")


Item: TypeAlias = Asset | Value


@dataclass(frozen=True, slots=True)
class Series:
    """Several items along one new axis, each under its label (labels are unique).

    `shared` names an axis that several nodes set explicitly (`axis=`): such series are zipped by label
    instead of multiplied. `None`: the axis belongs to its node.
    """

    axis: str
    labels: tuple[str, ...]
    items: tuple[Item, ...]
    is_shared: bool = False


PortValue: TypeAlias = Asset | Value | Series
Outputs: TypeAlias = dict[str, PortValue]


def item_to_json(item: Item) -> dict[str, Any]:
    """The stored form of one item."""
    return {"asset": item.to_json()} if isinstance(item, Asset) else {"value": item.data}


def item_from_json(data: dict[str, Any]) -> Item:
    """Parse the stored form of an item."""
    return Asset.from_json(data["asset"]) if "asset" in data else Value.of(data["value"])


def outputs_to_json(outputs: Outputs) -> dict[str, Any]:
    """The stored form of a job's outputs, by port."""
    stored: dict[str, Any] = {}
    for port, value in outputs.items():
        if isinstance(value, Series):
            stored[port] = {
                "axis": value.axis,
                "labels": list(value.labels),
                "items": [item_to_json(item) for item in value.items],
                "is_shared": value.is_shared,
            }
        else:
            stored[port] = item_to_json(value)
    return stored


def outputs_from_json(data: dict[str, Any]) -> Outputs:
    """Parse the stored form of a job's outputs."""
    outputs: Outputs = {}
    for port, stored in data.items():
        if "axis" in stored:
            outputs[port] = Series(
                stored["axis"],
                tuple(stored["labels"]),
                tuple(item_from_json(item) for item in stored["items"]),
                is_shared=stored.get("is_shared", False),
            )
        else:
            outputs[port] = item_from_json(stored)
    return outputs


def items_of(value: PortValue) -> tuple[Item, ...]:
    """The items of a port value, in order: one, or those of a series."""
    return value.items if isinstance(value, Series) else (value,)


def assets_of(outputs: Outputs) -> list[Asset]:
    """Every asset among outputs, in port order then series order."""
    return [item for value in outputs.values() for item in items_of(value) if isinstance(item, Asset)]
