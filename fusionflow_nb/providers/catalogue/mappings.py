"""Map the fields that services document to common settings: one table for all models, plus exceptions.

A field of undocumented type (a duration as number or text, for example) is not mapped: it is sent under its own name
as the user writes it.
"""

from __future__ import annotations

from typing import Any

from fusionflow_nb.providers.catalogue import elevenlabs, google, kling, minimax, openai, runway
from fusionflow_nb.providers.catalogue.equivalents import equivalents_of
from fusionflow_nb.providers.catalogue.limits import input_limits_of
from fusionflow_nb.providers.model import ModelEntry, Parameter
from fusionflow_nb.providers.request_mapping import RequestMapping, Size

_SEED = Parameter(kind="integer", minimum=0, maximum=2**31 - 1, description="same seed, same settings: same result")
_COUNT = Parameter(kind="integer", minimum=1, maximum=10, description="how many results one call makes")
_PIXELS = Parameter(kind="integer", minimum=16, maximum=16384, description="pixels")
_RATIO = Parameter(kind="text", description="width to height, as 16:9")

SETTINGS_BY_FIELD: dict[str, tuple[str, Parameter]] = {
    # field of a service: (common name, parameter)
    "seed": ("seed", _SEED),
    "num_images": ("count", _COUNT),
    "num_outputs": ("count", _COUNT),
    "n": ("count", _COUNT),
    "num_inference_steps": ("steps", Parameter(kind="integer", minimum=1, maximum=500)),
    "steps": ("steps", Parameter(kind="integer", minimum=1, maximum=500)),
    "guidance_scale": ("guidance", Parameter(kind="number", minimum=0, maximum=100)),
    "guidance": ("guidance", Parameter(kind="number", minimum=0, maximum=100)),
    "cfg_scale": ("guidance", Parameter(kind="number", minimum=0, maximum=100)),
    "negative_prompt": ("negative_prompt", Parameter(kind="text")),
    "strength": ("strength", Parameter(kind="number", minimum=0, maximum=1)),
    "upscale_factor": ("factor", Parameter(kind="number", minimum=1, maximum=16)),
    "scale": ("factor", Parameter(kind="number", minimum=1, maximum=16)),
    "duration_seconds": ("duration_s", Parameter(kind="number", minimum=0, maximum=600, description="seconds")),
    "generate_audio": ("with_audio", Parameter(kind="boolean", description="whether the video has sound")),
    "voice": ("voice", Parameter(kind="text")),
    "resolution": ("resolution", Parameter(kind="text", description="a class such as 1K or 720p")),
}
PORTS_BY_FIELD = {
    "image_url": "image",
    "start_image_url": "image",
    "input_image": "image",
    "image": "image",
    "image_urls": "image[]",
    "image[]": "image[]",
    "end_image_url": "last_image",
    "video_url": "video",
    "mask": "mask",
}
SIZES_BY_FIELD = {
    "image_size": Size(
        form="object",
        field="image_size",
        presets={
            "1:1": "square_hd",
            "3:4": "portrait_4_3",
            "9:16": "portrait_16_9",
            "4:3": "landscape_4_3",
            "16:9": "landscape_16_9",
        },
    ),
    "aspect_ratio": Size(form="ratio", field="aspect_ratio"),
    "size": Size(form="text", field="size", presets={"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}),
}
_KLING: dict[str, Any] = {
    "wire": {"fields": {"duration_s": "duration"}, "as_text": ("duration",)},
    "parameters": {"duration_s": Parameter(kind="integer", minimum=3, maximum=15, description="seconds")},
}
_MEGAPIXEL = {
    # About one megapixel per ratio, in steps that every FLUX model accepts.
    "1:1": "1024x1024", "16:9": "1344x768", "9:16": "768x1344", "4:3": "1152x864", "3:4": "864x1152",
    "3:2": "1248x832", "2:3": "832x1248",
}  # fmt: skip
_FLUX_OWN = ("output_format", "safety_tolerance", "prompt_upsampling")


def _flux(least: int, most: int, step: int, references: dict[str, str], fields: tuple[str, ...] = ()) -> dict[str, Any]:
    side = Parameter(kind="integer", minimum=least, maximum=most, description=f"pixels, a multiple of {step}")
    return {
        "fields": "flux-2-pro",
        "wire": {
            "prompt": "prompt",
            "size": Size(form="pixels", field="width", presets=_MEGAPIXEL),
            "references": references,
            "fields": {name: name for name in fields},
            "own_fields": _FLUX_OWN,
        },
        "parameters": {
            "width": side,
            "height": side,
            "aspect_ratio": Parameter(kind="choice", choices=tuple(_MEGAPIXEL)),
            **{name: SETTINGS_BY_FIELD[name][1] for name in fields},
        },
    }


_STABILITY: dict[str, Any] = {
    "seed": Parameter(kind="integer", minimum=0, maximum=2**32 - 2, description="0: any"),
    "aspect_ratio": Parameter(
        kind="choice", choices=("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
    ),
}
_FLUX_2 = {"image": "input_image#", "references": "input_image#"}
_LUMA_RATIO = Parameter(kind="choice", choices=tuple("3:1 2:1 21:9 16:9 4:3 3:2 1:1 3:4 2:3 9:16 1:2 1:3".split()))  # noqa: SIM905


def _video(resolutions: tuple[str, ...], lengths: tuple[int, ...], ratio: Parameter) -> dict[str, Parameter]:
    """Parameters of a video model with a few lengths and sizes."""
    return {
        "aspect_ratio": ratio,
        "resolution": Parameter(kind="choice", choices=resolutions),
        "duration_s": Parameter(kind="choice", choices=lengths, description="seconds"),
    }


RESERVED_NAMES = frozenset({"model", "settings", "fallback", "reduce"})
"""Parameters of nodes: a service's field with such a name must be set in `settings={"fields": {...}}`."""
_VOICES = tuple("alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split())  # noqa: SIM905
_SPEECH = {
    "wire": {"prompt": "input", "fixed": {"voice": "alloy", "response_format": "mp3"}},
    "parameters": {"voice": Parameter(kind="choice", default="alloy", choices=_VOICES)},
}
EXTRA_MODELS: list[dict[str, Any]] = [
    # Models that models.csv does not have and the service documents.
    {
        "alias": model,
        "provider": "openai",
        "model": model,
        "tasks": ["text-to-audio"],
        "fields": ["voice", "response_format", "speed", *(["instructions"] if model.startswith("gpt") else [])],
        "is_price_uncertain": True,
        "source": "openai 3.54.0",
        "source_date": "2026-11",
        "retires_on": "2027-01-06",
    }
    for model in ("gpt-4o-mini-tts", "tts-1", "tts-1-hd")
]
for its_own in (elevenlabs, google, kling, openai):
    EXTRA_MODELS += its_own.EXTRA_MODELS
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "stability/stable-image/generate/ultra": {"wire": {"own_fields": ("output_format",)}, "parameters": _STABILITY},
    "stability/stable-image/generate/core": {
        "wire": {"own_fields": ("style_preset", "output_format")},
        "parameters": _STABILITY,
    },
    "stability/stable-image/generate/sd3 (model=sd3.5-large)": {
        "wire": {
            "route": "stable-image/generate/sd3",
            "fixed": {"model": "sd3.5-large"},
            "size": Size(form="ratio", field="aspect_ratio"),
            "fields": {"guidance": "cfg_scale"},
            "own_fields": ("mode", "output_format"),
        },
        "parameters": {**_STABILITY, "guidance": SETTINGS_BY_FIELD["cfg_scale"][1]},
    },
    "bfl/flux-2-pro": _flux(64, 4096, 16, _FLUX_2),
    "bfl/flux-2-max": _flux(64, 4096, 16, _FLUX_2),
    "bfl/flux-2-flex": _flux(64, 4096, 16, _FLUX_2, ("steps", "guidance")),
    "bfl/flux-2-klein-4b": _flux(64, 4096, 16, _FLUX_2),
    "bfl/flux-pro-1.1": _flux(256, 1440, 32, {}),
    "luma/uni-1": {
        "wire": {
            "references": {"image": "source", "references": "image_ref[]"},
            "own_fields": ("output_format", "style", "web_search", "user_id"),
        },
        "parameters": {"aspect_ratio": _LUMA_RATIO},
    },
    "luma/ray-3.2": {
        "wire": {
            "fields": {"resolution": "resolution", "duration_s": "duration"},
            "references": {"image": "start_frame", "last_image": "end_frame", "video": "source"},
            "own_fields": ("keyframes", "keyframe_indexes", "loop", "hdr", "edit", "user_id"),
        },
        "parameters": _video(("360p", "540p", "720p", "1080p"), (5, 10), _LUMA_RATIO),
    },
    "luma-dream-machine/ray-2": {
        "wire": {
            "fields": {"resolution": "resolution", "duration_s": "duration"},
            "references": {"image": "frame0", "last_image": "frame1"},
            "own_fields": ("keyframes", "loop", "concepts"),
        },
        "parameters": _video(("540p", "720p", "1080p", "4k"), (5, 9), _RATIO),
    },
    "luma-dream-machine/photon-1": {
        "wire": {
            "references": {"references": "image_ref[]"},
            "own_fields": ("format", "style_ref", "character_ref", "modify_image_ref"),
        },
    },
    # Corrections of the common table, by entry id.
    "fal/fal-ai/kling-video/v3/pro/image-to-video": _KLING,
    "fal/fal-ai/kling-video/v3/pro/text-to-video": {
        **_KLING,
        "parameters": {
            **_KLING["parameters"],
            "aspect_ratio": Parameter(kind="choice", choices=("16:9", "9:16", "1:1")),
        },
    },
    "fal/openai/gpt-image-2": {"unmapped": ("size",)},  # preset or object elsewhere, undocumented here
    "fal/fal-ai/elevenlabs/sound-effects/v2": {"wire": {"prompt": "text"}},
    "replicate/black-forest-labs/flux-1.1-pro": {
        "wire": {"size": Size(form="custom", field="aspect_ratio")},
        "parameters": {"width": _PIXELS, "height": _PIXELS},
    },
    "openai/gpt-image-2.6-flare": {"fields": "gpt-image-2"},
    "openai/gpt-4o-mini-tts": _SPEECH,
    "openai/tts-1": _SPEECH,
    "openai/tts-1-hd": _SPEECH,
    **elevenlabs.EXCEPTIONS,
    **google.EXCEPTIONS,
    **kling.EXCEPTIONS,
    **minimax.EXCEPTIONS,
    **runway.EXCEPTIONS,
}


def entry_of(fact: dict[str, Any], fields_of: dict[str, list[str]]) -> ModelEntry:
    """Build the catalogue entry of a row. `fields_of` has the fields of the models that another row refers to."""
    identity = f"{fact['provider']}/{fact['model']}"
    exception = EXCEPTIONS.get(identity, {})
    listed = fields_of[exception["fields"]] if "fields" in exception else fact.get("fields", [])
    listed = exception.get("listed", listed)  # from the documentation, if models.csv is incomplete
    parameters: dict[str, Parameter] = {}
    mapping: dict[str, Any] = {"fields": {}, "references": {}, "own_fields": [], "size": None, "prompt": None}
    for field in listed:
        _map_field(field, fact["tasks"], parameters, mapping, unmapped=exception.get("unmapped", ()))
    overrides: dict[str, Any] = exception.get("wire", {})
    mapping["fields"].update(overrides.get("fields", {}))
    mapping.update({name: value for name, value in overrides.items() if name != "fields"})
    mapped = {*mapping["fields"].values(), mapping["prompt"]}
    mapping["own_fields"] = tuple(field for field in mapping["own_fields"] if field not in mapped | RESERVED_NAMES)
    price: Any = {**fact["price"], **exception.get("price", {})} if "price" in fact else None
    parameters.update(exception.get("parameters", {}))
    if price is not None and "tiers" in price and "resolution" in parameters.keys() - exception.get("parameters", {}):
        parameters["resolution"] = Parameter(kind="choice", choices=tuple(price["tiers"]))
    if price is not None and price["rule"] == "per_second" and "duration_s" not in parameters:
        price = None  # the number of seconds is unknown
    return ModelEntry(
        provider=fact["provider"],
        provider_model_id=fact["model"],
        tasks=tuple(fact["tasks"]),
        title=fact["alias"],
        aliases=(fact["alias"],),
        inputs=tuple(mapping["references"]),
        parameters=parameters,
        price=price,
        is_price_uncertain=fact["is_price_uncertain"],
        source=fact.get("source", ""),
        source_date=fact.get("source_date", ""),
        retires_on=fact.get("retires_on"),
        successor=fact.get("successor"),
        equivalents=equivalents_of(identity),
        reads=input_limits_of(fact["provider"], fact["model"]),
        wire=RequestMapping(**mapping),
    )


def _map_field(
    field: str,
    tasks: list[str],
    parameters: dict[str, Parameter],
    mapping: dict[str, Any],
    *,
    unmapped: tuple[str, ...],
) -> None:
    """Map one field: the prompt, an asset, the size, a common setting, or a field of the service."""
    if field in unmapped or not field.removesuffix("[]").isidentifier():
        if field.isidentifier():
            mapping["own_fields"].append(field)
    elif field == "prompt":
        mapping["prompt"] = field
    elif field in PORTS_BY_FIELD and (ports := _ports_of(field, tasks)):
        for port in ports:
            mapping["references"].setdefault(
                port, f"{field.removesuffix('[]')}[]" if PORTS_BY_FIELD[field].endswith("[]") else field
            )
    elif field in SIZES_BY_FIELD:
        mapping["size"] = SIZES_BY_FIELD[field]
        presets = tuple(SIZES_BY_FIELD[field].presets)
        parameters["aspect_ratio"] = Parameter(kind="choice", choices=presets) if presets else _RATIO
        if SIZES_BY_FIELD[field].form != "ratio":
            parameters.update(width=_PIXELS, height=_PIXELS)
    elif field in SETTINGS_BY_FIELD:
        name, parameter = SETTINGS_BY_FIELD[field]
        parameters[name] = parameter
        mapping["fields"][name] = field
    else:
        mapping["own_fields"].append(field)


def _ports_of(field: str, tasks: list[str]) -> tuple[str, ...]:
    """The ports of an asset field: an image is a reference if no task edits images."""
    port = PORTS_BY_FIELD[field].removesuffix("[]")
    if port == "image" and not {"edit-image", "image-to-video", "upscale", "remove-background"} & set(tasks):
        return ("references",) if "text-to-image" in tasks else ()
    return ("image", "references") if PORTS_BY_FIELD[field].endswith("[]") else (port,)
