"""Limits of input media that the services document. Limits of the transport are in the adapters."""

from __future__ import annotations

from fusionflow_nb.providers.input_limits import InputLimits

_MB = 1_000_000
_OPENAI = {
    "image": InputLimits(
        count=16,
        size_bytes=50 * _MB,
        media_types=("image/png", "image/webp", "image/jpeg"),
        source="openai, POST /v1/images/edits",
    ),
    "mask": InputLimits(count=1, source="openai, POST /v1/images/edits"),
}
_RUNWAY = {
    kind: InputLimits(size_bytes=200 * _MB, source="runway, POST /v1/uploads") for kind in ("image", "video", "audio")
}
_THREE = {**_RUNWAY, "image": _RUNWAY["image"].model_copy(update={"count": 3})}
BY_SERVICE: dict[str, dict[str, InputLimits]] = {"openai": _OPENAI, "runway": _RUNWAY}
BY_MODEL: dict[str, dict[str, InputLimits]] = {
    **{
        f"bfl/flux-2-{kind}": {"image": InputLimits(count=8, source="bfl, input_image to input_image_8")}
        for kind in ("pro", "max", "flex", "klein-4b")
    },
    "runway/gen4_image": _THREE,
    "runway/gen4_image_turbo": _THREE,
}


def input_limits_of(provider: str, model: str) -> dict[str, InputLimits]:
    """The limits of a model's input media by kind; empty if undocumented.

    >>> input_limits_of("openai", "gpt-image-2")["image"].count
    16
    """
    return BY_MODEL.get(f"{provider}/{model}", BY_SERVICE.get(provider, {}))
