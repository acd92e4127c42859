"""local/parallax: video of a camera that moves past a still with a depth map. No neural network.

Each pixel of a frame searches for its source position. The search starts from the nearest depth in the neighbourhood,
so near pixels cover far pixels. Where no position is consistent, the camera sees behind an edge: there the frame shows
a second picture, in which near pixels are replaced by colours filled in from farther away. Edges therefore never
stretch. Nothing is random, and only IEEE-exact operations are used, so pixels are equal on all machines.
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
# Maximum error of a source position, in pixels; above it, the position is rejected.
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
    """Yield the frames, of the picture's size, of a camera that moves past a scene.

    Args:
        pixels: the picture, uint8 (h, w, 3), at most MAX_PIXELS.
        depth: (h, w), 0 far to 1 near; exact depth gives better results than an estimate.
        tick: called after each frame with the fraction done; an exception it raises stops the frames.
        amplitude: movement of the nearest relative to the farthest pixels, in picture widths, 0 to 0.08. With 0
            every frame equals the picture.
        path: "arc" from left to right, "loop" in a circle, "push" forward.
        focus_depth: depth that does not move, 0 to 1.
        duration_s: 1 to 20.
        fps: 12 to 60.

    Raises:
        SettingError: a setting is out of range.
        MediaError: picture and depth differ in size or are too large.
    """
    count = settings.frame_count(duration_s, fps)
    settings.number("amplitude", amplitude, 0, 0.08)
    settings.number("focus_depth", focus_depth, 0, 1)
    settings.choice("path", path, PATHS)
    height, width = pixels.shape[:2]
    if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8 or depth.shape != (height, width):
        message = f"A picture {pixels.dtype} {pixels.shape} and a depth {depth.shape} do not match."
        raise errors.MediaError(message, hint="Give uint8 (h, w, 3) and depth (h, w) of one size.")
    if width * height > MAX_PIXELS:
        message = f"A picture of {width} x {height} is too large for parallax."
        raise errors.MediaError(message, hint="Resize picture and depth to at most 1024 x 1024 pixels in all.")
    if amplitude == 0:
        return _still(pixels, count, tick)
    whole = np.clip(np.nan_to_num(depth.astype(np.float32)), 0, 1)
    prepared = scene.prepare(pixels, whole, int(amplitude * width) + 2)
    return _frames(prepared, [_camera(path, index, count) for index in range(count)], amplitude, focus_depth, tick)


def _still(pixels: NDArray[np.uint8], count: int, tick: Callable[[float], None]) -> Iterator[NDArray[np.uint8]]:
    for index in range(count):
        tick((index + 1) / count)
        yield pixels.copy()


def _frames(
    prepared: scene.Scene,
    camera: list[tuple[float, float, float]],
    amplitude: float,
    focus_depth: float,
    tick: Callable[[float], None],
) -> Iterator[NDArray[np.uint8]]:
    height, width = prepared.depth.shape
    down, across = np.indices((height, width), np.float32)
    centre_x, centre_y = np.float32((width - 1) / 2), np.float32((height - 1) / 2)
    # Slightly magnified, so that the border stays out of view.
    closer = np.float32(1 / (1 + 2 * amplitude * max(focus_depth, 1 - focus_depth)))
    x = centre_x + (across - centre_x) * closer
    y = centre_y + (down - centre_y) * closer
    for index, (side, up, forward) in enumerate(camera):
        # Movement at each pixel of a point that is nearer than the focus by a depth of 1.
        move_x = np.float32(side * amplitude * width) + (x - centre_x) * np.float32(forward * 2 * amplitude)
        move_y = np.float32(up * amplitude * width) + (y - centre_y) * np.float32(forward * 2 * amplitude)
        frame = warp.unpack(_render(prepared, (x, y), (move_x, move_y), np.float32(focus_depth)))
        tick((index + 1) / len(camera))
        yield frame


def _camera(path: str, index: int, count: int) -> tuple[float, float, float]:
    """Return the camera position at a frame: sideways and up (each within -0.5..0.5), and forward (0..1)."""
    if path == "loop":
        turn = 2 * np.pi * index / count
        return float(0.5 * np.sin(turn)), float(0.2 * np.cos(turn)), 0.0
    progress = ease(index / max(1, count - 1))
    if path == "push":
        return 0.0, 0.0, progress
    side = progress - 0.5
    return side, 0.6 * side * side, 0.25 * progress


def _render(
    prepared: scene.Scene,
    at: tuple[NDArray[np.float32], NDArray[np.float32]],
    move: tuple[NDArray[np.float32], NDArray[np.float32]],
    focus: np.float32,
) -> NDArray[np.uint64]:
    """Render a frame: the picture where the search is consistent, else the layer behind; edges blend over a pixel."""
    nearness = _lookup(prepared.nearest, at) - focus
    for _ in range(_SEARCH_STEPS):
        nearness = _lookup(prepared.depth, _back(at, move, nearness)) - focus
    position = _back(at, move, nearness)
    actual = _lookup(prepared.depth, position) - focus
    # Distance in pixels between the projected source position and the pixel itself.
    is_hidden = np.abs((actual - nearness) * np.maximum(np.abs(move[0]), np.abs(move[1]))) > _MISS
    is_front = ~(is_hidden | _lookup(prepared.is_behind, position))
    words = warp.sample(prepared.pictures, *position, page=~is_front)
    share = _faded(is_front)
    where = np.nonzero(is_hidden | ((share > 0) & (share < 1)))
    at, move = (at[0][where], at[1][where]), (move[0][where], move[1][where])
    far = _lookup(prepared.back_depth, at) - focus
    for _ in range(_SEARCH_STEPS):
        far = _lookup(prepared.back_depth, _back(at, move, far)) - focus
    back = warp.sample(prepared.pictures, *_back(at, move, far), page=np.ones(far.shape, np.bool_))
    near = scene.largest(np.where(is_front, nearness, np.float32(-1)), 1)[where]
    front = warp.sample(prepared.pictures, *_back(at, move, near), page=np.zeros(far.shape, np.bool_))
    words[where] = warp.blend(back, front, share[where])
    return words


def _back(
    at: tuple[NDArray[np.float32], NDArray[np.float32]],
    move: tuple[NDArray[np.float32], NDArray[np.float32]],
    nearness: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the position, before the camera move, of a point with that depth relative to the focus."""
    return at[0] - move[0] * nearness, at[1] - move[1] * nearness


def _lookup(values: NDArray[Number], at: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[Number]:
    """Return the values (h, w) at the nearest pixels."""
    height, width = values.shape
    column = np.clip(at[0] + np.float32(0.5), 0, width - 1).astype(np.int32)
    row = np.clip(at[1] + np.float32(0.5), 0, height - 1).astype(np.int32)
    row *= np.int32(width)
    row += column
    result: NDArray[Number] = values.ravel().take(row)
    return result


def _faded(truth: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Convert a boolean per pixel to a fraction 0..1 that is blurred over one pixel."""
    padded = np.pad(truth, 1, mode="edge").astype(np.float32)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    share: NDArray[np.float32] = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 16)
    return share
