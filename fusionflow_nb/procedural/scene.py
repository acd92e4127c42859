"""The landscape of a prompt: the mood of its light and the list of its elements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from fusionflow_nb.procedural import color

if TYPE_CHECKING:
    from fusionflow_nb.procedural.color import Rgb
    from fusionflow_nb.procedural.frame import Frame
    from fusionflow_nb.procedural.noise import F32, Stream
    from fusionflow_nb.procedural.words import ParsedPrompt


@dataclass(frozen=True, slots=True)
class Mood:
    """Colours of a time of day, in linear light."""

    sky: tuple[Rgb, ...]  # from the horizon up to the zenith
    glow: Rgb  # around the sun or moon
    key: Rgb  # direct light on the ground
    fill: Rgb  # light of the sky on the ground
    cloud_lit: Rgb
    cloud_dark: Rgb
    disc: Rgb
    haze: Rgb  # of the far ground
    is_night: bool = False


def _mood(codes: str, *, is_night: bool = False) -> Mood:
    """A mood of hex colours: five of the sky from the horizon up, then the others in the order of the fields."""
    colors = tuple(color.from_hex(code) for code in codes.split())
    glow, key, fill, lit, dark, disc, haze = colors[5:]
    return Mood(
        sky=colors[:5],
        glow=glow,
        key=key,
        fill=fill,
        cloud_lit=lit,
        cloud_dark=dark,
        disc=disc,
        haze=haze,
        is_night=is_night,
    )


_GREEN = "#3fae5a"  # for hills it colours their grass, not the sky

MOODS = MappingProxyType(
    {
        "dawn": _mood(
            "#ffe0bc #f9c3ae #cdb0cb #95a0cd #5d7ab4 #ffc48c #ffd2a4 #8f9fd0 #ffe3cc #b79ab8 #fff1d2 #d9c3cf"
        ),
        "day": _mood("#dcecf4 #b5d8ef #7db8e6 #4a8fd6 #2b67b4 #fff3d6 #fff1d8 #9cc4f2 #ffffff #a9bccf #fffbe8 #b9d3e8"),
        "sunset": _mood(
            "#ffd27a #ff9a5a #e0607a #84458c #372a66 #ffa648 #ffab5e #7f68ac #ffb27a #7d3f74 #fff0b8 #d77f86"
        ),
        "dusk": _mood(
            "#f6a280 #c86f92 #7a4c9c #413579 #1d1c4c #ff9d7c #f0a08a #5c5596 #f29aa0 #3f3470 #ffe2c8 #8d5a92"
        ),
        "night": _mood(
            "#34578a #23406f #152a55 #0c1a3d #060d24 #8fb4e8 #9dbbe8 #27406e #4b6a9c #101d3c #fdf6e2 #27456f",
            is_night=True,
        ),
        "neon": _mood(
            "#ff5a9e #c22c9c #641f96 #27186c #0a0b30 #c58cff #ff9ad0 #3c2a86 #c23a9c #241352 #fff0f4 #9c2a92",
            is_night=True,
        ),
        "aurora": _mood(
            "#2c7a6e #1b5a63 #123f55 #0b2644 #06122b #9fe8cf #a8e6cf #1f5a63 #2f7a78 #0c2a3a #f4f8e8 #1f5f63",
            is_night=True,
        ),
        "storm": _mood(
            "#c9d0cd #98a5aa #6d7c86 #4d5b67 #35414d #d5dad6 #c3ccd0 #74838f #7f8c95 #1b222b #e8ecec #8d999f"
        ),
        "mist": _mood(
            "#ece6dc #dad9d4 #bfc8cc #a2b0bc #8799ab #fff1dc #f4e9d8 #b0bcc6 #f4f1ea #a9b4bd #fffdf4 #cdd2d3"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The elements of one landscape; lengths in units, rows as fractions of the height."""

    mood: Mood
    ground: str  # mountains | hills | dunes | ocean | city
    horizon: float  # row of the horizon, 0 top .. 1 bottom
    light_x: float
    light_y: float  # row of the sun or moon
    disc_radius: float
    disc: str | None  # sun | moon
    stars: float
    clouds: float
    mist: float
    aurora: bool
    snow: bool
    autumn: bool
    lake: bool
    trees: str | None  # conifers | broadleaf
    neon: bool
    storm: bool


@dataclass(frozen=True, slots=True)
class Painting:
    """A landscape while it is painted: its scene, and its light and depth so far."""

    scene: Scene
    frame: Frame
    light: F32  # (height, width, 3), linear
    depth: F32  # (height, width)
    stream: Stream
    phase: float
    octaves: int


def _time(parsed: ParsedPrompt, requested: str) -> str:
    """Return the key of the mood."""
    if requested != "auto":
        time = requested
    elif "neon" in parsed.features and parsed.time is None:
        time = "night"
    elif "storm" in parsed.features and parsed.time is None:
        time = "storm"
    elif parsed.time is not None:
        time = parsed.time
    elif parsed.ground == "city" or parsed.features & {"moon", "stars", "aurora"}:
        time = "night"
    elif parsed.features & {"mist"}:
        time = "mist"
    elif parsed.features & {"autumn"}:
        time = "sunset"
    else:
        is_bright = parsed.ground == "hills" or parsed.features & {"snow", "clear", "broadleaf"}
        time = "day" if is_bright else "sunset"
    if time == "night" and "aurora" in parsed.features:
        return "aurora"
    return "neon" if time == "night" and ("neon" in parsed.features or parsed.palette == "candy") else time


def _tinted(mood: Mood, code: str, strength: float) -> Mood:
    """Shift the hues of a mood towards a colour; lightness does not change."""
    _, to_a, to_b = color.to_oklab(color.from_hex(code))

    def pull(rgb: Rgb) -> Rgb:
        lightness, a, b = color.to_oklab(rgb)
        reach = strength * (0.25 + 0.75 * min(1.0, 4.0 * lightness * (1.0 - min(lightness, 1.0))))
        return color.from_oklab((lightness, a + (to_a * 0.8 - a) * reach, b + (to_b * 0.8 - b) * reach))

    return replace(
        mood,
        sky=tuple(pull(rgb) for rgb in mood.sky),
        glow=pull(mood.glow),
        key=color.mix(mood.key, pull(mood.key), 0.6),
        fill=pull(mood.fill),
        cloud_lit=pull(mood.cloud_lit),
        cloud_dark=pull(mood.cloud_dark),
        haze=pull(mood.haze),
    )


def _clouds_of(parsed: ParsedPrompt, ground: str, *, is_night: bool) -> float:
    """Return the amount of clouds by the prompt's words."""
    amounts = {"storm": 0.95, "clouds": 0.8, "aurora": 0.12, "clear": 0.06, "mist": 0.35}
    amounts_by_word = [amount for word, amount in amounts.items() if word in parsed.features]
    if amounts_by_word:
        return amounts_by_word[0]
    return 0.35 if ground == "dunes" else 0.42 if ground == "city" and is_night else 0.55


def plan_scene(parsed: ParsedPrompt, stream: Stream, time: str, clouds: float, mist: float) -> Scene:
    """Compose the landscape of a prompt; if `clouds` or `mist` is below 0, the prompt determines it."""
    draw = stream.child("layout")
    features = parsed.features
    key = _time(parsed, time)
    mood = MOODS[key]
    ground = parsed.ground or ("ocean" if parsed.palette == "ocean" and "lake" not in features else "mountains")
    if parsed.ground is None and features & {"conifers", "broadleaf"}:
        ground = "hills"
    if parsed.tint is not None and not (parsed.tint == _GREEN and ground == "hills"):
        mood = _tinted(mood, parsed.tint, 0.6)
    trees = "broadleaf" if "broadleaf" in features else None
    if "conifers" in features and not features & {"autumn"}:
        trees = "conifers"
    is_low = key in {"dawn", "sunset", "dusk"}
    side = draw.pick((-1.0, 1.0))
    lake = "lake" in features and ground not in {"ocean", "city"}
    horizon = {
        "city": 0.70,
        "ocean": 0.56,
        "dunes": 0.56,
        "hills": 0.60,
        "mountains": 0.70,
    }[ground]
    if lake:
        horizon = 0.60
    if mood.is_night:
        light_y = {"ocean": 0.22, "city": 0.24}.get(ground, 0.2) + draw.between(-0.03, 0.05)
    else:
        light_y = horizon - (draw.between(0.10, 0.15) if is_low else draw.between(0.32, 0.42))
        if ground == "city" and is_low:
            light_y = horizon - draw.between(0.34, 0.42)
        if ground == "ocean" and is_low:
            light_y = horizon - draw.between(0.04, 0.07)
    wants_moon = mood.is_night and ("aurora" not in features or "moon" in features)
    has_sun = not mood.is_night and (is_low or "clear" in features) and key != "storm"
    if clouds < 0:
        clouds = _clouds_of(parsed, ground, is_night=mood.is_night)
    if mist < 0:
        mist = 0.85 if "mist" in features or key == "mist" else 0.12 if "clear" in features else 0.3
    big_moon = wants_moon and (ground in {"ocean", "city"} or "moon" in features)
    return Scene(
        mood=mood,
        ground=ground,
        horizon=horizon + draw.between(-0.015, 0.015),
        light_x=side * draw.between(0.10, 0.24),
        light_y=light_y,
        disc_radius=(0.072 if big_moon else 0.045) if wants_moon else 0.04,
        disc="moon" if wants_moon else "sun" if has_sun else None,
        stars=(1.0 if mood.is_night else 0.35 if key == "dusk" else 0.0) * (0.25 if "storm" in features else 1.0),
        clouds=clouds,
        mist=mist,
        aurora="aurora" in features,
        snow="snow" in features,
        autumn="autumn" in features,
        lake=lake,
        trees=trees if ground not in {"city", "ocean", "dunes"} or "broadleaf" in features else None,
        neon="neon" in features,
        storm="storm" in features,
    )
