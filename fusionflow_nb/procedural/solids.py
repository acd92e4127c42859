"""Solids as signed distances, and a group of them that rays can be marched against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusionflow_nb.procedural.noise import F32, cosine_of, sine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.procedural.color import Rgb

Points: TypeAlias = tuple[F32, F32, F32]  # x right, y up, z away


@dataclass(frozen=True, slots=True)
class Solid:
    """One body. `blend` > 0 melts it with the others of the group that blend."""

    kind: str  # sphere | torus | box | capsule | disc
    middle: tuple[float, float, float]
    size: float
    second: float  # torus: thickness; box: rounding; capsule, disc: half height
    turn: float  # about the vertical axis, turns
    tilt: float  # about the own x axis, turns
    color: Rgb
    blend: float = 0.0

    @property
    def reach(self) -> float:
        """Radius of a sphere about the middle that holds the body."""
        bare = {"torus": self.size + self.second, "box": self.size * 1.74, "capsule": self.size + self.second}
        return bare.get(self.kind, self.size + (self.second if self.kind == "disc" else 0.0)) + self.blend * 0.6

    def distance(self, points: Points) -> F32:
        """Signed distance of points to the surface."""
        x, y, z = (axis - offset for axis, offset in zip(points, self.middle, strict=True))
        if self.turn:
            cosine, sine = cosine_of(self.turn), sine_of(self.turn)
            x, z = x * cosine + z * sine, z * cosine - x * sine
        if self.tilt:
            cosine, sine = cosine_of(self.tilt), sine_of(self.tilt)
            y, z = y * cosine + z * sine, z * cosine - y * sine
        return _SHAPES[self.kind](x, y, z, self.size, self.second)


def _sphere(x: F32, y: F32, z: F32, size: float, _: float) -> F32:
    distance: F32 = np.sqrt(x * x + y * y + z * z) - size
    return distance


def _torus(x: F32, y: F32, z: F32, size: float, second: float) -> F32:
    ring = np.sqrt(x * x + z * z) - size
    distance: F32 = np.sqrt(ring * ring + y * y) - second
    return distance


def _capsule(x: F32, y: F32, z: F32, size: float, second: float) -> F32:
    along = y - np.clip(y, -second, second)
    distance: F32 = np.sqrt(x * x + along * along + z * z) - size
    return distance


def _disc(x: F32, y: F32, z: F32, size: float, second: float) -> F32:
    out = np.sqrt(x * x + z * z) - (size - _ROUND)
    over = np.abs(y) - (second - _ROUND)
    return _outside(out, over) - _ROUND


def _rounded_box(x: F32, y: F32, z: F32, size: float, second: float) -> F32:
    edge = size - second
    x, y, z = np.abs(x) - edge, np.abs(y) - edge, np.abs(z) - edge
    inside = np.minimum(np.maximum(x, np.maximum(y, z)), 0.0)
    x, y, z = np.maximum(x, 0.0), np.maximum(y, 0.0), np.maximum(z, 0.0)
    distance: F32 = np.sqrt(x * x + y * y + z * z) + inside - second
    return distance


def _outside(first: F32, second: F32) -> F32:
    """Distance to a corner of two half planes."""
    inside = np.minimum(np.maximum(first, second), 0.0)
    first, second = np.maximum(first, 0.0), np.maximum(second, 0.0)
    distance: F32 = np.sqrt(first * first + second * second) + inside
    return distance


_ROUND = 0.04  # of the edge of a disc
_SHAPES = {"sphere": _sphere, "torus": _torus, "capsule": _capsule, "disc": _disc, "box": _rounded_box}


@dataclass(frozen=True, slots=True)
class Group:
    """A group of solids. Rays are marched against the few solids near them, which is the main optimisation."""

    solids: Sequence[Solid]

    def _only(self, keep: list[bool]) -> Group:
        """Return the selected solids as a group; blending solids stay together, because they deform each other."""
        melts = any(selected and solid.blend > 0 for selected, solid in zip(keep, self.solids, strict=True))
        return Group([s for selected, s in zip(keep, self.solids, strict=True) if selected or (melts and s.blend > 0)])

    def along(self, origin: Points, ray: Points, widen: float = 0.0) -> tuple[Group, F32, F32]:
        """Solids that rays may meet (or pass within widen x distance), and where each ray enters and leaves them.

        For a ray that misses all bounding spheres the exit is before the entry.
        """
        start = np.full(ray[0].shape, 1e3, np.float32)
        end = np.full(ray[0].shape, -1.0, np.float32)
        keep = []
        for solid in self.solids:
            x, y, z = (middle - axis for axis, middle in zip(origin, solid.middle, strict=True))
            ahead = x * ray[0] + y * ray[1] + z * ray[2]
            wide = solid.reach + 0.02 + np.maximum(ahead, 0.0) * widen
            inside = ahead * ahead - (x * x + y * y + z * z) + wide * wide
            half = np.sqrt(np.maximum(inside, 0.0))
            meets = (inside > 0) & (ahead + half > 0)
            keep.append(bool(meets.any()))
            if keep[-1]:
                start = np.where(meets, np.minimum(start, ahead - half), start)
                end = np.where(meets, np.maximum(end, ahead + half), end)
        return self._only(keep), np.maximum(start, 0.0), end

    def around(self, points: Points, reach: float) -> Group:
        """Solids within reach of any of the points."""
        if points[0].size == 0:
            return Group([])
        low = [float(axis.min()) - reach for axis in points]
        high = [float(axis.max()) + reach for axis in points]
        return self._only(
            [
                all(
                    low[i] <= solid.middle[i] + solid.reach and high[i] >= solid.middle[i] - solid.reach
                    for i in range(3)
                )
                for solid in self.solids
            ]
        )

    def distance(self, points: Points) -> F32:
        """Signed distance to the nearest surface; blending solids flow into each other."""
        best: F32 | None = None
        soft: F32 | None = None
        for solid in self.solids:
            own = solid.distance(points)
            if solid.blend > 0:
                soft = own if soft is None else _melt(soft, own, solid.blend)[0]
            else:
                best = own if best is None else np.minimum(best, own)
        if best is not None and soft is not None:
            return np.minimum(best, soft)
        if best is not None:
            return best
        return np.full(points[0].shape, 1e3, np.float32) if soft is None else soft

    def colors(self, points: Points) -> F32:
        """Colour (n, 3) of the surface near points."""
        count = points[0].shape[0]
        best = np.full(count, 1e9, np.float32)
        chosen = np.zeros((count, 3), np.float32)
        soft: F32 | None = None
        mixed = np.zeros((count, 3), np.float32)
        for solid in self.solids:
            own = solid.distance(points)
            tint = np.array(solid.color, np.float32)
            if solid.blend > 0:
                if soft is None:
                    soft, mixed = own, mixed + tint
                else:
                    soft, share = _melt(soft, own, solid.blend)
                    mixed += (tint - mixed) * share[:, None]
            else:
                nearer = own < best
                best = np.minimum(best, own)
                chosen[nearer] = tint
        if soft is not None:
            nearer = soft < best
            chosen[nearer] = mixed[nearer]
        return chosen

    def normals(self, points: Points) -> Points:
        """Unit normals, from four distances at the corners of a small tetrahedron."""
        step = np.float32(0.0012)
        total = [np.zeros_like(points[0]) for _ in range(3)]
        for signs in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
            own = self.distance((points[0] + step * signs[0], points[1] + step * signs[1], points[2] + step * signs[2]))
            for axis in range(3):
                total[axis] += own * signs[axis]
        return unit(total[0], total[1], total[2])


def _melt(first: F32, second: F32, width: float) -> tuple[F32, F32]:
    """Smooth minimum of two distances, and the share of the second in it."""
    share = np.clip((first - second) * (0.5 / width) + 0.5, 0.0, 1.0)
    return first + (second - first) * share - share * (1.0 - share) * width, share


def unit(x: F32, y: F32, z: F32) -> Points:
    """Vectors of length 1."""
    scale = 1.0 / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)
    return x * scale, y * scale, z * scale
