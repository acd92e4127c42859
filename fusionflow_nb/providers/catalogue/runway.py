"""Runway models: sizes, lengths and roles of images from its documentation and client.

Each model has a list of sizes in pixels (runwayml 5.24.0). A size without a ratio here can be set with the service's
field: `ratio="1024:1024"`.
"""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.model import Parameter
from fusionflow_nb.providers.request_mapping import Size

_SEED = Parameter(kind="integer", minimum=0, maximum=2**32 - 1, description="same seed: a similar result")
_WIDE = "1280:720"
_IMAGES = {
    "16:9 720p": _WIDE, "16:9 1080p": "1920:1080",
    "9:16 720p": "720:1280", "9:16 1080p": "1080:1920",
    "1:1 720p": "720:720", "1:1 1080p": "1080:1080",
    "4:3 720p": "960:720", "4:3 1080p": "1440:1080",
    "3:4 720p": "720:960", "3:4 1080p": "1080:1440",
    "21:9 720p": "1680:720", "21:9 1080p": "2112:912",
}  # fmt: skip
_VIDEOS = {
    "16:9": _WIDE, "9:16": "720:1280", "4:3": "1104:832", "3:4": "832:1104", "1:1": "960:960", "21:9": "1584:672",
}  # fmt: skip
_VEO = {"16:9 720p": _WIDE, "16:9 1080p": "1920:1080", "9:16 720p": "720:1280", "9:16 1080p": "1080:1920"}
_SEEDANCE = {
    "16:9 480p": "864:496", "16:9 720p": _WIDE, "16:9 1080p": "1920:1080",
    "9:16 480p": "496:864", "9:16 720p": "720:1280", "9:16 1080p": "1080:1920",
    "1:1 480p": "640:640", "1:1 720p": "960:960", "1:1 1080p": "1440:1440",
    "4:3 480p": "752:560", "4:3 720p": "1112:834", "4:3 1080p": "1664:1248",
    "3:4 480p": "560:752", "3:4 720p": "834:1112", "3:4 1080p": "1248:1664",
    "21:9 480p": "992:432", "21:9 720p": "1470:630", "21:9 1080p": "2206:946",
}  # fmt: skip
_USUAL_S = 5
_FRAMES = {"image": "first", "last_image": "last"}
"""Not fields, but positions of items of `promptImage`, as is `last` for models with a last frame."""
_CREDITS_BY_SOUND = {"tier_setting": "with_audio"}


def _sizes(presets: dict[str, str]) -> dict[str, Parameter]:
    """The size parameters of a model: the ratio, and the class if there are several."""
    names = [preset.split() for preset in presets]
    parameters = {
        "aspect_ratio": Parameter(
            kind="choice", choices=tuple(dict.fromkeys(preset[0] for preset in names)), default="16:9"
        )
    }
    classes = tuple(dict.fromkeys(preset[1] for preset in names if len(preset) > 1))
    if classes:
        parameters["resolution"] = Parameter(kind="choice", choices=classes, default="720p")
    return parameters


def _spelled(presets: dict[str, str]) -> Size:
    has_classes = any(" " in preset for preset in presets)
    return Size(form="ratio", field="ratio", presets=presets, usual="16:9 720p" if has_classes else "")


def _model(
    presets: dict[str, str],
    references: dict[str, str],
    fields: dict[str, str],
    parameters: dict[str, Parameter],
    *,
    own: tuple[str, ...] = ("contentModeration",),
    fixed: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "listed": (),
        "wire": {
            "prompt": "promptText",
            "size": _spelled(presets),
            "fields": {"seed": "seed", **fields},
            "references": references,
            "own_fields": own,
            # The service requires a size, and for some videos a length.
            "fixed": {"ratio": _WIDE, **(fixed or {})},
        },
        "parameters": {**_sizes(presets), "seed": _SEED, **parameters},
    }


def _image(*, needs_picture: bool) -> dict[str, Any]:
    tags = Parameter(
        kind="text",
        description="what the prompt calls the references, in their order: 'cube, table' for '@cube on @table'",
    )
    references = {"references": "referenceImages[]"}
    if needs_picture:
        references = {"image": "referenceImages[]", **references}
    return _model(_IMAGES, references, {}, {"tags": tags})


def _video(least: int = 1, most: int | None = None, own: tuple[str, ...] = ()) -> dict[str, Any]:
    length = Parameter(kind="integer", minimum=least, maximum=most, default=_USUAL_S, description="seconds")
    return _model(
        _VIDEOS,
        {"image": "first"},
        {"duration_s": "duration"},
        {"duration_s": length},
        own=("contentModeration", *own),
        fixed={"duration": _USUAL_S},
    )


def _veo(usd: float, silent_usd: float) -> dict[str, Any]:
    model = _model(
        _VEO,
        _FRAMES,
        {"duration_s": "duration", "with_audio": "audio", "negative_prompt": "negativePrompt"},
        {
            "duration_s": Parameter(kind="choice", choices=(4, 6, 8), description="seconds"),
            "with_audio": Parameter(kind="boolean", description="whether the video has sound, which costs more"),
            "negative_prompt": Parameter(kind="text"),
        },
        own=(),
    )
    return {**model, "price": {**_CREDITS_BY_SOUND, "tiers": {"True": usd, "False": silent_usd}}}


EXCEPTIONS: dict[str, dict[str, Any]] = {
    "runway/gen4.5": _video(2, 10, own=("outputFormat", "proresProfile")),
    "runway/gen4_turbo": _video(),
    "runway/gen4_image": _image(needs_picture=False),
    "runway/gen4_image_turbo": _image(needs_picture=True),
    "runway/veo3.1": _veo(0.40, 0.20),
    "runway/veo3.1_fast": _veo(0.15, 0.10),
    "runway/seedance2": _model(
        _SEEDANCE,
        {**_FRAMES, "video": "promptVideo"},
        {"duration_s": "duration", "with_audio": "audio"},
        {
            "duration_s": Parameter(kind="integer", minimum=1, default=_USUAL_S, description="seconds"),
            "with_audio": Parameter(kind="boolean", description="whether the video has sound"),
        },
        own=("references", "referenceAudio", "referenceVideos"),
        fixed={"duration": _USUAL_S},
    ),
    "runway/aleph2": {
        "listed": (),
        "wire": {
            "prompt": "promptText",
            "fields": {"seed": "seed", "aspect_ratio": "targetAspectRatio"},
            "references": {"video": "videoUri"},
            "own_fields": ("ratio", "keyframes", "contentModeration", "outputFormat", "proresProfile"),
        },
        "parameters": {
            "seed": _SEED,
            "aspect_ratio": Parameter(
                kind="choice", choices=("16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "21:9")
            ),
        },
    },
    "runway/magnific_precision_upscaler_v2": {
        "listed": (),
        "wire": {
            "prompt": None,
            "fields": {"factor": "scaleFactor"},
            "references": {"image": "imageUri"},
            "own_fields": ("flavor", "sharpen", "smartGrain", "ultraDetail"),
            "route": "image_upscale",
        },
        "parameters": {"factor": Parameter(kind="choice", choices=(2, 4, 8, 16), description="2 where none is set")},
    },
    "runway/magnific_video_upscaler_creative": {
        "listed": (),
        "wire": {
            "prompt": None,
            "fields": {"resolution": "resolution"},
            "references": {"video": "videoUri"},
            "own_fields": ("creativity", "flavor", "fpsBoost", "sharpen", "smartGrain"),
            "route": "video_upscale",
        },
        "parameters": {
            "resolution": Parameter(
                kind="choice", choices=("720p", "1k", "2k", "4k"), description="2k where none is set"
            )
        },
    },
}
