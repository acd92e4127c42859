"""The studio of a still life: solids, camera, light and backdrop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.noise import F32, Stream, cosine_of, seed_of, sine_of
from fusionflow_nb.procedural.palette import DARK, choose
from fusionflow_nb.procedural.registry import number
from fusionflow_nb.procedural.solids import Group, Points, Solid, unit
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.color import Rgb

_FLOATING = 0.4  # share of small companions that float


@dataclass(frozen=True, slots=True)
class Studio:
    """Solids, camera and light."""

    group: Group
    eye: tuple[float, float, float]
    forward: tuple[float, float, float]
    zoom: float
    light: tuple[float, float, float]  # unit vector towards the key light
    key: F32
    floor: F32
    low: F32  # backdrop at the floor
    high: F32  # backdrop above
    rim: F32  # a light from behind, opposite the key light
    gloss: float
    is_dark: bool


@dataclass(slots=True)
class _Table:
    """The solids on the floor so far."""

    solids: list[Solid]
    spots: list[tuple[float, float, float]]  # x, z, radius

    def find(self, draw: Stream, radius: float) -> tuple[float, float] | None:
        """Return a free spot of that radius, or None after a limited search."""
        for _ in range(40):
            x, z = draw.between(-1.95, 1.95), draw.between(-1.25, 1.9)
            if all((x - a) * (x - a) + (z - c) * (z - c) > (radius + r) * (radius + r) for a, c, r in self.spots):
                return x, z
        return None


_LARGE = 3  # companions that are large


def _hero(table: _Table, tints: list[Rgb], draw: Stream, phase: float) -> None:
    """Add the main object in the middle: a solid on a podium, a ring around a ball, or blended solids."""
    hero = draw.pick(("blob", "torus", "podium", "blob"))
    if hero == "podium":
        kind = draw.pick(("sphere", "torus", "box"))
        size, second, tilt, lift = {
            "sphere": (0.62, 0.0, 0.0, 0.62),
            "torus": (0.56, 0.22, 0.25, 0.78),
            "box": (0.46, 0.12, 0.0, 0.46),
        }[kind]
        table.solids.append(Solid("disc", (0.0, 0.16, 0.0), 0.86, 0.16, 0.0, 0.0, tints[1]))
        turn = draw.between(0.05, 0.2)
        table.solids.append(Solid(kind, (0.0, 0.32 + lift, 0.0), size, second, turn, tilt, tints[0]))
        table.spots.append((0.0, 0.0, 0.95))
    elif hero == "torus":
        swing = 0.05 * sine_of(phase)
        table.solids.append(Solid("torus", (0.0, 0.98, 0.0), 0.70, 0.28, draw.between(-0.10, 0.10), 0.25, tints[0]))
        table.solids.append(Solid("sphere", (0.0, 0.98 + swing, 0.0), 0.30, 0.0, 0.0, 0.0, tints[1]))
        table.spots.append((0.0, 0.0, 1.02))
    else:
        for part, level in enumerate((0.0, 0.62, 0.18, 0.80)):
            around = part / 4 + draw.between(-0.08, 0.08)
            size = draw.between(0.38, 0.60)
            high = size * 0.93 + level * draw.between(0.7, 1.0) + 0.06 * sine_of(phase + part / 4)
            middle = (0.52 * cosine_of(around), high, 0.40 * sine_of(around))
            table.solids.append(Solid("sphere", middle, size, 0.0, 0.0, 0.0, tints[part % len(tints)], blend=0.30))
        table.spots.append((0.0, 0.0, 1.08))


def _companion(table: _Table, tints: list[Rgb], draw: Stream, phase: float, *, is_large: bool) -> None:
    """Add a solid on a free spot of the floor; some small solids float."""
    kind = draw.pick(("sphere", "sphere", "box", "torus", "capsule", "disc"))
    size = draw.between(0.30, 0.46) if is_large else draw.between(0.11, 0.24)
    spot = table.find(draw, size * 1.25)
    if spot is None:
        return
    x, z = spot
    table.spots.append((x, z, size * 1.25))
    tint, turn = draw.pick(tints), draw.unit()
    lift = draw.between(0.7, 1.7) + 0.08 * sine_of(phase + draw.unit())
    if not is_large and draw.unit() < _FLOATING:
        table.solids.append(Solid("sphere", (x, size + lift, z), size, 0.0, 0.0, 0.0, tint))
        return
    # Share of the size: height of the middle, size, second measure.
    high, first, second = {
        "sphere": (1.0, 1.0, 0.0),
        "box": (0.85, 0.85, 0.2),
        "torus": (0.34, 0.78, 0.34),
        "capsule": (1.5, 0.52, 0.98),
        "disc": (0.34, 1.0, 0.34),
    }[kind]
    table.solids.append(Solid(kind, (x, size * high, z), size * first, size * second, turn, 0.0, tint))


def _still_life(colors: tuple[Rgb, ...], count: int, stream: Stream, phase: float) -> list[Solid]:
    """Compose a main object in the middle, with large and small companions around it, some of them floating."""
    draw = stream.child("solids")
    tints = list(colors) if draw.unit() < 0.5 else list(reversed(colors))  # noqa: PLR2004 - either order
    table = _Table([], [])
    _hero(table, tints, draw, phase)
    for index in range(count):
        _companion(table, tints, draw.child(f"companion{index}"), phase, is_large=index < _LARGE)
    return table.solids


def arrange(prompt: str, seed: int, settings: Mapping[str, object]) -> tuple[Studio, Stream]:
    """Arrange the scene of a prompt."""
    stream = Stream(seed_of(seed, prompt))
    parsed = parse_prompt(prompt)
    phase = number(settings, "phase")
    name, colors = choose(parsed, stream, str(settings["palette"]))
    is_dark = parsed.time == "night" or (name in DARK and parsed.time is None)
    if is_dark:
        tints = colors[1:]
    elif name == "candy":
        tints = (colors[0], colors[2], colors[3], colors[4])
    else:
        tints = (color.mix(colors[0], colors[1], 0.5), colors[1], colors[2], colors[4])
    solids = _still_life(tints, round(number(settings, "companions")), stream, phase)
    draw = stream.child("studio")
    side = draw.pick((-1.0, 1.0))
    orbit = draw.between(-0.05, 0.05) + 0.022 * sine_of(phase)
    distance, height = 5.6, 2.05
    eye = (distance * sine_of(orbit), height, -distance * cosine_of(orbit))
    aim = (0.0, 0.70, 0.0)
    x, y, z = (aim[axis] - eye[axis] for axis in range(3))
    scale = 1.0 / float(np.sqrt(np.float64(x * x + y * y + z * z)))
    forward = (x * scale, y * scale, z * scale)
    light = unit(np.float32(side * 0.62), np.float32(0.80), np.float32(-0.42))  # type: ignore[arg-type]
    if is_dark:
        low, high = color.mix(colors[0], colors[1], 0.55), color.scaled(colors[0], 0.55)
        floor = color.mix(colors[0], colors[1], 0.40)
    else:
        light_end = color.mix(colors[3], colors[4], 0.35) if name != "candy" else colors[1]
        low = color.mix(light_end, (1.0, 1.0, 1.0), 0.25)
        high = color.mix(colors[2], light_end, 0.55)
        floor = color.mix(light_end, colors[3], 0.3)
    studio = Studio(
        group=Group(solids),
        eye=eye,
        forward=forward,
        zoom=number(settings, "zoom"),
        light=(float(light[0]), float(light[1]), float(light[2])),
        key=color.vector(color.mix((1.0, 0.94, 0.86), colors[3], 0.12)) * np.float32(1.9 if is_dark else 1.75),
        floor=color.vector(floor),
        low=color.vector(low),
        high=color.vector(high),
        rim=color.vector(colors[4]) * np.float32(1.1 if is_dark else 0.22),
        gloss=number(settings, "gloss"),
        is_dark=is_dark,
    )
    return studio, stream


def rays(studio: Studio, x: F32, y: F32) -> Points:
    """Unit rays through points of the picture (x right, y up, in units from the middle)."""
    fx, fy, fz = studio.forward
    flat = 1.0 / float(np.sqrt(np.float64(fx * fx + fz * fz)))
    rx, rz = fz * flat, -fx * flat  # to the right; the camera does not roll
    ux, uy, uz = -fy * fx * flat, 1.0 / flat, -fy * fz * flat
    depth = 1.75 * studio.zoom
    return unit(fx * depth + rx * x + ux * y, fy * depth + uy * y, fz * depth + rz * x + uz * y)
