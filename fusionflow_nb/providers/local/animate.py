"""local/animate: text to video by drawing a procedural picture once per frame with an advancing phase. No AI.

It is independent of the styles: the caller passes a function that draws the picture at a phase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MOTIONS = ("forward", "loop")


def animate(
    draw: Callable[[float, Callable[[float], None]], NDArray[np.uint8]],
    *,
    tick: Callable[[float], None],
    duration_s: float = 3.0,
    fps: float = 24.0,
    motion: str = "loop",
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a picture with an advancing phase.

    Args:
        draw: called as `draw(phase, tick)`, returns uint8 (h, w, 3). Phase 0..1 is the position in the video; with
            "loop" 1 is never reached, so a picture that is equal at 0 and 1 loops without a seam.
        tick: called often with the fraction done; an exception it raises stops the frames.
        duration_s: 1 to 20.
        fps: 12 to 60.
        motion: "loop" or "forward" (the last frame is phase 1).

    Raises:
        SettingError: a setting is out of range.
        MediaError: the pictures differ in shape.

    >>> grey = lambda phase, tick: np.full((16, 16, 3), round(phase * 240), np.uint8)
    >>> frames = list(animate(grey, tick=lambda share: None, duration_s=1, fps=12))
    >>> len(frames), int(frames[6][0, 0, 0])
    (12, 120)
    """
    count = settings.frame_count(duration_s, fps)
    settings.choice("motion", motion, MOTIONS)
    last_phase = count if motion == "loop" else max(1, count - 1)
    return _frames(draw, tick, count, last_phase)


def _frames(
    draw: Callable[[float, Callable[[float], None]], NDArray[np.uint8]],
    tick: Callable[[float], None],
    count: int,
    last_phase: int,
) -> Iterator[NDArray[np.uint8]]:
    shape: tuple[int, ...] | None = None
    for index in range(count):

        def tick_part(share: float, index: int = index) -> None:
            tick((index + min(max(share, 0.0), 1.0)) / count)

        frame = draw(index / last_phase, tick_part)
        shape = shape or frame.shape
        if frame.shape != shape or frame.dtype != np.uint8:
            message = f"Frame {index} was drawn as {frame.dtype} {frame.shape}, the first as {shape}."
            raise errors.MediaError(message, hint="Draw every frame as uint8 of one size.")
        tick((index + 1) / count)
        yield frame
