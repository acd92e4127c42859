"""Palettes by name, and the choice of a palette by prompt."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.registry import Setting

if TYPE_CHECKING:
    from fusionflow_nb.procedural.color import Rgb
    from fusionflow_nb.procedural.noise import Stream
    from fusionflow_nb.procedural.words import ParsedPrompt

# Five colours each, from the ground of a picture to its highlights.
_CODES = {
    "neon": "#120a3a #5b1fb8 #ff2d95 #ff9ac8 #2de2ff",
    "sunset": "#2a1846 #7a2f6b #e0526e #ff9a5a #ffe0a0",
    "ocean": "#04203f #0b4f80 #1592b2 #62d2cf #e8f8ea",
    "forest": "#0c1f17 #1f4a30 #4b8a4a #a8c66c #f2eec4",
    "fire": "#1a0608 #741510 #dc421a #ff9d2e #fff0b4",
    "gold": "#15100b #4f371a #ac7b2a #eabf5c #fff4d2",
    "autumn": "#2a1712 #7e301c #c85a2a #eaa63c #f7e5b4",
    "aurora": "#06142e #10566e #1fbc92 #8cf2b4 #b88cff",
    "candy": "#ff84b4 #ffb9d4 #fff0de #9fe2ea #ac96f2",
    "ice": "#0e2a4a #3a78b0 #8ac4e4 #d0ecf8 #ffffff",
    "desert": "#3e2019 #904c2e #d48c52 #f2ca92 #fcf0da",
    "night": "#060822 #1c2466 #4c50b4 #9c8ce4 #f6eaff",
    "ink": "#0c0d10 #33363d #7c8088 #c4c6ca #f6f5f2",
    "rose": "#2c0a22 #80204e #dc5084 #ffa4b4 #ffeade",
    "opal": "#2fb8c0 #6c80ee #dc84e2 #ffac9e #fff4c8",
}
PALETTES = MappingProxyType({name: tuple(map(color.from_hex, codes.split())) for name, codes in _CODES.items()})
DARK = frozenset({"neon", "aurora", "night", "fire", "gold"})  # these look best on a dark background

PALETTE = Setting("choice", "auto", "Colours; auto reads them from the prompt.", choices=("auto", *PALETTES))


def _around(code: str) -> tuple[Rgb, ...]:
    """Return a palette around a colour: shades, tints, and an accent of the complementary hue."""
    lightness, a, b = color.to_oklab(color.from_hex(code))
    return (
        color.from_oklab((0.20, a * 0.45, b * 0.45)),
        color.from_oklab((0.42, a * 0.9, b * 0.9)),
        color.from_oklab((max(0.55, lightness), a, b)),
        color.from_oklab((0.84, a * 0.45, b * 0.45)),
        color.from_oklab((0.88, -a * 0.35, -b * 0.35)),
    )


def choose(parsed: ParsedPrompt, stream: Stream, requested: str) -> tuple[str, tuple[Rgb, ...]]:
    """Return name and five colours of a palette: the requested, else the prompt's, else one selected by seed."""
    if requested != "auto":
        return requested, PALETTES[requested]
    if parsed.palette is not None:
        return parsed.palette, PALETTES[parsed.palette]
    if parsed.tint is not None:
        return "tint", _around(parsed.tint)
    name = stream.child("palette").pick(tuple(PALETTES))
    return name, PALETTES[name]
