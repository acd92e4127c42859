"""Trees: conifers as toothed spires, broadleaf crowns as heaps of lit leaf clumps; with analytic edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.frame import tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Stream, decay, line_noise, unit_array
from fusionflow_nb.procedural.terrain import depth_of

if TYPE_CHECKING:
    from fusionflow_nb.procedural.frame import Frame, Tick
    from fusionflow_nb.procedural.scene import Painting, Scene

_GREEN_LEAVES = ("#4f7a2e", "#3f6b30", "#6b8f3a", "#5a8238")
_AUTUMN_LEAVES = ("#d4502a", "#e5842a", "#efb23a", "#ad3329", "#c46a2c", "#8a8a3a")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of trees along a ground line; lengths in pixels."""

    name: str
    ground: F32  # row of the ground per column
    distance: float
    size: float  # height of a usual tree
    gap: float  # usual distance between trunks


@dataclass(frozen=True, slots=True)
class _Tree:
    """Position and size of a tree, in pixels."""

    middle: float
    foot: float
    height: float


def _box(frame: Frame, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice] | None:
    """Return the pixels of a rectangle, clipped to the frame."""
    first, last = max(0, int(left)), min(frame.width, int(right) + 2)
    high, low = max(0, int(top)), min(frame.height, int(bottom) + 2)
    return (slice(high, low), slice(first, last)) if first < last and high < low else None


def _centres(part: slice, origin: float) -> F32:
    """Distances of pixel centres from a place."""
    return np.arange(part.start, part.stop, dtype=np.float32) + np.float32(0.5 - origin)


def _trees(frame: Frame, row: Row, stream: Stream) -> list[tuple[_Tree, Stream]]:
    """The trees of a row, left to right, each with its own stream; tall and low groves alternate."""
    trees = []
    for index in range(int(frame.width / row.gap) + 3):
        draw = stream.child(f"tree{index}")
        middle = (index - 1 + draw.between(-0.45, 0.45)) * row.gap
        column = min(max(int(middle), 0), frame.width - 1)
        grove = float(line_noise(np.array([middle / (row.gap * 7)], np.float32), stream)[0])
        height = row.size * max(0.4, 0.74 + 0.5 * draw.unit() * draw.unit() + 0.30 * grove)
        trees.append((_Tree(middle, float(row.ground[column]), height), draw))
    return trees


def _conifer(frame: Frame, cover: F32, tree: _Tree, draw: Stream) -> None:
    """Coverage of one spire: width grows downwards in toothed tiers of branches."""
    height, foot = tree.height, tree.foot + tree.height * 0.06
    half = height * draw.between(0.16, 0.23)
    box = _box(frame, tree.middle - half * 1.3, tree.middle + half * 1.3, foot - height - 1, foot)
    if box is None:
        return
    below_tip = _centres(box[0], foot - height)
    down = np.clip(below_tip / height, 0.0, 1.0)
    tiers = draw.between(8.0, 13.0)
    tier = tiers * down * (1.35 - 0.35 * down) + draw.unit()  # tiers crowd towards the tip
    width = half * down * (0.52 + 0.58 * (tier - np.floor(tier))) + 0.010 * height
    left, right = (
        (width * (1.0 + 0.26 * line_noise(down * (tiers * 2.7), draw.child(side))))[:, None]
        for side in ("left", "right")
    )
    columns = _centres(box[1], tree.middle)[None, :]
    inside = np.clip(np.minimum(columns + left, right - columns) + 0.5, 0.0, 1.0)
    inside *= np.clip(below_tip + 0.5, 0.0, 1.0)[:, None]
    cover[box] = np.maximum(cover[box], inside)


def _shade(scene: Scene, distance: float) -> F32:
    """Colour of shaded wood: nearly black near by, the colour of haze far away."""
    dark = color.mix(color.from_hex("#08130f"), scene.mood.sky[-2], 0.10)
    amount = 1.0 - float(decay(np.array([distance * (0.04 + 0.08 * scene.mist)], np.float32))[0])
    return color.vector(color.mix(dark, scene.mood.haze, min(0.8, amount)))


def _earth(frame: Frame, row: Row) -> F32:
    """Return the coverage of the area below the ground line of a row."""
    cover = np.zeros((frame.height, frame.width), np.float32)
    rows = np.arange(frame.height, dtype=np.float32)[:, None] + np.float32(0.5)
    top = min(frame.height, max(0, int(float(row.ground.min())) - 2))
    cover[top:] = np.clip(rows[top:] - row.ground[None, :] + 0.5, 0.0, 1.0)
    return cover


def _lay(painting: Painting, part: slice, colors: F32, cover: F32) -> None:
    """Lay colours over a tile of rows."""
    tile = painting.light[part]
    tile += (colors - tile) * cover[part][..., None]


def paint_conifers(painting: Painting, row: Row, tick: Tick) -> None:
    """A row of spires in one dark colour that pales towards its foot, as if mist lay between the rows."""
    scene, frame = painting.scene, painting.frame
    cover = _earth(frame, row)
    trees = _trees(frame, row, painting.stream.child(row.name))
    for index, (tree, draw) in enumerate(trees):
        _conifer(frame, cover, tree, draw)
        tick(index / len(trees))
    shade = _shade(scene, row.distance)
    haze = color.vector(scene.mood.haze)
    top = min(frame.height - 1, max(0, int(float(row.ground.min()) - row.size * 1.6)))
    for part in tiles(frame.height, tile_rows(frame.width), top):
        fade = np.clip((frame.rows(part) - (row.ground[None, :] - row.size)) / (row.size * 1.4), 0.0, 1.0)
        pale = (0.16 + 0.55 * scene.mist) * fade * min(1.0, row.distance / 11.0)
        _lay(painting, part, shade + (haze - shade) * pale[..., None], cover)
    near = float(depth_of(np.array([row.distance], np.float32))[0])
    np.maximum(painting.depth, cover * np.float32(near), out=painting.depth)
    tick(1.0)


@dataclass(frozen=True, slots=True)
class _Leaves:
    """How a clump of leaves is lit."""

    tint: F32  # (3,)
    shade: F32  # (3,)
    side: float  # -1 or 1, where the light comes from


def _clump(painting: Painting, cover: F32, place: tuple[float, float, float], leaves: _Leaves, salt: int) -> None:
    """One ball of leaves at (middle, row, radius): bright on the side of the light, ragged at its edge."""
    middle, row, radius = place
    box = _box(painting.frame, middle - radius * 1.3, middle + radius * 1.3, row - radius * 1.3, row + radius * 1.3)
    if box is None:
        return
    y = _centres(box[0], row)[:, None] * np.float32(1 / radius)
    x = _centres(box[1], middle)[None, :] * np.float32(1 / radius)
    leaf = np.float32(max(1.0, radius / max(1.2, radius * 0.10)))  # leaves along a radius
    cell = np.floor(x * leaf + 64).astype(np.uint32) * np.uint32(911) + np.floor(y * leaf + 64).astype(np.uint32)
    rough = unit_array(cell, salt) - 0.5
    distance = np.sqrt(x * x + y * y) + rough * 0.46
    inside = np.clip((1.0 - distance) * (radius * 0.5) + 0.5, 0.0, 1.0)
    lit = np.clip(0.45 + 0.42 * (x * leaves.side * 0.8 - y) + rough * 0.5, 0.0, 1.15)
    colors = leaves.shade + (leaves.tint - leaves.shade) * lit[..., None]
    tile = painting.light[box]
    tile += (colors - tile) * inside[..., None]
    cover[box] = np.maximum(cover[box], inside)


def paint_broadleaf(painting: Painting, row: Row, tick: Tick) -> None:
    """A row of crowns over a dark bank; in autumn each tree has its own warm colour."""
    scene, frame = painting.scene, painting.frame
    cover = _earth(frame, row) * np.float32(row.distance < 4)  # noqa: PLR2004 - only near rows bring their own ground
    mood = scene.mood
    shade = _shade(scene, row.distance)
    for part in tiles(frame.height, tile_rows(frame.width)):
        if cover[part].any():
            _lay(painting, part, shade, cover)
    power = 0.35 if mood.is_night else 1.1
    key = color.vector(mood.key) * power + color.vector(mood.fill) * (0.3 * power)
    hazy = min(0.7, (0.012 + 0.05 * scene.mist) * row.distance)
    haze = color.vector(mood.haze)
    codes = _AUTUMN_LEAVES if scene.autumn else _GREEN_LEAVES
    side = 1.0 if scene.light_x > 0 else -1.0
    trees = _trees(frame, row, painting.stream.child(row.name))
    count = 14 if row.size < frame.unit * 0.15 else 34
    for index, (tree, draw) in enumerate(trees):
        first, second = color.from_hex(draw.pick(codes)), color.from_hex(draw.pick(codes))
        tint = color.vector(color.mix(first, second, draw.between(0, 0.4))) * key
        tint += (haze - tint) * hazy
        trunk = _box(frame, tree.middle, tree.middle + tree.height * 0.02, tree.foot - tree.height * 0.3, tree.foot)
        if trunk is not None and tree.foot < frame.height + tree.height:
            painting.light[trunk] = shade
            cover[trunk] = 1.0
        spots = draw.array(count * 3).tolist()
        for spot in range(count):
            turn, out, size = spots[spot * 3 : spot * 3 + 3]
            level = spot / count  # from the dark underside up to the lit top, so that lit clumps cover dark clumps
            reach = (0.34 - 0.26 * level * level) * tree.height
            place = (
                tree.middle + (turn - 0.5) * 2.0 * reach,
                tree.foot - tree.height * (0.14 + 0.72 * level + 0.08 * (out - 0.5)),
                tree.height * (0.10 + 0.07 * size) * (1.0 if count < 20 else 0.72),  # noqa: PLR2004 - see count
            )
            leaves = _Leaves(shade + (tint - shade) * np.float32(0.30 + 0.70 * level), shade * np.float32(0.8), side)
            _clump(painting, cover, place, leaves, draw.salt + spot)
        tick(index / len(trees))
    near = float(depth_of(np.array([row.distance], np.float32))[0])
    np.maximum(painting.depth, cover * np.float32(near), out=painting.depth)
    tick(1.0)
