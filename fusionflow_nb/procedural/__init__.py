"""Procedural text-to-image: pictures computed from a prompt, without a model or network access.

`STYLES` lists the styles, `render` draws a picture, `recolor` regrades a picture. The same style, prompt, seed, size
and settings give the same pixels on every machine.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.procedural.attractor import ATTRACTOR
from fusionflow_nb.procedural.flow_field import FLOW_FIELD
from fusionflow_nb.procedural.frame import Frame, Rendered
from fusionflow_nb.procedural.landscape import LANDSCAPE
from fusionflow_nb.procedural.marble import MARBLE
from fusionflow_nb.procedural.reaction_diffusion import REACTION_DIFFUSION
from fusionflow_nb.procedural.recolor import recolor
from fusionflow_nb.procedural.registry import Setting, Style
from fusionflow_nb.procedural.sdf_scene import SDF_SCENE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick

__all__ = ["LARGEST", "SMALLEST", "STYLES", "Rendered", "Setting", "Style", "recolor", "render"]

SMALLEST, LARGEST = 64, 4096  # pixels of a side

STYLES: Mapping[str, Style] = MappingProxyType(
    {style.id: style for style in (LANDSCAPE, SDF_SCENE, ATTRACTOR, FLOW_FIELD, MARBLE, REACTION_DIFFUSION)}
)


def _ignore(fraction: float) -> None:
    """Default tick: ignore the progress."""


def render(
    style: str,
    prompt: str,
    *,
    seed: int,
    width: int,
    height: int,
    settings: Mapping[str, object] | None = None,
    tick: Tick = _ignore,
) -> Rendered:
    """Render a prompt in a style.

    Args:
        style: a key of `STYLES`.
        prompt: known words select light, colours and elements; other words only change the random numbers.
        seed: any integer; different seeds give different pictures.
        width: pixels, 64..4096.
        height: pixels, 64..4096.
        settings: values of the style's settings; missing settings have their defaults.
        tick: called often with the fraction done, 0..1, never decreasing, finally 1.0; raise in it to cancel.

    Raises:
        ParameterError: no such style or setting, or a value out of range.

    >>> render("landscape", "ocean under a full moon", seed=1, width=64, height=64).pixels.shape
    (64, 64, 3)

    """
    if style not in STYLES:
        message = f"There is no procedural style {style!r}."
        raise errors.ParameterError(message, hint=f"Available styles: {', '.join(STYLES)}.")
    for name, size in (("width", width), ("height", height)):
        if not SMALLEST <= size <= LARGEST:
            message = f"The {name} of a procedural picture must be {SMALLEST} to {LARGEST} pixels, not {size}."
            raise errors.ParameterError(message)
    selected = STYLES[style]
    rendered = selected.renderer(prompt, seed, Frame(width, height), selected.complete(settings or {}), tick)
    tick(1.0)
    return rendered
