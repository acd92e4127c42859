"""A city: rows of towers, each row clearer than the row behind it; coverage is exact, so nothing flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.facade import comb, overlap, paint_sign, paint_windows
from fusionflow_nb.procedural.noise import F32, Stream, sine_of

if TYPE_CHECKING:
    from fusionflow_nb.procedural.frame import Tick
    from fusionflow_nb.procedural.scene import Painting

_ROWS = 6
_WINDOWS = (
    "#ffc66b",
    "#ffe6b8",
    "#7fd8ff",
    "#ff6ab8",
)  # lamp, office white, screen, neon
_SIGNS = ("#ff2d95", "#19e3ff", "#ffb52e", "#a45cff", "#35ffb0")


@dataclass(frozen=True, slots=True)
class _Tower:
    """One box: pixel columns left..right, rows top..base."""

    left: float
    right: float
    top: float
    base: float
    pitch: float  # distance of windows
    near: float  # 0 far row .. 1 front row


def _paint_box(light: F32, depth: F32, tower: _Tower, body: tuple[F32, F32]) -> tuple[slice, slice] | None:
    """The dark body: its top colour, its foot colour, a lit and a shaded face. Returns the pixels it covers."""
    height, width = depth.shape
    first, last = max(0, int(tower.left)), min(width, int(tower.right) + 1)
    high, low = max(0, int(tower.top)), min(height, int(tower.base) + 1)
    if first >= last or high >= low:
        return None
    cover = overlap(first, last, tower.left, tower.right)[None, :] * overlap(high, low, tower.top, tower.base)[:, None]
    rows = np.arange(high, low, dtype=np.float32)
    down = np.clip((rows - tower.top) / max(tower.base - tower.top, 1.0), 0.0, 1.0)[:, None, None]
    colors = body[0] + (body[1] - body[0]) * down
    box = (slice(high, low), slice(first, last))
    tile = light[box]
    tile += (colors - tile) * cover[..., None]
    depth[box] = np.maximum(depth[box], (0.22 + 0.5 * tower.near) * cover)
    return box


def _skyline(index: int, place: float, middle: float) -> float:
    """Height of a row's towers along the picture (place -1..1): high in the middle of the row."""
    away = (place - middle) * (place - middle)
    return (0.15 + 0.33 / (1.0 + 4.5 * away)) * (1.0 - 0.085 * index)


def _tints(painting: Painting, dim: float, draw: Stream) -> list[F32]:
    """Three window colours for one tower: the usual one, the second, the rare one."""
    is_neon = painting.scene.neon
    power = dim * (1.15 if painting.scene.mood.is_night else 0.55)
    warm, white, cool, pink = (color.vector(color.from_hex(code)) * np.float32(power) for code in _WINDOWS)
    sets = [[warm, white, cool], [white, cool, warm], [warm, warm, white], [cool, white, pink if is_neon else warm]]
    if is_neon:
        sets += [[pink, cool, warm], [cool, pink, white]]
    return draw.pick(sets)


def _edges(painting: Painting, box: tuple[slice, slice], tower: _Tower, dim: float, draw: Stream) -> None:
    """A rim of light on the roof; some towers are outlined in neon."""
    light, scene = painting.light, painting.scene
    rim = max(1.0, painting.frame.unit * 0.0013)
    wide = overlap(box[1].start, box[1].stop, tower.left, tower.right)
    edge = overlap(box[0].start, box[0].stop, tower.top, tower.top + rim)[:, None] * wide
    tone = color.vector(scene.mood.glow) * np.float32(0.14 + 0.2 * tower.near)
    if scene.neon and draw.unit() < 0.16:  # noqa: PLR2004 - one in six
        tone = color.vector(color.from_hex(draw.pick(_SIGNS))) * np.float32(1.4 * dim)
        down = overlap(box[0].start, box[0].stop, tower.top, tower.base)[:, None, None]
        for place in (tower.left, tower.right - rim):
            line = overlap(box[1].start, box[1].stop, place, place + rim)
            light[box] += line[None, :, None] * down * tone * np.float32(0.7)
    light[box] += edge[..., None] * tone


def _paint_tower(painting: Painting, tower: _Tower, body: tuple[F32, F32], draw: Stream) -> None:
    """Body, windows, side face, rim, and sometimes a sign."""
    light, scene, unit = painting.light, painting.scene, painting.frame.unit
    box = _paint_box(light, painting.depth, tower, body)
    if box is None:
        return
    width = tower.right - tower.left
    dim = 0.30 + 0.70 * tower.near
    face_edges = (tower.left, tower.right, tower.top)
    tints = _tints(painting, dim, draw)
    paint_windows(light, box, face_edges, tints, draw.child("windows"), pitch=tower.pitch, phase=painting.phase)
    face = draw.between(0.16, 0.34) * width
    if face > tower.pitch and draw.unit() < 0.6:  # noqa: PLR2004 - the others are seen straight on
        # The side away from the moon: windows sink into shade.
        is_left = scene.light_x > (tower.left + tower.right - painting.frame.width) * 0.5 / unit
        low, high = (tower.left, tower.left + face) if is_left else (tower.right - face, tower.right)
        share = overlap(box[1].start, box[1].stop, low, high) * np.float32(0.55)
        light[box] *= (1.0 - share)[None, :, None]
    _edges(painting, box, tower, dim, draw)
    wants_sign = draw.unit() < (0.42 if scene.neon else 0.12)
    if wants_sign and tower.near > 0.3 and scene.mood.is_night:  # noqa: PLR2004 - too small to read further away
        size = min(width * 0.24, unit * 0.017)
        left = tower.left + draw.between(0.08, 0.66) * width
        top = tower.top + (tower.base - tower.top) * draw.between(0.06, 0.3)
        tint = color.vector(color.from_hex(draw.pick(_SIGNS)))
        long = min(size * draw.between(3.5, 8.5), (tower.base - top) * 0.8)
        paint_sign(light, (left, left + size, top, top + long), tint, draw.child("sign"))


def _lamp(painting: Painting, row: float, column: float, power: float) -> None:
    """A red warning lamp."""
    height, width = painting.depth.shape
    radius = max(0.9, painting.frame.unit * 0.0020)
    reach = int(radius) + 2
    rows = slice(max(0, int(row) - reach), max(0, min(height, int(row) + reach + 1)))
    columns = slice(max(0, int(column) - reach), max(0, min(width, int(column) + reach + 1)))
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5 - row)
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + np.float32(0.5 - column)
    spot = np.clip(radius - np.sqrt(x * x + y * y) + 0.5, 0.0, 1.0)
    painting.light[rows, columns] += spot[..., None] * color.vector((3.0, 0.22, 0.16)) * np.float32(power)


def _crown(painting: Painting, tower: _Tower, body: tuple[F32, F32], draw: Stream) -> None:
    """The structures on the roof: set-back storeys, a mast with a red lamp, or nothing."""
    unit, width, top = painting.frame.unit, tower.right - tower.left, tower.top
    roof = (body[0], body[0])
    kind = draw.unit()
    left, right = tower.left, tower.right
    for _ in range(2 if kind < 0.18 else 1 if kind < 0.55 else 0):  # noqa: PLR2004 - shares of the kinds of roof
        inset = draw.between(0.12, 0.26) * (right - left)
        left, right = left + inset, right - inset
        rise = width * draw.between(0.10, 0.38)
        _paint_box(
            painting.light, painting.depth, _Tower(left, right, top - rise, top + 1, tower.pitch, tower.near), roof
        )
        top -= rise
    if kind < 0.26 or kind > 0.90:  # noqa: PLR2004 - as above
        middle = tower.left + width * draw.between(0.42, 0.58)
        thick = max(0.9, unit * 0.0020 * (0.5 + tower.near))
        rise = unit * draw.between(0.02, 0.075) * (0.6 + 0.6 * tower.near)
        mast = _Tower(middle - thick / 2, middle + thick / 2, top - rise, top + 1, tower.pitch, tower.near)
        _paint_box(painting.light, painting.depth, mast, roof)
        beat = 0.6 + 0.4 * sine_of(painting.phase + draw.unit())
        if painting.scene.mood.is_night:
            _lamp(painting, top - rise, middle, beat * (0.35 + 0.65 * tower.near))


def paint_city(painting: Painting, *, line: float, tick: Tick) -> None:
    """Towers from the far row to the front one, all standing on the row `line`; a veil of haze after each row."""
    scene, frame = painting.scene, painting.frame
    mood, unit = scene.mood, frame.unit
    dark = color.mix(color.from_hex("#05070f"), mood.sky[-1], 0.35)
    if not mood.is_night:
        dark = color.mix(color.from_hex("#2a2c36"), mood.sky[-1], 0.45)
    for index in range(_ROWS):
        draw = painting.stream.child(f"city{index}")
        near = index / (_ROWS - 1)
        pitch = max(2.2, unit * (0.0046 + 0.0044 * near))
        pale = (1.0 - near) * (0.60 + 0.25 * scene.mist)
        body = (
            color.vector(color.mix(dark, color.scaled(mood.haze, 0.72), pale * 0.9)),
            color.vector(color.mix(dark, color.scaled(mood.haze, 0.9), min(1.0, pale + 0.16))),
        )
        middle = draw.between(-0.45, 0.45)
        at, number = -0.08 * unit, 0
        while at < frame.width + 0.02 * unit:
            own = draw.child(f"tower{number}")
            width = unit * own.between(0.032, 0.074) * (0.66 + 0.62 * near)
            place = (at + width / 2) / frame.width * 2 - 1
            tall = unit * _skyline(index, place, middle) * own.between(0.42, 1.12)
            tall *= 1.0 + 0.45 * (own.unit() < 0.12)  # noqa: PLR2004 - one landmark in eight
            if index == _ROWS - 1:
                tall *= 0.42 + 0.85 * min(1.0, abs(place)) * abs(place)  # the front row frames the view
            tower = _Tower(at, at + width, line - tall, line, pitch, near)
            _crown(painting, tower, body, own.child("crown"))
            _paint_tower(painting, tower, body, own.child("look"))
            at += width + unit * own.between(-0.012, 0.030) * (1.0 if index else 0.2)
            number += 1
            tick((index + min(1.0, max(0.0, at / frame.width))) / _ROWS)
        if index < _ROWS - 1:
            _veil(painting, line, (1.0 - near) * (0.13 + 0.30 * scene.mist) + 0.04)
    _quay(painting, line)
    tick(1.0)


def _quay(painting: Painting, line: float) -> None:
    """The dark edge of the water with its row of lamps: it parts the towers from their mirror image."""
    light, unit = painting.light, painting.frame.unit
    height, width = painting.depth.shape
    top, bottom = line - 0.010 * unit, line + 1.0
    high, low = max(0, int(top)), min(height, int(bottom) + 1)
    cover = overlap(high, low, top, bottom)[:, None, None]
    tile = light[high:low]
    tile *= 1.0 - 0.9 * cover
    gap = 0.034 * unit
    size = max(1.0, 0.0022 * unit)
    across = comb(0, width, 0.4 * gap, gap, size)[None, :, None]
    down = overlap(high, low, top - size * 0.2, top + size * 0.8)[:, None, None]
    power = 1.6 if painting.scene.mood.is_night else 0.2
    tile += across * down * color.vector(color.from_hex(_WINDOWS[0])) * np.float32(power)
    painting.depth[high:low] = np.maximum(painting.depth[high:low], 0.74 * cover[..., 0])


def _veil(painting: Painting, line: float, amount: float) -> None:
    """Light of the streets in the haze between two rows: thick at the ground, gone at the roofs."""
    mood, frame = painting.scene.mood, painting.frame
    top = max(0, int(line - 0.42 * frame.unit))
    bottom = min(frame.height, int(line) + 1)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    share = np.clip((rows - top) / max(1.0, line - top), 0.0, 1.0)
    share = share * share * np.float32(amount)
    glow = color.vector(mood.haze) + color.vector(mood.glow) * np.float32(0.05)
    tile = painting.light[top:bottom]
    tile += (glow - tile) * share[..., None]
