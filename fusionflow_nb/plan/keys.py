"""Content keys and derived seeds. Two jobs with the same key are the same work.

A key is the sha256 of canonical JSON over the inputs of a job and nothing else:
`{"inputs": {name: digest}, "model": ..., "take": n, "type": {...}}`, where `inputs` holds every parameter and every
connected port by name. A typed-in parameter and the same value over an edge give the same key.
Names, positions, URLs, file names, prices and dates are never part of a key.
"""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring as encode_text
from typing import TYPE_CHECKING, Any

from fusionflow_nb.media.values import Value, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.providers.model import ModelEntry

SEED_BITS = 31


def key_tail(node_type: NodeType, entry: ModelEntry | None, take: int) -> str:
    """The part of the key's JSON that does not depend on inputs; computed once per edit."""
    model = canonical_json({"id": entry.id, "behaviour": entry.behaviour}) if entry is not None else "null"
    return f'}},"model":{model},"take":{take},"type":{node_type.fingerprint_text}}}'


def key_part(name: str, digest: str) -> str:
    """One `"name":"digest"` of the key's JSON."""
    return f'{encode_text(name)}:"{digest}"'


def constant_parts(
    params: dict[str, Any], leave_out: frozenset[str], lists: frozenset[str] = frozenset()
) -> dict[str, str]:
    """The key parts of the typed-in parameters; computed once per edit. None means not set.

    Args:
        params: by name.
        leave_out: names that do not change the result.
        lists: names of `list[...]` ports, whose values are digested per item, as over edges.
    """
    return {
        name: key_part(
            name,
            list_digest([Value.of(item).digest for item in value])
            if name in lists and isinstance(value, list)
            else Value.of(value).digest,
        )
        for name, value in params.items()
        if value is not None and name not in leave_out
    }


def list_digest(digests: Iterable[str]) -> str:
    """The digest of a list for a key. Digests are plain ASCII, so canonical JSON needs no encoder."""
    text = "[" + ",".join([f'"{digest}"' for digest in digests]) + "]"
    return f"json:{hashlib.sha256(text.encode()).hexdigest()}"


def content_key(parts: Iterable[str], tail: str) -> bytes:
    """The key (32 bytes) of parts that are sorted by name."""
    return hashlib.sha256(('{"inputs":{' + ",".join(parts) + tail).encode()).digest()


def derived_seed(*ingredients: Any, maximum: float | None = None) -> int:  # noqa: ANN401 - any JSON value
    """A seed for a call without one: 31 bits of sha256, so that running a cell twice makes the same request.

    Args:
        ingredients: what the seed depends on (a node's id; for a bare call its model, prompt and settings).
        maximum: the largest seed the model accepts.

    >>> derived_seed("generate_image_1") == derived_seed("generate_image_1") < 2**31
    True
    """
    digest = hashlib.sha256(canonical_json(list(ingredients)).encode()).digest()
    seed = int.from_bytes(digest[:4], "big") >> (32 - SEED_BITS)
    return seed if maximum is None or seed <= maximum else seed % (int(maximum) + 1)
