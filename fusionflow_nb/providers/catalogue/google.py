"""Google models: fields, choices and tokens per image from its documentation that models.csv does not have."""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter
from fusionflow_nb.providers.request_mapping import Size

_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9")
_RATIO = Size(form="ratio", field="aspect_ratio")
_TOKENS = {"1K": 1120}
"""$0.0336 at $30 per million tokens; the count is documented for this class only."""
_MOST_TOKENS = 2700
"""A 4K image: the highest price of a reseller ($0.16) at $60 per million tokens."""

_IMAGE: dict[str, Any] = {
    "listed": ("mime_type",),
    "wire": {
        "prompt": "input",
        "size": _RATIO,
        "fields": {"resolution": "image_size"},
        "references": {"image": "image[]", "references": "image[]"},
        "route": "interactions",
    },
    "parameters": {
        "aspect_ratio": Parameter(kind="choice", choices=_RATIOS),
        "resolution": Parameter(kind="choice", choices=("1K", "2K", "4K")),
        "background": Parameter(
            kind="boolean",
            default=True,
            description="can be resumed and cancelled; if false, one synchronous request (generateContent)",
        ),
    },
}
_BY_TOKEN: dict[str, Any] = {
    **_IMAGE,
    "price": {"high_tokens": _MOST_TOKENS, "high_tokens_per_megapixel": 0, "tokens": _TOKENS},
}
_LENGTH = Parameter(kind="integer", minimum=3, maximum=15, description="seconds")
_VIDEO: dict[str, Any] = {
    "listed": ("delivery",),
    "wire": {
        "prompt": "input",
        "size": _RATIO,
        "fields": {"resolution": "resolution", "duration_s": "duration"},
        "references": {"image": "image", "references": "image[]", "video": "video"},
        "route": "interactions",
    },
    "parameters": {
        "aspect_ratio": Parameter(kind="choice", choices=("16:9", "9:16")),
        "resolution": Parameter(kind="choice", choices=("360p", "720p", "1080p", "4k")),
        "duration_s": _LENGTH,
    },
}
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "google/gemini-3-pro-image": {**_IMAGE, "price": {"token_usd": 120e-6}},
    "google/gemini-3.1-flash-image": _BY_TOKEN,
    "google/gemini-3.1-flash-lite-image": _BY_TOKEN,
    "google/gemini-nano-banana-2.1": _BY_TOKEN,
    "google/gemini-omni-1.2-flash": _VIDEO,
    "google/gemini-omni-1.1-flash": {
        **_VIDEO,
        # The price per second is documented for 720p only, so larger sizes would be unpriced.
        "parameters": {**_VIDEO["parameters"], "resolution": Parameter(kind="choice", choices=("360p", "720p"))},
    },
    "google/lyria-3.5": {"listed": (), "wire": {"prompt": "input", "route": "interactions"}},
    "google/veo-3.1-generate-preview": {
        "listed": (),
        "wire": {
            "prompt": "prompt",
            "size": Size(form="ratio", field="aspectRatio"),
            "fields": {
                "duration_s": "durationSeconds",
                "resolution": "resolution",
                "negative_prompt": "negativePrompt",
            },
            "references": {"image": "image"},
            "route": "predictLongRunning",
        },
        "parameters": {
            "aspect_ratio": Parameter(kind="choice", choices=("16:9", "9:16")),
            "resolution": Parameter(kind="text", description="a class such as 720p"),
            "duration_s": Parameter(kind="integer", minimum=4, maximum=8, description="seconds"),
            "negative_prompt": Parameter(kind="text"),
        },
        "price": {"tiers": {"720p": 0.4, "1080p": 0.4, "4k": 0.6}},
    },
}
EXTRA_MODELS: list[dict[str, Any]] = [
    {
        "alias": "gemini-3.1-flash-lite-image",
        "provider": "google",
        "model": "gemini-3.1-flash-lite-image",
        "tasks": ["text-to-image", "edit-image"],
        "price": {"rule": "per_token", "usd": 30e-6, "low_tokens": 0, "high_tokens": 0},
        "is_price_uncertain": True,
        "source": "google-genai 3.4.0; price map 2026-11",
        "source_date": "2026-11",
    }
]
