"""What OpenAI's pages say of its models beyond the sheet's rows: those that end soon, and what replaces them."""

from __future__ import annotations

from typing import Any

EXTRA_MODELS: list[dict[str, Any]] = [
    # Sizes of these are a few fixed words: `size` is the service's own.
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
