"""The style `landscape`: composes sky, ground, trees or city, water and light, from the back to the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles import city, sky, terrain, trees, water
from fusionflow_nb.providers.local.styles.finish import Look, finish
from fusionflow_nb.providers.local.styles.frame import Frame, Rendered, Stages
from fusionflow_nb.providers.local.styles.noise import (
    F32,
    Lattice,
    Stream,
    line_noise,
    seed_of,
)
from fusionflow_nb.providers.local.styles.registry import PHASE, Setting, Style, number
from fusionflow_nb.providers.local.styles.scene import Scene, plan_scene
from fusionflow_nb.providers.local.styles.words import understand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.local.styles.frame import Tick


def _tree_rows(scene: Scene, frame: Frame, stream: Stream, *, is_far: bool) -> list[trees.Row]:
    """Ground lines of the rows of trees, far to near."""
    across = frame.across()
    horizon = scene.horizon * frame.height
    unit = frame.unit
    rows = []
    if scene.trees == "broadleaf":
        plan = [(9.0, 0.030, 0.115, 0.036)] if is_far else []
        if not scene.lake and not is_far:
            plan = [(5.0, 0.10, 0.16, 0.075), (2.6, 0.25, 0.30, 0.19)]
    elif is_far:
        plan = [(14.0, 0.020, 0.065, 0.016), (9.0, 0.045, 0.10, 0.026)]
    else:
        plan = [(5.0, 0.12, 0.17, 0.042), (2.4, 0.28, 0.30, 0.085)]
        if scene.lake:
            plan = []
    for index, (distance, below, size, gap) in enumerate(plan):
        draw = stream.child(f"trees{distance}")
        roll = line_noise(across * (2.2 - 0.3 * index) + draw.between(0, 40), draw, octaves=3) * unit * 0.022
        # Rows rise to the sides and leave the middle open.
        frame_up = np.minimum(across * across * 0.22, 0.12) * unit
        ground = (horizon + below * unit + roll - frame_up).astype(np.float32)
        rows.append(
            trees.Row(
                ground,
                distance,
                size * unit,
                gap * unit,
                trees.row_shade(scene, distance),
            ),
        )
    return rows


def _paint_rows(
    scene: Scene,
    frame: Frame,
    light: F32,
    depth: F32,
    rows: list[trees.Row],
    stream: Stream,
    tick: Tick,
) -> None:
    """Paint rows of trees, far to near."""
    stages = Stages(tick, [1.0] * max(1, len(rows)))
    paint = trees.paint_broadleaf if scene.trees == "broadleaf" else trees.paint_conifers
    for row in rows:
        paint(
            scene,
            frame,
            light,
            depth,
            row,
            stream.child(f"row{row.distance}"),
            stages.next(),
        )


def render_landscape(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Paint the landscape that the prompt asks for; depth is exact."""
    stream = Stream(seed_of(seed, prompt))
    phase, detail = number(settings, "phase"), number(settings, "detail")
    scene = plan_scene(
        understand(prompt),
        stream,
        str(settings["time"]),
        number(settings, "clouds"),
        number(settings, "mist"),
    )
    octaves = 4 + round(4 * detail)
    light = np.empty((frame.height, frame.width, 3), np.float32)
    depth = np.zeros((frame.height, frame.width), np.float32)
    has_water = scene.lake or scene.ground in {"ocean", "city"}
    has_ground = scene.ground in {"mountains", "hills", "dunes"}
    stages = Stages(tick, [1.0, 1.6, 0.5, 0.9, 0.5, 0.5])
    lattice = Lattice(stream.child("sky"))
    sky.paint_sky(
        scene,
        frame,
        light,
        stream,
        phase=phase,
        octaves=max(4, octaves - 2),
        lattice=lattice,
        tick=stages.next(),
    )
    line = scene.horizon * frame.height
    cover: F32 | None = None
    stage = stages.next()
    if has_ground:
        cover = np.zeros((frame.height, frame.width), np.float32)
        terrain.paint_terrain(scene, frame, light, depth, cover, stream, octaves=octaves, tick=stage)
    elif scene.ground == "city":
        line += 0.045 * frame.unit
        city.paint_city(
            scene,
            frame,
            light,
            depth,
            stream.child("city"),
            line=line,
            phase=phase,
            tick=stage,
        )
    stage = stages.next()
    if scene.trees is not None:
        _paint_rows(
            scene,
            frame,
            light,
            depth,
            _tree_rows(scene, frame, stream, is_far=True),
            stream,
            stage,
        )
    stage = stages.next()
    if has_water:
        if scene.lake and cover is not None:
            wet = np.nonzero(cover.max(axis=1) > 0.02)[0]
            line = float(wet[0]) + 0.01 * frame.unit if wet.size else frame.height
        calm = {"ocean": 0.15, "city": 0.55}.get(scene.ground, 0.82) - (0.3 if scene.storm else 0.0)
        if line < frame.height - 1:
            water.paint_water(
                scene,
                frame,
                light,
                depth,
                cover,
                stream,
                line=line,
                phase=phase,
                octaves=5,
                calm=max(0.0, calm),
                tick=stage,
            )
    stage = stages.next()
    if scene.trees is not None:
        _paint_rows(
            scene,
            frame,
            light,
            depth,
            _tree_rows(scene, frame, stream, is_far=False),
            stream,
            stage,
        )
    is_night = scene.mood.is_night
    look = Look(
        bloom=0.55 if scene.ground == "city" and is_night else 0.30 if is_night else 0.16,
        bloom_from=0.45 if is_night else 0.9,
        vignette=0.30 if is_night else 0.20,
        saturation=1.06,
    )
    return Rendered(finish(light, look, stream.salt, stages.next()), depth)


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
