"""The sky: gradient, glow, stars, disc, clouds and aurora, painted over the whole frame from the zenith down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.frame import tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Lattice, decay, line_noise, sine_of, smoothstep

if TYPE_CHECKING:
    from fusionflow_nb.procedural.frame import Tick
    from fusionflow_nb.procedural.scene import Painting

_AURORA_LOW = "#3dffb0"
_AURORA_MIDDLE = "#1fd0c8"
_AURORA_HIGH = "#9a5cff"
_OVERCAST = 0.7  # from this amount on, clouds close


def _beside_light(painting: Painting, part: slice) -> tuple[F32, F32]:
    """Units right of and below the sun or moon for a tile: a row and a column to broadcast."""
    frame, scene = painting.frame, painting.scene
    height = (frame.rows(part) - scene.light_y * frame.height) * np.float32(1 / frame.unit)
    return frame.across()[None, :] - scene.light_x, height


def _gradient(painting: Painting, part: slice) -> F32:
    """Sky colour and glow of a tile of rows."""
    scene, frame = painting.scene, painting.frame
    horizon = scene.horizon * frame.height
    up = np.maximum(horizon - frame.rows(part), 0.0) * np.float32(1 / horizon)
    table = color.ramp(scene.mood.sky)
    tile = np.repeat(color.look_up(table, up * 0.45 + np.sqrt(up) * 0.55), frame.width, axis=1)
    side, height = _beside_light(painting, part)
    near = side * side * 0.7 + height * height
    strength = 0.34 if scene.mood.is_night else 0.9
    if scene.disc is None:
        strength *= 0.25 if scene.mood.is_night else 0.45
    glow = (0.007 / (0.007 + near)) * (0.5 * strength) + decay(np.sqrt(near) * 5.5) * (0.30 * strength)
    tile += glow[..., None] * color.vector(scene.mood.glow)
    return tile


def _disc(painting: Painting, part: slice, lattice: Lattice, tile: F32) -> None:
    """The sun, or the moon with its plains, over a tile."""
    scene = painting.scene
    side, height = _beside_light(painting, part)
    radius = scene.disc_radius
    if float(height.min()) > radius * 1.1 or float(height.max()) < -radius * 1.1:
        return
    from_middle = np.sqrt(side * side + height * height)
    cover = np.clip((radius - from_middle) * np.float32(painting.frame.unit) + 0.5, 0.0, 1.0)
    if scene.disc == "moon":
        inside = np.minimum(from_middle * (1 / radius), 1.0)
        bulge = 1.0 + 0.35 * inside * inside  # a ball, seen from far away
        x, y = side * (bulge * (2.1 / radius)), height * (bulge * (2.1 / radius))
        plains = lattice.fractal(x * 0.45 + 9.3, y * 0.45 + 3.1, 5)
        craters = lattice.fractal(x * 1.7 + 31.7, y * 1.7 + 8.1, 3)
        shade = 1.0 - 0.46 * smoothstep(-0.05, 0.28, plains) + 0.12 * craters
        strength = shade * (1.0 - 0.22 * inside * inside) * 1.02
    else:
        strength = np.full_like(from_middle, 4.0)
    body = strength[..., None] * color.vector(scene.mood.disc)
    tile += (body - tile) * cover[..., None]


def _stars(painting: Painting) -> None:
    """Few bright and many faint stars; they fade towards the horizon."""
    scene, frame, light = painting.scene, painting.frame, painting.light
    horizon = scene.horizon * frame.height
    count = int(820 * scene.stars * frame.width * horizon / (frame.unit * frame.unit * 0.62))
    draw = painting.stream.child("stars")
    columns = draw.array(count) * np.float32(frame.width)
    high = draw.array(count)
    rows = high * np.float32(horizon)
    rank = draw.array(count)
    power = 0.05 / (0.028 + rank)  # few are bright
    twinkle = draw.array(count)
    heat = draw.array(count)[:, None]
    tints = color.vector((0.72, 0.84, 1.25)) * (1.0 - heat) + color.vector((1.2, 0.95, 0.72)) * heat
    shine = np.array([sine_of(painting.phase + float(turn)) for turn in twinkle], np.float32)
    power = power * (1.0 + 0.35 * shine) * np.maximum(1.0 - high * 1.02, 0.0)
    size = max(0.55, frame.unit / 1150.0)
    spread = size * (0.8 + 0.5 * np.minimum(power, 1.6))
    reach = max(2, int(size * 4))
    left, top = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            row, column = top + down, left + right
            x = column.astype(np.float32) + 0.5 - columns
            y = row.astype(np.float32) + 0.5 - rows
            fall = np.maximum(1.0 - (x * x + y * y) / (spread * spread * 5.0), 0.0)
            value = fall * fall * fall * fall * power * np.float32(1.5)
            keep = (row >= 0) & (row < frame.height) & (column >= 0) & (column < frame.width) & (value > 0)
            np.add.at(light, (row[keep], column[keep]), value[keep, None] * tints[keep])


def _clouds(painting: Painting, part: slice, lattice: Lattice, tile: F32) -> None:
    """Clouds on a flat layer seen in perspective, lit from the side of the sun or moon."""
    scene, frame, phase = painting.scene, painting.frame, painting.phase
    octaves = max(4, painting.octaves - 2)
    rows = frame.rows(part)
    up = (scene.horizon * frame.height - rows) * np.float32(1 / frame.unit)
    if float(up.max()) <= 0.0:
        return
    up = np.maximum(up, 0.0)
    far = 1.0 / (up + 0.20)
    x = frame.across()[None, :] * far * 1.25 + 40.0
    y = np.broadcast_to(far * 2.3, x.shape) + np.float32(7.0)
    warp = lattice.fractal(x * 0.55, y * 0.55, 2, phase=phase, sway=0.22)
    x, y = x + warp * 0.7, y + warp * 0.4
    dense = lattice.fractal(x, y, octaves + 1, gain=0.54, phase=phase, sway=0.10)
    toward = 0.16 if scene.light_x > 0 else -0.16
    beside = lattice.fractal(x + toward, y + 0.12, max(2, octaves - 1), gain=0.54, phase=phase, sway=0.10)
    level = 0.52 - 0.72 * scene.clouds
    body = smoothstep(level, level + 0.36, dense)
    lit = smoothstep(-0.22, 0.34, dense - beside + 0.10 - 0.12 * body)
    side, height = _beside_light(painting, part)
    near = decay(np.sqrt(side * side * 0.6 + height * height) * 3.2)
    mood = scene.mood
    colors = (
        color.vector(mood.cloud_dark) + (color.vector(mood.cloud_lit) - color.vector(mood.cloud_dark)) * lit[..., None]
    )
    lining = near * (1.0 - body * 0.7) * (0.5 if mood.is_night else 0.8)
    colors += lining[..., None] * color.vector(mood.glow)
    cover = body * (0.9 if scene.clouds > _OVERCAST else 0.78) * smoothstep(0.0, 0.16, up)
    tile += (colors - tile) * cover[..., None]


def _aurora(painting: Painting, part: slice, tile: F32) -> None:
    """Three curtains: each a folded hem, rays that rise from it, green below and violet above."""
    frame, phase, horizon = painting.frame, painting.phase, painting.scene.horizon
    rows = frame.rows(part) * np.float32(1 / frame.height)
    across = frame.across()[None, :]
    table = color.ramp(
        (
            color.from_hex(_AURORA_LOW),
            color.from_hex(_AURORA_MIDDLE),
            color.from_hex(_AURORA_HIGH),
        ),
        256,
    )
    for index in range(3):
        draw = painting.stream.child(f"aurora{index}")
        offset = draw.between(0, 50)
        sway = 0.10 * sine_of(phase + 0.3 * index)
        folds = across * (1.3 + 0.5 * index) + offset + sway
        hem = horizon * (0.82 - 0.20 * index)
        curve = hem + line_noise(folds, draw, octaves=3) * 0.16 + across * draw.between(-0.14, 0.14)
        rise = (curve - rows) * np.float32(1 / (0.22 + 0.09 * index))
        # Rays follow the folds: they crowd where the curtain turns.
        rays = line_noise(folds * 9.0 + curve * 34.0, draw.child("rays"), octaves=3, gain=0.7) * 0.5 + 0.5
        rays = 0.25 + rays * rays * 1.5
        patches = smoothstep(
            -0.45,
            0.5,
            line_noise(folds * 0.8 + sway * 3.0, draw.child("patches"), octaves=2),
        )
        above = np.maximum(rise, 0.0)
        body = decay(above * (1.6 + 1.5 * (1.0 - rays) * 0.6)) * smoothstep(-0.02, 0.10, rise)
        value = body * rays * patches * (1.05 - 0.22 * index)
        tile += color.look_up(table, above * 0.75) * value[..., None]


def paint_sky(painting: Painting, tick: Tick) -> None:
    """Fill the light with the sky, row tile by row tile; below the horizon goes its lowest colour."""
    scene, frame, light = painting.scene, painting.frame, painting.light
    lattice = Lattice(painting.stream.child("sky"))
    stop = min(frame.height, int(scene.horizon * frame.height) + int(0.05 * frame.height) + 1)
    parts = list(tiles(stop, tile_rows(frame.width, 32768)))
    for part in parts:
        light[part] = _gradient(painting, part)
    light[stop:] = light[stop - 1]
    if scene.stars > 0:
        _stars(painting)
    for part in parts:
        tile = light[part]
        if scene.aurora:
            _aurora(painting, part, tile)
        if scene.disc is not None:
            _disc(painting, part, lattice, tile)
        if scene.clouds > 0:
            _clouds(painting, part, lattice, tile)
        tick(part.stop / stop)
