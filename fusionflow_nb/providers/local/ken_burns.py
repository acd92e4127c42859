"""local/ken-burns: a slow camera move over a still, towards or away from what is worth seeing. No network, no AI.

The seed decides the direction (where it is left open) and which of the picture's busiest places is the focus.
Frames are equal for equal seeds on one machine; another CPU may round a pixel by 1/255.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from fusionflow_nb.media.camera import View, move_camera
from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

DIRECTIONS = ("in", "out", "left", "right", "up", "down")
_GRID = 48
# A pan also comes this much closer; a camera that only slides looks like a scrolling page.
_PAN_DRIFT = 1.05


def ken_burns(
    pixels: NDArray[np.uint8],
    *,
    seed: int,
    tick: Callable[[float], None],
    zoom: float = 1.3,
    direction: str = "auto",
    focus: tuple[float, float] | None = None,
    duration_s: float = 4.0,
    fps: float = 24.0,
    width: int | None = None,
    height: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """The frames (height, width, 3) of a move over a picture.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        seed: chooses what the other settings leave open.
        tick: called after each frame with the share done; what it raises ends the frames.
        zoom: how close the camera comes, 1 to 2; 1 in "in" or "out" keeps still.
        direction: one of DIRECTIONS, or "auto" for "in" or "out" by seed.
        focus: the place to come close to, in fractions of the picture; None for a busy place, by seed.
        duration_s: 1 to 20.
        fps: 12 to 60.
        width: of the frames; None for that of the picture, even.
        height: of the frames; likewise.

    Raises:
        SettingError: a setting is out of range.
        MediaError: pixels of another shape.
    """
    count = settings.frame_count(duration_s, fps)
    settings.number("zoom", zoom, 1, 2)
    settings.choice("direction", direction, ("auto", *DIRECTIONS))
    size = (
        int(settings.number("width", width or max(16, pixels.shape[1] // 2 * 2), 16, 4096)),
        int(settings.number("height", height or max(16, pixels.shape[0] // 2 * 2), 16, 4096)),
    )
    draw = int.from_bytes(hashlib.sha256(f"ken-burns {seed}".encode()).digest()[:8], "big")
    chosen = direction if direction != "auto" else ("in", "in", "out")[draw % 3]
    place = focus if focus is not None else busy_place(pixels, rank=(draw >> 8) % 3)
    start, end = views(chosen, place, zoom)
    return move_camera(pixels, start, end, frame_count=count, width=size[0], height=size[1], tick=tick)


def views(direction: str, focus: tuple[float, float], zoom: float) -> tuple[View, View]:
    """The first and last view of a move.

    >>> views("in", (0.25, 0.5), 2.0)
    (View(x=0.5, y=0.5, zoom=1.0), View(x=0.25, y=0.5, zoom=2.0))
    """
    x, y = focus
    close = View(x, y, zoom)
    if direction == "in":
        return View(), close
    if direction == "out":
        return close, View()
    # A pan goes as far as the picture allows on its axis and keeps to the focus on the other.
    ends = {"left": ((1, y), (0, y)), "right": ((0, y), (1, y)), "up": ((x, 1), (x, 0)), "down": ((x, 0), (x, 1))}
    first, last = ends[direction]
    return View(*first, max(1.0, zoom / _PAN_DRIFT)), View(*last, zoom)


def busy_place(pixels: NDArray[np.uint8], rank: int) -> tuple[float, float]:
    """A place with much contrast and colour, in fractions: the busiest, or the next few that lie apart.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        rank: 0 for the busiest.
    """
    small = Image.fromarray(pixels).resize((_GRID, _GRID), Image.Resampling.BOX)
    far = np.asarray(small.filter(ImageFilter.GaussianBlur(_GRID / 6)), np.float32)
    stands_out = np.abs(np.asarray(small, np.float32) - far).sum(axis=2)
    soft = Image.fromarray(np.minimum(stands_out, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(_GRID / 12))
    across = (np.arange(_GRID) + 0.5) / _GRID
    # Edges of a picture draw less: there the camera could not centre them anyway.
    central = 1 - (2 * across - 1) ** 2 * 0.7
    score = (np.asarray(soft, np.float32) + 1) * central[:, None] * central[None, :]
    place = (0.5, 0.5)
    for _ in range(rank + 1):
        row, column = divmod(int(score.argmax()), _GRID)
        place = (float(across[column]), float(across[row]))
        distance = np.hypot(across[None, :] - place[0], across[:, None] - place[1])
        score = score * np.minimum(1, distance / 0.35)
    return place
