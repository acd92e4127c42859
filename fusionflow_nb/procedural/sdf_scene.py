"""The style `sdf-scene`: a still life of soft solids in a studio, by marching rays through distance fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.finish import Look, finish
from fusionflow_nb.procedural.frame import Frame, Rendered, Stages, tiles
from fusionflow_nb.procedural.noise import F32, smoothstep
from fusionflow_nb.procedural.palette import PALETTE
from fusionflow_nb.procedural.registry import PHASE, Setting, Style
from fusionflow_nb.procedural.studio import Studio, arrange, rays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.procedural.frame import Tick
    from fusionflow_nb.procedural.solids import Group, Points

_FAR = 16.0  # where the floor has become the backdrop
_BLOCK = 96  # pixels
_NEAREST = 4.2  # distance that counts as depth 1
_SHADED = 6.0  # how far from the middle shadows fall
_TOUCH = 0.001  # nearer than this a ray has met the body
_LEVEL = 1e-4  # rays that fall less than this never reach the floor


def _march(group: Group, origin: Points, ray: Points, limit: F32, steps: int) -> F32:
    """Distance along each ray to the solids; -1 where none is met before the limit."""
    count = ray[0].shape[0]
    hit = np.full(count, -1.0, np.float32)
    near_by, start, end = group.along(origin, ray)
    end = np.minimum(end, limit)
    active = np.nonzero(end > start)[0]
    place = start[active]
    for _ in range(steps):
        if active.size == 0:
            break
        points = tuple(axis_o[active] + axis_r[active] * place for axis_o, axis_r in zip(origin, ray, strict=True))
        near = near_by.distance((points[0], points[1], points[2]))
        place = place + near
        there = near < 0.0012 + place * 0.0002
        hit[active[there]] = place[there]
        going = ~there & (place < end[active])
        active, place = active[going], place[going]
    return hit


def _shadow(group: Group, points: Points, light: tuple[float, float, float]) -> F32:
    """Share 0..1 of the key light that arrives: soft where a solid almost blocks it."""
    count = points[0].shape[0]
    share = np.ones(count, np.float32)
    ray = tuple(np.full(count, axis, np.float32) for axis in light)
    near_by, start, end = group.along(points, (ray[0], ray[1], ray[2]), 1 / 7)
    active = np.nonzero(end > start)[0]
    place = np.maximum(start[active], 0.03)
    for _ in range(26):
        if active.size == 0:
            break
        near = near_by.distance(
            (
                points[0][active] + light[0] * place,
                points[1][active] + light[1] * place,
                points[2][active] + light[2] * place,
            )
        )
        share[active] = np.minimum(share[active], np.clip(near * 7.0 / place, 0.0, 1.0))
        place = place + np.clip(near, 0.025, 0.5)
        going = (near > _TOUCH) & (place < end[active])
        active, place = active[going], place[going]
    return smoothstep(0.0, 1.0, share)


def _crowding(group: Group, points: Points, normal: Points) -> F32:
    """Ambient light 0..1 that neighbours leave over."""
    total = np.zeros_like(points[0])
    group = group.around(points, 1.1)
    weight = 0.62
    for step in (0.05, 0.14, 0.30, 0.55):
        near = group.distance(
            (points[0] + normal[0] * step, points[1] + normal[1] * step, points[2] + normal[2] * step)
        )
        near = np.minimum(near, np.maximum(points[1] + normal[1] * step, 0.0) + 1e-3)  # the floor crowds too
        total += np.clip(step - near, 0.0, 1.0) * (weight / step)
        weight *= 0.62
    left: F32 = np.clip(1.0 - total * 0.62, 0.0, 1.0)
    return left


def _backdrop(studio: Studio, ray: Points) -> F32:
    """Light (n, 3) from the studio along rays that meet nothing: a gradient that rises from the floor."""
    up = smoothstep(-0.02, 0.62, ray[1])
    light: F32 = studio.low + (studio.high - studio.low) * up[:, None]
    return light


def _mirror(studio: Studio, ray: Points) -> F32:
    """What a glossy body reflects: backdrop, floor, and a large soft lamp with a smaller one opposite."""
    sky = _backdrop(studio, ray)
    down = smoothstep(0.04, -0.10, ray[1])
    sky += (studio.floor * np.float32(0.8) - sky) * down[:, None]
    lx, ly, lz = studio.light
    facing = ray[0] * lx + ray[1] * ly + ray[2] * lz
    other = ray[0] * -lx * 1.1 + ray[1] * 0.35 + ray[2] * -0.5
    lamp = smoothstep(0.90, 0.965, facing) * 3.4 + smoothstep(0.93, 0.99, other) * 0.8
    sky += lamp[:, None] * color.vector((1.0, 0.97, 0.93))
    return sky


def _shade_solids(studio: Studio, points: Points, ray: Points) -> F32:
    """Light (n, 3) from the surfaces of the solids."""
    group = studio.group
    touched = group.around(points, 0.02)
    normal = touched.normals(points)
    albedo = touched.colors(points)
    lx, ly, lz = studio.light
    facing = normal[0] * lx + normal[1] * ly + normal[2] * lz
    lifted = tuple(axis + side * np.float32(0.01) for axis, side in zip(points, normal, strict=True))
    shadow = _shadow(group, (lifted[0], lifted[1], lifted[2]), studio.light)
    crowd = _crowding(group, points, normal)
    # Light creeps a little around the edge, as in clay or candy.
    direct = np.clip(facing * 0.85 + 0.15, 0.0, 1.0) * shadow
    up = normal[1] * 0.5 + 0.5
    ambient = (
        studio.floor * np.float32(0.34) * (1.0 - up)[:, None]
        + (studio.high + studio.low) * np.float32(0.26) * up[:, None]
    )
    ambient *= crowd[:, None]
    light: F32 = albedo * (direct[:, None] * studio.key * np.float32(0.78) + ambient)
    behind = np.clip(normal[0] * -lx * 1.1 + normal[1] * 0.25 + normal[2] * 0.62, 0.0, 1.0)
    light += albedo * (behind * behind * crowd)[:, None] * studio.rim
    through = np.clip(0.25 - np.abs(facing), 0.0, 1.0) * shadow * 0.35
    light += albedo * albedo * through[:, None] * studio.key
    against = -(normal[0] * ray[0] + normal[1] * ray[1] + normal[2] * ray[2])
    twice = 2.0 * against
    bounced = (ray[0] + normal[0] * twice, ray[1] + normal[1] * twice, ray[2] + normal[2] * twice)
    edge = np.clip(1.0 - against, 0.0, 1.0)
    share = (0.035 + 0.55 * edge * edge * edge * edge) * studio.gloss * (0.25 + 0.75 * crowd)
    light += (_mirror(studio, bounced) - light * np.float32(0.5)) * share[:, None]
    return light


def _shade_floor(studio: Studio, points: Points, ray: Points, away: F32) -> tuple[F32, F32]:
    """Light (n, 3) from the floor, and where it mirrors a solid; far away it melts into the backdrop."""
    group = studio.group
    count = points[0].shape[0]
    shadow, crowd = np.ones(count, np.float32), np.ones(count, np.float32)
    near = np.nonzero(points[0] * points[0] + points[2] * points[2] < _SHADED * _SHADED)[0]
    some = (points[0][near], points[1][near], points[2][near])
    shadow[near] = _shadow(group, some, studio.light)
    above = (np.zeros_like(some[0]), np.ones_like(some[0]), np.zeros_like(some[0]))
    crowd[near] = _crowding(group, (some[0], some[1] + np.float32(0.002), some[2]), above)
    lit = 0.52 * studio.light[1] * shadow
    light = studio.floor * (lit[:, None] * studio.key * np.float32(0.62) + (crowd * 0.42)[:, None])
    mirrors = np.zeros(count, np.float32)
    # A pool of light under the still life.
    pool = 1.0 / (1.0 + (points[0] * points[0] + points[2] * points[2]) * 0.05)
    light *= (0.55 + 0.5 * pool)[:, None]
    if studio.gloss > 0 and studio.is_dark:
        bounced = (ray[0], -ray[1], ray[2])
        steep = 1.0 - np.clip(-ray[1], 0.0, 1.0)
        share = 0.10 + 0.40 * steep * steep
        hit = _march(group, points, bounced, np.full(count, 8.0, np.float32), 40)
        met = np.nonzero(hit > 0)[0]
        mirrors[met] = 1.0
        if met.size:
            where = tuple(points[axis][met] + bounced[axis][met] * hit[met] for axis in range(3))
            reflection = _shade_mirrored(studio, (where[0], where[1], where[2]))
            fade = share[met] * studio.gloss * np.clip(1.1 - where[1] * 0.8, 0.0, 1.0)
            light[met] += (reflection - light[met]) * fade[:, None]
    melt = smoothstep(3.5, _FAR, away)
    light += (studio.low - light) * melt[:, None]
    return light, mirrors


def _shade_mirrored(studio: Studio, points: Points) -> F32:
    """Light (n, 3) of solids as the floor mirrors them: no shadows, no gloss."""
    normal = studio.group.normals(points)
    lx, ly, lz = studio.light
    facing = np.clip(normal[0] * lx + normal[1] * ly + normal[2] * lz, 0.0, 1.0)
    light: F32 = studio.group.colors(points) * (facing[:, None] * studio.key * np.float32(0.6) + np.float32(0.22))
    return light


def _trace(studio: Studio, x: F32, y: F32) -> tuple[F32, F32, F32]:
    """Light (n, 3), distance (n,) and surface (n,) 0 backdrop, 1 floor, 1.4 mirror, 2 solid, of picture points."""
    ray = rays(studio, x, y)
    count = x.shape[0]
    origin = tuple(np.full(count, axis, np.float32) for axis in studio.eye)
    light = _backdrop(studio, ray)
    distance = np.full(count, 1e3, np.float32)
    surface = np.zeros(count, np.float32)
    ground = np.where(ray[1] < -_LEVEL, -studio.eye[1] / np.minimum(ray[1], -_LEVEL), np.float32(1e3))
    hit = _march(studio.group, (origin[0], origin[1], origin[2]), ray, ground, 72)
    solid = hit > 0
    floor = ~solid & (ground < _FAR * 1.6)
    for mask, kind in ((solid, 2.0), (floor, 1.0)):
        index = np.nonzero(mask)[0]
        if index.size == 0:
            continue
        away = hit[index] if kind > 1 else ground[index]
        some = (ray[0][index], ray[1][index], ray[2][index])
        points = tuple(studio.eye[axis] + some[axis] * away for axis in range(3))
        where = (points[0], points[1], points[2])
        distance[index] = away
        surface[index] = kind
        if kind > 1:
            light[index] = _shade_solids(studio, where, some)
        else:
            light[index], mirrors = _shade_floor(studio, where, some, away)
            surface[index] += mirrors * np.float32(0.4)
    return light, distance, surface


def _outlines(distance: F32, surface: F32) -> F32:
    """Where (rows, columns, bool) neighbouring pixels show different bodies."""
    jump = np.zeros(distance.shape, bool)
    for axis in (0, 1):
        size = distance.shape[axis]
        first, second = np.take(distance, range(size - 1), axis=axis), np.take(distance, range(1, size), axis=axis)
        kind = np.take(surface, range(size - 1), axis=axis), np.take(surface, range(1, size), axis=axis)
        apart = np.abs(first - second) > 0.03 * np.minimum(first, second)
        apart |= kind[0] != kind[1]
        apart &= np.maximum(kind[0], kind[1]) > 1.2  # noqa: PLR2004 - a solid or its mirror image
        low = (slice(0, -1), slice(None)) if axis == 0 else (slice(None), slice(0, -1))
        high = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        jump[low] |= apart
        jump[high] |= apart
    return jump


def _smooth_edges(studio: Studio, frame: Frame, light: F32, outlines: F32, tick: Tick) -> None:
    """Trace pixels that lie on an outline again, four times each."""
    rows, columns = np.nonzero(outlines)
    # Block by block, so that the rays traced together meet few solids.
    order = np.argsort((rows // _BLOCK) * frame.width + columns // _BLOCK, kind="stable")
    rows, columns = rows[order], columns[order]
    scale = np.float32(1 / frame.unit)
    for part in tiles(rows.size, 1024):
        row, column = rows[part].astype(np.float32), columns[part].astype(np.float32)
        total = np.zeros((row.size, 3), np.float32)
        for index, (down, right) in enumerate(((0.125, 0.375), (0.375, 0.875), (0.625, 0.125), (0.875, 0.625)), 1):
            x = (column + np.float32(right - frame.width / 2)) * scale
            y = (np.float32(frame.height / 2 - down) - row) * scale
            total += np.minimum(_trace(studio, x, y)[0], 1.6)
            tick((part.start + row.size * index / 4) / rows.size)
        light[rows[part], columns[part]] = total * np.float32(0.25)
    tick(1.0)


def render_sdf_scene(prompt: str, seed: int, frame: Frame, settings: Mapping[str, object], tick: Tick) -> Rendered:
    """Trace the still life of a prompt; depth is exact."""
    studio, stream = arrange(prompt, seed, settings)
    light = np.empty((frame.height, frame.width, 3), np.float32)
    distance = np.empty((frame.height, frame.width), np.float32)
    surface = np.empty((frame.height, frame.width), np.float32)
    stages = Stages(tick, [6.0, 3.0 if settings["smooth_edges"] else 0.01, 1.0])
    stage = stages.next()
    # Square blocks: the rays of one meet few solids.
    blocks = [(rows, columns) for rows in tiles(frame.height, _BLOCK) for columns in tiles(frame.width, _BLOCK)]
    for number_done, (rows, columns) in enumerate(blocks, 1):
        down = (np.float32(frame.height / 2) - frame.rows(rows)) * np.float32(1 / frame.unit)
        right = frame.across(columns.start, columns.stop)[None, :]
        shape = (down.shape[0], right.shape[1])
        x, y = (np.broadcast_to(axis, shape).reshape(-1) for axis in (right, down))
        some = _trace(studio, x, y)
        light[rows, columns] = some[0].reshape(*shape, 3)
        distance[rows, columns] = some[1].reshape(shape)
        surface[rows, columns] = some[2].reshape(shape)
        stage(number_done / len(blocks))
    stage = stages.next()
    if settings["smooth_edges"]:
        _smooth_edges(studio, frame, light, _outlines(distance, surface), stage)
    depth = np.clip((1.0 / distance - 1.0 / (_FAR * 1.6)) * _NEAREST, 0.0, 1.0)
    vignette = 0.30 if studio.is_dark else 0.22
    look = Look(bloom=0.22 if studio.is_dark else 0.12, bloom_from=0.85, vignette=vignette, saturation=1.05)
    return Rendered(finish(light, look, stream.salt, stages.next()), depth)


SDF_SCENE = Style(
    id="sdf-scene",
    title="Still life",
    says_how="Procedural: soft solids in a studio, rendered by marching rays through distance fields.",
    gives_depth=True,
    settings={
        "palette": PALETTE,
        "companions": Setting("integer", 8, "Solids around the main one.", 0, 16),
        "gloss": Setting("number", 0.7, "From matt clay, 0, to candy, 1.", 0, 1),
        "zoom": Setting("number", 1.0, "How close the camera is.", 0.7, 1.6),
        "smooth_edges": Setting("boolean", True, "Trace outlines four times; off is quicker."),  # noqa: FBT003 - a value
        "phase": PHASE,
    },
    renderer=render_sdf_scene,
)
