"""The preview of audio: rounded bars around a middle line, in the canvas's color of audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 256
HEIGHT = 112
_BLUE = (87, 182, 242)
_MARGIN = 10
# Drawn large and downscaled: Pillow's shapes are not antialiased.
_OVERSAMPLE = 4
_BAR_SHARE = 0.58


def draw_waveform(peaks: Sequence[float]) -> Image.Image:
    """Peaks (0..1, in time order, at least one) as an RGBA image of 256 x 112 px on a transparent background.

    The loudest bar fills the height, so that quiet audio has a shape too; silence is a row of dots.

    >>> draw_waveform([0.0, 0.5, 1.0]).size
    (256, 112)
    """
    image = Image.new("RGBA", (WIDTH * _OVERSAMPLE, HEIGHT * _OVERSAMPLE), (*_BLUE, 0))
    canvas = ImageDraw.Draw(image)
    pitch = (WIDTH - 2 * _MARGIN) * _OVERSAMPLE / len(peaks)
    half_bar = pitch * _BAR_SHARE / 2
    loudest = max(*peaks, 1e-3)
    middle = HEIGHT * _OVERSAMPLE / 2
    reach = middle - _MARGIN * _OVERSAMPLE - half_bar
    for index, peak in enumerate(peaks):
        x = _MARGIN * _OVERSAMPLE + pitch * (index + 0.5)
        half_height = half_bar + reach * min(max(peak / loudest, 0.0), 1.0)
        box = (x - half_bar, middle - half_height, x + half_bar, middle + half_height)
        canvas.rounded_rectangle(box, radius=half_bar, fill=(*_BLUE, 255))
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
