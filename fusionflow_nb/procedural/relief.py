"""The shapes of the ground: height over points of a plane (x right, z away from the eye), in units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural.noise import F32, smoothstep

if TYPE_CHECKING:
    from fusionflow_nb.procedural.noise import Lattice


def _seen(z: F32, frequency: float) -> F32:
    """Weight of an octave at a distance: detail finer than the samples there would only flicker."""
    weight: F32 = np.clip(2.0 - z * (0.0125 * frequency), 0.0, 1.0)
    return weight


def _shore(height: F32, x: F32, z: F32, lattice: Lattice, *, far: float) -> F32:
    """Sink the ground before a winding shore under water (height 0)."""
    dry = smoothstep(5.0, far, z + lattice.fractal(x * 0.24, z * 0.10, 3) * 2.6)
    lifted: F32 = (height + 0.28) * dry - 0.10 * (1.0 - dry)
    return lifted


# Ranges one behind the other: distance, half depth, height. Valleys between them are where mist can lie.
_RANGES = ((8.0, 3.2, 1.25), (14.0, 4.2, 3.0), (22.5, 6.0, 6.0), (33.0, 7.0, 8.2))


def mountains(x: F32, z: F32, lattice: Lattice, octaves: int, *, has_lake: bool) -> tuple[F32, F32]:
    """Ridged ranges, one behind the other, behind a rolling foreground; height, and roughness 0..1."""
    warp = lattice.at(x * 0.15 + 3.0, z * 0.15 + 8.0)
    # Far ranges are wider, so that each shows a few peaks.
    u, w = x / (z * 0.30 + 2.6) + warp * 0.30, z * 0.105 + warp * 0.22
    frequency = 0.12
    total, rough, weight = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    amplitude = 1.0
    for octave in range(octaves + 1):
        ridge = 1.0 - np.abs(lattice.at(u, w)) * 2.0
        ridge = ridge * (0.45 + 0.55 * ridge)
        strength = _seen(z, frequency) * amplitude
        total += ridge * weight * strength
        if octave > 1:
            rough += (ridge - 0.45) * strength
        weight = np.clip(ridge * 1.2, 0.0, 1.0)
        amplitude *= 0.40
        frequency *= 2.06
        u, w = (u * 1.65 - w * 1.24) + 3.7, (u * 1.24 + w * 1.65) + 1.3
    rough = np.clip(rough * 1.6 + 0.5, 0.0, 1.0)
    profile = np.zeros_like(z)
    for distance, depth, tall in _RANGES:
        near = np.minimum(np.abs(z + warp * 2.0 - distance) * (1.0 / depth), 1.0)
        bump = 1.0 - near * near
        profile += bump * bump * (tall * 0.8)
    height: F32 = (total - 0.52) * (profile + 0.2 * smoothstep(2.5, 6.0, z))
    if has_lake:
        return _shore(height, x, z, lattice, far=9.5), rough
    knoll = lattice.fractal(x * 0.42 + 5.0, z * 0.42, 3, gain=0.4)
    # The foreground rises to the sides, so that the view opens in the middle.
    fore = 1.0 - smoothstep(2.5, 6.0, z)
    height += fore * (knoll * 0.26 + np.minimum(x * x * 0.14, 0.40) - 0.10)
    return height, rough


def hills(x: F32, z: F32, lattice: Lattice, octaves: int, *, has_lake: bool) -> tuple[F32, F32]:
    """Soft hills that grow with distance; height, and roughness 0..1."""
    base = lattice.fractal(x * 0.15 + 1.0, z * 0.15, 3, gain=0.32)
    rough = lattice.fractal(x * 1.9, z * 1.9, max(2, octaves - 3), gain=0.55) * _seen(z, 3.0)
    rise = smoothstep(2.0, 24.0, z)
    height: F32 = (base + 0.30) * (0.30 + 3.0 * rise) + rough * 0.03
    if has_lake:
        height = _shore(np.maximum(height, 0.0) * 0.8, x, z, lattice, far=9.0)
    return height, np.clip(rough * 0.9 + 0.5, 0.0, 1.0)


def dunes(x: F32, z: F32, lattice: Lattice, side: float) -> tuple[F32, F32]:
    """Dunes with a long back towards the light (side -1 or 1) and a steep face in shadow; height, and crest 0..1."""
    warp = lattice.fractal(x * 0.13 + 2.0, z * 0.13 + 4.0, 2, gain=0.35)
    along = x * (-0.115 * side) - z * 0.125 + warp * 0.95 + 20.0
    part = along - np.floor(along)
    crest = np.minimum(smoothstep(0.0, 0.74, part), smoothstep(1.0, 0.74, part))
    tall = np.maximum(0.62 + 0.9 * lattice.at(x * 0.08 + 7.0, z * 0.08), 0.12)
    height = crest * tall * (0.50 + 0.085 * np.minimum(z, 26.0)) - 0.16
    second = x * (0.29 * side) - z * 0.33 + warp * 1.9
    second = second - np.floor(second)
    height += np.minimum(smoothstep(0.0, 0.7, second), smoothstep(1.0, 0.7, second)) * 0.13 * (0.4 + tall)
    ripple = along * 58.0 + lattice.fractal(x * 0.9, z * 0.9, 2) * 1.6
    ripple = np.abs(ripple - np.floor(ripple) - 0.5) * 2.0
    ripple = ripple * ripple * (3.0 - 2.0 * ripple)
    height += ripple * 0.0065 * _seen(z, 18.0) * (1.0 - crest * 0.5)
    return height, crest


def texture(x: F32, z: F32, lattice: Lattice) -> F32:
    """Grass, scree or crusted snow: fine noise about -1 .. 1 that fades out where a pixel would hold many waves."""
    total = np.zeros_like(x)
    frequency = 7.0
    for _ in range(5):
        strength = _seen(z, frequency * 0.45)
        if float(strength.max()) > 0.0:
            total += lattice.at(x * frequency, z * frequency) * strength
        frequency *= 2.3
    return total * 0.55
