"""Models of the built-in provider, with the method of each. Procedural models are never called AI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb.providers.local.upscale import is_neural_available
from fusionflow_nb.providers.model import ModelEntry, Parameter

if TYPE_CHECKING:
    from fusionflow_nb.procedural import Style

_SEED = Parameter(kind="integer", minimum=0, maximum=2**31 - 1, description="same seed, same settings: same result")
_SIDE = Parameter(kind="integer", default=768, minimum=64, maximum=4096, description="pixels")
_SECONDS = Parameter(kind="number", default=3.0, minimum=1, maximum=20, description="seconds")
_FPS = Parameter(kind="number", default=24.0, minimum=12, maximum=60, description="frames per second")
_FILM = {"duration_s": _SECONDS, "fps": _FPS}


def _entry(model: str, title: str, **facts: Any) -> ModelEntry:  # noqa: ANN401 - fields of ModelEntry
    return ModelEntry(provider="local", provider_model_id=model, title=title, is_free=True, **facts)


def _style_settings(style: Style) -> dict[str, Parameter]:
    return {
        name: Parameter(
            kind=setting.kind,
            default=setting.default,
            minimum=setting.minimum,
            maximum=setting.maximum,
            choices=tuple(setting.choices) if setting.choices else None,
            description=setting.description,
        )
        for name, setting in style.settings.items()
    }


def _styles() -> list[ModelEntry]:
    from fusionflow_nb.procedural import STYLES  # noqa: PLC0415 - imports numpy

    return [
        _entry(
            style.id,
            style.title,
            tasks=("text-to-image",),
            method="procedural",
            says_how=style.says_how,
            aliases=(style.id,),
            outputs=("depth",) if style.gives_depth else (),
            parameters={"seed": _SEED, "width": _SIDE, "height": _SIDE, **_style_settings(style)},
            typical_s=2.0,
        )
        for style in STYLES.values()
    ]


def _all() -> tuple[ModelEntry, ...]:
    entries = [
        *_styles(),
        _entry(
            "recolor",
            "Recolour by words",
            tasks=("edit-image",),
            method="classical",
            says_how="Regrades the picture toward the palette and mood that the words name; shapes stay.",
            inputs=("image", "mask"),
            parameters={
                "seed": _SEED,
                "strength": Parameter(
                    kind="number", default=0.8, minimum=0, maximum=1, description="0 leaves it as it is"
                ),
            },
        ),
        _entry(
            "upscale-lanczos",
            "Upscale, Lanczos",
            tasks=("upscale",),
            method="classical",
            says_how="Interpolates: nothing is invented, nothing gets sharper.",
            inputs=("image",),
            parameters={"factor": Parameter(kind="number", default=4.0, minimum=1.01, maximum=8)},
        ),
        _entry(
            "ken-burns",
            "Ken Burns move",
            tasks=("image-to-video",),
            method="procedural",
            says_how="A slow camera move over the picture.",
            inputs=("image",),
            parameters={
                "seed": _SEED,
                **_FILM,
                "width": Parameter(kind="integer", minimum=64, maximum=1920, description="pixels"),
                "height": Parameter(kind="integer", minimum=64, maximum=1920, description="pixels"),
                "zoom": Parameter(kind="number", default=1.3, minimum=1, maximum=2),
            },
        ),
        _entry(
            "parallax",
            "Parallax 2.5D",
            tasks=("image-to-video",),
            method="procedural",
            says_how="Moves a camera past the scene, by the exact depth of a procedural picture (connect its depth).",
            inputs=("image", "depth"),
            parameters={
                **_FILM,
                "amplitude": Parameter(kind="number", default=0.03, minimum=0, maximum=0.1, description="of the width"),
                "focus_depth": Parameter(
                    kind="number", default=0.35, minimum=0, maximum=1, description="depth that does not move"
                ),
            },
            typical_s=8.0,
        ),
        _entry(
            "animate",
            "Moving landscape",
            tasks=("text-to-video",),
            method="procedural",
            says_how="Draws a procedural style frame by frame while its clock runs.",
            parameters={
                "seed": _SEED,
                **_FILM,
                "width": Parameter(kind="integer", default=384, minimum=64, maximum=1024, description="pixels"),
                "height": Parameter(kind="integer", default=384, minimum=64, maximum=1024, description="pixels"),
                "style": Parameter(kind="choice", default="landscape", choices=("landscape", "attractor", "marble")),
            },
            typical_s=20.0,
        ),
        _entry(
            "ambient",
            "Ambient pad",
            tasks=("text-to-audio",),
            method="procedural",
            says_how="Synthesises a calm chord for the mood that the words name.",
            parameters={"seed": _SEED, "duration_s": Parameter(kind="number", default=8.0, minimum=1, maximum=120)},
        ),
        _entry(
            "backdrop",
            "Key out an even background",
            tasks=("remove-background",),
            method="classical",
            says_how="Finds the colour of an even ground from the border and cuts the subject out; no network.",
            inputs=("image",),
            outputs=("mask",),
            parameters={
                "tolerance": Parameter(kind="number", default=0.06, minimum=0.005, maximum=0.5),
                "softness": Parameter(kind="number", default=0.05, minimum=0.0, maximum=0.5),
            },
        ),
    ]
    if is_neural_available():
        entries.append(
            _entry(
                "upscale-x4",
                "Upscale ×4, neural",
                tasks=("upscale",),
                method="neural",
                says_how="Real-ESRGAN animevideov3 (BSD-3), run on the CPU; equal within 2/255 between machines.",
                inputs=("image",),
                typical_s=4.0,
            )
        )
    return tuple(entries)


MODELS = _all()
