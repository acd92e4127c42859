"""MiniMax model: roles of images, choices and input price from its documentation that models.csv does not have."""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter
from fusionflow_nb.providers.request_mapping import Size

RATIOS = ("adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
IMAGE_USD = 0.04
"""Price of each input image."""
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "minimax/MiniMax-H3": {
        "listed": (),
        "wire": {
            "prompt": "content",
            "size": Size(form="ratio", field="ratio"),
            "fields": {"duration_s": "duration", "resolution": "resolution"},
            # Not fields, but roles of items of `content`.
            "references": {"image": "first_frame", "last_image": "last_frame", "references": "reference_image[]"},
        },
        "parameters": {
            "aspect_ratio": Parameter(kind="choice", choices=RATIOS, description="default for text-to-video: 16:9"),
            "duration_s": Parameter(kind="integer", minimum=4, maximum=15, description="seconds"),
            "resolution": Parameter(kind="choice", choices=("768P", "2K")),
        },
        "price": {"picture_in_usd": IMAGE_USD},
    }
}
