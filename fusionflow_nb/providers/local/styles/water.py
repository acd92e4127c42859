"""Water: mirrors what stands above a line, broken by waves that shrink with distance; glitter under the sun or moon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles import color
from fusionflow_nb.providers.local.styles.frame import tile_rows, tiles
from fusionflow_nb.providers.local.styles.noise import (
    F32,
    Lattice,
    Stream,
    decay,
    smoothstep,
    unit_array,
)
from fusionflow_nb.providers.local.styles.sky import horizon_color
from fusionflow_nb.providers.local.styles.terrain import EYE, depth_of

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.styles.frame import Frame, Tick
    from fusionflow_nb.providers.local.styles.scene import Scene


def _waves(lattice: Lattice, x: F32, z: F32, phase: float, octaves: int, unit: float) -> F32:
    """Slope of the water at points of the ground plane; waves finer than a pixel are left out."""
    total = np.zeros(np.broadcast_shapes(x.shape, z.shape), np.float32)
    wide = np.broadcast_to(z, total.shape)
    frequency, amplitude = 1.7, 1.0
    footprint = z * z * (1.0 / (EYE * unit))  # ground length that one row covers
    for octave in range(octaves):
        seen = np.clip(1.6 - footprint * (frequency * 1.6), 0.0, 1.0)
        if float(seen.max()) > 0.0:
            drift = 0.35 * frequency
            turn = phase + octave * 0.31
            # Two sheets that sway against each other: ripples travel both ways and loop at phase 1.
            sway = drift * (turn - np.floor(turn) - 0.5)
            fade = np.abs(2.0 * (turn - np.floor(turn)) - 1.0)
            one = lattice.at(x * (frequency * 0.55) + octave * 9.1, wide * frequency + sway)
            two = lattice.at(
                x * (frequency * 0.55) + octave * 9.1 + 40.5,
                wide * frequency + sway + drift * 0.5,
            )
            total += (one * (1.0 - fade) + two * fade) * seen * amplitude
        frequency *= 2.1
        amplitude *= 0.72
    return total


def paint_water(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    cover: F32 | None,
    stream: Stream,
    *,
    line: float,
    phase: float,
    octaves: int,
    calm: float,
    tick: Tick,
) -> None:
    """Turn the rows under `line` (pixels), where `cover` is set (None: everywhere), into water.

    Args:
        calm: 0 rough sea .. 1 mirror.

    """
    lattice = Lattice(stream.child("water"))
    start = min(int(line), frame.height - 1)
    source = light[: start + 1].copy()
    across = frame.across()[None, :]
    columns = np.arange(frame.width, dtype=np.int64)[None, :]
    mood = scene.mood
    deep = color.vector(color.mix(mood.sky[2], color.from_hex("#04121c"), 0.62 if mood.is_night else 0.45))
    rough = 1.0 - calm
    far = horizon_color(scene)
    for part in tiles(frame.height, tile_rows(frame.width), start):
        below = np.maximum(frame.rows(part) - line, 0.25) * np.float32(1 / frame.unit)
        z = np.minimum(EYE / (below + 0.004), 90.0).astype(np.float32)
        waves = _waves(lattice, across * z, z, phase, octaves, frame.unit)
        taps = 5
        total = np.zeros((*waves.shape, 3), np.float32)
        counter = np.arange(part.start * frame.width, part.stop * frame.width, dtype=np.uint32)
        jitter = unit_array(counter, stream.salt + 77).reshape(waves.shape)
        reach = below * (0.10 + 0.75 * rough) + 0.012 * rough
        for tap in range(taps):
            share = (jitter + tap) * np.float32(1 / taps) - 0.5
            lift = below * (1.0 + 0.35 * rough) + waves * reach * 0.9 + share * reach * 0.9
            row = np.clip(start - np.abs(lift) * frame.unit, 0, start).astype(np.int64)
            shift = waves * (below * (0.05 + 0.10 * rough) * frame.unit)
            column = np.clip(columns + shift.astype(np.int64), 0, frame.width - 1)
            total += source[row, column]
        total *= np.float32(1 / taps)
        # Near the eye one looks into the water, far away only at what it mirrors.
        facing = smoothstep(0.0, 0.75, below) * (0.42 + 0.3 * rough) - waves * (0.16 * rough)
        total += (deep - total) * np.clip(facing, 0.05, 0.85)[..., None]
        if scene.disc is not None:
            side = np.abs(across - scene.light_x)
            width = scene.disc_radius * 0.55 + below * (0.16 + 0.34 * rough)
            path = decay((side / width) * (side / width) * 1.4)
            fine = lattice.at(
                across * z * 3.2 + 60.0,
                np.broadcast_to(z, waves.shape) * 8.5 + waves * 0.6,
            )
            spark = smoothstep(
                0.10,
                0.62,
                waves * 0.62 + fine * np.clip(1.5 - z * z / 420.0, 0.15, 0.8) + path * 0.22,
            )
            mean = 0.16 * decay(below * 1.5)
            power = (1.5 if mood.is_night else 1.9) * (0.35 + 0.65 * rough)
            tint = color.vector(color.mix(mood.disc, mood.glow, 0.35))
            total += ((path * (spark + mean)) * power)[..., None] * tint
        # The far edge melts into the haze of the horizon: no line of flat grey.
        if scene.ground == "ocean":
            melt = decay(below * 38.0) * (0.30 + 0.5 * scene.mist)
            glow = decay(np.abs(across - scene.light_x) * 2.4) * (0.3 if scene.disc is not None else 0.1)
            total += ((far + glow[..., None] * color.vector(mood.glow)) - total) * melt[..., None]
        if cover is None:
            light[part] = total
            depth[part] = np.broadcast_to(depth_of(z), waves.shape)
        else:
            tile = light[part]
            tile += (total - tile) * cover[part][..., None]
        tick((part.stop - start) / (frame.height - start))
