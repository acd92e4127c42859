"""Settings by the service's own field names: `settings={"num_inference_steps": 28}`.

A field that the catalogue maps is converted to the common name, so that price, number of results and content key
are the same. Other documented fields of the service are sent unchanged. An unknown name is an error, because it may be
a typo; `settings={"fields": {...}}` sends it unchecked.
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
    """Replace native field names by common names where one exists. The caller validates the values.

    Raises:
        SettingError: a setting under both names, or a field that a port or the prompt fills.
    """
    raw = settings.get(RAW)
    result = {name: value for name, value in settings.items() if name != RAW}
    native: dict[str, Any] = {}
    converted: dict[str, Any] = {}
    for name in [name for name in result if name not in parameters and result[name] is not None]:
        if name in wire.own_fields:
            continue
        common = _to_common(name, result[name], wire)
        if common is None and wire.size is not None and name == wire.size.field:
            native[name] = result.pop(name)  # a size without a common equivalent
        elif common is not None:
            _merge(converted, common, result.pop(name), name, result, model=model, node_id=node_id)
        else:
            _reject_media_field(name, wire, model=model, node_id=node_id)
    for name, value in raw.items() if isinstance(raw, dict) else ():
        common = _to_common(name, value, wire)
        if common is not None and _is_lossless(common, parameters):
            _merge(converted, common, value, name, result, model=model, node_id=node_id)
        else:
            native[name] = value
    result.update(converted)
    if native or (raw is not None and not isinstance(raw, dict)):
        result[RAW] = native if isinstance(raw, dict | None) else raw
    return result


def _to_common(field: str, value: Any, wire: RequestMapping) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """The common settings for a native field; None if there is no equivalent."""
    if field in PIXELS and wire.size is not None and wire.size.form in {"pixels", "custom"}:
        return {field: value}  # both use the same name
    if wire.size is not None and field == wire.size.field:
        return _parse_size(value, wire.size)
    for name, native_name in wire.fields.items():
        if native_name == field:
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
    matches = [name for name, word in size.presets.items() if word == value]
    return dict(zip(("aspect_ratio", "resolution"), matches[0].split(), strict=False)) if matches else None


def _is_lossless(common: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> bool:
    """Whether the common settings reproduce the value exactly: `fields` must be sent unchanged."""
    try:
        return all(parameters[name].check(name, value, model="") == value for name, value in common.items())
    except (KeyError, errors.SettingError):
        return False


def _merge(
    converted: dict[str, Any],
    common: Mapping[str, Any],
    value: Any,  # noqa: ANN401 - JSON
    field: str,
    settings: Mapping[str, Any],
    *,
    model: str,
    node_id: str | None,
) -> None:
    duplicates = sorted(name for name in common if settings.get(name) is not None or name in converted)
    if duplicates:
        raise errors.SettingError(
            f"{field} is set twice for {model}: as {', '.join(duplicates)} and as {field} = {value!r}.",
            node_id=node_id,
            hint="Set it once.",
        )
    converted.update(common)


def _reject_media_field(field: str, wire: RequestMapping, *, model: str, node_id: str | None) -> None:
    """Reject a field that a port or the prompt fills: the value would be overwritten."""
    ports = [port for port, native_name in wire.references.items() if native_name.rstrip("[]#") == field]
    if field != wire.prompt and not ports:
        return
    port = "prompt" if field == wire.prompt else ports[0]
    raise errors.SettingError(
        f"{model} gets {field!r} from {port}.",
        node_id=node_id,
        hint=f"Use {port}=..., or send it unchecked with settings={{'fields': {{{field!r}: ...}}}}.",
    )
