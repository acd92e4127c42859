"""Colour arithmetic: sRGB, linear light and OKLab, exact on every machine.

Pictures are composed in linear light (so that glow adds as light does), colours are mixed in OKLab (so that a mix of
two beautiful colours is not mud), and only the last step goes to sRGB bytes, dithered so that no gradient shows bands.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from fusionflow_nb.procedural.noise import F32


Rgb: TypeAlias = tuple[float, float, float]

_STEPS = 1 << 14  # entries of the table from linear light to sRGB


def _root(value: float, degree: int) -> float:
    """The real root by Newton's method; `**` with a fraction is not the same on every C library."""
    if value <= 0.0:
        return 0.0
    guess = max(1.0, value)
    for _ in range(200):
        power = 1.0
        for _ in range(degree - 1):
            power *= guess
        better = guess - (guess - value / power) / degree
        if better >= guess:
            break
        guess = better
    return guess


def linear(code: float) -> float:
    """Linear light of an sRGB value, both 0..1."""
    if code <= 0.04045:  # noqa: PLR2004 - the standard's own
        return code / 12.92
    base = (code + 0.055) / 1.055
    return base * base * _root(base * base, 5)  # base ** 2.4


def from_hex(code: str) -> Rgb:
    """Linear light of a colour written as "#rrggbb".

    >>> from_hex("#ffffff")
    (1.0, 1.0, 1.0)
    """
    red, green, blue = (linear(int(code[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return red, green, blue


def to_oklab(color: Rgb) -> Rgb:
    """OKLab (lightness, a, b) of linear light."""
    red, green, blue = color
    long = _root(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue, 3)
    medium = _root(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue, 3)
    short = _root(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue, 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def from_oklab(lab: Rgb) -> Rgb:
    """Linear light of an OKLab colour, cut to 0 where it leaves the gamut."""
    lightness, a, b = lab
    long = lightness + 0.3963377774 * a + 0.2158037573 * b
    medium = lightness - 0.1055613458 * a - 0.0638541728 * b
    short = lightness - 0.0894841775 * a - 1.2914855480 * b
    long, medium, short = (
        long * long * long,
        medium * medium * medium,
        short * short * short,
    )
    return (
        max(0.0, 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        max(0.0, -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        max(0.0, -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """The colour `share` of the way from first to second, by OKLab (linear light in and out)."""
    start, end = to_oklab(first), to_oklab(second)
    return from_oklab(
        (
            start[0] + (end[0] - start[0]) * share,
            start[1] + (end[1] - start[1]) * share,
            start[2] + (end[2] - start[2]) * share,
        ),
    )


def scaled(color: Rgb, factor: float) -> Rgb:
    """The same colour with more or less light."""
    return color[0] * factor, color[1] * factor, color[2] * factor


def vector(color: Rgb) -> F32:
    """The colour as a (3,) array."""
    return np.array(color, np.float32)


def ramp(colors: tuple[Rgb, ...], size: int = 1024) -> F32:
    """A (size, 3) table of linear light through the colours at equal distances, smooth in OKLab.

    Entries are rounded to 1/4096, so that a last-bit difference cannot reach a picture.
    """
    labs = np.array([to_oklab(color) for color in colors], np.float64)
    place = np.arange(size, dtype=np.float64) / (size - 1) * (len(colors) - 1)
    index = np.minimum(np.floor(place), len(colors) - 2).astype(np.int64)
    part = place - index
    part = part * part * (3 - 2 * part) * 0.5 + part * 0.5  # half way between straight and S: no visible corners
    mixed = labs[index] + (labs[index + 1] - labs[index]) * part[:, None]
    table = np.array([from_oklab((row[0], row[1], row[2])) for row in mixed.tolist()], np.float64)
    return (np.floor(table * 4096 + 0.5) / 4096).astype(np.float32)


def look_up(table: F32, place: F32) -> F32:
    """Colours (..., 3) of places 0..1 in a ramp, between its entries too."""
    size = table.shape[0]
    position = np.clip(place, 0.0, 1.0) * np.float32(size - 1)
    index = np.minimum(position.astype(np.int64), size - 2)
    part = (position - index.astype(np.float32))[..., None]
    low: F32 = table.take(index, axis=0)
    low += (table.take(index + 1, axis=0) - low) * part
    return low


def cube_root(value: F32) -> F32:
    """Cube root of numbers >= 0, any shape: a guess from the exponent bits, then two Halley steps."""
    safe = np.maximum(value, np.float32(1e-12))
    guess = (safe.view(np.int32) // 3 + np.int32(709921077)).view(np.float32)
    for _ in range(2):
        cube = guess * guess * guess
        guess = guess * (cube + 2.0 * safe) / (2.0 * cube + safe)
    return guess


def lab_planes(red: F32, green: F32, blue: F32) -> tuple[F32, F32, F32]:
    """OKLab planes of linear light planes (values >= 0)."""
    long = cube_root(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = cube_root(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = cube_root(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def light_planes(lightness: F32, a: F32, b: F32) -> tuple[F32, F32, F32]:
    """Linear light planes of OKLab planes, cut to 0 where they leave the gamut."""
    long = lightness + 0.3963377774 * a + 0.2158037573 * b
    medium = lightness - 0.1055613458 * a - 0.0638541728 * b
    short = lightness - 0.0894841775 * a - 1.2914855480 * b
    long, medium, short = (
        long * long * long,
        medium * medium * medium,
        short * short * short,
    )
    return (
        np.maximum(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short, 0.0),
        np.maximum(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short, 0.0),
        np.maximum(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short, 0.0),
    )


def mix_planes(colors: F32, target: F32, share: F32) -> F32:
    """Colours (..., 3) moved towards target (broadcast, (..., 3)) by share (...), in OKLab."""
    source = lab_planes(colors[..., 0], colors[..., 1], colors[..., 2])
    goal = lab_planes(target[..., 0], target[..., 1], target[..., 2])
    mixed = [first + (second - first) * share for first, second in zip(source, goal, strict=True)]
    return np.stack(light_planes(mixed[0], mixed[1], mixed[2]), axis=-1)


@cache
def _srgb_table() -> F32:
    """0..255 sRGB for the square root of linear light (the root spends entries where the eye looks: in the dark)."""
    light = (np.arange(_STEPS, dtype=np.float64) / (_STEPS - 1)) ** 2
    lightness = np.sqrt(np.sqrt(light * light * light * light * light))  # light ** (5 / 4)
    guess = np.maximum(lightness, 1e-9)
    for _ in range(60):  # its cube root by Newton
        guess = guess - (guess - lightness / (guess * guess)) / 3
    codes = np.where(light <= 0.0031308, light * 12.92, 1.055 * guess - 0.055)  # noqa: PLR2004 - the standard's own
    return (np.floor(codes * (255 * 4096) + 0.5) / 4096).astype(np.float32)


@cache
def linear_table() -> F32:
    """Linear light of the 256 sRGB bytes."""
    entries = np.array([linear(code / 255) for code in range(256)])
    return (np.floor(entries * (1 << 20) + 0.5) / (1 << 20)).astype(np.float32)


def to_bytes(light: F32, noise: F32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """SRGB bytes of linear light (..., 3); noise (...,) or (..., 3) in [0, 1) decides each rounding (dither)."""
    index = (np.sqrt(np.clip(light, 0.0, 1.0)) * np.float32(_STEPS - 1) + np.float32(0.5)).astype(np.int64)
    codes = _srgb_table().take(index)
    codes += noise if noise.ndim == codes.ndim else noise[..., None]
    return np.clip(np.floor(codes), 0.0, 255.0).astype(np.uint8)
