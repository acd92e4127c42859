"""The style `reaction-diffusion`: two substances that spread and feed on each other grow corals, mazes and spots."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages, soft_blur, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Lattice, Stream, cosine_of, seed_of, sine_of, smoothstep
from fusionflow_nb.procedural.palette import PALETTE, choose
from fusionflow_nb.procedural.registry import PHASE, Setting, Style, number
from fusionflow_nb.procedural.words import ParsedPrompt, parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick

_CELLS = 96000  # of the simulation, whatever the size of the picture
# Feed and kill rates of the model of Gray and Scott, and words that ask for the pattern.
_PATTERNS = MappingProxyType(
    {
        "coral": (0.0545, 0.0620, "coral reef brain sponge"),
        "maze": (0.0290, 0.0570, "maze labyrinth zebra fingerprint stripes"),
        "spots": (0.0340, 0.0630, "spots leopard dots cells bubbles ladybird"),
        "holes": (0.0390, 0.0580, "holes giraffe mesh net lace foam"),
    }
)


def _pattern(parsed: ParsedPrompt, stream: Stream, requested: str) -> tuple[float, float]:
    """Return the feed and kill rates of a pattern."""
    if requested == "auto":
        matches = [name for name, entry in _PATTERNS.items() if parsed.words & set(entry[2].split())]
        requested = matches[0] if matches else stream.child("pattern").pick(tuple(_PATTERNS))
    feed, kill, _ = _PATTERNS[requested]
    return feed, kill


def _grow(size: tuple[int, int], rates: tuple[float, float], stream: Stream, steps: int, tick: Tick) -> F32:
    """Concentration, of that size, of the second substance after some steps; the edges wrap around."""
    rows, columns = size
    lattice = Lattice(stream.child("seeds"))
    scale = np.float32(9.0 / min(rows, columns))
    y, x = np.arange(rows, dtype=np.float32)[:, None] * scale, np.arange(columns, dtype=np.float32)[None, :] * scale
    x, y = (np.ascontiguousarray(np.broadcast_to(axis, (rows, columns))) for axis in (x, y))
    spots = smoothstep(0.16, 0.30, lattice.fractal(x * 1.3, y * 1.3, 2))
    drift = lattice.fractal(x * 0.22 + 50.0, y * 0.22, 2)
    feed = (rates[0] + drift * 0.0035).astype(np.float32)
    loss = (rates[1] + feed + drift * 0.0006).astype(np.float32)
    # One cell of border on each side holds copies of the other side.
    a, b = np.empty((rows + 2, columns + 2), np.float32), np.empty((rows + 2, columns + 2), np.float32)
    a[1:-1, 1:-1], b[1:-1, 1:-1] = 1.0 - spots * 0.5, spots * 0.27
    first, second = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
    react = np.empty((rows, columns), np.float32)

    def spread(field: F32, into: F32) -> None:
        field[0], field[-1] = field[-2], field[1]
        field[:, 0], field[:, -1] = field[:, -2], field[:, 1]
        np.add(field[:-2, 1:-1], field[2:, 1:-1], out=into)
        into += field[1:-1, :-2]
        into += field[1:-1, 2:]
        into *= np.float32(0.25)
        into -= field[1:-1, 1:-1]

    for step in range(steps):
        inner_a, inner_b = a[1:-1, 1:-1], b[1:-1, 1:-1]
        spread(a, first)
        spread(b, second)
        np.multiply(inner_b, inner_b, out=react)
        react *= inner_a
        first *= np.float32(0.82)
        first -= react
        first += feed
        second *= np.float32(0.41)
        second += react
        np.multiply(feed, inner_a, out=react)
        first -= react
        np.multiply(loss, inner_b, out=react)
        second -= react
        inner_a += first
        inner_b += second
        if step % 50 == 49:  # noqa: PLR2004 - often enough to cancel at once
            tick((step + 1) / steps)
    return b[1:-1, 1:-1].copy()


def _enlarged(small: F32, frame: Frame, part: slice) -> F32:
    """Rows `part` (and one more row and column) of the field at picture size, by cubic B-splines."""

    def weights(place: F32) -> tuple[F32, list[F32]]:
        whole = np.floor(place)
        t = (place - whole).astype(np.float32)
        rest = 1.0 - t
        cubes = [
            rest * rest * rest / 6,
            (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6,
            (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6,
            t * t * t / 6,
        ]
        return whole.astype(np.int64), cubes

    rows, columns = small.shape
    down = np.arange(part.start, part.stop + 1, dtype=np.float32) * np.float32(rows / frame.height) - np.float32(0.5)
    right = np.arange(frame.width + 1, dtype=np.float32) * np.float32(columns / frame.width) - np.float32(0.5)
    index, cubes = weights(down)
    strip = sum(small[(index + tap - 1) % rows] * cubes[tap][:, None] for tap in range(4))
    index, cubes = weights(right)
    result: F32 = np.asarray(
        sum(np.take(strip, (index + tap - 1) % columns, axis=1) * cubes[tap] for tap in range(4)), np.float32
    )
    return result


def render_reaction_diffusion(
    prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick
) -> Rendered:
    """Grow the pattern of a prompt and light it as a relief."""
    stream = Stream(seed_of(seed, prompt))
    parsed = parse_prompt(prompt)
    _, colors = choose(parsed, stream, str(settings["palette"]))
    fine = number(settings, "scale")
    shape = min(8.0, max(0.125, frame.height / frame.width))
    rows = max(48, int(float(np.sqrt(_CELLS * shape)) * fine))
    columns = max(48, int(float(np.sqrt(_CELLS / shape)) * fine))
    stages = Stages(tick, [8.0, 1.5, 1.0])
    steps = round(number(settings, "growth"))
    rates = _pattern(parsed, stream, str(settings["pattern"]))
    field = _grow((rows, columns), rates, stream, steps, stages.next())
    shadow = soft_blur(field[..., None], 3)[..., 0]
    turn = number(settings, "phase") + 0.62
    key = (0.72 * cosine_of(turn), 0.72 * sine_of(turn), 0.69)
    table = color.ramp((color.mix(colors[0], colors[1], 0.4), colors[1], colors[2], colors[3], colors[4]))
    lattice = Lattice(stream.child("hue"))
    light = np.empty((frame.height, frame.width, 3), np.float32)
    stage = stages.next()
    across = frame.across()[None, :]
    per_unit = np.float32(rows / frame.height * 22.0)
    for part in tiles(frame.height, tile_rows(frame.width)):
        height = _enlarged(field, frame, part)
        dark = _enlarged(shadow, frame, part)[:-1, :-1]
        here = height[:-1, :-1]
        slope_x = (height[:-1, 1:] - here) * (22.0 / per_unit * np.float32(rows * 0.55))
        slope_y = (height[1:, :-1] - here) * (22.0 / per_unit * np.float32(rows * 0.55))
        scale = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1.0)
        facing = np.clip((key[2] - slope_x * key[0] - slope_y * key[1]) * scale, 0.0, 1.0)
        down = frame.rows(part) * np.float32(1 / frame.unit)
        x, y = (np.broadcast_to(axis * np.float32(1.4), here.shape) for axis in (across, down))
        hue = lattice.fractal(np.ascontiguousarray(x), np.ascontiguousarray(y), 2)
        raised = smoothstep(0.10, 0.26, here)
        tile = color.look_up(table, 0.06 + raised * (0.62 + 0.30 * hue) + (here - 0.25) * 0.4)
        tile *= (0.30 + 0.85 * facing)[..., None]
        tile *= (1.0 - 0.55 * (1.0 - raised) * smoothstep(0.02, 0.2, dark))[..., None]
        # A soft lamp mirrored in the wet surface.
        half = (key[2] + 0.75 - slope_x * key[0] - slope_y * key[1]) * scale * np.float32(0.54)
        tile += (smoothstep(0.90, 0.985, half) * raised * 0.42)[..., None] * color.vector((1.0, 0.97, 0.94))
        light[part] = tile
        stage(part.stop / frame.height)
    look = Look(bloom=0.12, bloom_from=0.75, vignette=0.28, saturation=1.08)
    return Rendered(finish(light, look, stream.salt, stages.next()), None)


REACTION_DIFFUSION = Style(
    id="reaction-diffusion",
    title="Reaction and diffusion",
    says_how="Procedural: the reaction of Gray and Scott grows a pattern, which is lit as a relief.",
    gives_depth=False,
    settings={
        "palette": PALETTE,
        "pattern": Setting(
            "choice", "auto", "What grows; auto reads it from the prompt.", choices=("auto", *_PATTERNS)
        ),
        "growth": Setting("integer", 2800, "Steps of growth: fewer show a young pattern.", 200, 8000),
        "scale": Setting("number", 1.0, "More means more and smaller forms (and more work).", 0.5, 1.6),
        "phase": PHASE,
    },
    renderer=render_reaction_diffusion,
)
