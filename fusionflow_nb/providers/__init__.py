"""Adapters to services, and every name that an adapter imports: `from fusionflow_nb.providers import HttpProvider`.

`local` is the embedded default. Names are imported on first use, so that importing this package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionflow_nb.assets.sniff import sniff
    from fusionflow_nb.media.media_types import extension
    from fusionflow_nb.providers.http.answer import Answer
    from fusionflow_nb.providers.http.client import Http
    from fusionflow_nb.providers.http.download import DownloadedFile, check_size
    from fusionflow_nb.providers.http.endpoint import Endpoint
    from fusionflow_nb.providers.http.multipart import Part, form_fields
    from fusionflow_nb.providers.http.upload import upload_to_url
    from fusionflow_nb.providers.http_provider import (
        HttpProvider,
        as_base64,
        data_uri,
        decode_output,
        output_port,
        rejection,
        request_body,
        unknown_state,
    )
    from fusionflow_nb.providers.input_limits import InputLimits
    from fusionflow_nb.providers.model import Equivalent, ModelEntry, Parameter, Task
    from fusionflow_nb.providers.price import (
        Estimate,
        PerCall,
        PerCharacter,
        PerImage,
        PerMegapixel,
        PerSecond,
        PerToken,
        PriceRule,
    )
    from fusionflow_nb.providers.protocol import (
        CancelAnswer,
        Cancelled,
        Cost,
        Done,
        Failed,
        Limits,
        LostSubmit,
        NoFunds,
        Operation,
        Output,
        Pending,
        Provider,
        Reference,
        Refused,
        Request,
        Status,
        SubmitAmbiguousError,
        SubmitCandidate,
    )
    from fusionflow_nb.providers.request_mapping import RequestMapping, Size
    from fusionflow_nb.settings.credentials import Key

_MODULES = {
    "Answer": "providers.http.answer",
    "CancelAnswer": "providers.protocol",
    "Cancelled": "providers.protocol",
    "Cost": "providers.protocol",
    "Done": "providers.protocol",
    "DownloadedFile": "providers.http.download",
    "Endpoint": "providers.http.endpoint",
    "Equivalent": "providers.model",
    "Estimate": "providers.price",
    "Failed": "providers.protocol",
    "Http": "providers.http.client",
    "HttpProvider": "providers.http_provider",
    "InputLimits": "providers.input_limits",
    "Key": "settings.credentials",
    "Limits": "providers.protocol",
    "LostSubmit": "providers.protocol",
    "ModelEntry": "providers.model",
    "NoFunds": "providers.protocol",
    "Operation": "providers.protocol",
    "Output": "providers.protocol",
    "Parameter": "providers.model",
    "Part": "providers.http.multipart",
    "Pending": "providers.protocol",
    "PerCall": "providers.price",
    "PerCharacter": "providers.price",
    "PerImage": "providers.price",
    "PerMegapixel": "providers.price",
    "PerSecond": "providers.price",
    "PerToken": "providers.price",
    "PriceRule": "providers.price",
    "Provider": "providers.protocol",
    "Reference": "providers.protocol",
    "Refused": "providers.protocol",
    "Request": "providers.protocol",
    "RequestMapping": "providers.request_mapping",
    "Size": "providers.request_mapping",
    "Status": "providers.protocol",
    "SubmitAmbiguousError": "providers.protocol",
    "SubmitCandidate": "providers.protocol",
    "Task": "providers.model",
    "as_base64": "providers.http_provider",
    "check_size": "providers.http.download",
    "data_uri": "providers.http_provider",
    "decode_output": "providers.http_provider",
    "extension": "media.media_types",
    "form_fields": "providers.http.multipart",
    "output_port": "providers.http_provider",
    "rejection": "providers.http_provider",
    "request_body": "providers.http_provider",
    "sniff": "assets.sniff",
    "unknown_state": "providers.http_provider",
    "upload_to_url": "providers.http.upload",
}

__all__ = [
    "Answer",
    "CancelAnswer",
    "Cancelled",
    "Cost",
    "Done",
    "DownloadedFile",
    "Endpoint",
    "Equivalent",
    "Estimate",
    "Failed",
    "Http",
    "HttpProvider",
    "InputLimits",
    "Key",
    "Limits",
    "LostSubmit",
    "ModelEntry",
    "NoFunds",
    "Operation",
    "Output",
    "Parameter",
    "Part",
    "Pending",
    "PerCall",
    "PerCharacter",
    "PerImage",
    "PerMegapixel",
    "PerSecond",
    "PerToken",
    "PriceRule",
    "Provider",
    "Reference",
    "Refused",
    "Request",
    "RequestMapping",
    "Size",
    "Status",
    "SubmitAmbiguousError",
    "SubmitCandidate",
    "Task",
    "as_base64",
    "check_size",
    "data_uri",
    "decode_output",
    "extension",
    "form_fields",
    "output_port",
    "rejection",
    "request_body",
    "sniff",
    "unknown_state",
    "upload_to_url",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any exported name
    module = _MODULES.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"fusionflow_nb.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
