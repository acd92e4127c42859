"""Trees: conifers as toothed spires, broadleaf crowns as heaps of lit leaf clumps; with analytic edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles import color
from fusionflow_nb.providers.local.styles.noise import F32, Stream, decay, line_noise
from fusionflow_nb.providers.local.styles.sky import horizon_color
from fusionflow_nb.providers.local.styles.terrain import depth_of

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.styles.frame import Frame, Tick
    from fusionflow_nb.providers.local.styles.scene import Scene

_GREEN_LEAVES = ("#4f7a2e", "#3f6b30", "#6b8f3a")
_AUTUMN_LEAVES = ("#d9542b", "#e88a2a", "#f0b53a", "#b8352c", "#c76a2a")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of trees along a rolling ground line; lengths in pixels."""

    ground: F32  # row of the ground per column
    distance: float
    size: float  # height of a usual tree
    gap: float  # usual distance between trunks
    shade: F32  # (3,) colour of the dark side


def _box(frame: Frame, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice] | None:
    """The pixels of a rectangle inside the frame."""
    first, last = max(0, int(left)), min(frame.width, int(right) + 2)
    high, low = max(0, int(top)), min(frame.height, int(bottom) + 2)
    return (slice(high, low), slice(first, last)) if first < last and high < low else None


def _conifer(frame: Frame, cover: F32, middle: float, foot: float, height: float, draw: Stream) -> None:
    """Coverage of one spire: width grows downwards in toothed tiers of branches."""
    half = height * draw.between(0.17, 0.24)
    box = _box(frame, middle - half * 1.3, middle + half * 1.3, foot - height - 1, foot)
    if box is None:
        return
    rows = np.arange(box[0].start, box[0].stop, dtype=np.float32) + np.float32(0.5)
    down = np.clip((rows - (foot - height)) / height, 0.0, 1.0)
    tiers = draw.between(7.0, 11.0)
    # Tiers crowd towards the tip.
    tier = tiers * down * (1.35 - 0.35 * down) + draw.unit()
    tooth = tier - np.floor(tier)
    ragged = (
        line_noise(down * (tiers * 2.7), draw.child("left")),
        line_noise(down * (tiers * 2.7), draw.child("right")),
    )
    width = half * down * (0.50 + 0.62 * tooth)
    columns = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :] + np.float32(0.5 - middle)
    left = (width * (1.0 + 0.22 * ragged[0]) + 0.012 * height)[:, None]
    right = (width * (1.0 + 0.22 * ragged[1]) + 0.012 * height)[:, None]
    inside = np.clip(np.minimum(columns + left, right - columns) + 0.5, 0.0, 1.0)
    inside *= np.clip(rows - (foot - height) + 0.5, 0.0, 1.0)[:, None]
    cover[box] = np.maximum(cover[box], inside)


def _ground(frame: Frame, row: Row, cover: F32) -> None:
    """Everything under the ground line belongs to the row."""
    rows = np.arange(frame.height, dtype=np.float32)[:, None] + np.float32(0.5)
    top = max(0, int(float(row.ground.min())) - 2)
    cover[top:] = np.maximum(cover[top:], np.clip(rows[top:] - row.ground[None, :] + 0.5, 0.0, 1.0))


def paint_conifers(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    row: Row,
    stream: Stream,
    tick: Tick,
) -> None:
    """A row of spires in one dark colour that pales towards its foot, as if mist lay between the rows."""
    cover = np.zeros((frame.height, frame.width), np.float32)
    _ground(frame, row, cover)
    count = max(1, int(frame.width / row.gap)) + 2
    for index in range(count):
        draw = stream.child(f"tree{index}")
        middle = (index - 0.5 + draw.between(-0.45, 0.45)) * row.gap
        column = min(max(int(middle), 0), frame.width - 1)
        grove = (
            0.72
            + 0.5 * draw.unit() * draw.unit()
            + 0.35 * float(line_noise(np.array([middle / (row.gap * 9)], np.float32), stream)[0])
        )
        height = row.size * max(0.35, grove)
        _conifer(
            frame,
            cover,
            middle,
            float(row.ground[column]) + row.size * 0.06,
            height,
            draw,
        )
        if index % 16 == 0:
            tick(index / count)
    top = max(0, int(float(row.ground.min()) - row.size * 1.6))
    rows = np.arange(top, frame.height, dtype=np.float32)[:, None]
    fade = np.clip((rows - (row.ground[None, :] - row.size)) / (row.size * 1.3), 0.0, 1.0)
    pale = (0.10 + 0.55 * scene.mist) * fade * min(1.0, row.distance / 9.0)
    far = horizon_color(scene) * np.float32(0.8)
    colors = row.shade + (far - row.shade) * pale[..., None]
    tile = light[top:]
    tile += (colors - tile) * cover[top:, :, None]
    near = float(depth_of(np.array([row.distance], np.float32))[0])
    depth[top:] = np.maximum(depth[top:], near * cover[top:])
    tick(1.0)


def _clump(
    frame: Frame,
    light: F32,
    cover: F32,
    place: tuple[float, float, float],
    tint: F32,
    key: tuple[float, F32],
    salt: Stream,
) -> None:
    """One ball of leaves: bright on the side of the light, ragged at its edge."""
    middle, row, radius = place
    side, key_color = key
    box = _box(
        frame,
        middle - radius * 1.3,
        middle + radius * 1.3,
        row - radius * 1.3,
        row + radius * 1.3,
    )
    if box is None:
        return
    y = (np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] + np.float32(0.5 - row)) * np.float32(
        1 / radius,
    )
    x = (np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :] + np.float32(0.5 - middle)) * np.float32(
        1 / radius,
    )
    leaf = max(1.5, radius * 0.16)
    rough = line_noise(
        (np.floor(x * (radius / leaf)) * 12.9 + np.floor(y * (radius / leaf)) * 78.2).astype(np.float32),
        salt,
    )
    distance = np.sqrt(x * x + y * y) + rough * 0.22
    inside = np.clip((1.0 - distance) * radius * 0.6 + 0.5, 0.0, 1.0)
    lit = np.clip(0.42 + 0.45 * (x * side - y * 0.8) + rough * 0.28, 0.06, 1.25)
    colors = tint * (lit[..., None] * key_color)
    tile = light[box]
    tile += (colors - tile) * inside[..., None]
    cover[box] = np.maximum(cover[box], inside)


def paint_broadleaf(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    row: Row,
    stream: Stream,
    tick: Tick,
) -> None:
    """A row of crowns on trunks; in autumn each tree has its own warm colour."""
    cover = np.zeros((frame.height, frame.width), np.float32)
    codes = _AUTUMN_LEAVES if scene.autumn else _GREEN_LEAVES
    mood = scene.mood
    power = 0.45 if mood.is_night else 1.15
    key_color = color.vector(mood.key) * power + color.vector(mood.fill) * (0.25 * power)
    hazy = min(0.75, (0.03 + 0.07 * scene.mist) * row.distance)
    far = horizon_color(scene)
    side = 1.0 if scene.light_x > 0 else -1.0
    count = max(1, int(frame.width / row.gap)) + 2
    for index in range(count):
        draw = stream.child(f"tree{index}")
        middle = (index - 0.5 + draw.between(-0.45, 0.45)) * row.gap
        column = min(max(int(middle), 0), frame.width - 1)
        foot = float(row.ground[column])
        height = row.size * draw.between(0.7, 1.2)
        tint = color.vector(
            color.mix(
                color.from_hex(draw.pick(codes)),
                color.from_hex(draw.pick(codes)),
                draw.between(0, 0.5),
            ),
        )
        tint = tint + (far - tint) * hazy
        trunk = _box(
            frame,
            middle - height * 0.02,
            middle + height * 0.02,
            foot - height * 0.5,
            foot + 1,
        )
        if trunk is not None:
            light[trunk] = row.shade * 0.5
            cover[trunk] = 1.0
        clumps = 16
        spots = draw.array(clumps * 3)
        for spot in range(clumps):
            turn, out, size = (float(value) for value in spots[spot * 3 : spot * 3 + 3])
            level = spot / clumps
            # From the dark underside up to the lit top, so that lit clumps lie over dark ones.
            high = 0.36 + 0.50 * level
            reach = (0.30 - 0.24 * level * level) * height
            place = (
                middle + (turn - 0.5) * 2.0 * reach,
                foot - height * (high + 0.06 * out),
                height * (0.11 + 0.06 * size),
            )
            shade = 0.45 + 0.65 * level
            _clump(
                frame,
                light,
                cover,
                place,
                tint * np.float32(shade),
                (side, key_color),
                draw,
            )
        tick(index / count)
    near = float(depth_of(np.array([row.distance], np.float32))[0])
    depth[:] = np.maximum(depth, near * cover)
    tick(1.0)


def row_shade(scene: Scene, distance: float) -> F32:
    """Colour of a row of conifers: nearly black near by, the colour of haze far away."""
    dark = color.mix(color.from_hex("#0a1612"), scene.mood.sky[-2], 0.10)
    amount = 1.0 - float(decay(np.array([distance * (0.05 + 0.10 * scene.mist)], np.float32))[0])
    return color.vector(color.mix(dark, (*horizon_color(scene).tolist(),), min(0.85, amount)))
