"""Water: a reflection of the area above a line, distorted by waves, and glitter under the sun or moon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.frame import box_blur, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Lattice, decay, smoothstep, unit_array
from fusionflow_nb.procedural.terrain import EYE, depth_of

if TYPE_CHECKING:
    from fusionflow_nb.procedural.frame import Tick
    from fusionflow_nb.procedural.scene import Painting, Scene

_TAPS = 8


def _waves(lattice: Lattice, x: F32, z: F32, painting: Painting) -> F32:
    """Slope of the water at points of its plane, about -1 .. 1; waves finer than a pixel are left out."""
    total = np.zeros_like(x)
    frequency, amplitude = 1.7, 1.0
    footprint = z * z * (1.0 / (EYE * painting.frame.unit))  # ground length covered by a row
    for octave in range(5):
        visibility = np.clip(1.6 - footprint * (frequency * 1.6), 0.0, 1.0)
        if float(visibility.max()) > 0.0:
            # Two sheets that fade into each other while they drift: the ripples travel and loop at phase 1.
            turn = painting.phase + octave * 0.31
            turn -= float(np.floor(turn))
            fade = abs(2.0 * turn - 1.0)
            drift = 0.6 * frequency
            along = x * (frequency * 0.55) + octave * 9.1
            first = lattice.at(along, z * frequency + drift * turn)
            second = lattice.at(along + 40.5, z * frequency + drift * (turn - 0.5 if turn > 0.5 else turn + 0.5))  # noqa: PLR2004
            total += (first * (1.0 - fade) + second * fade) * (visibility * amplitude)
        frequency *= 2.1
        amplitude *= 0.72
    return total


@dataclass(frozen=True, slots=True)
class _Surface:
    """A tile of rows of water: places on its plane, how far below the far edge, and its slope."""

    x: F32
    z: F32
    across: F32  # (1, columns), units
    below: F32  # (rows, 1), units
    waves: F32
    rough: float


def _mirrored(source: F32, surface: _Surface, salt: int, first: int, unit: float) -> F32:
    """Mean of what several tilts of the surface mirror: lights become upright streaks."""
    waves, below, rough = surface.waves, surface.below, surface.rough
    start = source.shape[0] - 1
    rows, width = waves.shape
    counter = np.arange(first * width, (first + rows) * width, dtype=np.uint32).reshape(rows, width)
    jitter = unit_array(counter, salt)
    reach = below * (0.16 + 0.75 * rough) + 0.012 * rough
    lift = below * (1.0 + 0.25 * rough) + waves * reach * 0.55
    shift = waves * (below * (0.04 + 0.10 * rough) * unit)
    columns = np.arange(width, dtype=np.float32)[None, :]
    column = np.clip(columns + shift + 0.5, 0, width - 1).astype(np.int64)
    total = np.zeros((rows, width, 3), np.float32)
    for tap in range(_TAPS):
        share = (jitter + tap) * np.float32(1 / _TAPS) - 0.5
        row = np.clip(start - np.abs(lift + share * reach * 0.9) * unit, 0, start).astype(np.int64)
        total += source[row, column]
    total *= np.float32(1 / _TAPS)
    return total


def _glitter(scene: Scene, lattice: Lattice, surface: _Surface) -> F32:
    """The path of sparks under the sun or moon, (rows, columns)."""
    x, z, below, waves, rough = surface.x, surface.z, surface.below, surface.waves, surface.rough
    side = np.abs(surface.across - scene.light_x)
    width = scene.disc_radius * 0.55 + below * (0.16 + 0.34 * rough)
    path = decay((side / width) * (side / width) * 1.4)
    fine = lattice.at(x * 3.2 + 60.0, z * 8.5 + waves * 0.6)
    spark = smoothstep(0.10, 0.62, waves * 0.62 + fine * np.clip(1.5 - z * z / 420.0, 0.15, 0.8) + path * 0.22)
    power = (1.5 if scene.mood.is_night else 1.9) * (0.35 + 0.65 * rough)
    result: F32 = path * (spark + 0.16 * decay(below * 1.5)) * power
    return result


def paint_water(painting: Painting, cover: F32 | None, *, line: float, calm: float, tick: Tick) -> None:
    """Turn the rows under `line` into water.

    Args:
        painting: everything above the line is there already.
        cover: (height, width) share of water per pixel; None: all of it.
        line: row of the far edge, pixels.
        calm: 0 rough sea .. 1 mirror.
        tick: takes 0..1.
    """
    scene, frame, light = painting.scene, painting.frame, painting.light
    lattice = Lattice(painting.stream.child("water"))
    start = min(int(line), frame.height - 1)
    source = light[: start + 1].copy()
    if scene.ground == "ocean":
        # A rough sea shows no single stars; the path of the moon is drawn by its own sparks.
        radius = max(1, int(0.006 * frame.unit))
        for part in tiles(source.shape[0], tile_rows(frame.width)):
            capped = np.minimum(source[part], 0.15 if scene.mood.is_night else 2.5)
            source[part] = box_blur(capped, radius, 1)
    across = frame.across()[None, :]
    mood = scene.mood
    deep = color.vector(color.mix(mood.sky[2], color.from_hex("#04121c"), 0.62 if mood.is_night else 0.45))
    rough = 1.0 - calm
    for part in tiles(frame.height, tile_rows(frame.width, 32768), start):
        below = np.maximum(frame.rows(part) - line, 0.25) * np.float32(1 / frame.unit)
        z = np.minimum(EYE / (below + 0.004), 90.0)
        x = across * z
        away = np.broadcast_to(z, x.shape)
        waves = _waves(lattice, x, away, painting)
        surface = _Surface(x, away, across, below, waves, rough)
        total = _mirrored(source, surface, painting.stream.salt + 77, part.start, frame.unit)
        # Near the eye the view reaches into the water, far away it shows only the reflection.
        facing = (
            smoothstep(0.0, 0.75, below) * (0.42 + 0.3 * rough)
            - waves * (0.20 * rough + 0.35 * scene.storm)
            + 0.25 * (scene.ground == "city") * smoothstep(0.0, 0.2, below)
        )
        total += (deep - total) * np.clip(facing, 0.05, 0.85)[..., None]
        total *= (1.0 + waves * (0.9 * rough * (scene.ground == "ocean")))[..., None]
        if scene.disc is not None and scene.ground != "city":
            tint = color.vector(color.mix(mood.disc, mood.glow, 0.35))
            total += _glitter(scene, lattice, surface)[..., None] * tint
        if scene.ground == "ocean":
            # The far edge melts into the haze of the horizon: no line of flat grey.
            melt = decay(below * 38.0) * (0.30 + 0.5 * scene.mist)
            glow = decay(np.abs(across - scene.light_x) * 2.4) * (0.3 if scene.disc is not None else 0.1)
            total += ((color.vector(mood.haze) + glow[..., None] * color.vector(mood.glow)) - total) * melt[..., None]
        if scene.storm and scene.ground == "ocean":
            foam = smoothstep(0.30, 0.85, waves + 0.35 * lattice.at(x * 4.0, away * 6.0)) * 0.55
            total += (color.vector(mood.sky[0]) - total) * foam[..., None]
        if cover is None:
            light[part] = total
            painting.depth[part] = depth_of(away)
        else:
            tile = light[part]
            tile += (total - tile) * cover[part][..., None]
        tick((part.stop - start) / (frame.height - start))
