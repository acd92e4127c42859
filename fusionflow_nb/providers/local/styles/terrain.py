"""Mountains, hills and dunes as a real height field, seen in perspective: exact depth, true overlap, aerial haze.

Each picture column is a ray over the ground, sampled at slices of growing distance. The highest screen row reached so
far, the envelope, decides which slice a pixel shows; the count of slices whose envelope lies below a pixel is found for
all pixels at once by a histogram and a running sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles import color
from fusionflow_nb.providers.local.styles.frame import tiles
from fusionflow_nb.providers.local.styles.noise import (
    F32,
    Lattice,
    Stream,
    decay,
    smoothstep,
)
from fusionflow_nb.providers.local.styles.sky import horizon_color

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.styles.frame import Frame, Tick
    from fusionflow_nb.providers.local.styles.scene import Scene

_FINE = 2  # samples a pixel, each way: silhouettes stay smooth
_NEAR, _FAR = 1.25, 46.0
EYE = 0.52  # height of the eye over the ground (or water)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Columns of samples (slices, columns) of one tile."""

    x: F32
    z: F32  # (slices, 1)
    height: F32
    detail: F32  # 0..1, where rock is rough or a dune has its crest


def depth_of(z: F32) -> F32:
    """Depth 0..1 (1 near) of a distance: falls with 1 / distance, as parallax does."""
    result: F32 = np.minimum(0.08 + 0.92 * _NEAR / np.maximum(z, _NEAR), 1.0)
    return result


def _octaves_at(footprint: F32, frequency: float) -> F32:
    """Weight of an octave where a sample is that wide: detail finer than the samples would only flicker."""
    return np.clip(2.0 - footprint * (frequency * 2.5), 0.0, 1.0).astype(np.float32)


def _mountains(x: F32, z: F32, lattice: Lattice, octaves: int, *, lake: bool) -> tuple[F32, F32]:
    """Ridged peaks behind a rolling valley."""
    footprint = z * 0.006
    wide = np.broadcast_to(z, x.shape)
    warp = lattice.at(x * 0.21 + 3.0, wide * 0.21 + 8.0)
    u, w = x * 0.16 + warp * 0.55, wide * 0.16 + warp * 0.35
    total = np.zeros_like(x)
    weight = np.ones_like(x)
    amplitude, frequency, detail = 1.0, 0.16, np.zeros_like(x)
    for octave in range(octaves):
        ridge = 1.0 - np.abs(lattice.at(u, w)) * 1.9
        ridge = ridge * ridge
        seen = _octaves_at(footprint, frequency)
        total += ridge * weight * amplitude * seen
        if octave > 0:
            detail += (ridge - 0.5) * amplitude * seen
        weight = np.clip(ridge * weight * 1.5, 0.0, 1.0)
        amplitude *= 0.46
        frequency *= 2.06
        u, w = (u * 1.65 - w * 1.24) + 3.7, (u * 1.24 + w * 1.65) + 1.3
    rise = smoothstep(4.5, 24.0, wide)
    far_up = 0.14 + rise * 4.6
    height = (total - 0.42) * far_up
    if lake:
        shore = smoothstep(5.2, 9.5, wide + lattice.at(x * 0.35, wide * 0.12) * 3.2)
        height = (height + 0.25) * shore - 0.10 * (1.0 - shore)
    else:
        # A valley opens before the eye.
        height -= (1.0 - smoothstep(0.0, 1.0, np.abs(x) / (1.0 + wide * 0.25))) * 0.18 * (1.0 - rise)
    return height, np.clip(detail * 0.9 + 0.5, 0.0, 1.0)


def _hills(x: F32, z: F32, lattice: Lattice, octaves: int, *, lake: bool) -> tuple[F32, F32]:
    """Soft hills that grow with distance."""
    wide = np.broadcast_to(z, x.shape)
    base = lattice.fractal(x * 0.22 + 1.0, wide * 0.22, 3, gain=0.35)
    rough = lattice.fractal(x * 1.9, wide * 1.9, max(2, octaves - 3), gain=0.55) * _octaves_at(z * 0.006, 3.0)
    rise = smoothstep(2.0, 22.0, wide)
    height = (base + 0.32) * (0.22 + 2.2 * rise) + rough * 0.035
    if lake:
        shore = smoothstep(5.2, 9.0, wide + lattice.at(x * 0.35, wide * 0.12) * 3.0)
        height = (np.maximum(height, 0.0) + 0.12) * shore - 0.10 * (1.0 - shore)
    return height, np.clip(rough * 0.9 + 0.5, 0.0, 1.0)


def _dunes(x: F32, z: F32, lattice: Lattice) -> tuple[F32, F32]:
    """Dunes with a long windward back and a sharp curved crest."""
    wide = np.broadcast_to(z, x.shape)
    warp = lattice.fractal(x * 0.16, wide * 0.16 + 4.0, 2)
    along = x * 0.13 + wide * 0.19 + warp * 0.85
    part = along - np.floor(along)
    back = smoothstep(0.0, 0.70, part)
    face = smoothstep(1.0, 0.70, part)
    crest = np.minimum(back, face)
    tall = 0.55 + 0.75 * lattice.at(x * 0.09 + 7.0, wide * 0.09)
    small = 1.0 - np.abs(lattice.at(x * 0.42 + warp, wide * 0.30)) * 2.0
    height = crest * tall * (0.42 + 0.055 * np.minimum(wide, 22.0)) + small * 0.10 - 0.12
    ripple = along * 46.0 + lattice.at(x * 1.3, wide * 1.3) * 1.2
    ripple = np.abs(ripple - np.floor(ripple) - 0.5) * 2.0
    height += ripple * 0.0055 * _octaves_at(z * 0.006, 9.0)
    return height, crest


def _sample(scene: Scene, frame: Frame, part: slice, z: F32, lattice: Lattice, octaves: int) -> _Samples:
    """Heights of a tile of fine columns, with one column more on the right for slopes."""
    columns = np.arange(part.start, part.stop + 1, dtype=np.float32)
    side = (columns + np.float32(0.5 - frame.width * _FINE / 2)) * np.float32(1 / (frame.unit * _FINE))
    x = side[None, :] * z
    if scene.ground == "dunes":
        height, detail = _dunes(x, z, lattice)
    elif scene.ground == "hills":
        height, detail = _hills(x, z, lattice, octaves, lake=scene.lake)
    else:
        height, detail = _mountains(x, z, lattice, octaves, lake=scene.lake)
    return _Samples(x, z, height, detail)


def _materials(scene: Scene) -> tuple[F32, F32, F32]:
    """Colours (3,) of rock, of what grows low, and of what lies on top."""
    if scene.ground == "dunes":
        codes = ("#d99a5b", "#c98650", "#f0c48a")
    elif scene.autumn:
        codes = ("#6e5a52", "#a8672c", "#c98a3a")
    elif scene.ground == "hills":
        codes = ("#5f7a3a", "#4c7034", "#8a9c4a")
    else:
        codes = ("#6c6670", "#47553f", "#8b838a")
    if scene.snow:
        codes = (
            codes[0] if scene.ground != "hills" else "#8fa0ae",
            "#c9d6e4",
            "#f4f8ff",
        )
    first, second, third = (color.vector(color.from_hex(code)) for code in codes)
    return first, second, third


def _shade(scene: Scene, samples: _Samples, step: F32) -> F32:
    """Colour (slices, columns, 3) of the ground in linear light, haze included."""
    height = samples.height[:, :-1]
    slope_x = (samples.height[:, 1:] - height) / np.maximum(samples.x[:, 1:2] - samples.x[:, :1], 1e-5)
    slope_z = np.empty_like(height)
    slope_z[1:] = (height[1:] - height[:-1]) / step[1:]
    slope_z[0] = slope_z[1]
    length = np.sqrt(slope_x * slope_x + slope_z * slope_z + 1.0)
    up = 1.0 / length
    # The sun stands before the eye; the key light comes from its side and a little from behind, as a painter would.
    key_x, key_y, key_z = (0.80 if scene.light_x > 0 else -0.80), 0.46, -0.38
    facing = (-slope_x * key_x + key_y - slope_z * key_z) * up
    mood = scene.mood
    direct = np.clip(facing, 0.0, 1.0)
    direct = direct * (0.75 + 0.25 * direct)
    sky = 0.45 + 0.55 * up
    rock, low, top = _materials(scene)
    detail = samples.detail[:, :-1]
    if scene.snow:
        cover = smoothstep(0.40, 0.66, up + (detail - 0.5) * 0.35 + np.minimum(height * 0.05, 0.15))
        albedo = rock + (top - rock) * cover[..., None]
    else:
        grown = smoothstep(0.55, 0.85, up) * smoothstep(2.4, 0.4, height)
        albedo = rock + (low - rock) * grown[..., None]
        albedo += (top - albedo) * (smoothstep(0.45, 0.95, detail) * 0.45)[..., None]
        if scene.ground == "mountains":
            cap = smoothstep(1.9, 2.9, height + (detail - 0.5) * 1.2) * smoothstep(0.35, 0.6, up)
            albedo += (color.vector(color.from_hex("#eef3fa")) - albedo) * cap[..., None]
    power = 0.9 if mood.is_night else 1.55
    lit = direct[..., None] * (color.vector(mood.key) * power) + sky[..., None] * (color.vector(mood.fill) * 0.55)
    shaded = albedo * lit * (0.55 + 0.45 * detail)[..., None]
    if mood.is_night:
        shaded *= 0.55
    density = 0.022 + 0.075 * scene.mist
    low_fog = decay(np.maximum(height + 0.1, 0.0) * (0.9 + 0.5 * (1.0 - scene.mist))) * (0.3 + 2.3 * scene.mist)
    amount = 1.0 - decay(samples.z * density * (0.45 + low_fog))
    far = horizon_color(scene)
    toward = decay(np.abs(samples.x[:, :-1] / samples.z - scene.light_x) * 3.0)
    glow = color.vector(mood.glow) * (0.10 if mood.is_night else 0.32)
    haze = far + toward[..., None] * glow
    return color.mix_planes(shaded, haze, np.minimum(amount, 0.97))


def paint_terrain(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    water: F32,
    stream: Stream,
    *,
    octaves: int,
    tick: Tick,
) -> None:
    """Paint the ground over the sky, write its depth, and mark with 1 in `water` where a lake shows."""
    lattice = Lattice(stream.child("terrain"))
    slices = int(260 + 0.30 * min(frame.height, 1400))
    growth = (_FAR - _NEAR) / _NEAR
    place = np.arange(slices, dtype=np.float32)[:, None] * np.float32(1 / (slices - 1))
    # Distances grow like a power without calling one: 1 / z runs nearly evenly, which is what rows of the screen want.
    z = _NEAR * (1.0 + growth * place * place * (0.35 + 0.65 * place * place))
    step = np.empty_like(z)
    step[1:] = z[1:] - z[:-1]
    step[0] = step[1]
    fine_rows = frame.height * _FINE
    horizon = scene.horizon * fine_rows
    size = max(8, int(24576 / slices)) * _FINE
    total = frame.width * _FINE
    for part in tiles(total, size):
        samples = _sample(scene, frame, part, z, lattice, octaves)
        count = part.stop - part.start
        height = samples.height[:, :-1]
        wet = height <= 0.0 if scene.lake else np.zeros_like(height, bool)
        ground = np.maximum(height, 0.0) if scene.lake else height
        rows = horizon - (ground - EYE) * np.float32(frame.unit * _FINE) / z
        envelope = np.minimum.accumulate(rows, axis=0)
        reached = np.clip(np.ceil(envelope - np.float32(0.5)), 0, fine_rows).astype(np.int64)
        histogram = np.bincount(
            (reached * count + np.arange(count)).ravel(),
            minlength=(fine_rows + 1) * count,
        ).reshape(fine_rows + 1, count)
        seen = slices - np.cumsum(histogram, axis=0)[:fine_rows]  # slices whose envelope is below this row
        shaded = _shade(scene, samples, step)
        columns = np.arange(count)[None, :]
        index = np.minimum(seen, slices - 1)
        before = np.maximum(index - 1, 0)
        top, bottom = envelope[index, columns], envelope[before, columns]
        row = np.arange(fine_rows, dtype=np.float32)[:, None] + np.float32(0.5)
        share = np.clip((bottom - row) / np.maximum(bottom - top, 1e-4), 0.0, 1.0)
        # Right behind a crest the slice before is hidden: there is nothing to blend with.
        share = np.where(rows[before, columns] > bottom + 0.01, np.float32(1.0), share)
        tile = shaded[before, columns]
        tile += (shaded[index, columns] - tile) * share[..., None]
        land = (seen < slices).astype(np.float32)
        is_wet = land * wet[index, columns]
        near = depth_of(z[index[:, :], 0]) * land
        _settle(frame, part, light, depth, water, tile, land, is_wet, near)
        tick(part.stop / total)


def _settle(
    frame: Frame,
    part: slice,
    light: F32,
    depth: F32,
    water: F32,
    tile: F32,
    land: F32,
    wet: F32,
    near: F32,
) -> None:
    """Average fine samples to pixels and lay them over the sky."""
    rows, columns = frame.height, (part.stop - part.start) // _FINE

    def pixels(fine: F32) -> F32:
        shaped = fine.reshape(rows, _FINE, columns, _FINE, *fine.shape[2:])
        mean: F32 = (shaped[:, 0, :, 0] + shaped[:, 0, :, 1] + shaped[:, 1, :, 0] + shaped[:, 1, :, 1]) * np.float32(
            0.25,
        )
        return mean

    place = slice(part.start // _FINE, part.stop // _FINE)
    cover = pixels(land)
    light[:, place] = light[:, place] * (1.0 - cover)[..., None] + pixels(tile * land[..., None])
    depth[:, place] = np.maximum(depth[:, place], pixels(near))
    water[:, place] = pixels(wet)
