"""Kling models: fields, choices and models from its documentation that models.csv does not have."""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter
from fusionflow_nb.providers.request_mapping import Size

_VIDEO: dict[str, Any] = {
    "listed": ("prompt", "negative_prompt"),
    "wire": {
        "size": Size(form="ratio", field="aspect_ratio"),
        "fields": {"duration_s": "duration", "guidance": "cfg_scale", "mode": "mode"},
        "references": {"image": "image", "last_image": "image_tail"},
        "as_text": ("duration",),  # a JSON number is an error
    },
    "parameters": {
        "aspect_ratio": Parameter(kind="choice", choices=("16:9", "9:16", "1:1")),
        "duration_s": Parameter(kind="integer", minimum=3, maximum=15, description="seconds"),
        "guidance": Parameter(kind="number", minimum=0, maximum=1),
        "mode": Parameter(kind="choice", choices=("std", "pro"), description="standard or professional"),
    },
}
_SHORT: dict[str, Any] = {
    **_VIDEO,
    "parameters": {
        **_VIDEO["parameters"],
        "duration_s": Parameter(kind="choice", choices=(5, 10), description="seconds"),
    },
}
_OLDER = ("kling-v2-6", "kling-v2-master")
EXCEPTIONS: dict[str, dict[str, Any]] = {"kling/kling-v3": _VIDEO, **{f"kling/{model}": _SHORT for model in _OLDER}}
EXTRA_MODELS: list[dict[str, Any]] = [
    {
        "alias": model,
        "provider": "kling",
        "model": model,
        "tasks": ["text-to-video", "image-to-video"],
        "is_price_uncertain": True,
        "source": "public integration notes",
        "source_date": "2026",
    }
    for model in _OLDER
]
