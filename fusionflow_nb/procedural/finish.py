"""From linear light to bytes: bloom, a film-like shoulder, vignette, grain and dither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.frame import enlarge_rows, shrink, soft_blur, tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, unit_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionflow_nb.procedural.frame import Tick


@dataclass(frozen=True, slots=True)
class Look:
    """How light becomes a picture."""

    bloom: float = 0.0  # share of light that spills around what is brighter than `bloom_from`
    bloom_from: float = 0.8
    exposure: float = 1.0
    vignette: float = 0.18  # darkening in the corners, 0..1
    grain: float = 1.6  # of 255
    saturation: float = 1.0


def _bloom(light: F32, look: Look) -> tuple[F32, F32]:
    """Two halos of the bright parts, a tight and a wide one, at a quarter and a sixteenth of the size."""
    quarter = shrink(light, 4)
    bright = np.minimum(np.maximum(quarter - look.bloom_from, 0.0), 6.0).astype(np.float32)
    base = max(1, min(light.shape[0], light.shape[1]) // 260)
    tight = soft_blur(bright, base)
    wide = soft_blur(shrink(bright, 4), max(1, base * 2))
    return tight, wide


def shoulder(light: F32) -> F32:
    """Keeps darks and middles, rolls highlights off softly to 1 at 6 (so that a lamp keeps its colour)."""
    knee = np.maximum(light - 0.6, 0.0)
    rolled: F32 = np.minimum(light, 0.6) + 0.4 * (knee / (knee + 0.5)) * 1.0926
    return rolled


def finish(light: F32, look: Look, salt: int, tick: Tick) -> NDArray[np.uint8]:
    """Bytes (height, width, 3) of linear light; works in tiles of rows."""
    height, width = light.shape[:2]
    tight: F32 | None = None
    wide: F32 | None = None
    if look.bloom > 0:
        tight, wide = _bloom(light, look)
    pixels = np.empty((height, width, 3), np.uint8)
    across = ((np.arange(width, dtype=np.float32) + 0.5) * (2 / width) - 1.0).astype(np.float32)[None, :]
    for part in tiles(height, tile_rows(width)):
        rows = np.arange(part.start, part.stop, dtype=np.float32)[:, None] + np.float32(0.5)
        tile = light[part] * np.float32(look.exposure)
        if tight is not None and wide is not None:
            tile += enlarge_rows(tight, rows, width, 4) * np.float32(look.bloom * 0.6)
            tile += enlarge_rows(wide, rows, width, 16) * np.float32(look.bloom)
        if look.vignette > 0:
            down = rows * np.float32(2 / height) - 1.0
            edge = across * across + down * down
            tile *= (1.0 - look.vignette * (edge * edge * 0.25))[..., None]
        if look.saturation != 1.0:
            grey = (tile[..., 0] * 0.25 + tile[..., 1] * 0.65 + tile[..., 2] * 0.10)[..., None]
            tile = np.maximum(grey + (tile - grey) * np.float32(look.saturation), 0.0)
        tile = shoulder(tile)
        counter = np.arange(part.start * width, part.stop * width, dtype=np.uint32).reshape(-1, width)
        noise = unit_array(counter, salt)
        dither = noise + (unit_array(counter, salt + 1) - 0.5) * np.float32(look.grain)
        pixels[part] = color.to_bytes(tile, dither)
        tick(part.stop / height)
    return pixels
