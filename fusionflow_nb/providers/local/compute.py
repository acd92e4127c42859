"""Compute the outputs of a request with the model's function. Runs in a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from fusionflow_nb import errors
from fusionflow_nb.media.audio import write_wav
from fusionflow_nb.media.picture import encode_png, from_array, open_picture, to_array
from fusionflow_nb.media.video import write_video
from fusionflow_nb.procedural import STYLES, recolor, render
from fusionflow_nb.providers.local.ambient import RATE, ambient
from fusionflow_nb.providers.local.animate import animate
from fusionflow_nb.providers.local.backdrop import cut_out
from fusionflow_nb.providers.local.ken_burns import ken_burns
from fusionflow_nb.providers.local.parallax import parallax
from fusionflow_nb.providers.local.upscale import upscale_lanczos, upscale_neural
from fusionflow_nb.providers.protocol import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from fusionflow_nb.providers.protocol import Request

    Tick = Callable[[float], None]

MAX_VIDEO_SIDE = 1280
# The styles' default size is below it; on two cores 768 x 768 pixels take half a minute.
MAX_NEURAL_PIXELS = 1024 * 1024
DRAW_SHARE = 0.9
"""Fraction of a video's progress for the frames; the rest is for writing the file."""


def compute(request: Request, file: Path, tick: Tick) -> tuple[Output, ...]:
    """Compute the outputs of a request.

    Args:
        request: for a model of `local`.
        file: where a video or a sound is written; the reader of the outputs deletes it.
        tick: called with the fraction done; an exception it raises stops the work.

    Raises:
        SettingError, MediaError: a setting or an input is not valid.
    """
    name = request.model.provider_model_id
    settings: dict[str, Any] = {
        key: parameter.default for key, parameter in request.model.parameters.items() if parameter.default is not None
    }
    settings.update(request.settings)
    if name in STYLES:
        return _style(name, request.prompt or "", settings, tick)
    outputs = _MODELS[name](request, settings, file, tick)
    tick(1.0)
    return outputs


def _style(name: str, prompt: str, settings: dict[str, Any], tick: Tick) -> tuple[Output, ...]:
    own = {key: settings[key] for key in STYLES[name].settings if key in settings}
    picture = render(
        name, prompt, seed=settings["seed"], width=settings["width"], height=settings["height"], settings=own, tick=tick
    )
    outputs = [Output("image", encode_png(from_array(picture.pixels)), "image/png")]
    if picture.depth is not None:
        outputs.append(Output("depth", _grey(np.clip(picture.depth * 255 + 0.5, 0, 255).astype(np.uint8)), "image/png"))
    return tuple(outputs)


def _recolor(request: Request, settings: dict[str, Any], _file: Path, tick: Tick) -> tuple[Output, ...]:
    pixels = _pixels(request, "image")
    recolored = recolor(pixels, request.prompt or "", strength=settings["strength"], seed=settings["seed"], tick=tick)
    mask = request.reference("mask")
    if mask is not None:
        grey = open_picture(mask.file).convert("L").resize((pixels.shape[1], pixels.shape[0]))
        inside = np.asarray(grey, np.float32)[:, :, None] / 255
        recolored = np.clip(recolored * inside + pixels * (1 - inside) + 0.5, 0, 255).astype(np.uint8)
    return (Output("image", encode_png(from_array(recolored)), "image/png"),)


def _lanczos(request: Request, settings: dict[str, Any], _file: Path, tick: Tick) -> tuple[Output, ...]:
    pixels = upscale_lanczos(_pixels(request, "image"), settings["factor"], tick=tick)
    return (Output("image", encode_png(from_array(pixels)), "image/png"),)


def _neural(request: Request, _settings: dict[str, Any], _file: Path, tick: Tick) -> tuple[Output, ...]:
    pixels = _pixels(request, "image")
    if pixels.shape[0] * pixels.shape[1] > MAX_NEURAL_PIXELS:
        raise errors.SettingError(
            f"The picture has {pixels.shape[1]}x{pixels.shape[0]} pixels; this network takes up to 1024x1024.",
            hint="Resize it first, or use local/upscale-lanczos.",
        )
    return (Output("image", encode_png(from_array(upscale_neural(pixels, tick=tick))), "image/png"),)


def _ken_burns(request: Request, settings: dict[str, Any], file: Path, tick: Tick) -> tuple[Output, ...]:
    pixels = _pixels(request, "image")
    width, height = _video_size(pixels, settings.get("width"), settings.get("height"))
    frames = ken_burns(
        pixels,
        seed=settings["seed"],
        zoom=settings["zoom"],
        duration_s=settings["duration_s"],
        fps=settings["fps"],
        width=width,
        height=height,
        tick=_share(tick),
    )
    return _video(frames, settings, (width, height), file)


def _parallax(request: Request, settings: dict[str, Any], file: Path, tick: Tick) -> tuple[Output, ...]:
    depth_reference = request.reference("depth")
    if depth_reference is None:
        raise errors.SettingError(
            "local/parallax needs a depth picture.", hint="Connect the depth output of a procedural landscape or scene."
        )
    pixels = _pixels(request, "image")
    width, height = _video_size(pixels, None, None)
    picture = open_picture(request.references["image"][0].file).convert("RGB").resize((width, height))
    depth = np.asarray(
        open_picture(depth_reference.file).convert("L").resize((width, height), Pillow.Resampling.NEAREST), np.float32
    ) / np.float32(255)
    frames = parallax(
        np.asarray(picture),
        depth,
        amplitude=settings["amplitude"],
        focus_depth=settings["focus_depth"],
        duration_s=settings["duration_s"],
        fps=settings["fps"],
        tick=_share(tick),
    )
    return _video(frames, settings, (width, height), file)


def _animate(request: Request, settings: dict[str, Any], file: Path, tick: Tick) -> tuple[Output, ...]:
    size = (settings["width"] // 2 * 2, settings["height"] // 2 * 2)

    def draw(phase: float, inner: Tick) -> NDArray[np.uint8]:
        picture = render(
            settings["style"],
            request.prompt or "",
            seed=settings["seed"],
            width=size[0],
            height=size[1],
            settings={"phase": phase},
            tick=inner,
        )
        return picture.pixels

    frames = animate(draw, duration_s=settings["duration_s"], fps=settings["fps"], tick=_share(tick))
    return _video(frames, settings, size, file)


def _ambient(request: Request, settings: dict[str, Any], file: Path, tick: Tick) -> tuple[Output, ...]:
    samples = ambient(request.prompt or "", seed=settings["seed"], duration_s=settings["duration_s"], tick=_share(tick))
    write_wav(file, samples, RATE)
    return (Output("audio", file, "audio/wav"),)


def _backdrop(request: Request, settings: dict[str, Any], _file: Path, tick: Tick) -> tuple[Output, ...]:
    pixels, own = _pixels(request, "image"), {name: settings[name] for name in ("tolerance", "softness")}
    cut = cut_out(pixels, tick=_share(tick), **own)
    return (
        Output("image", encode_png(from_array(cut.rgba)), "image/png"),
        Output("mask", _grey(cut.mask), "image/png"),
    )


_MODELS: dict[str, Callable[[Request, dict[str, Any], Path, Tick], tuple[Output, ...]]] = {
    "recolor": _recolor,
    "upscale-lanczos": _lanczos,
    "upscale-x4": _neural,
    "ken-burns": _ken_burns,
    "parallax": _parallax,
    "animate": _animate,
    "ambient": _ambient,
    "backdrop": _backdrop,
}


def _pixels(request: Request, port: str) -> NDArray[np.uint8]:
    reference = request.reference(port)
    if reference is None:
        raise errors.SettingError(f"{request.model.id} needs a picture.", hint=f"Connect one to {port!r}.")
    return to_array(open_picture(reference.file).convert("RGB"))


def _grey(values: NDArray[np.uint8]) -> bytes:
    """Encode one channel as PNG."""
    return encode_png(Pillow.fromarray(values, "L"))


def _video_size(pixels: NDArray[np.uint8], width: int | None, height: int | None) -> tuple[int, int]:
    """Return even sides, as codecs require, of at most MAX_VIDEO_SIDE."""
    tall, wide = pixels.shape[:2]
    if width and not height:
        height = round(tall * width / wide)
    if height and not width:
        width = round(wide * height / tall)
    width, height = width or wide, height or tall
    scale = min(1.0, MAX_VIDEO_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _video(
    frames: Iterator[NDArray[np.uint8]], settings: dict[str, Any], size: tuple[int, int], file: Path
) -> tuple[Output, ...]:
    facts = write_video(file, frames, fps=settings["fps"], width=size[0], height=size[1])
    return (Output("video", file, facts.media_type),)


def _share(tick: Tick) -> Tick:
    return lambda fraction: tick(fraction * DRAW_SHARE)
