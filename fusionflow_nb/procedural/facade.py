"""The face of a tower: lit windows in several patterns, and neon signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural.noise import F32, Stream, unit_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAIN, _SECOND = 0.74, 0.92  # shares of the windows that have the first, and the first or second colour
_BLINK, _BLINK_LONG = 0.07, 0.18  # share of windows that go dark for a while, and for which share of the loop
_STROKE = 0.68  # share of a sign's letters that glows


def overlap(start: int, stop: int, low: float, high: float) -> F32:
    """Return the fraction of random pixel of start..stop that is between low and high."""
    place = np.arange(start, stop, dtype=np.float32)
    share: F32 = np.clip(np.minimum(place + 1.0, high) - np.maximum(place, low), 0.0, 1.0)
    return share


def comb(start: int, stop: int, origin: float, pitch: float, width: float) -> F32:
    """Return the fraction of random pixel covered by bars of a width that repeat with a pitch from origin."""

    def covered(place: F32) -> F32:
        turn = (place - origin) * (1.0 / pitch)
        whole = np.floor(turn)
        total: F32 = whole * width + np.minimum((turn - whole) * pitch, width)
        return total

    place = np.arange(start, stop, dtype=np.float32)
    share: F32 = np.clip(covered(place + 1.0) - covered(place), 0.0, 1.0)
    return share


def _lit(manner: str, row: NDArray[np.uint32], column: NDArray[np.uint32], draw: Stream) -> NDArray[np.bool_]:
    """Return which windows (rows, columns) are lit."""
    random = unit_array(row[:, None] * np.uint32(977) + column[None, :], draw.salt)
    floor = unit_array(row, draw.salt + 1)[:, None]
    share = draw.between(0.22, 0.55)
    limit = {
        "floors": np.where(floor < share, np.float32(0.85), np.float32(0.0)),
        "bands": np.where(floor < share * 0.9, np.float32(0.97), np.float32(0.0)),
        "columns": share * (0.5 + unit_array(column, draw.salt + 2)[None, :]),
        "scattered": share * (0.55 + 0.9 * floor),
    }[manner]
    return np.asarray(random < limit)


def paint_windows(
    light: F32,
    box: tuple[slice, slice],
    face: tuple[float, float, float],
    tints: list[F32],
    draw: Stream,
    *,
    pitch: float,
    phase: float,
) -> None:
    """Light windows on a face, in the manner of this tower: scattered, by floors, in columns, or as bands of glass.

    Args:
        light: the picture, added to.
        box: rows and columns of the face.
        face: left, right and top edge, exact.
        tints: three colours of light, the usual one first.
        draw: what is drawn by chance.
        pitch: distance of windows, pixels.
        phase: moment of the loop; some windows go dark for a while.
    """
    left, right, top = face
    manner = draw.pick(("scattered", "scattered", "floors", "columns", "bands"))
    pitch_x, pitch_y = pitch * draw.between(0.8, 1.15), pitch * draw.between(1.15, 1.55)
    fill_x, fill_y = draw.between(0.45, 0.62), draw.between(0.42, 0.56)
    fill_x = 0.93 if manner == "bands" else fill_x
    fill_y = 0.82 if manner == "columns" else fill_y
    columns = max(1, int((right - left - pitch * 0.5) / pitch_x))
    wide = (columns - 1 + fill_x) * pitch_x
    origin_x, origin_y = left + (right - left - wide) * 0.5, top + pitch * 1.1
    rows, places = box
    bars_x = comb(places.start, places.stop, origin_x, pitch_x, pitch_x * fill_x)
    bars_x = np.minimum(bars_x, overlap(places.start, places.stop, origin_x - 0.01, origin_x + wide + 0.01))
    bars_y = comb(rows.start, rows.stop, origin_y, pitch_y, pitch_y * fill_y)
    bars_y *= np.arange(rows.start, rows.stop) + 1.0 > origin_y
    column = np.clip((np.arange(places.start, places.stop) + 0.5 - origin_x) / pitch_x, 0, columns - 1).astype(
        np.uint32
    )
    row = np.clip((np.arange(rows.start, rows.stop) + 0.5 - origin_y) / pitch_y, 0, 4000).astype(np.uint32)
    lit = _lit(manner, row, column, draw)
    window = row[:, None] * np.uint32(977) + column[None, :]
    salt = draw.salt
    power = 0.25 + 1.1 * unit_array(window, salt + 3)
    away = np.abs(unit_array(window, salt + 4) - phase)
    rests = (unit_array(window, salt + 6) < _BLINK) & (np.minimum(away, 1.0 - away) < _BLINK_LONG)
    power *= np.where(rests, np.float32(0.15), np.float32(1.0))
    kind = unit_array(window, salt + 5)[..., None]
    colors = np.where(kind < _MAIN, tints[0], np.where(kind < _SECOND, tints[1], tints[2]))
    light[box] += colors * (bars_y[:, None] * bars_x[None, :] * lit * power)[..., None]


def paint_sign(light: F32, box: tuple[float, float, float, float], tint: F32, draw: Stream) -> None:
    """Draw a vertical neon sign: a frame and blocks that resemble letters."""
    left, right, top, bottom = box
    height, width = light.shape[:2]
    first, last = max(0, int(left)), min(width, int(right) + 1)
    high, low = max(0, int(top)), min(height, int(bottom) + 1)
    if first >= last or high >= low:
        return
    size = right - left
    across, down = overlap(first, last, left, right), overlap(high, low, top, bottom)
    pitch = size * 1.05
    letters = np.minimum(comb(high, low, top + size * 0.2, pitch, pitch * 0.72), down)
    inner = overlap(first, last, left + size * 0.2, right - size * 0.2)
    stroke = unit_array(
        (np.arange(high, low)[:, None] * (5 / pitch)).astype(np.uint32) * np.uint32(31)
        + ((np.arange(first, last)[None, :] - left).clip(0) * (3.4 / size)).astype(np.uint32),
        draw.salt,
    )
    glyphs = letters[:, None] * inner[None, :] * (stroke < _STROKE)
    plate = down[:, None] * across[None, :]
    tile = light[high:low, first:last]
    tile *= (1.0 - 0.8 * plate)[..., None]
    tile += (plate * 0.10 + glyphs * 2.3)[..., None] * tint
