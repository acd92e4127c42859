"""Content keys and seeds: what makes two jobs the same job.

A key is the sha256 of canonical JSON over what goes in, and nothing else:
`{"inputs": {name: digest}, "model": ..., "take": n, "type": {...}}`, where `inputs` holds every parameter and every
connected port under its name. A parameter typed into the form and the same value arriving over an edge give one key.
Names, positions, URLs, file names, prices, dates never enter.
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
    """The part of the key's JSON that does not depend on inputs; made once per edit."""
    model = canonical_json({"id": entry.id, "behaviour": entry.behaviour}) if entry is not None else "null"
    return f'}},"model":{model},"take":{take},"type":{node_type.fingerprint_text}}}'


def key_part(name: str, digest: str) -> str:
    """One `"name":"digest"` of the key's JSON."""
    return f'{encode_text(name)}:"{digest}"'


def constant_parts(
    params: dict[str, Any], leave_out: frozenset[str], lists: frozenset[str] = frozenset()
) -> dict[str, str]:
    """The parts of the parameters in the form; made once per edit. None means not set.

    Args:
        params: by name.
        leave_out: names that shape no result.
        lists: names of `list[...]` ports, whose values are digested item by item, as over edges.
    """
    return {
        name: key_part(
            name,
            list_digest([Value.of(one).digest for one in value])
            if name in lists and isinstance(value, list)
            else Value.of(value).digest,
        )
        for name, value in params.items()
        if value is not None and name not in leave_out
    }


def list_digest(digests: Iterable[str]) -> str:
    """What a key takes of a list. Canonical JSON of digests needs no encoder: they are plain ASCII."""
    text = "[" + ",".join([f'"{digest}"' for digest in digests]) + "]"
    return f"json:{hashlib.sha256(text.encode()).hexdigest()}"


def content_key(parts: Iterable[str], tail: str) -> bytes:
    """The key (32 bytes) of parts already sorted by name."""
    return hashlib.sha256(('{"inputs":{' + ",".join(parts) + tail).encode()).digest()


def derived_seed(*ingredients: Any, maximum: float | None = None) -> int:  # noqa: ANN401 - any JSON value
    """A seed for those who gave none: 31 bits of sha256, so that the same cell twice asks for the same picture.

    Args:
        ingredients: what the seed hangs on (a node's id; for a bare call its model, prompt and settings).
        maximum: the largest seed the model takes.

    >>> derived_seed("generate_image_1") == derived_seed("generate_image_1") < 2**31
    True
    """
    digest = hashlib.sha256(canonical_json(list(ingredients)).encode()).digest()
    seed = int.from_bytes(digest[:4], "big") >> (32 - SEED_BITS)
    return seed if maximum is None or seed <= maximum else seed % (int(maximum) + 1)
