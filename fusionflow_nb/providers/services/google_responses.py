"""What Google's answers say: results, reasons, tokens and what they cost, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http_provider import TOO_MANY, rejection
from fusionflow_nb.providers.model import PerImage, PerToken
from fusionflow_nb.providers.protocol import Cost, Failed

if TYPE_CHECKING:
    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.model import ModelEntry
    from fusionflow_nb.providers.protocol import NoFunds

_FORBIDDEN = 403


def _lists(said: Any, *names: str) -> list[Any]:  # noqa: ANN401 - JSON
    """The items at the end of a path of fields; nothing where a step is not there."""
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []


def content_of(interaction: dict[str, Any]) -> list[dict[str, Any]]:
    """What a model gave out; an interaction also repeats what it was given."""
    steps = [step for step in _lists(interaction, "steps") if step.get("type") == "model_output"]
    return [item for step in steps for item in _lists(step, "content")]


def text_of(interaction: dict[str, Any]) -> str:
    """What a model said beside, or in place of, a result."""
    return " ".join(str(each.get("text")) for each in content_of(interaction) if each.get("type") == "text")


def error_text(interaction: dict[str, Any]) -> str:
    """What went wrong, in the service's words."""
    return "; ".join(str(each["message"]) for each in _lists(interaction, "errors") if each.get("message"))


def images_of(said: dict[str, Any]) -> list[str]:
    """The pictures of a held answer, as base64 in the alphabet that the rest of us uses."""
    parts = [part for each in _lists(said, "candidates") for part in _lists(each, "content", "parts")]
    data = [part["inlineData"].get("data") for part in parts if isinstance(part.get("inlineData"), dict)]
    return [each.replace("-", "+").replace("_", "/") for each in data if isinstance(each, str)]


def reason(said: dict[str, Any]) -> str:
    """Why there is no picture: the word for the prompt, or for what was made of it."""
    feedback = said.get("promptFeedback")
    blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
    ended = [each.get("finishReason") for each in _lists(said, "candidates")]
    return str(blocked or next(iter(ended), None) or "no reason given")


def videos_of(said: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Addresses of films in an operation that has ended, and why some are not there."""
    made = said.get("response")
    made = made.get("generateVideoResponse") if isinstance(made, dict) else None
    films = [each.get("video") for each in _lists(made, "generatedSamples")]
    addresses = [each["uri"] for each in films if isinstance(each, dict) and isinstance(each.get("uri"), str)]
    reasons = made.get("raiMediaFilteredReasons") if isinstance(made, dict) else None
    return addresses, [str(each) for each in reasons] if isinstance(reasons, list) else []


# --- money -----------------------------------------------------------------------------------------------------------


def prices(model: ModelEntry) -> dict[str, Any]:
    """What tokens cost, for a fresh process that counts them: nothing where the catalogue does not know."""
    price = model.price
    if isinstance(price, PerToken):
        found = {"token_usd": price.usd, "text_in_usd": price.text_in_usd}
    elif isinstance(price, PerImage) and price.token_usd is not None:
        found = {"token_usd": price.token_usd, "text_in_usd": 0.0}
    else:
        return {}
    return {**found, "is_sure": not model.is_price_uncertain}


def cost(usage: Any, price: dict[str, Any]) -> Cost | None:  # noqa: ANN401 - JSON
    """Tokens as the service counts them, at the table's price.

    The sheet has no price for tokens of the prompt: where they were counted and have none, the figure is not exact.
    """
    if not isinstance(usage, dict) or "token_usd" not in price:
        return None
    outs = _media_tokens(usage, "output_tokens_by_modality", "tokens")
    outs = outs or _media_tokens(usage, "candidatesTokensDetails", "tokenCount")
    outs = outs or _count(usage, "total_output_tokens", "candidatesTokenCount")
    ins = _count(usage, "total_input_tokens", "promptTokenCount")
    usd = outs * price["token_usd"] + ins * price["text_in_usd"]
    return Cost(round(usd * 1e6), is_exact=bool(price["is_sure"]) and (not ins or price["text_in_usd"] > 0))


def _media_tokens(usage: dict[str, Any], name: str, count: str) -> int:
    """Tokens of pictures, films and sound; those of words have another price."""
    media = [each for each in _lists(usage, name) if str(each.get("modality")).lower() != "text"]
    return sum(_count(each, count) for each in media)


def _count(said: dict[str, Any], *names: str) -> int:
    return next((int(said[name]) for name in names if isinstance(said.get(name), int)), 0)


# --- errors ----------------------------------------------------------------------------------------------------------


def error_status(answer: Answer) -> Failed | NoFunds:
    """An error with a code of its own. Too many is asked again only where the answer says when: a day's quota does not.

    Raises:
        SecretError: the key is not taken.
    """
    said = answer.json_or_none()
    error = said.get("error") if isinstance(said, dict) else None
    fields: dict[str, Any] = error if isinstance(error, dict) else {}
    message = fields.get("message") if isinstance(fields.get("message"), str) else None
    code = fields.get("status") if isinstance(fields.get("status"), str) else None
    if answer.status == _FORBIDDEN:
        raise errors.SecretError(
            f"The service does not take the key: {message or answer.text()}",
            provider="google",
            status=answer.status,
            hint="ff.connect('google') stores another one.",
        )
    if answer.status == TOO_MANY and answer.retry_after_s() is None:
        return Failed(code or "quota", message or answer.text())
    return rejection(answer, code=code, message=message)
