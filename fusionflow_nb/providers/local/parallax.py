"""local/parallax: a still and its depth become a film of a camera that moves sideways. No network, no AI.

Each pixel of a frame looks back for the place it shows. The search starts from the nearest thing around, so what is
near covers what is far. Where it finds nothing consistent, the camera sees behind an edge: there a second picture
shows, the same one with everything near taken away and the gaps closed from what lies farther. So edges never stretch.
There is nothing random in it; pixels are computed with IEEE-exact operations only, so they are equal everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.media.camera import ease
from fusionflow_nb.providers.local import scene, settings, warp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

PATHS = ("arc", "loop", "push")
MAX_PIXELS = 1024 * 1024
_SEARCH_STEPS = 3
# A place found that would land further than this beside its pixel, in pixels, was not found.
_MISS = 0.75


def parallax(
    pixels: NDArray[np.uint8],
    depth: NDArray[np.float32],
    *,
    tick: Callable[[float], None],
    amplitude: float = 0.03,
    path: str = "arc",
    focus_depth: float = 0.35,
    duration_s: float = 3.0,
    fps: float = 24.0,
) -> Iterator[NDArray[np.uint8]]:
    """The frames, each of the picture's size, of a camera that moves past a scene.

    Args:
        pixels: the picture, uint8 (h, w, 3), at most MAX_PIXELS.
        depth: how near each pixel is, (h, w), 0 far to 1 near; exact depth, not an estimate, looks right.
        tick: called after each frame with the share done; what it raises ends the frames.
        amplitude: how far the nearest moves against the farthest, in picture widths, 0 to 0.08. At 0 each frame is
            the picture itself.
        path: "arc" from left to right, "loop" round and back to the start, "push" forward.
        focus_depth: the depth that keeps its place, 0 to 1.
        duration_s: 1 to 20.
        fps: 12 to 60.

    Raises:
        SettingError: a setting is out of range.
        MediaError: picture and depth do not fit each other, or are too large.
    """
    count = settings.frame_count(duration_s, fps)
    settings.number("amplitude", amplitude, 0, 0.08)
    settings.number("focus_depth", focus_depth, 0, 1)
    settings.choice("path", path, PATHS)
    height, width = pixels.shape[:2]
    if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8 or depth.shape != (height, width):
        message = f"A picture {pixels.dtype} {pixels.shape} and a depth {depth.shape} do not fit."
        raise errors.MediaError(message, hint="Give uint8 (h, w, 3) and depth (h, w) of one size.")
    if width * height > MAX_PIXELS:
        message = f"A picture of {width} x {height} is too large for parallax."
        raise errors.MediaError(message, hint="Resize picture and depth to at most 1024 x 1024 pixels in all.")
    if amplitude == 0:
        return _still(pixels, count, tick)
    whole = np.clip(np.nan_to_num(depth.astype(np.float32)), 0, 1)
    seen = scene.prepare(pixels, whole, int(amplitude * width) + 2)
    return _frames(seen, [_camera(path, index, count) for index in range(count)], amplitude, focus_depth, tick)


def _still(pixels: NDArray[np.uint8], count: int, tick: Callable[[float], None]) -> Iterator[NDArray[np.uint8]]:
    for index in range(count):
        tick((index + 1) / count)
        yield pixels.copy()


def _frames(
    seen: scene.Scene,
    camera: list[tuple[float, float, float]],
    amplitude: float,
    focus_depth: float,
    tick: Callable[[float], None],
) -> Iterator[NDArray[np.uint8]]:
    height, width = seen.depth.shape
    down, across = np.indices((height, width), np.float32)
    centre_x, centre_y = np.float32((width - 1) / 2), np.float32((height - 1) / 2)
    # A little closer than the picture, so that no border comes into view.
    closer = np.float32(1 / (1 + 2 * amplitude * max(focus_depth, 1 - focus_depth)))
    x = centre_x + (across - centre_x) * closer
    y = centre_y + (down - centre_y) * closer
    for index, (side, up, forward) in enumerate(camera):
        # How far a thing one whole depth nearer than the focus is moved, at each pixel.
        move_x = np.float32(side * amplitude * width) + (x - centre_x) * np.float32(forward * 2 * amplitude)
        move_y = np.float32(up * amplitude * width) + (y - centre_y) * np.float32(forward * 2 * amplitude)
        frame = warp.unpack(_look(seen, (x, y), (move_x, move_y), np.float32(focus_depth)))
        tick((index + 1) / len(camera))
        yield frame


def _camera(path: str, index: int, count: int) -> tuple[float, float, float]:
    """Where the camera stands at a frame: sideways and up (each within -0.5..0.5), and forward (0..1)."""
    if path == "loop":
        turn = 2 * np.pi * index / count
        return float(0.5 * np.sin(turn)), float(0.2 * np.cos(turn)), 0.0
    way = ease(index / max(1, count - 1))
    if path == "push":
        return 0.0, 0.0, way
    side = way - 0.5
    return side, 0.6 * side * side, 0.25 * way


def _look(
    seen: scene.Scene,
    at: tuple[NDArray[np.float32], NDArray[np.float32]],
    move: tuple[NDArray[np.float32], NDArray[np.float32]],
    focus: np.float32,
) -> NDArray[np.uint64]:
    """One frame: what is near where the search agrees with itself, else what lies behind; edges fade over a pixel."""
    nearness = _lookup(seen.nearest, at) - focus
    for _ in range(_SEARCH_STEPS):
        nearness = _lookup(seen.depth, _back(at, move, nearness)) - focus
    place = _back(at, move, nearness)
    found = _lookup(seen.depth, place) - focus
    # How many pixels the place found would land beside the pixel that looked for it.
    is_hidden = np.abs((found - nearness) * np.maximum(np.abs(move[0]), np.abs(move[1]))) > _MISS
    is_front = ~(is_hidden | _lookup(seen.is_behind, place))
    words = warp.sample(seen.pictures, *place, page=~is_front)
    share = _faded(is_front)
    where = np.nonzero(is_hidden | ((share > 0) & (share < 1)))
    at, move = (at[0][where], at[1][where]), (move[0][where], move[1][where])
    far = _lookup(seen.back_depth, at) - focus
    for _ in range(_SEARCH_STEPS):
        far = _lookup(seen.back_depth, _back(at, move, far)) - focus
    back = warp.sample(seen.pictures, *_back(at, move, far), page=np.ones(far.shape, np.bool_))
    near = scene.largest(np.where(is_front, nearness, np.float32(-1)), 1)[where]
    front = warp.sample(seen.pictures, *_back(at, move, near), page=np.zeros(far.shape, np.bool_))
    words[where] = warp.blend(back, front, share[where])
    return words


def _back(
    at: tuple[NDArray[np.float32], NDArray[np.float32]],
    move: tuple[NDArray[np.float32], NDArray[np.float32]],
    nearness: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where a thing of that nearness (to the focus) stood before the camera moved."""
    return at[0] - move[0] * nearness, at[1] - move[1] * nearness


def _lookup(values: NDArray[Number], at: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[Number]:
    """Values (h, w) at the nearest pixels."""
    height, width = values.shape
    column = np.clip(at[0] + np.float32(0.5), 0, width - 1).astype(np.int32)
    row = np.clip(at[1] + np.float32(0.5), 0, height - 1).astype(np.int32)
    row *= np.int32(width)
    row += column
    found: NDArray[Number] = values.ravel().take(row)
    return found


def _faded(truth: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A truth per pixel as a share 0..1 that fades over one pixel around."""
    padded = np.pad(truth, 1, mode="edge").astype(np.float32)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    share: NDArray[np.float32] = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 16)
    return share
