"""The style `flow-field`: thousands of threads drawn along an invisible current, like engraved silk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Lattice, Stream, seed_of, smoothstep
from fusionflow_nb.procedural.palette import PALETTE, choose
from fusionflow_nb.procedural.registry import PHASE, Setting, Style, number
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick

_CELL = 4.0  # pixels between samples of the current
_MARGIN = 12  # samples outside the frame on each side, so that threads come in from there
_LENGTH = 240  # steps of a thread


@dataclass(frozen=True, slots=True)
class _Current:
    """The field: direction (unit complex numbers, x + iy) and height of the stream function, on a grid."""

    direction: np.ndarray[tuple[int, ...], np.dtype[np.complex64]]
    level: F32

    def at(self, x: F32, y: F32) -> tuple[F32, F32, F32]:
        """Direction right, direction down and level at pixel places (bilinear)."""
        rows, columns = self.level.shape
        u = np.clip(x * np.float32(1 / _CELL) + _MARGIN, 0, columns - 1.001)
        v = np.clip(y * np.float32(1 / _CELL) + _MARGIN, 0, rows - 1.001)
        left, top = u.astype(np.int64), v.astype(np.int64)
        u, v = u - left.astype(np.float32), v - top.astype(np.float32)
        index = top * columns + left
        flat = self.direction.reshape(-1)
        first, second = flat.take(index), flat.take(index + 1)
        third, fourth = flat.take(index + columns), flat.take(index + columns + 1)
        parts = []
        for part in ("real", "imag"):
            high = getattr(first, part) + (getattr(second, part) - getattr(first, part)) * u
            low = getattr(third, part) + (getattr(fourth, part) - getattr(third, part)) * u
            parts.append(high + (low - high) * v)
        return parts[0], parts[1], self.level.reshape(-1).take(index)


def _current(frame: Frame, stream: Stream, scale: float, phase: float) -> _Current:
    """The current of a seed: the curl of smooth noise, so that threads never cross."""
    lattice = Lattice(stream.child("current"))
    draw = stream.child("place")
    columns = int(frame.width / _CELL) + 2 * _MARGIN + 2
    rows = int(frame.height / _CELL) + 2 * _MARGIN + 2
    unit = np.float32(_CELL / frame.unit * scale)
    x = (np.arange(columns, dtype=np.float32) - columns / 2)[None, :] * unit + np.float32(draw.between(0, 200))
    y = (np.arange(rows, dtype=np.float32) - rows / 2)[:, None] * unit + np.float32(draw.between(0, 200))
    x, y = (np.ascontiguousarray(np.broadcast_to(axis.astype(np.float32), (rows, columns))) for axis in (x, y))
    warp = lattice.fractal(x * 0.6 + 31.0, y * 0.6, 2, phase=phase, sway=0.05)
    level = lattice.fractal(x + warp * 0.55, y + warp * 0.35, 2, gain=0.32, phase=phase, sway=0.05)
    right, down = np.zeros_like(level), np.zeros_like(level)
    right[1:-1] = level[2:] - level[:-2]
    down[:, 1:-1] = level[:, :-2] - level[:, 2:]
    length = 1.0 / np.maximum(np.sqrt(right * right + down * down), 1e-9)
    direction = np.empty(level.shape, np.complex64)
    direction.real, direction.imag = right * length, down * length
    return _Current(direction, level)


def _draw_threads(
    frame: Frame, current: _Current, table: F32, stream: Stream, *, count: int, width: float, tick: Tick
) -> F32:
    """Light (height, width, 3) of all threads, added up; they fade at both ends."""
    draw = stream.child("threads")
    size = frame.width * frame.height
    total = np.zeros((3, size), np.float64)
    margin = _MARGIN * _CELL * 0.8
    for part in tiles(count, 8192):
        amount = part.stop - part.start
        x = draw.array(amount) * np.float32(frame.width + 2 * margin) - np.float32(margin)
        y = draw.array(amount) * np.float32(frame.height + 2 * margin) - np.float32(margin)
        _, _, level = current.at(x, y)
        hue = np.clip(0.5 + level * 0.62 + (draw.array(amount) - 0.5) * 0.16, 0.0, 1.0)
        tint = table.take((hue * 255).astype(np.int64), axis=0)
        spread = draw.array(amount)
        power = (0.25 + 1.5 * spread * spread * spread) * width
        length = _LENGTH * (0.5 + 0.5 * draw.array(amount))
        where_parts: list[F32] = []
        value_parts: list[F32] = []
        for step in range(_LENGTH):
            right, down, _ = current.at(x, y)
            x, y = x + right * np.float32(0.95), y + down * np.float32(0.95)
            place = step / length
            fade = np.maximum(4.0 * place * (1.0 - place), 0.0)
            # Silk shines where it runs across the light.
            sheen = right * 0.6 - down * 0.8
            value = fade * power * (0.35 + 1.05 * sheen * sheen)
            left, top = np.floor(x - 0.5), np.floor(y - 0.5)
            u, v = x - 0.5 - left, y - 0.5 - top
            column, row = left.astype(np.int64), top.astype(np.int64)
            inside = (column >= 0) & (column < frame.width - 1) & (row >= 0) & (row < frame.height - 1)
            value = np.where(inside, value, np.float32(0.0))
            index = np.where(inside, row * frame.width + column, 0)
            for shift, share in (
                (0, (1 - u) * (1 - v)),
                (1, u * (1 - v)),
                (frame.width, (1 - u) * v),
                (frame.width + 1, u * v),
            ):
                where_parts.append(index + shift)
                value_parts.append(value * share)
            # Counting costs a walk over the whole picture: the larger the picture, the more is counted at once.
            if len(where_parts) * amount >= max(1 << 19, size // 4) or step == _LENGTH - 1:
                where, values = np.concatenate(where_parts), np.concatenate(value_parts)
                tints = np.tile(tint, (len(where_parts), 1))
                for channel in range(3):
                    total[channel] += np.bincount(where, weights=values * tints[:, channel], minlength=size)[:size]
                where_parts, value_parts = [], []
            if step % 8 == 7:  # noqa: PLR2004 - often enough to cancel at once
                tick((part.start + amount * (step + 1) / _LENGTH) / count)
    return np.moveaxis(total.reshape(3, frame.height, frame.width), 0, -1).astype(np.float32)


def render_flow_field(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Draw the threads of a prompt."""
    stream = Stream(seed_of(seed, prompt))
    _, colors = choose(parse_prompt(prompt), stream, str(settings["palette"]))
    current = _current(frame, stream, number(settings, "scale"), number(settings, "phase"))
    stages = Stages(tick, [6.0, 1.0])
    table = color.ramp((colors[1], colors[2], colors[3], colors[4]), 256)
    count = int(frame.width * frame.height * (0.012 + 0.040 * number(settings, "density"))) + 64
    width = 0.62 / (0.4 + number(settings, "density"))
    light = _draw_threads(frame, current, table, stream, count=count, width=width, tick=stages.next())
    lightness, a, b = color.to_oklab(colors[0])
    ground = color.vector(color.from_oklab((min(lightness, 0.16), a * 0.4, b * 0.4)))
    glow = color.vector(color.from_oklab((0.34, a * 0.4, b * 0.4)))
    across = frame.across()[None, :]
    for part in tiles(frame.height, tile_rows(frame.width)):
        down = (frame.rows(part) - frame.height / 2) * np.float32(1 / frame.unit)
        near = 1.0 - smoothstep(0.0, 0.9, np.sqrt(across * across + down * down))
        tile = light[part]
        tile *= (0.125 + 0.06 * near)[..., None]
        tile += ground + (glow - ground) * (near * 0.16)[..., None]
    look = Look(bloom=0.16, bloom_from=0.4, vignette=0.35, saturation=1.12)
    return Rendered(finish(light, look, stream.salt, stages.next()), None)


FLOW_FIELD = Style(
    id="flow-field",
    title="Flow field",
    says_how="Procedural: thousands of threads follow the curl of smooth noise and are added up as light.",
    gives_depth=False,
    settings={
        "palette": PALETTE,
        "scale": Setting("number", 2.2, "Size of the swirls: more means more and smaller ones.", 0.8, 6),
        "density": Setting("number", 0.5, "How many threads.", 0, 1),
        "phase": PHASE,
    },
    renderer=render_flow_field,
)
