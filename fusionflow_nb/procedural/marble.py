"""The style `marble`: noise bent by noise bent by noise, with lit relief and metal veins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Lattice, Stream, seed_of, smoothstep
from fusionflow_nb.procedural.palette import PALETTE, choose
from fusionflow_nb.procedural.registry import PHASE, Setting, Style, number
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick

_METAL = "#e2b866"


def _layers(lattice: Lattice, x: F32, y: F32, *, swirl: float, octaves: int, phase: float) -> tuple[F32, F32, F32]:
    """Height, the bend that made it, and the field whose zero lines are veins."""
    first = lattice.fractal(x + 1.7, y + 9.2, 3, phase=phase, sway=0.12)
    second = lattice.fractal(x + 8.3, y + 2.8, 3, phase=phase, sway=0.12)
    u, v = x + first * swirl, y + second * swirl
    third = lattice.fractal(u * 1.1 + 3.1, v * 1.1 + 7.7, 3, phase=phase, sway=0.08)
    fourth = lattice.fractal(u * 1.1 + 5.9, v * 1.1 + 0.4, 3, phase=phase, sway=0.08)
    u, v = x + third * swirl, y + fourth * swirl
    height = lattice.fractal(u, v, octaves, gain=0.46)
    veins = lattice.fractal(u * 0.75 + 20.0, v * 0.75 + 4.0, octaves, gain=0.42)
    return height, third, veins


def render_marble(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Paint the marble of a prompt."""
    stream = Stream(seed_of(seed, prompt))
    _, colors = choose(parse_prompt(prompt), stream, str(settings["palette"]))
    lattice = Lattice(stream.child("marble"))
    draw = stream.child("place")
    start_x, start_y = draw.between(0, 200), draw.between(0, 200)
    scale, swirl, veins_share = (number(settings, name) for name in ("scale", "swirl", "veins"))
    phase = number(settings, "phase")
    octaves = 4 + round(3 * number(settings, "detail"))
    table = color.ramp(colors)
    metal = color.vector(color.from_hex(_METAL))
    light = np.empty((frame.height, frame.width, 3), np.float32)
    stages = Stages(tick, [6.0, 1.0])
    stage = stages.next()
    step = np.float32(scale / frame.unit)
    columns = (np.arange(frame.width + 1, dtype=np.float32) - np.float32(frame.width / 2)) * step + np.float32(start_x)
    for part in tiles(frame.height, tile_rows(frame.width, 24576)):
        rows = np.arange(part.start, part.stop + 1, dtype=np.float32)[:, None]
        rows = (rows - np.float32(frame.height / 2)) * step + np.float32(start_y)
        shape = (rows.shape[0], columns.shape[0])
        x, y = (np.ascontiguousarray(np.broadcast_to(axis, shape)) for axis in (columns[None, :], rows))
        height, bend, field = _layers(lattice, x, y, swirl=swirl, octaves=octaves, phase=phase)
        here = height[:-1, :-1]
        slope_x = (height[:-1, 1:] - here) * np.float32(0.020 / step * scale)
        slope_y = (height[1:, :-1] - here) * np.float32(0.020 / step * scale)
        up = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 0.02)
        facing = np.clip((-slope_x * 0.55 - slope_y * 0.62 + 0.56 * 0.1414) * up, 0.0, 1.4)
        bent = bend[:-1, :-1]
        place = 0.46 + here * 0.78 + bent * 0.46
        tile = color.look_up(table, place)
        tile *= (0.42 + 0.92 * facing)[..., None]
        # Deep folds swallow light, ridges gleam.
        tile *= (0.62 + 0.38 * smoothstep(-0.55, 0.1, here))[..., None]
        gleam = smoothstep(0.86, 1.05, facing) * 0.20
        tile += gleam[..., None] * color.vector(colors[4])
        if veins_share > 0:
            line = field[:-1, :-1]
            grade_x, grade_y = field[:-1, 1:] - line, field[1:, :-1] - line
            width = np.sqrt(grade_x * grade_x + grade_y * grade_y)
            # The width of a vein in pixels comes from the slope of its field: even lines at any size.
            away = np.abs(line) / np.maximum(width, 1e-5)
            wide = np.float32(frame.unit * 0.0032) * (0.35 + 1.3 * smoothstep(-0.4, 0.5, bent))
            cover = np.clip(wide - away + 0.5, 0.0, 1.0) * smoothstep(-0.35, 0.25, here + bent) * veins_share
            shine = metal * (0.35 + 1.15 * facing * facing)[..., None]
            tile += (shine - tile) * cover[..., None]
        light[part] = tile
        stage(part.stop / frame.height)
    look = Look(bloom=0.12, bloom_from=0.7, vignette=0.22, saturation=1.08)
    return Rendered(finish(light, look, stream.salt, stages.next()), None)


MARBLE = Style(
    id="marble",
    title="Marble",
    says_how="Procedural: noise bent twice by other noise, lit as a relief, with veins along one of its zero lines.",
    gives_depth=False,
    settings={
        "palette": PALETTE,
        "scale": Setting("number", 1.7, "More means more and smaller forms.", 0.5, 6),
        "swirl": Setting("number", 0.85, "How far the layers are bent.", 0, 2),
        "veins": Setting("number", 0.8, "Strength of the metal veins.", 0, 1),
        "detail": Setting("number", 0.5, "Fine structure.", 0, 1),
        "phase": PHASE,
    },
    renderer=render_marble,
)
