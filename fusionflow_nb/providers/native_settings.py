"""Settings that a person writes in the service's own words: `settings={"num_inference_steps": 28}`.

Where our catalogue knows the field, it means the same as our word for it, so that the price, the number of results and
the content key come out alike. A field of the service that we have no word for goes as it is. A name that nobody knows
is an error, for it may be a typo; `settings={"fields": {...}}` sends it all the same.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.request_mapping import PIXELS, RAW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.model import Parameter
    from fusionflow_nb.providers.request_mapping import RequestMapping, Size

_PIXELS = re.compile(r"(\d+)x(\d+)")
MS = 1000


def to_common_settings(
    settings: Mapping[str, Any],
    wire: RequestMapping,
    parameters: Mapping[str, Parameter],
    *,
    model: str,
    node_id: str | None,
) -> dict[str, Any]:
    """The same settings, by our names wherever we have one; values are checked by whoever called.

    Raises:
        SettingError: one thing set in both words, or a field that a port or the prompt stands for.
    """
    raw = settings.get(RAW)
    found = {name: value for name, value in settings.items() if name != RAW}
    kept: dict[str, Any] = {}
    given: dict[str, Any] = {}
    for name in [name for name in found if name not in parameters and found[name] is not None]:
        if name in wire.own_fields:
            continue
        said = _to_common(name, found[name], wire)
        if said is None and wire.size is not None and name == wire.size.field:
            kept[name] = found.pop(name)  # a size that we have no word for
        elif said is not None:
            _merge(given, said, found.pop(name), name, found, model=model, node_id=node_id)
        else:
            _reject_media_field(name, wire, model=model, node_id=node_id)
    for name, value in raw.items() if isinstance(raw, dict) else ():
        said = _to_common(name, value, wire)
        if said is not None and _is_lossless(said, parameters):
            _merge(given, said, value, name, found, model=model, node_id=node_id)
        else:
            kept[name] = value
    found.update(given)
    if kept or (raw is not None and not isinstance(raw, dict)):
        found[RAW] = kept if isinstance(raw, dict | None) else raw
    return found


def _to_common(field: str, value: Any, wire: RequestMapping) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """What a field of the service says in our words; None where we have none."""
    if field in PIXELS and wire.size is not None and wire.size.form in {"pixels", "custom"}:
        return {field: value}  # one word for both
    if wire.size is not None and field == wire.size.field:
        return _parse_size(value, wire.size)
    for name, spelled in wire.fields.items():
        if spelled == field:
            if field in wire.as_text and isinstance(value, str):
                with contextlib.suppress(ValueError):
                    value = float(value)
            return {name: value / MS if field in wire.in_ms and isinstance(value, int | float) else value}
    return None


def _parse_size(value: Any, size: Size) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return dict(value) if value.keys() == {"width", "height"} and size.form == "object" else None
    pixels = _PIXELS.fullmatch(value) if isinstance(value, str) and size.form == "text" else None
    if pixels is not None:
        return {"width": int(pixels[1]), "height": int(pixels[2])}
    known = [name for name, word in size.presets.items() if word == value]
    return dict(zip(("aspect_ratio", "resolution"), known[0].split(), strict=False)) if known else None


def _is_lossless(said: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> bool:
    """Whether our words for it send exactly what was written: what goes in `fields` is changed by nobody."""
    try:
        return all(parameters[name].check(name, value, model="") == value for name, value in said.items())
    except (KeyError, errors.SettingError):
        return False


def _merge(
    given: dict[str, Any],
    said: Mapping[str, Any],
    value: Any,  # noqa: ANN401 - JSON
    field: str,
    found: Mapping[str, Any],
    *,
    model: str,
    node_id: str | None,
) -> None:
    twice = sorted(name for name in said if found.get(name) is not None or name in given)
    if twice:
        raise errors.SettingError(
            f"{field} is set twice for {model}: as {', '.join(twice)} and as {field} = {value!r}.",
            node_id=node_id,
            hint="Set it once.",
        )
    given.update(said)


def _reject_media_field(field: str, wire: RequestMapping, *, model: str, node_id: str | None) -> None:
    """A field that we fill ourselves: written by hand it would be lost under what the node is given."""
    ports = [port for port, spelled in wire.references.items() if spelled.rstrip("[]#") == field]
    if field != wire.prompt and not ports:
        return
    port = "prompt" if field == wire.prompt else ports[0]
    raise errors.SettingError(
        f"{model} is given {field!r} as {port}.",
        node_id=node_id,
        hint=f"Use {port}=...; what is sent as it is goes in settings={{'fields': {{{field!r}: ...}}}}.",
    )
