"""Meanings of prompt words. Unknown words only change the random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from fusionflow_nb.procedural.noise import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

# One line per meaning: the meaning, then its words (normalised).
_TIME = MappingProxyType(
    {
        "dawn": "dawn sunrise morning daybreak",
        "day": "day daylight noon midday afternoon sunny bright summer spring",
        "sunset": "sunset golden evening sundown",
        "dusk": "dusk twilight gloaming",
        "night": "night midnight nocturnal moonlit moonlight starry stars moon aurora dark",
    },
)
_GROUND = MappingProxyType(
    {
        "city": "city skyline downtown metropolis skyscrapers skyscraper town buildings cyberpunk tokyo manhattan",
        "dunes": "desert dunes dune sahara sand sandy",
        "ocean": "ocean sea seascape waves",
        "hills": "hills hill meadow meadows valley field fields prairie countryside steppe",
        "mountains": "mountain mountains peak peaks alps alpine summit summits canyon cliffs fjord",
    },
)
_FEATURES = MappingProxyType(
    {
        "conifers": "forest pine pines fir firs spruce conifer conifers woods taiga",
        "broadleaf": "trees tree oak oaks maple maples birch autumn orchard grove",
        "lake": "lake river pond fjord reflection reflections water loch shore",
        "moon": "moon moonlit moonlight full moon",
        "stars": "stars starry galaxy milky cosmos",
        "aurora": "aurora borealis northern lights",
        "mist": "mist misty fog foggy haze hazy smoke",
        "snow": "snow snowy winter ice icy frozen glacier arctic",
        "clouds": "cloud clouds cloudy overcast",
        "clear": "clear cloudless",
        "storm": "storm stormy thunder rain rainy gloomy tempest",
        "autumn": "autumn fall autumnal october",
        "neon": "neon cyberpunk synthwave vaporwave",
        "wet": "rain rainy wet",
    },
)
_PALETTE = MappingProxyType(
    {
        "neon": "neon cyberpunk synthwave vaporwave electric",
        "sunset": "sunset sunrise dawn dusk peach coral romantic",
        "ocean": "ocean sea water lake wave waves aqua azure marine",
        "forest": "forest pine moss jungle fern leaves",
        "fire": "fire flame lava ember molten volcano magma burning",
        "gold": "gold golden brass honey amber treasure bronze",
        "autumn": "autumn fall maple rust october",
        "aurora": "aurora northern borealis emerald mint",
        "candy": "candy bubblegum sweet sugar pastel macaron dream dreamy",
        "ice": "ice frozen snow winter glacier arctic frost crystal",
        "desert": "desert sand dune dunes clay terracotta earth",
        "night": "night midnight cosmos galaxy nebula space starry moon",
        "ink": "ink monochrome noir black charcoal graphite mono grey gray",
        "rose": "rose blossom cherry sakura flower flowers petal butterfly orchid",
        "opal": "opal pearl iridescent rainbow prism holographic unicorn",
    },
)
_TINT = MappingProxyType(
    {
        "#e23b3b": "red crimson scarlet ruby",
        "#f08a24": "orange tangerine",
        "#f2c230": "yellow lemon",
        "#3fae5a": "green emerald jade",
        "#1fb5ad": "teal turquoise cyan",
        "#2f6fe0": "blue cobalt sapphire",
        "#7a4be0": "purple violet indigo lavender amethyst",
        "#ec4f9c": "pink magenta fuchsia",
    },
)


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """The known words of a prompt by category; None or an empty set if it has none."""

    words: frozenset[str]
    time: str | None
    ground: str | None
    features: frozenset[str]
    palette: str | None
    tint: str | None


def _first(words: list[str], meanings: Mapping[str, str]) -> str | None:
    """Return the meaning of the first known word, in the order of the prompt."""
    owner = {word: meaning for meaning, listed in meanings.items() for word in listed.split()}
    return next((owner[word] for word in words if word in owner), None)


def parse_prompt(prompt: str) -> ParsedPrompt:
    """Return the known words of a prompt by category.

    >>> parsed = parse_prompt("Neon city at midnight")
    >>> (parsed.time, parsed.ground, parsed.palette)
    ('night', 'city', 'neon')
    """
    words = normalise(prompt).split()
    distinct = frozenset(words)
    features = frozenset(meaning for meaning, listed in _FEATURES.items() if distinct & set(listed.split()))
    return ParsedPrompt(
        words=distinct,
        time=_first(words, _TIME),
        ground=_first(words, _GROUND),
        features=features,
        palette=_first(words, _PALETTE),
        tint=_first(words, _TINT),
    )
