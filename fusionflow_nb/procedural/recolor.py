"""The local edit: regrade a picture by the words of a prompt. Tones change in OKLab; shapes do not change.

This is classical colour grading and nothing else: no content is added or removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.procedural import color
from fusionflow_nb.procedural.frame import tile_rows, tiles
from fusionflow_nb.procedural.noise import F32, Stream, normalise, seed_of, smoothstep, unit_array
from fusionflow_nb.procedural.palette import PALETTES
from fusionflow_nb.procedural.words import parse_prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionflow_nb.procedural.color import Rgb
    from fusionflow_nb.procedural.frame import Tick

_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Grade:
    """One step of grading. Lightness goes from 0 to 1; warmth and tint are shifts in OKLab."""

    tones: tuple[Rgb, ...] = ()  # colours that shadows, middles and highlights are pulled towards
    pull: float = 0.0  # how far
    lift: float = 0.0  # lightness of black
    top: float = 1.0  # lightness of white
    bend: float = 0.0  # below 0 darkens the middles, above 0 brightens them; -0.9..0.9
    contrast: float = 0.0  # 0 none .. 1 a steep S-curve
    saturation: float = 1.0
    warmth: float = 0.0
    fall: float = 0.0  # turns greens towards orange, as leaves do
    grain: float = 0.0  # of 255


def _tones(codes: str) -> tuple[Rgb, ...]:
    return tuple(color.from_hex(code) for code in codes.split())


# What each word does, the words that say it before the colon of each line in `_WORDS`.
_GRADES = MappingProxyType(
    {
        "sunset": Grade(
            _tones("#251339 #7d3266 #f0774f #ffd695"), pull=0.62, bend=-0.10, contrast=0.15, saturation=1.05
        ),
        "dawn": Grade(_tones("#3b3f6b #9c8fb8 #f2b8a4 #fff0d6"), pull=0.52, lift=0.06, bend=0.08, saturation=0.95),
        "day": Grade(bend=0.32, contrast=0.10, saturation=1.12, warmth=0.006),
        "dusk": Grade(_tones("#15133a #4a3a80 #b06a98 #f6b08a"), pull=0.55, top=0.93, bend=-0.45, contrast=0.10),
        "night": Grade(
            _tones("#040817 #10224a #3d5f9c #cfe0f6"), pull=0.66, top=0.80, bend=-0.55, contrast=0.20, saturation=0.75
        ),
        "noir": Grade(
            _tones("#060606 #3c3c3d #9a9a98 #f6f4f0"), pull=1.0, bend=-0.50, contrast=0.60, saturation=0.0, grain=7
        ),
        "monochrome": Grade(contrast=0.12, saturation=0.0),
        "vintage": Grade(
            _tones("#2b2430 #7a6656 #cfae86 #f6e8c8"),
            pull=0.42,
            lift=0.12,
            top=0.95,
            saturation=0.72,
            warmth=0.014,
            grain=5,
        ),
        "autumn": Grade(_tones("#2a1814 #7c3f22 #d08a3e #f8e4b4"), pull=0.30, saturation=1.08, warmth=0.022, fall=0.85),
        "neon": Grade(_tones("#0a0624 #4b1a9c #ff2d95 #7df2ff"), pull=0.68, bend=-0.20, contrast=0.32, saturation=1.25),
        "mist": Grade(_tones("#8b98a3 #b3bcc2 #d5d9da #f3f2ee"), pull=0.50, lift=0.36, top=0.98, saturation=0.55),
        "winter": Grade(
            _tones("#14253f #5c82ac #b4d0e6 #ffffff"), pull=0.46, bend=0.18, saturation=0.70, warmth=-0.016
        ),
        "storm": Grade(
            _tones("#12181e #3c4954 #7d8b93 #ccd3d3"), pull=0.55, top=0.88, bend=-0.25, contrast=0.22, saturation=0.6
        ),
        "warmer": Grade(saturation=1.05, warmth=0.034),
        "cooler": Grade(saturation=0.98, warmth=-0.034),
        "vivid": Grade(contrast=0.22, saturation=1.40),
        "muted": Grade(lift=0.05, contrast=-0.12, saturation=0.60),
        "brighter": Grade(bend=0.38),
        "darker": Grade(bend=-0.40),
    }
)
_WORDS = MappingProxyType(
    {
        "sunset": "sunset golden evening sundown",
        "dawn": "dawn sunrise morning daybreak",
        "day": "day daylight noon sunny summer",
        "dusk": "dusk twilight",
        "night": "night midnight nocturnal moonlight moonlit",
        "noir": "noir",
        "monochrome": "monochrome mono grayscale greyscale grey gray",
        "vintage": "vintage retro old film sepia nostalgic",
        "autumn": "autumn fall october autumnal",
        "neon": "neon cyberpunk synthwave vaporwave",
        "mist": "mist misty fog foggy haze hazy",
        "winter": "winter snow snowy frost frozen icy ice",
        "storm": "storm stormy rain rainy gloomy overcast",
        "warmer": "warm warmer",
        "cooler": "cool cooler cold colder",
        "vivid": "vivid vibrant saturated colourful colorful",
        "muted": "muted soft faded desaturated calm",
        "brighter": "bright brighter lighter",
        "darker": "dark darker",
    }
)


def grades_of(prompt: str, seed: int) -> list[Grade]:
    """Return the grades of a prompt, in the order of its words.

    Other colour words (ocean, fire, gold, teal ...) grade towards their palette. If no word is known, the seed selects
    a weak grade.
    """
    owner = {word: name for name, words in _WORDS.items() for word in words.split()}
    names = list(dict.fromkeys(owner[word] for word in normalise(prompt).split() if word in owner))
    grades = [_GRADES[name] for name in names]
    parsed = parse_prompt(prompt)
    if not grades and parsed.palette is not None:
        grades = [Grade(PALETTES[parsed.palette], pull=0.55)]
    if parsed.tint is not None:
        lightness, a, b = color.to_oklab(color.from_hex(parsed.tint))
        tones = tuple(
            color.from_oklab((level, a * share, b * share))
            for level, share in ((0.2, 0.5), (lightness, 1.0), (0.95, 0.3))
        )
        grades.append(Grade(tones, pull=0.5))
    if not grades:
        name = Stream(seed_of(seed, prompt)).pick(tuple(PALETTES))
        grades = [Grade(PALETTES[name], pull=0.35)]
    return grades


def _curve(lightness: F32, grade: Grade) -> F32:
    """Apply bend, contrast, lift and top to the lightness; the curve is monotonic."""
    level = np.clip(lightness, 0.0, 1.0)
    level = level + level * (1.0 - level) * np.float32(grade.bend)
    if grade.contrast:
        level = level + (level * level * (3.0 - 2.0 * level) - level) * np.float32(grade.contrast)
    bent: F32 = grade.lift + level * np.float32(grade.top - grade.lift)
    return bent


def _apply(lab: tuple[F32, F32, F32], grade: Grade, strength: float) -> tuple[F32, F32, F32]:
    """Apply a grade to OKLab planes with a strength of 0..1."""
    lightness, a, b = lab
    level = _curve(lightness, grade)
    new_a, new_b = a * np.float32(grade.saturation), b * np.float32(grade.saturation)
    if grade.fall:
        # Greens and yellows shift towards orange in proportion to their chroma; blues do not change.
        leaf = smoothstep(0.0, 0.06, b) * smoothstep(0.05, -0.05, a) * np.float32(grade.fall)
        chroma = np.sqrt(a * a + b * b)
        new_a, new_b = new_a + (chroma * 0.72 - new_a) * leaf, new_b + (chroma * 0.80 - new_b) * leaf
    if grade.tones:
        labs = np.array([color.to_oklab(tone) for tone in grade.tones], np.float32)
        place = np.clip(level, 0.0, 1.0) * np.float32(len(grade.tones) - 1)
        index = np.minimum(place.astype(np.int64), len(grade.tones) - 2)
        part = place - index.astype(np.float32)
        part = part * part * (3.0 - 2.0 * part)
        pull = np.float32(grade.pull)
        tone_a = labs[:, 1].take(index) * (1.0 - part) + labs[:, 1].take(index + 1) * part
        tone_b = labs[:, 2].take(index) * (1.0 - part) + labs[:, 2].take(index + 1) * part
        new_a, new_b = new_a + (tone_a - new_a) * pull, new_b + (tone_b - new_b) * pull
    body = 4.0 * level * (1.0 - level * 0.75)
    new_a = new_a + body * np.float32(grade.warmth * 0.35)
    new_b = new_b + body * np.float32(grade.warmth)
    share = np.float32(strength)
    return lightness + (level - lightness) * share, a + (new_a - a) * share, b + (new_b - b) * share


def _ignore(fraction: float) -> None:
    """Default tick: ignore the progress."""


def recolor(
    pixels: NDArray[np.uint8], prompt: str, *, strength: float, seed: int, tick: Tick = _ignore
) -> NDArray[np.uint8]:
    """Regrade a picture by the words of a prompt.

    Args:
        pixels: sRGB bytes (height, width, 3); not modified.
        prompt: "sunset", "night", "noir", "autumn", "neon", "mist", "warmer", "vintage" ...; applied in order.
        strength: 0 changes nothing, 1 is the full grade.
        seed: determines the grain, and the palette if no word is known.
        tick: called with the fraction done, 0..1, finally 1.0; raise in it to cancel.

    Raises:
        MediaError: the pixels are not (height, width, 3) bytes.
        ParameterError: strength is not from 0 to 1.

    >>> grey = np.full((8, 8, 3), 128, np.uint8)
    >>> bool(recolor(grey, "night", strength=1, seed=1).mean() < grey.mean())
    True
    """
    if pixels.dtype != np.uint8 or pixels.ndim != _CHANNELS or pixels.shape[2] != _CHANNELS:
        message = f"Pixels to recolour must be bytes of shape (height, width, 3), not {pixels.dtype} {pixels.shape}."
        raise errors.MediaError(message)
    if not 0 <= strength <= 1:
        message = f"The strength of a recolouring must be from 0 to 1, not {strength!r}."
        raise errors.ParameterError(message)
    if strength == 0 or pixels.size == 0:
        tick(1.0)
        return pixels.copy()
    grades = grades_of(prompt, seed)
    salt = Stream(seed_of(seed, prompt)).salt
    grain = max(grade.grain for grade in grades) * strength
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)
    for part in tiles(height, tile_rows(width)):
        light = color.linear_table()[pixels[part]]
        lab = color.lab_planes(light[..., 0], light[..., 1], light[..., 2])
        for grade in grades:
            lab = _apply(lab, grade, strength)
        graded = np.stack(color.light_planes(*lab), axis=-1)
        counter = np.arange(part.start * width, part.stop * width, dtype=np.uint32).reshape(-1, width)
        noise = unit_array(counter, salt)
        noise += (unit_array(counter, salt + 1) - 0.5) * np.float32(2 * grain)
        result[part] = color.to_bytes(graded, noise)
        tick(part.stop / height)
    return result
