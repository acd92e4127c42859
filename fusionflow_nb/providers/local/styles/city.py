"""A city: rows of towers with lit windows, each row paler than the one before it; coverage is exact, so nothing flickers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles import color
from fusionflow_nb.providers.local.styles.noise import F32, Stream, sine_of, unit_array
from fusionflow_nb.providers.local.styles.sky import horizon_color

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.styles.frame import Frame, Tick
    from fusionflow_nb.providers.local.styles.scene import Scene

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


def _overlap(start: int, stop: int, low: float, high: float) -> F32:
    """Share of each pixel of start..stop that lies between low and high."""
    place = np.arange(start, stop, dtype=np.float32)
    share: F32 = np.clip(np.minimum(place + 1.0, high) - np.maximum(place, low), 0.0, 1.0).astype(np.float32)
    return share


def _comb(start: int, stop: int, origin: float, pitch: float, width: float) -> F32:
    """Share of each pixel covered by bars of a width that repeat with a pitch from origin."""

    def covered(place: F32) -> F32:
        turn = (place - origin) * (1.0 / pitch)
        whole = np.floor(turn)
        total: F32 = (whole * width + np.minimum((turn - whole) * pitch, width)).astype(np.float32)
        return total

    place = np.arange(start, stop, dtype=np.float32)
    return np.clip(covered(place + 1.0) - covered(place), 0.0, 1.0)


def _paint_box(light: F32, depth: F32, tower: _Tower, body: tuple[F32, F32], near: float) -> tuple[slice, slice] | None:
    """The dark body: its top colour, its foot colour, a lit and a shaded face. Returns the pixels it covers."""
    height, width = depth.shape
    first, last = max(0, int(tower.left)), min(width, int(tower.right) + 1)
    high, low = max(0, int(tower.top)), min(height, int(tower.base) + 1)
    if first >= last or high >= low:
        return None
    cover = (
        _overlap(first, last, tower.left, tower.right)[None, :] * _overlap(high, low, tower.top, tower.base)[:, None]
    )
    rows = np.arange(high, low, dtype=np.float32)
    down = np.clip((rows - tower.top) / max(tower.base - tower.top, 1.0), 0.0, 1.0)[:, None, None]
    colors = body[0] + (body[1] - body[0]) * down
    box = (slice(high, low), slice(first, last))
    tile = light[box]
    tile += (colors - tile) * cover[..., None]
    depth[box] = np.maximum(depth[box], near * cover)
    return box


def _paint_windows(
    light: F32,
    box: tuple[slice, slice],
    tower: _Tower,
    tints: list[F32],
    draw: Stream,
    phase: float,
) -> None:
    """Lit windows on a face, in the manner of this tower: scattered, by floors, in columns, or as bands of glass."""
    manner = draw.pick(("scattered", "scattered", "floors", "columns", "bands"))
    pitch_x, pitch_y = (
        tower.pitch * draw.between(0.8, 1.15),
        tower.pitch * draw.between(1.15, 1.55),
    )
    fill_x, fill_y = draw.between(0.45, 0.62), draw.between(0.42, 0.56)
    if manner == "columns":
        fill_y = 0.82
    if manner == "bands":
        fill_x = 0.93
    margin = tower.pitch * 0.5
    columns = max(1, int((tower.right - tower.left - margin) / pitch_x))
    origin_x = tower.left + (tower.right - tower.left - (columns - 1 + fill_x) * pitch_x) * 0.5
    origin_y = tower.top + tower.pitch * 1.1
    rows, places = box
    bars_x = _comb(places.start, places.stop, origin_x, pitch_x, pitch_x * fill_x)
    inner = _overlap(
        places.start,
        places.stop,
        origin_x - 0.01,
        origin_x + (columns - 1 + fill_x) * pitch_x + 0.01,
    )
    bars_x = np.minimum(bars_x, inner)
    bars_y = _comb(rows.start, rows.stop, origin_y, pitch_y, pitch_y * fill_y)
    bars_y *= (np.arange(rows.start, rows.stop) + 1.0 > origin_y).astype(np.float32)
    column = np.clip(
        (np.arange(places.start, places.stop) + 0.5 - origin_x) / pitch_x,
        0,
        columns - 1,
    ).astype(np.uint32)
    row = np.clip((np.arange(rows.start, rows.stop) + 0.5 - origin_y) / pitch_y, 0, 4000).astype(np.uint32)
    salt = draw.salt
    each = unit_array(row[:, None] * np.uint32(977) + column[None, :], salt)
    floor = unit_array(row, salt + 1)[:, None]
    share = draw.between(0.22, 0.55)
    if manner == "floors":
        lit = (each < 0.85) & (floor < share)
    elif manner == "bands":
        lit = (floor < share * 0.9) & (each < 0.97)
    elif manner == "columns":
        lit = each < share * (0.5 + unit_array(column, salt + 2)[None, :])
    else:
        lit = each < share * (0.55 + 0.9 * floor)
    power = 0.25 + 1.1 * unit_array(row[:, None] * np.uint32(977) + column[None, :], salt + 3)
    # A few windows change through the loop.
    turn = unit_array(row[:, None] * np.uint32(977) + column[None, :], salt + 4)
    blink = unit_array(row[:, None] * np.uint32(977) + column[None, :], salt + 6) < 0.07
    away = np.abs(turn - phase)
    power *= np.where(blink & (np.minimum(away, 1.0 - away) < 0.18), np.float32(0.15), np.float32(1.0))
    kind = unit_array(row[:, None] * np.uint32(977) + column[None, :], salt + 5)
    main, second, third = tints
    colors = np.where(
        (kind < 0.74)[..., None],
        main,
        np.where((kind < 0.92)[..., None], second, third),
    )
    amount = bars_y[:, None] * bars_x[None, :] * lit * power
    light[box] += colors * amount[..., None]


def _paint_sign(light: F32, box: tuple[float, float, float, float], tint: F32, draw: Stream) -> None:
    """A standing neon sign: a frame and blocks that read as letters from afar."""
    left, right, top, bottom = box
    height, width = light.shape[:2]
    first, last = max(0, int(left)), min(width, int(right) + 1)
    high, low = max(0, int(top)), min(height, int(bottom) + 1)
    if first >= last or high >= low:
        return
    size = right - left
    across, down = _overlap(first, last, left, right), _overlap(high, low, top, bottom)
    pitch = size * 1.05
    letters = np.minimum(_comb(high, low, top + size * 0.2, pitch, pitch * 0.72), down)
    inner = _overlap(first, last, left + size * 0.2, right - size * 0.2)
    stroke = unit_array(
        (np.arange(high, low)[:, None] * (5 / pitch)).astype(np.uint32) * np.uint32(31)
        + ((np.arange(first, last)[None, :] - left).clip(0) * (3.4 / size)).astype(np.uint32),
        draw.salt,
    )
    glyphs = letters[:, None] * inner[None, :] * (stroke < 0.68)
    plate = down[:, None] * across[None, :]
    tile = light[high:low, first:last]
    tile *= (1.0 - 0.8 * plate)[..., None]
    tile += (plate * 0.10 + glyphs * 2.3)[..., None] * tint


def _skyline(index: int, place: float, draw: Stream) -> float:
    """Height of the row's towers along the picture (place -1..1): a high middle that wanders from row to row."""
    middle = draw.between(-0.45, 0.45)
    away = (place - middle) * (place - middle)
    hump = 1.0 / (1.0 + 4.5 * away)
    return (0.17 + 0.30 * hump) * (1.0 - 0.085 * index)


def _paint_tower(
    light: F32,
    depth: F32,
    tower: _Tower,
    body: tuple[F32, F32],
    scene: Scene,
    draw: Stream,
    phase: float,
    unit: float,
) -> None:
    """Body, side face, windows, crown, and sometimes a sign or lines of neon."""
    near = 0.22 + 0.5 * tower.near
    box = _paint_box(light, depth, tower, body, near)
    if box is None:
        return
    width = tower.right - tower.left
    dim = 0.30 + 0.70 * tower.near
    warm, white, cool, pink = (color.vector(color.from_hex(code)) * np.float32(dim * 1.15) for code in _WINDOWS)
    sets: list[list[F32]] = [
        [warm, white, cool],
        [white, cool, warm],
        [cool, white, pink if scene.neon else white],
        [warm, warm, white],
    ]
    if scene.neon:
        sets += [[pink, cool, warm], [cool, pink, white]]
    lit = 1.0 if scene.mood.is_night else 0.25
    tints = [tint * np.float32(lit) for tint in draw.pick(sets)]
    _paint_windows(light, box, tower, tints, draw.child("windows"), phase)
    face = draw.between(0.16, 0.34) * width * (1.0 if draw.unit() < 0.5 else 0.0)
    if face > tower.pitch:
        # The side away from the moon: windows sink into shade.
        is_left = scene.light_x > (tower.left + tower.right) * 0.5 / unit - 0.5
        low, high = (tower.left, tower.left + face) if is_left else (tower.right - face, tower.right)
        share = _overlap(box[1].start, box[1].stop, low, high) * np.float32(0.55)
        light[box] *= (1.0 - share)[None, :, None]
    rim = max(1.0, unit * 0.0014)
    edge = _overlap(box[0].start, box[0].stop, tower.top, tower.top + rim)[:, None] * _overlap(
        box[1].start, box[1].stop, tower.left, tower.right,
    )
    tone = color.vector(scene.mood.glow) * np.float32(0.16 + 0.22 * tower.near)
    if scene.neon and draw.unit() < 0.22:
        tone = color.vector(color.from_hex(draw.pick(_SIGNS))) * np.float32(1.5 * dim)
        for place in (tower.left, tower.right - rim):
            line = _overlap(box[1].start, box[1].stop, place, place + rim)
            light[box] += line[None, :, None] * tone * np.float32(0.75)
    light[box] += edge[..., None] * tone
    if tower.near > 0.3 and draw.unit() < (0.45 if scene.neon else 0.14) and scene.mood.is_night:
        size = min(width * 0.26, unit * 0.022)
        left = tower.left + draw.between(0.08, 0.62) * width
        top = tower.top + (tower.base - tower.top) * draw.between(0.06, 0.3)
        long = size * draw.between(3.5, 7.5)
        tint = color.vector(color.from_hex(draw.pick(_SIGNS)))
        _paint_sign(light, (left, left + size, top, top + long), tint, draw.child("sign"))


def _crown(
    light: F32,
    depth: F32,
    tower: _Tower,
    body: tuple[F32, F32],
    draw: Stream,
    phase: float,
    unit: float,
) -> None:
    """What stands on the roof: a set-back storey, a mast with a red lamp, or nothing."""
    width = tower.right - tower.left
    near = 0.22 + 0.5 * tower.near
    kind = draw.unit()
    top = tower.top
    if kind < 0.55:
        inset = draw.between(0.14, 0.3) * width
        rise = width * draw.between(0.12, 0.5)
        storey = _Tower(
            tower.left + inset,
            tower.right - inset,
            top - rise,
            top + 1,
            tower.pitch,
            tower.near,
        )
        _paint_box(light, depth, storey, (body[0], body[0]), near)
        top -= rise
    if kind < 0.35 or kind > 0.85:
        middle = tower.left + width * draw.between(0.4, 0.6)
        thick = max(0.9, unit * 0.0022 * (0.5 + tower.near))
        rise = unit * draw.between(0.02, 0.075) * (0.6 + 0.6 * tower.near)
        mast = _Tower(
            middle - thick / 2,
            middle + thick / 2,
            top - rise,
            top + 1,
            tower.pitch,
            tower.near,
        )
        _paint_box(light, depth, mast, (body[0], body[0]), near)
        beat = 0.6 + 0.4 * sine_of(phase + draw.unit())
        lamp = max(1.0, unit * 0.0028)
        height, columns = depth.shape
        row, column = round(top - rise), round(middle)
        reach = int(lamp) + 1
        rows, places = (
            slice(max(0, row - reach), max(0, min(height, row + reach + 1))),
            slice(max(0, column - reach), max(0, min(columns, column + reach + 1))),
        )
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5) - np.float32(top - rise)
        x = np.arange(places.start, places.stop, dtype=np.float32)[None, :] + np.float32(0.5) - np.float32(middle)
        spot = np.clip(lamp - np.sqrt(x * x + y * y) + 0.5, 0.0, 1.0)
        light[rows, places] += spot[..., None] * color.vector((3.2, 0.25, 0.18)) * np.float32(beat)


def paint_city(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    stream: Stream,
    *,
    line: float,
    phase: float,
    tick: Tick,
) -> None:
    """Towers from the far row to the front one, all standing on the row `line`; a veil of haze after each row."""
    haze = horizon_color(scene)
    dark = color.mix(color.from_hex("#070914"), scene.mood.sky[-1], 0.35)
    if not scene.mood.is_night:
        dark = color.mix(color.from_hex("#39424f"), scene.mood.fill, 0.2)
    unit = frame.unit
    span = frame.width / unit
    for index in range(_ROWS):
        draw = stream.child(f"row{index}")
        near = index / (_ROWS - 1)
        pitch = max(2.2, unit * (0.0052 + 0.0062 * near))
        pale = (1.0 - near) * (0.62 + 0.25 * scene.mist)
        shade = (
            color.vector(color.mix(dark, (*(haze * 0.55).tolist(),), pale * 0.85)),
            color.vector(color.mix(dark, (*(haze * 0.85).tolist(),), min(1.0, pale + 0.22))),
        )
        at = -0.08 * unit
        number = 0
        while at < frame.width + 0.02 * unit:
            own = draw.child(f"tower{number}")
            width = unit * own.between(0.042, 0.088) * (0.62 + 0.75 * near)
            place = (at + width / 2) / frame.width * 2 - 1
            peak = _skyline(index, place * min(1.0, span), draw.child("line"))
            tall = unit * peak * own.between(0.45, 1.12) * (1.0 + 0.55 * (own.unit() < 0.10))
            if index == _ROWS - 1:
                tall *= 0.72 + 0.5 * abs(place)  # the front row frames the view
            tower = _Tower(at, at + width, line - tall, line, pitch, near)
            _crown(light, depth, tower, shade, own.child("crown"), phase, unit)
            _paint_tower(light, depth, tower, shade, scene, own.child("look"), phase, unit)
            at += width + unit * own.between(-0.012, 0.030) * (1.0 if index else 0.2)
            number += 1
            tick((index + min(1.0, max(0.0, at / frame.width))) / _ROWS)
        if index < _ROWS - 1:
            _veil(
                scene,
                frame,
                light,
                haze,
                line,
                (1.0 - near) * (0.13 + 0.30 * scene.mist) + 0.03,
            )
        tick((index + 1) / _ROWS)


def _veil(scene: Scene, frame: Frame, light: F32, haze: F32, line: float, amount: float) -> None:
    """Light of the streets in the haze between two rows: thick at the ground, gone at the roofs."""
    top = max(0, int(line - 0.42 * frame.unit))
    bottom = min(frame.height, int(line) + 1)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    share = np.clip((rows - top) / max(1.0, line - top), 0.0, 1.0)
    share = share * share * np.float32(amount)
    glow = haze + color.vector(scene.mood.glow) * np.float32(0.05 if scene.mood.is_night else 0.1)
    tile = light[top:bottom]
    tile += (glow - tile) * share[..., None]
