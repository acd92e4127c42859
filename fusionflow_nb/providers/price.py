"""What a call costs, as rules: by picture, second, megapixel, token, character or call. Pure data and arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEGAPIXEL = 2**20
UNKNOWN_PIXELS = 4 * MEGAPIXEL
"""Of a picture that is not made yet: larger than most."""


class Entry(BaseModel):
    """Base of everything the catalogue holds: frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerImage(Entry):
    """So much for each picture."""

    rule: Literal["per_image"] = "per_image"
    usd: float
    tiers: dict[str, float] = Field(default_factory=dict)
    """Price by the value of `tier_setting`, where it differs."""
    tier_setting: str = "resolution"
    picture_in_usd: float = 0.0
    """What each picture that goes in adds."""
    token_usd: float | None = None
    """What a token of the result costs, where the service counts them: the bill is made of it."""


class PerSecond(Entry):
    """So much for each second of the result."""

    rule: Literal["per_second"] = "per_second"
    usd: float
    tiers: dict[str, float] = Field(default_factory=dict)
    tier_setting: str = "resolution"
    picture_in_usd: float = 0.0
    """What each picture that goes in adds."""


class PerMegapixel(Entry):
    """So much for each million pixels of a picture.

    With `further_usd` the first megapixel (2**20 pixels) counts whole, and so does each further one that is begun.
    """

    rule: Literal["per_megapixel"] = "per_megapixel"
    usd: float
    further_usd: float | None = None
    megapixel_in_usd: float = 0.0
    """What each megapixel begun of a picture that goes in adds."""


class PerCharacter(Entry):
    """So much for each character of the prompt."""

    rule: Literal["per_character"] = "per_character"
    usd: float


class PerToken(Entry):
    """Tokens are known only afterwards: `low_tokens` and `high_tokens` bound one call."""

    rule: Literal["per_token"] = "per_token"
    usd: float
    low_tokens: int
    high_tokens: int
    high_tokens_per_megapixel: int = 0
    """The high bound grows with the size of the picture, where it is larger."""
    high_tokens_per_second: int = 0
    tokens: dict[str, int] = Field(default_factory=dict)
    """Tokens of one result by the value of `tier_setting`, where that is documented."""
    tier_setting: str = "resolution"
    text_in_usd: float = 0.0
    image_in_usd: float = 0.0
    """What tokens of the prompt and of references cost, once the service has counted them."""


class PerCall(Entry):
    """So much for each call, or each of `count` results."""

    rule: Literal["per_call"] = "per_call"
    usd: float


PriceRule: TypeAlias = Annotated[
    PerImage | PerSecond | PerMegapixel | PerCharacter | PerToken | PerCall, Field(discriminator="rule")
]


class Estimate(Entry):
    """What a call will cost, in micro-dollars. `is_unpriced`: no rule is known, the figures say nothing."""

    low_micro_usd: int = 0
    high_micro_usd: int = 0
    is_unpriced: bool = False

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            low_micro_usd=self.low_micro_usd + other.low_micro_usd,
            high_micro_usd=self.high_micro_usd + other.high_micro_usd,
            is_unpriced=self.is_unpriced or other.is_unpriced,
        )


def cost_bounds(
    price: PriceRule, settings: Mapping[str, Any], prompt: str, image_pixels: Sequence[int | None]
) -> tuple[float, float]:
    """The least and the most that a call costs, in dollars.

    Args:
        price: the rule.
        settings: by common names; what is left out is taken as the service's own choice.
        prompt: the prompt.
        image_pixels: pixels of each picture that goes in; None where it is not made yet.

    >>> bounds(PerImage(usd=0.04), {"count": 2}, "", ())
    (0.08, 0.08)
    """
    count = int(settings.get("count") or 1)
    pixels_in = [UNKNOWN_PIXELS if each is None else each for each in image_pixels]
    low, high = _output_cost(price, settings, prompt, count, pixels_in)
    return low, high + _max_input_cost(price, prompt, pixels_in)


def _output_cost(
    price: PriceRule, settings: Mapping[str, Any], prompt: str, count: int, pixels_in: Sequence[int]
) -> tuple[float, float]:
    match price:
        case PerImage() | PerSecond():
            # Where the tier is left to the service, it may be any of them.
            tier = settings.get(price.tier_setting)
            known = price.tiers.get(str(tier))
            among = [known] if known is not None else [price.usd, *(price.tiers.values() if tier is None else ())]
            units = count if isinstance(price, PerImage) else count * float(settings.get("duration_s") or 0.0)
            return min(among) * units, max(among) * units
        case PerMegapixel():
            pixels = _pixels(settings, 1024)
            # Left to the service, the result of an edit may be as large as what goes in.
            most = max([pixels, *([] if settings.get("width") else pixels_in)])
            return count * _pixel_cost(price, pixels), count * _pixel_cost(price, most)
        case PerCharacter():
            return price.usd * len(prompt), price.usd * len(prompt)
        case PerToken():
            by_size = price.high_tokens_per_megapixel * _pixels(settings, 1536) / MEGAPIXEL
            by_length = price.high_tokens_per_second * float(settings.get("duration_s") or 0.0)
            known = price.tokens.get(str(settings.get(price.tier_setting)))
            high = known if known is not None else max(price.high_tokens, by_size, by_length)
            return price.usd * count * price.low_tokens, price.usd * count * high
        case PerCall():
            return price.usd * count, price.usd * count


def _max_input_cost(price: PriceRule, prompt: str, pixels_in: Sequence[int]) -> float:
    """The most that what goes in adds.

    A token of text holds a byte at least. How many a picture counts is documented nowhere: as many as one of its size
    that comes out at high quality is taken as the most.
    """
    match price:
        case PerImage() | PerSecond():
            return price.picture_in_usd * len(pixels_in)
        case PerMegapixel():
            return price.megapixel_in_usd * sum(-(-each // MEGAPIXEL) for each in pixels_in)
        case PerToken():
            tokens = price.high_tokens_per_megapixel * sum(pixels_in) / MEGAPIXEL
            return price.text_in_usd * len(prompt.encode()) + price.image_in_usd * tokens
        case _:
            return 0.0


def _pixels(settings: Mapping[str, Any], usual_width: int) -> int:
    return int(settings.get("width") or usual_width) * int(settings.get("height") or 1024)


def _pixel_cost(price: PerMegapixel, pixels: int) -> float:
    if price.further_usd is None:
        return price.usd * pixels / 1e6
    return price.usd + max(0, -(-pixels // MEGAPIXEL) - 1) * price.further_usd
