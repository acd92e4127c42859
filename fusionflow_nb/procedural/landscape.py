"""The style `landscape`: composes sky, ground, trees or city, water and light, from the back to the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import city, sky, terrain, trees, water
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages
from fusionflow_nb.procedural.noise import F32, Stream, line_noise, seed_of
from fusionflow_nb.procedural.registry import PHASE, Setting, Style, number
from fusionflow_nb.procedural.scene import Painting, plan_scene
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick


# Rows of trees, far to near: distance, units below the horizon, height, gap.
_FAR_ROWS = {
    "conifers": ((16.0, 0.020, 0.060, 0.013), (10.0, 0.045, 0.095, 0.022)),
    "broadleaf": ((16.0, 0.012, 0.060, 0.020), (11.0, 0.030, 0.085, 0.030)),
}
_NEAR_ROWS = {
    "conifers": ((5.0, 0.11, 0.16, 0.036), (2.4, 0.26, 0.30, 0.075)),
    "broadleaf": ((6.0, 0.085, 0.13, 0.05), (2.2, 0.30, 0.36, 0.17)),
}


def _ground_line(painting: Painting, name: str, below: float, rise: float) -> F32:
    """Row of the ground per column: rolling, and rising to the sides so that the middle stays open."""
    across, unit = painting.frame.across(), painting.frame.unit
    draw = painting.stream.child(name)
    roll = line_noise(across * 2.0 + draw.between(0, 40), draw, octaves=3) * 0.020
    sides = np.minimum(across * across, 0.5) * rise
    line: F32 = painting.scene.horizon * painting.frame.height + (below + roll - sides) * unit
    return line


def _rows(
    painting: Painting, plan: tuple[tuple[float, float, float, float], ...], *, lower: float, rise: float
) -> list[trees.Row]:
    """Rows of trees of a plan."""
    unit = painting.frame.unit
    rows = []
    for distance, below, size, gap in plan:
        name = f"trees{distance}"
        ground = _ground_line(painting, name, below + lower, rise)
        rows.append(trees.Row(name, ground, distance, size * unit, gap * unit))
    return rows


def _far_rows(painting: Painting, shore: F32 | None) -> list[trees.Row]:
    """Rows of trees behind the water, or on the far ground."""
    kind = painting.scene.trees
    if kind is None:
        return []
    unit = painting.frame.unit
    # Conifers may rise to the sides; crowns stand on the hills that are there.
    rows = _rows(painting, _FAR_ROWS[kind], lower=0.0, rise=0.24 if kind == "conifers" else 0.0)
    if shore is not None and kind == "broadleaf":
        rows.append(trees.Row("shore", shore - 0.004 * unit, 7.0, 0.105 * unit, 0.036 * unit))
    return rows


def _near_rows(painting: Painting) -> list[trees.Row]:
    """Rows of trees before the eye; at a lake only a pair of groups at the sides."""
    kind = painting.scene.trees
    if kind is None:
        return []
    unit = painting.frame.unit
    if painting.scene.lake:
        side = 1.0 if painting.scene.light_x < 0 else -1.0
        across = painting.frame.across()
        edge = painting.frame.width / unit * 0.5
        # The bank comes in from the side away from the light.
        away = np.maximum(edge * 1.02 - across * side, 0.0)
        roll = line_noise(across * 5.0, painting.stream.child("bank roll"), octaves=3) * 0.012
        ground = painting.frame.height + (np.minimum(away * (0.18 + away * 0.5), 1.6) - 0.13 + roll) * unit
        size, gap = (0.50, 0.085) if kind == "conifers" else (0.46, 0.20)
        return [trees.Row("bank", ground, 1.8, size * unit, gap * unit)]
    return _rows(painting, _NEAR_ROWS[kind], lower=0.02, rise=0.24)


def _paint_rows(painting: Painting, rows: list[trees.Row], tick: Tick) -> None:
    """Paint rows of trees, far to near."""
    stages = Stages(tick, [row.size / row.gap for row in rows])
    for row in rows:
        paint = trees.paint_broadleaf if painting.scene.trees == "broadleaf" else trees.paint_conifers
        paint(painting, row, stages.next())


def _shore_of(cover: F32) -> F32 | None:
    """Return the row of a lake's far edge per column, None without a lake; dry columns get the highest row."""
    wet = cover > 0.5  # noqa: PLR2004 - more water than land
    first = np.argmax(wet, axis=0).astype(np.float32)
    has = wet.any(axis=0)
    if not has.any():
        return None
    return np.where(has, first, float(first[has].min())).astype(np.float32)


def render_landscape(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Paint the landscape of a prompt; depth is exact."""
    stream = Stream(seed_of(seed, prompt))
    scene = plan_scene(
        parse_prompt(prompt), stream, str(settings["time"]), number(settings, "clouds"), number(settings, "mist")
    )
    painting = Painting(
        scene=scene,
        frame=frame,
        light=np.empty((frame.height, frame.width, 3), np.float32),
        depth=np.zeros((frame.height, frame.width), np.float32),
        stream=stream,
        phase=number(settings, "phase"),
        octaves=4 + round(4 * number(settings, "detail")),
    )
    is_city = scene.ground == "city"
    stages = Stages(tick, [1.0, 1.6, 0.8 if scene.trees else 0.01, 0.9, 0.5 if scene.trees else 0.01, 0.6])
    sky.paint_sky(painting, stages.next())
    line = scene.horizon * frame.height
    calm = 0.15 if scene.ground == "ocean" else 0.55 if is_city else 0.85
    cover: F32 | None = None
    shore: F32 | None = None
    stage = stages.next()
    if is_city:
        line += 0.045 * frame.unit
        city.paint_city(painting, line=line, tick=stage)
    elif scene.ground != "ocean":
        cover = terrain.paint_terrain(painting, stage)
        shore = _shore_of(cover)
        line = float(shore.min()) if shore is not None else frame.height
    _paint_rows(painting, _far_rows(painting, shore), stages.next())
    stage = stages.next()
    if line < frame.height - 1:
        water.paint_water(painting, cover, line=line, calm=max(0.0, calm - 0.3 * scene.storm), tick=stage)
    _paint_rows(painting, _near_rows(painting), stages.next())
    is_night = scene.mood.is_night
    look = Look(
        bloom=0.5 if is_city and is_night else 0.26 if is_night else 0.16,
        bloom_from=0.5 if is_night else 0.9,
        vignette=0.30 if is_night else 0.20,
        saturation=1.06,
    )
    return Rendered(finish(painting.light, look, stream.salt, stages.next()), painting.depth)


LANDSCAPE = Style(
    id="landscape",
    title="Landscape",
    says_how=(
        "Procedural: a sky, a height field or a city, water and trees, composed from the words of the prompt "
        "by noise and perspective."
    ),
    gives_depth=True,
    settings={
        "time": Setting(
            "choice",
            "auto",
            "Light of the scene; auto reads it from the prompt.",
            choices=("auto", "dawn", "day", "sunset", "dusk", "night"),
        ),
        "clouds": Setting(
            "number",
            -1.0,
            "Amount of clouds, 0 to 1; -1 leaves it to the prompt.",
            -1,
            1,
        ),
        "mist": Setting("number", -1.0, "Amount of mist, 0 to 1; -1 leaves it to the prompt.", -1, 1),
        "detail": Setting("number", 0.6, "Fine structure of clouds and ground.", 0, 1),
        "phase": PHASE,
    },
    renderer=render_landscape,
)
