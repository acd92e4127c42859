"""OpenAI models that retire soon, with their successors, which models.csv does not have."""

from __future__ import annotations

from typing import Any

EXTRA_MODELS: list[dict[str, Any]] = [
    # These accept a few fixed sizes: `size` stays a field of the service.
    {
        "alias": model,
        "provider": "openai",
        "model": model,
        "tasks": ["text-to-image", "edit-image"],
        "fields": ["prompt", "quality", "background", "output_format", "n", "image[]", "mask"],
        "is_price_uncertain": True,
        "source": "openai, deprecations page",
        "source_date": "2026-11",
        "retires_on": "2026-12-01",
        "successor": "openai/gpt-image-2.6-flare",
    }
    for model in ("gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest")
]
