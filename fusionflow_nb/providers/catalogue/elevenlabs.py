"""ElevenLabs models: fields, ranges and models from its documentation that models.csv does not have."""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter

VOICE = "JBFqnCBsd6RMkjVDRZzb"
"""The voice of the official client's first example: speech needs a voice."""
_FORMAT = Parameter(kind="text", description="codec_rate_bitrate, as mp3_44100_128 or wav_44100")

_SPEECH: dict[str, Any] = {
    "listed": ("text", "language_code", "voice_settings", "seed", "previous_text", "next_text"),
    "wire": {"prompt": "text", "route": "text-to-speech"},
    # Both are part of the URL, not of the body.
    "parameters": {
        "voice": Parameter(kind="text", default=VOICE, description="id of a voice of the account"),
        "output_format": _FORMAT,
    },
}
_MUSIC_LENGTH = Parameter(kind="number", minimum=3, maximum=600, description="seconds")
EXCEPTIONS: dict[str, dict[str, Any]] = {
    **{
        f"elevenlabs/{model}": _SPEECH
        for model in (
            "eleven_v4",
            "eleven_v4_turbo",
            "eleven_v3",
            "eleven_multilingual_v2",
            "eleven_flash_v2_5",
            "eleven_turbo_v2_5",
        )
    },
    "elevenlabs/sound-generation": {
        "wire": {"prompt": "text", "route": "sound-generation"},
        "parameters": {
            "duration_s": Parameter(kind="number", minimum=0.5, maximum=30, description="seconds"),
            "output_format": _FORMAT,
        },
    },
    "elevenlabs/music_v2_5": {
        # `seed` is only for composition plans, sent with `settings={"fields": {"composition_plan": ...}}`.
        "listed": ("prompt", "force_instrumental"),
        "wire": {"fields": {"duration_s": "music_length_ms"}, "in_ms": ("music_length_ms",), "route": "music"},
        "parameters": {"duration_s": _MUSIC_LENGTH, "output_format": _FORMAT},
    },
}
EXTRA_MODELS: list[dict[str, Any]] = [
    {
        "alias": model.replace("_", "-").replace("v2-5", "v2.5"),
        "provider": "elevenlabs",
        "model": model,
        "tasks": ["text-to-audio"],
        "price": {"rule": "per_character", "usd": usd},
        "is_price_uncertain": True,
        "source": "elevenlabs 2.78.0; price map 2026-11",
        "source_date": "2026-11",
    }
    for model, usd in {
        "eleven_v4": 0.00008,
        "eleven_v4_turbo": 0.00004,
        "eleven_v3": 0.00008,
        "eleven_turbo_v2_5": 0.00004,
    }.items()
]
