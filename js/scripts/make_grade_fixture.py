"""Write the fixture for the browser's grade: table values and graded pixels from the kernel.

Run it from the repository root after changes of the grade: `python js/scripts/make_grade_fixture.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fusionflow_nb.transforms.grade import RANGES, grade, grade_table

JS = Path(__file__).parent.parent
WIDTH, HEIGHT = 64, 48
STRIDE = 269  # a prime number, so that samples cover every channel and axis
SETTINGS: tuple[dict[str, float], ...] = (
    {},
    {"exposure": 1.4},
    {"exposure": -3.0, "gamma": 2.2},
    {"temperature": 0.8, "tint": -0.6},
    {"hue": 140.0, "saturation": 0.7},
    {"saturation": -1.0, "contrast": 0.9},
    {"contrast": -0.5, "lift": 0.25, "gain": 1.6},
    {"lift": -0.3, "gamma": 0.6},
    {name: low + 0.7 * (high - low) for name, (low, _, high) in RANGES.items()},
    {
        "exposure": 0.3,
        "contrast": 0.2,
        "saturation": 0.25,
        "temperature": -0.3,
        "tint": 0.1,
        "hue": -20.0,
        "lift": 0.05,
        "gamma": 1.2,
        "gain": 0.9,
    },
)


def colours() -> Image.Image:
    """Return a small image with ramps of grey and of the primary colors, and random colors."""
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)
    for row, channels in enumerate(((0, 1, 2), (0,), (1,), (2,), (0, 1), (1, 2))):
        pixels[row * 4 : row * 4 + 4] = 0
        pixels[row * 4 : row * 4 + 4, :, channels] = ramp[None, :, None]
    return Image.fromarray(pixels)


def sampled(picture: Image.Image, settings: dict[str, float]) -> dict[str, Any]:
    """Return samples of the table and of the graded pixels, in row order."""
    table = grade_table(**settings).reshape(-1)[::STRIDE]
    pixels = np.asarray(grade(picture, **settings)).reshape(-1, 3)[::5]
    return {
        "settings": settings,
        "table": [float(f"{value:.7g}") for value in table],
        "pixels": pixels.reshape(-1).tolist(),
    }


if __name__ == "__main__":
    source = colours()
    source.save(JS / "dev" / "pictures" / "colours.png", optimize=True)
    cases = {"table_stride": STRIDE, "pixel_stride": 5, "cases": [sampled(source, settings) for settings in SETTINGS]}
    fixture = JS / "test" / "fixtures" / "grade.json"
    fixture.write_text(json.dumps(cases) + "\n", encoding="utf-8")
