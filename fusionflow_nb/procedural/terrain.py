"""The ground as a height field in perspective: exact depth, true overlap, aerial haze.

Each picture column is a ray over the ground, sampled at slices of growing distance. The highest screen row reached so
far, the envelope, decides which slice a pixel shows; the count of slices whose envelope is below a pixel is computed
for all pixels by a histogram and a cumulative sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color, relief
from fusionflow_nb.procedural.frame import tiles
from fusionflow_nb.procedural.noise import F32, Lattice, decay, smoothstep

if TYPE_CHECKING:
    from fusionflow_nb.procedural.frame import Tick
    from fusionflow_nb.procedural.scene import Painting, Scene

_FINE = 2  # samples a pixel, each way: silhouettes stay smooth
_NEAR, _FAR = 1.25, 38.0
_FOG_SEA = 0.6  # from this much mist on
EYE = 0.52  # height of the eye over the ground (or water)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Columns of samples (slices, columns + 1) of one tile."""

    x: F32
    z: F32  # (slices, 1)
    height: F32
    detail: F32  # 0..1, where rock is rough or a dune has its crest
    texture: F32  # about -1..1


def depth_of(z: F32) -> F32:
    """Depth 0..1 (1 near) of a distance: falls with 1 / distance, as parallax does."""
    result: F32 = np.minimum(0.08 + 0.92 * _NEAR / np.maximum(z, _NEAR), 1.0)
    return result


def _distances(painting: Painting) -> F32:
    """Distances of the slices (slices, 1): they grow so that rows of the screen are met about evenly."""
    slices = int(480 + 0.95 * min(painting.frame.height, 1400))
    below = painting.frame.height * (1.0 - painting.scene.horizon) / painting.frame.unit
    nearest = min(_NEAR, 0.5 * EYE / below)  # nearby knolls may be higher than the ground at the eye
    growth = (_FAR - nearest) / nearest
    place = np.arange(slices, dtype=np.float32)[:, None] * np.float32(1 / (slices - 1))
    z: F32 = nearest * (1.0 + growth * place * place * (0.35 + 0.65 * place * place))
    return z


def _sample(painting: Painting, part: slice, z: F32, lattice: Lattice) -> _Samples:
    """Heights of a tile of fine columns, with one column more on the right for slopes."""
    scene, frame = painting.scene, painting.frame
    columns = np.arange(part.start, part.stop + 1, dtype=np.float32)
    side = (columns + np.float32(0.5 - frame.width * _FINE / 2)) * np.float32(1 / (frame.unit * _FINE))
    x = side[None, :] * z
    away = np.broadcast_to(z, x.shape)
    if scene.ground == "dunes":
        height, detail = relief.dunes(x, away, lattice, 1.0 if scene.light_x > 0 else -1.0)
    elif scene.ground == "hills":
        height, detail = relief.hills(x, away, lattice, painting.octaves, has_lake=scene.lake)
    else:
        height, detail = relief.mountains(x, away, lattice, painting.octaves, has_lake=scene.lake)
    return _Samples(x, z, height, detail, relief.texture(x, away, lattice))


def _materials(scene: Scene) -> tuple[F32, F32, F32]:
    """Return the colours (3,) of rock, of low vegetation and of the surface."""
    if scene.ground == "dunes":
        codes = ("#d9955a", "#cf8a52", "#f3c68c")
    elif scene.autumn:
        codes = ("#6e5a52", "#9a6a30", "#c98a3a")
    elif scene.ground == "hills":
        codes = ("#5f7a3a", "#4c7034", "#94a24c")
    else:
        codes = ("#6c6670", "#46543f", "#8b838a")
    if scene.snow:
        codes = (codes[0] if scene.ground != "hills" else "#8fa0ae", "#c9d6e4", "#f4f8ff")
    first, second, third = (color.vector(color.from_hex(code)) for code in codes)
    return first, second, third


def _albedo(scene: Scene, height: F32, up: F32, detail: F32) -> F32:
    """Colour of the bare ground: rock where it is steep, grass or snow where it is flat."""
    rock, low, top = _materials(scene)
    if scene.snow:
        cover = smoothstep(0.40, 0.62, up + (detail - 0.5) * 0.40 + np.minimum(height * 0.05, 0.15))
        return rock + (top - rock) * cover[..., None]
    grown = smoothstep(0.55, 0.85, up) * smoothstep(2.4, 0.4, height)
    albedo = rock + (low - rock) * grown[..., None]
    albedo += (top - albedo) * (smoothstep(0.45, 0.95, detail) * 0.45)[..., None]
    if scene.ground == "mountains":
        cap = smoothstep(1.5, 2.6, height + (detail - 0.5) * 1.6) * smoothstep(0.35, 0.6, up)
        albedo += (color.vector(color.from_hex("#eef3fa")) - albedo) * cap[..., None]
    return albedo


def _shade(scene: Scene, samples: _Samples, step: F32) -> F32:
    """Colour (slices, columns, 3) of the ground in linear light, haze included."""
    height = samples.height[:, :-1]
    detail = samples.detail[:, :-1]
    slope_x = (samples.height[:, 1:] - height) / np.maximum(samples.x[:, 1:2] - samples.x[:, :1], 1e-5)
    slope_z = np.empty_like(height)
    slope_z[1:] = (height[1:] - height[:-1]) / step[1:]
    slope_z[0] = slope_z[1]
    up = 1.0 / np.sqrt(slope_x * slope_x + slope_z * slope_z + 1.0)
    # The sun is in front of the eye; the key light comes from its side and slightly from behind.
    key_x, key_y, key_z = (0.84 if scene.light_x > 0 else -0.84), 0.40, -0.36
    facing = (key_y - slope_x * key_x - slope_z * key_z) * up
    mood = scene.mood
    direct = np.clip(facing * 1.05 - 0.04, 0.0, 1.0)
    open_sky = 0.40 + 0.60 * up
    power, fill = (0.50, 0.32) if mood.is_night else (1.75, 0.46)
    rough = 0.10 if scene.ground == "dunes" or scene.snow else 0.34
    direct = direct * (1.0 + rough * samples.texture[:, :-1])
    lit = direct[..., None] * (color.vector(mood.key) * power) + open_sky[..., None] * (color.vector(mood.fill) * fill)
    albedo = _albedo(scene, height, up, detail)
    if mood.is_night:
        # Colour perception is weak at night.
        grey = albedo[..., 0] * 0.25 + albedo[..., 1] * 0.60 + albedo[..., 2] * 0.15
        albedo += (grey[..., None] - albedo) * np.float32(0.7)
    shaded = albedo * lit * (0.50 + 0.50 * detail)[..., None]
    # Mist fills the valleys and starts behind the foreground, so that the foreground stays dark.
    low_fog = decay(np.maximum(height, 0.0) * 1.1) * (0.25 + 5.5 * scene.mist * scene.mist)
    reach = np.maximum(samples.z - 1.9, 0.0) * (0.013 + 0.034 * scene.mist)
    amount = 1.0 - decay(reach * (0.75 + low_fog))
    if scene.mist > _FOG_SEA:
        # Much mist fills the valleys to a level, like a sea out of which the ranges rise.
        filled = smoothstep(1.05, 0.15, height + samples.texture[:, :-1] * 0.10) * smoothstep(2.6, 7.0, samples.z)
        amount = np.maximum(amount, filled * (0.95 * scene.mist))
    toward = decay(np.abs(samples.x[:, :-1] / samples.z - scene.light_x) * 3.0)
    glow = color.vector(mood.glow) * (0.06 if mood.is_night else 0.25)
    haze = color.vector(mood.haze) + toward[..., None] * glow
    return color.mix_planes(shaded, haze, np.minimum(amount, 0.97))


def _pixels(fine: F32) -> F32:
    """Means of _FINE x _FINE samples."""
    shaped = fine.reshape(fine.shape[0] // _FINE, _FINE, fine.shape[1] // _FINE, _FINE, *fine.shape[2:])
    mean: F32 = (shaped[:, 0, :, 0] + shaped[:, 0, :, 1] + shaped[:, 1, :, 0] + shaped[:, 1, :, 1]) * np.float32(0.25)
    return mean


def paint_terrain(painting: Painting, tick: Tick) -> F32:
    """Paint the ground over the sky and write its depth; returns (height, width) where a lake shows, 0..1."""
    scene, frame = painting.scene, painting.frame
    water = np.zeros_like(painting.depth)
    lattice = Lattice(painting.stream.child("terrain"))
    z = _distances(painting)
    slices = z.shape[0]
    step = np.empty_like(z)
    step[1:] = z[1:] - z[:-1]
    step[0] = step[1]
    fine_rows = frame.height * _FINE
    horizon = scene.horizon * fine_rows
    row = np.arange(fine_rows, dtype=np.float32)[:, None] + np.float32(0.5)
    total = frame.width * _FINE
    for part in tiles(total, max(4, int(24576 / (slices + fine_rows))) * _FINE):
        samples = _sample(painting, part, z, lattice)
        count = part.stop - part.start
        height = samples.height[:, :-1]
        ground = np.maximum(height, 0.0) if scene.lake else height
        rows = horizon - (ground - EYE) * np.float32(frame.unit * _FINE) / z
        envelope = np.minimum.accumulate(rows, axis=0)
        reached = np.clip(np.ceil(envelope - np.float32(0.5)), 0, fine_rows).astype(np.int64)
        places = (reached * count + np.arange(count)).ravel()
        histogram = np.bincount(places, minlength=(fine_rows + 1) * count).reshape(fine_rows + 1, count)
        hidden_count = slices - np.cumsum(histogram, axis=0)[:fine_rows]  # slices whose envelope is below this row
        columns = np.arange(count)[None, :]
        index = np.minimum(hidden_count, slices - 1)
        before = np.maximum(index - 1, 0)
        top, bottom = envelope[index, columns], envelope[before, columns]
        share = np.clip((bottom - row) / np.maximum(bottom - top, 1e-4), 0.0, 1.0)
        # Right behind a crest the slice before is hidden: there is nothing to blend with.
        share[rows[before, columns] > bottom + 0.01] = 1.0
        shaded = _shade(scene, samples, step)
        tile = shaded[before, columns]
        tile += (shaded[index, columns] - tile) * share[..., None]
        land = (hidden_count < slices).astype(np.float32)
        place = slice(part.start // _FINE, part.stop // _FINE)
        light = painting.light[:, place]
        light *= (1.0 - _pixels(land))[..., None]
        light += _pixels(tile * land[..., None])
        painting.depth[:, place] = _pixels(depth_of(z[index, 0]) * land)
        if scene.lake:
            water[:, place] = _pixels(land * (height <= 0.0)[index, columns])
        tick(part.stop / total)
    return water
