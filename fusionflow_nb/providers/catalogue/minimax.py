"""What MiniMax' page says of its model beyond the sheet's row: roles of pictures, choices, the price of an input."""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter
from fusionflow_nb.providers.request_mapping import Size

RATIOS = ("adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
IMAGE_USD = 0.04
"""For each picture that goes in."""
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "minimax/MiniMax-H3": {
        "listed": (),
        "wire": {
            "prompt": "content",
            "size": Size(form="ratio", field="ratio"),
            "fields": {"duration_s": "duration", "resolution": "resolution"},
            # Not fields, but the roles of items of `content`.
            "references": {"image": "first_frame", "last_image": "last_frame", "references": "reference_image[]"},
        },
        "parameters": {
            "aspect_ratio": Parameter(kind="choice", choices=RATIOS, description="16:9 where only words go in"),
            "duration_s": Parameter(kind="integer", minimum=4, maximum=15, description="seconds"),
            "resolution": Parameter(kind="choice", choices=("768P", "2K")),
        },
        "price": {"picture_in_usd": IMAGE_USD},
    }
}
