"""Boxes with antialiased round corners: filled, outlined and dashed."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from PIL import Image, ImageDraw

Size: TypeAlias = tuple[int, int]

_SMOOTH: Final = 4  # Pillow's curves are not antialiased: they are drawn this many times larger, and downscaled


def rounded_box(size: Size, radius: int, strength: float = 1.0) -> Image.Image:
    """A mask of a filled box; `strength` 0..1 is its brightness."""
    large, edge = _large(size)
    ImageDraw.Draw(large).rounded_rectangle(edge, radius * _SMOOTH, round(255 * strength))
    return large.resize(size, Image.Resampling.BOX)


def hairline(size: Size, radius: int, thick: int, strength: float = 1.0) -> Image.Image:
    """A mask of a line of `thick` px along the inside of a box."""
    large, edge = _large(size)
    ImageDraw.Draw(large).rounded_rectangle(edge, radius * _SMOOTH, None, round(255 * strength), thick * _SMOOTH)
    return large.resize(size, Image.Resampling.BOX)


def dashed_box(size: Size, radius: int, thick: int, dash: int, colours: tuple[str, str, str]) -> Image.Image:
    """An empty frame (RGB): dashes of about `dash` px, evenly spread around the corners too.

    `colours` are of the background, the inside, and the dashes.
    """
    ground, inside, line = colours
    large = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), ground)
    draw = ImageDraw.Draw(large)
    path = _rounded_path(large.size, radius * _SMOOTH, thick * _SMOOTH / 2)
    draw.polygon(path, inside)
    steps = list(zip(path, path[1:] + path[:1], strict=True))
    # A whole number of dashes and gaps, so that all gaps are equal.
    total = sum(math.dist(start, end) for start, end in steps)
    pair = total / max(1, round(total / (2 * dash * _SMOOTH)))
    along = 0.0
    for start, end in steps:
        if along % pair < pair / 2:
            draw.line([start, end], line, thick * _SMOOTH)
        along += math.dist(start, end)
    return large.resize(size, Image.Resampling.BOX)


def _large(size: Size) -> tuple[Image.Image, tuple[int, int, int, int]]:
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH))
    return large, (0, 0, large.width - 1, large.height - 1)


def _rounded_path(size: tuple[int, int], radius: float, inset: float) -> list[tuple[float, float]]:
    """Points about 1 px apart around a box with round corners, clockwise from the top left."""
    low_x, low_y, high_x, high_y = inset, inset, size[0] - 1 - inset, size[1] - 1 - inset
    bend = radius - inset
    corners = (
        (low_x + bend, low_y + bend, 180),
        (high_x - bend, low_y + bend, 270),
        (high_x - bend, high_y - bend, 0),
        (low_x + bend, high_y - bend, 90),
    )
    sparse = [
        (x + bend * math.cos(math.radians(turn + step * 3)), y + bend * math.sin(math.radians(turn + step * 3)))
        for x, y, turn in corners
        for step in range(31)
    ]
    path: list[tuple[float, float]] = []
    for start, end in zip(sparse, sparse[1:] + sparse[:1], strict=True):
        count = max(1, round(math.dist(start, end)))
        for at in range(count):
            share = at / count
            path.append((start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share))
    return path
