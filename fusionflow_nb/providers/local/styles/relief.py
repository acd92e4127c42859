"""The shapes of the ground: height over points of a plane (x right, z away from the eye), in units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local.styles.noise import F32, smoothstep

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.styles.noise import Lattice


def _seen(z: F32, frequency: float) -> F32:
    """Weight of an octave at a distance: detail finer than the samples there would only flicker."""
    weight: F32 = np.clip(2.0 - z * (0.0125 * frequency), 0.0, 1.0)
    return weight


def _shore(height: F32, x: F32, z: F32, lattice: Lattice, *, far: float) -> F32:
    """Sink the ground before a winding shore under water (height 0)."""
    dry = smoothstep(5.0, far, z + lattice.fractal(x * 0.24, z * 0.10, 3) * 2.6)
    lifted: F32 = (height + 0.28) * dry - 0.10 * (1.0 - dry)
    return lifted


def mountains(x: F32, z: F32, lattice: Lattice, octaves: int, *, has_lake: bool) -> tuple[F32, F32]:
    """Ridged ranges of different height behind a rolling foreground; height, and roughness 0..1."""
    warp = lattice.at(x * 0.13 + 3.0, z * 0.13 + 8.0)
    u, w = x * 0.088 + warp * 0.45, z * 0.088 + warp * 0.30
    total, rough, weight = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    amplitude, frequency = 1.0, 0.088
    for octave in range(octaves + 1):
        ridge = 1.0 - np.abs(lattice.at(u, w)) * 2.0
        ridge = ridge * (0.35 + 0.65 * ridge)
        strength = _seen(z, frequency) * amplitude
        total += ridge * weight * strength
        if octave > 1:
            rough += (ridge - 0.45) * strength
        weight = np.clip(ridge * 1.15, 0.0, 1.0)
        amplitude *= 0.44
        frequency *= 2.06
        u, w = (u * 1.65 - w * 1.24) + 3.7, (u * 1.24 + w * 1.65) + 1.3
    rough = np.clip(rough * 1.6 + 0.5, 0.0, 1.0)
    ranges = np.maximum(0.62 + 1.0 * lattice.at(x * 0.045 + 11.0, z * 0.07), 0.16)
    height = (total - 0.50) * ranges * (0.16 + smoothstep(4.0, 20.0, z) * 5.2)
    if has_lake:
        return _shore(height, x, z, lattice, far=9.5), rough
    knoll = lattice.fractal(x * 0.42 + 5.0, z * 0.42, 3, gain=0.4)
    # The foreground rises to the sides, so that the view opens in the middle.
    near = 1.0 - smoothstep(3.0, 7.0, z)
    height += near * (knoll * 0.24 + np.minimum(x * x * 0.10, 0.34) - 0.16)
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
