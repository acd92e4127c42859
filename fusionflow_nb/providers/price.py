"""Price rules of a call: by image, second, megapixel, token, character or call. Data and arithmetic only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEGAPIXEL = 2**20
UNKNOWN_PIXELS = 4 * MEGAPIXEL
"""Assumed size of an image that does not exist yet: larger than most."""


class Entry(BaseModel):
    """Base of the catalogue's models: frozen; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerImage(Entry):
    """Price per image."""

    rule: Literal["per_image"] = "per_image"
    usd: float
    tiers: dict[str, float] = Field(default_factory=dict)
    """Price by value of `tier_setting`."""
    tier_setting: str = "resolution"
    picture_in_usd: float = 0.0
    """Added for each input image."""
    token_usd: float | None = None
    """Price of an output token, if the service reports token counts: it then determines the final cost."""


class PerSecond(Entry):
    """Price per second of the result."""

    rule: Literal["per_second"] = "per_second"
    usd: float
    tiers: dict[str, float] = Field(default_factory=dict)
    tier_setting: str = "resolution"
    picture_in_usd: float = 0.0
    """Added for each input image."""


class PerMegapixel(Entry):
    """Price per million pixels of an image.

    With `further_usd`, the first megapixel (2**20 pixels) and each further started one count as whole.
    """

    rule: Literal["per_megapixel"] = "per_megapixel"
    usd: float
    further_usd: float | None = None
    megapixel_in_usd: float = 0.0
    """Added for each started megapixel of an input image."""


class PerCharacter(Entry):
    """Price per character of the prompt."""

    rule: Literal["per_character"] = "per_character"
    usd: float


class PerToken(Entry):
    """Price per token. The count is known only afterwards: `low_tokens` and `high_tokens` bound one call."""

    rule: Literal["per_token"] = "per_token"
    usd: float
    low_tokens: int
    high_tokens: int
    high_tokens_per_megapixel: int = 0
    """Raises the upper bound for large images."""
    high_tokens_per_second: int = 0
    tokens: dict[str, int] = Field(default_factory=dict)
    """Tokens per result by value of `tier_setting`, where documented."""
    tier_setting: str = "resolution"
    text_in_usd: float = 0.0
    image_in_usd: float = 0.0
    """Prices of prompt and reference tokens, once the service has counted them."""


class PerCall(Entry):
    """Price per call, or per result if `count` is set."""

    rule: Literal["per_call"] = "per_call"
    usd: float


PriceRule: TypeAlias = Annotated[
    PerImage | PerSecond | PerMegapixel | PerCharacter | PerToken | PerCall, Field(discriminator="rule")
]


class Estimate(Entry):
    """Estimated cost of a call in micro-dollars. `is_unpriced`: no rule is known and the amounts mean nothing."""

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
    """Lower and upper bound of the cost of a call, in dollars.

    Args:
        price: the rule.
        settings: by common names; omitted settings are chosen by the service.
        prompt: the prompt.
        image_pixels: pixels of each input image; None for an image that does not exist yet.

    >>> cost_bounds(PerImage(usd=0.04), {"count": 2}, "", ())
    (0.08, 0.08)
    """
    count = int(settings.get("count") or 1)
    pixels_in = [UNKNOWN_PIXELS if pixels is None else pixels for pixels in image_pixels]
    low, high = _output_cost(price, settings, prompt, count, pixels_in)
    return low, high + _max_input_cost(price, prompt, pixels_in)


def _output_cost(
    price: PriceRule, settings: Mapping[str, Any], prompt: str, count: int, pixels_in: Sequence[int]
) -> tuple[float, float]:
    match price:
        case PerImage() | PerSecond():
            # If the service chooses the tier, it may be any of them.
            tier = settings.get(price.tier_setting)
            tier_price = price.tiers.get(str(tier))
            candidates = (
                [tier_price] if tier_price is not None else [price.usd, *(price.tiers.values() if tier is None else ())]
            )
            units = count if isinstance(price, PerImage) else count * float(settings.get("duration_s") or 0.0)
            return min(candidates) * units, max(candidates) * units
        case PerMegapixel():
            pixels = _pixels(settings, 1024)
            # If the service chooses the size, the result of an edit may be as large as its input.
            most = max([pixels, *([] if settings.get("width") else pixels_in)])
            return count * _pixel_cost(price, pixels), count * _pixel_cost(price, most)
        case PerCharacter():
            return price.usd * len(prompt), price.usd * len(prompt)
        case PerToken():
            by_size = price.high_tokens_per_megapixel * _pixels(settings, 1536) / MEGAPIXEL
            by_length = price.high_tokens_per_second * float(settings.get("duration_s") or 0.0)
            tier_price = price.tokens.get(str(settings.get(price.tier_setting)))
            high = tier_price if tier_price is not None else max(price.high_tokens, by_size, by_length)
            return price.usd * count * price.low_tokens, price.usd * count * high
        case PerCall():
            return price.usd * count, price.usd * count


def _max_input_cost(price: PriceRule, prompt: str, pixels_in: Sequence[int]) -> float:
    """Upper bound of the price of the inputs.

    A text token holds at least one byte. The number of tokens of an input image is not documented: assume as many as
    for an output image of its size at high quality.
    """
    match price:
        case PerImage() | PerSecond():
            return price.picture_in_usd * len(pixels_in)
        case PerMegapixel():
            return price.megapixel_in_usd * sum(-(-pixels // MEGAPIXEL) for pixels in pixels_in)
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
