"""The style `attractor`: millions of points of a simple map that never settles, gathered as light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Stream, cosine_of, seed_of, sine, sine_of, smoothstep
from fusionflow_nb.procedural.palette import PALETTE, choose
from fusionflow_nb.procedural.registry import PHASE, Setting, Style, number
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.color import Rgb
    from fusionflow_nb.procedural.frame import Tick

_Constants: TypeAlias = tuple[float, float, float, float]
_QUARTER = np.float32(0.25)
_TURN = 0.15915494  # one radian in turns
_TRIALS = 24
_GRID = 48  # cells of a side on which trials are judged


@dataclass(frozen=True, slots=True)
class _Map:
    """One map of the plane onto itself."""

    family: str  # ribbons (after de Jong) | veils (after Clifford)
    constants: _Constants

    def step(self, x: F32, y: F32) -> tuple[F32, F32]:
        """Where the points go."""
        a, b, c, d = (constant * _TURN for constant in self.constants)
        if self.family == "ribbons":
            return sine(y * a) - sine(x * b + _QUARTER), sine(x * c) - sine(y * d + _QUARTER)
        _, _, wide, tall = self.constants
        return (
            sine(y * a) + sine(x * a + _QUARTER) * (wide * 0.6),
            sine(x * b) + sine(y * b + _QUARTER) * (tall * 0.6),
        )


def _orbit(chosen: _Map, stream: Stream, walkers: int, steps: int) -> tuple[F32, F32]:
    """Points after some steps, as (steps, walkers)."""
    x, y = stream.array(walkers) * 2.0 - 1.0, stream.array(walkers) * 2.0 - 1.0
    xs, ys = np.empty((steps, walkers), np.float32), np.empty((steps, walkers), np.float32)
    for _ in range(24):
        x, y = chosen.step(x, y)
    for index in range(steps):
        x, y = chosen.step(x, y)
        xs[index], ys[index] = x, y
    return xs, ys


def _worth(xs: F32, ys: F32) -> float:
    """How rich a trial looks: it should fill a good part of its box, unevenly, with strong lines."""
    low_x, high_x, low_y, high_y = float(xs.min()), float(xs.max()), float(ys.min()), float(ys.max())
    wide, tall = high_x - low_x, high_y - low_y
    if wide < 0.8 or tall < 0.8:  # noqa: PLR2004 - collapsed to a line or a few points
        return 0.0
    cells = ((xs - low_x) * (_GRID * 0.999 / wide)).astype(np.int64) * _GRID
    cells += ((ys - low_y) * (_GRID * 0.999 / tall)).astype(np.int64)
    counts = np.bincount(cells.ravel(), minlength=_GRID * _GRID)
    filled = float((counts > 0).sum()) / (_GRID * _GRID)
    top = np.sort(counts)[::-1]
    strong = float(top[: _GRID * 2].sum()) / float(counts.sum())  # share of the brightest 4 %
    shape = min(wide / tall, tall / wide)
    return max(0.0, 1.0 - abs(filled - 0.52) * 1.7) * (0.35 + min(strong, 0.35)) * (0.4 + shape)


def _choose_map(family: str, stream: Stream, tick: Tick) -> _Map:
    """The richest of some trials."""
    best, most = _Map(family, (1.4, -2.3, 2.4, -2.1)), -1.0
    for index in range(_TRIALS):
        draw = stream.child(f"trial{index}")
        constants = tuple(draw.between(1.15, 2.75) * draw.pick((-1.0, 1.0)) for _ in range(4))
        trial = _Map(family, (constants[0], constants[1], constants[2], constants[3]))
        worth = _worth(*_orbit(trial, draw.child("points"), 512, 24))
        if worth > most:
            best, most = trial, worth
        tick((index + 1) / _TRIALS)
    return best


def _moved(base: _Map, phase: float) -> _Map:
    """The map at a moment of the loop: its constants circle around where they are."""
    a, b, c, d = base.constants
    swing = 0.075
    east, north = swing * (cosine_of(phase) - 1.0), swing * sine_of(phase)
    return _Map(base.family, (a + north, b + east, c - north, d + east))


def _gather(
    frame: Frame, chosen: _Map, box: tuple[float, float, float], table: F32, *, stream: Stream, count: int, tick: Tick
) -> F32:
    """Light (height, width, 3): every visit of a point adds the colour of the length of its last leap."""
    middle_x, middle_y, scale = box
    draw = stream.child("walkers")
    walkers = 1 << 15
    x, y = draw.array(walkers) * 2.0 - 1.0, draw.array(walkers) * 2.0 - 1.0
    for _ in range(24):
        x, y = chosen.step(x, y)
    size = frame.width * frame.height
    total = np.zeros((3, size), np.float64)
    # Counting costs a walk over the whole picture: the larger the picture, the more steps are counted at once.
    batch = min(256, max(8, size // walkers // 4))
    steps = max(1, -(-count // walkers // batch)) * batch
    cells = np.empty((batch, walkers), np.int64)
    levels = np.empty((batch, walkers), np.int64)
    # A tiny shift, different in each step, spreads points over the pixel they fall into: smooth, not speckled.
    shifts = draw.array(steps * 2).reshape(steps, 2) - 0.5
    for step in range(steps):
        before_x, before_y = x, y
        x, y = chosen.step(x, y)
        leap_x, leap_y = x - before_x, y - before_y
        leap = np.sqrt(leap_x * leap_x + leap_y * leap_y)
        column = np.floor((x - middle_x) * scale + np.float32(frame.width / 2 + shifts[step, 0])).astype(np.int64)
        row = np.floor((y - middle_y) * scale + np.float32(frame.height / 2 + shifts[step, 1])).astype(np.int64)
        inside = (column >= 0) & (column < frame.width) & (row >= 0) & (row < frame.height)
        slot = step % batch
        cells[slot] = np.where(inside, row * frame.width + column, -1)
        levels[slot] = np.minimum(leap * np.float32(255 / 3.6), 255).astype(np.int64)
        if slot == batch - 1:
            flat = cells.ravel()
            keep = flat >= 0
            where, level = flat[keep], levels.ravel()[keep]
            for channel in range(3):
                total[channel] += np.bincount(where, weights=table[:, channel].take(level), minlength=size)
        tick((step + 1) / steps)
    return np.moveaxis(total.reshape(3, frame.height, frame.width), 0, -1).astype(np.float32)


def _calmed(light: F32, part: slice, calm_below: float) -> F32:
    """A tile of the light with its thinnest dust spread over neighbours, so that veils look like veils."""
    high, low = max(0, part.start - 1), min(light.shape[0], part.stop + 1)
    edges = ((1 - (part.start - high), 1 - (low - part.stop)), (1, 1), (0, 0))
    wide = np.pad(light[high:low], edges, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    spread = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    sharp = smoothstep(0.0, calm_below, spread.max(axis=-1))
    spread += (light[part] - spread) * sharp[..., None]
    return spread


def _ground(colors: tuple[Rgb, ...]) -> tuple[F32, F32]:
    """Colours of the background: far from the figure and behind it."""
    _, a, b = color.to_oklab(color.mix(colors[0], colors[1], 0.4))
    return color.vector(color.from_oklab((0.115, a * 0.22, b * 0.22))), color.vector(
        color.from_oklab((0.24, a * 0.55, b * 0.55))
    )


def _bright(light: F32) -> float:
    """Weight that only the brightest of the pixels reach that were met at all."""
    weight = light.max(axis=-1).reshape(-1)
    some = np.sort(weight[weight > 0][:: max(1, weight.size // 300_000)])
    return float(some[int(some.size * 0.985)]) if some.size else 1.0


def render_attractor(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Draw the attractor of a prompt."""
    stream = Stream(seed_of(seed, prompt))
    _, colors = choose(parse_prompt(prompt), stream, str(settings["palette"]))
    family = str(settings["family"])
    if family == "auto":
        family = stream.child("family").pick(("ribbons", "ribbons", "veils"))
    stages = Stages(tick, [0.3, 5.0, 1.0, 1.0])
    base = _choose_map(family, stream, stages.next())
    xs, ys = _orbit(base, stream.child("box"), 1024, 32)
    low_x, high_x, low_y, high_y = float(xs.min()), float(xs.max()), float(ys.min()), float(ys.max())
    fit = 0.86 * number(settings, "zoom")
    scale = fit * min(frame.width / (high_x - low_x), frame.height / (high_y - low_y))
    box = ((low_x + high_x) / 2, (low_y + high_y) / 2, scale)
    table = color.ramp(
        (colors[2], color.mix(colors[1], colors[2], 0.4), colors[2], colors[3], colors[4], colors[3]), 256
    )
    count = int(frame.width * frame.height * (6.0 + 36.0 * number(settings, "density")))
    moved = _moved(base, number(settings, "phase"))
    light = _gather(frame, moved, box, table, stream=stream, count=min(count, 1 << 28), tick=stages.next())
    stage = stages.next()
    bright = _bright(light)
    stage(0.3)
    outer, inner = _ground(colors)
    across = frame.across()[None, :]
    shown = np.empty_like(light)
    for part in tiles(frame.height, tile_rows(frame.width)):
        tile = _calmed(light, part, bright * 0.22)
        weight = tile.max(axis=-1)
        dense = weight * np.float32(1 / bright)
        root = np.sqrt(dense)
        tile *= (root * (0.30 + 0.70 * np.minimum(root, 1.6)) * np.float32(1.25) / np.maximum(weight, 1e-9))[..., None]
        # Where many paths meet, the line burns towards white.
        tile += (smoothstep(0.9, 3.2, dense) * 0.8)[..., None] * color.vector((1.0, 0.96, 0.92))
        down = (frame.rows(part) - frame.height / 2) * np.float32(1 / frame.unit)
        near = 1.0 / (1.0 + 7.0 * (across * across + down * down))
        shown[part] = tile + outer + (inner - outer) * (near * near)[..., None]
        stage(0.3 + 0.7 * part.stop / frame.height)
    look = Look(bloom=0.34, bloom_from=0.30, vignette=0.25, saturation=1.08)
    return Rendered(finish(shown, look, stream.salt, stages.next()), None)


ATTRACTOR = Style(
    id="attractor",
    title="Strange attractor",
    says_how="Procedural: millions of points of a chaotic map, gathered as light, coloured by the length of each leap.",
    gives_depth=False,
    settings={
        "palette": PALETTE,
        "family": Setting("choice", "auto", "Kind of map.", choices=("auto", "ribbons", "veils")),
        "density": Setting("number", 0.5, "How many points are gathered; more is smoother and slower.", 0, 1),
        "zoom": Setting("number", 1.0, "Size of the figure in the picture.", 0.5, 2.5),
        "phase": PHASE,
    },
    renderer=render_attractor,
)
