"""Parsing of Google's answers: results, reasons, tokens and their cost, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers import Cost, Failed, PerImage, PerToken, rejection
from fusionflow_nb.providers.http_provider import TOO_MANY

if TYPE_CHECKING:
    from fusionflow_nb.providers import Answer, ModelEntry, NoFunds

_FORBIDDEN = 403


def _lists(payload: Any, *names: str) -> list[Any]:  # noqa: ANN401 - JSON
    """The objects in the list at a path of fields; empty if the path does not exist."""
    for name in names:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return [item for item in payload if isinstance(item, dict)] if isinstance(payload, list) else []


def content_of(interaction: dict[str, Any]) -> list[dict[str, Any]]:
    """The model's output; an interaction also contains its input."""
    steps = [step for step in _lists(interaction, "steps") if step.get("type") == "model_output"]
    return [item for step in steps for item in _lists(step, "content")]


def text_of(interaction: dict[str, Any]) -> str:
    """The text that a model returned beside, or instead of, a result."""
    return " ".join(str(item.get("text")) for item in content_of(interaction) if item.get("type") == "text")


def error_text(interaction: dict[str, Any]) -> str:
    """The error messages of an interaction."""
    return "; ".join(str(error["message"]) for error in _lists(interaction, "errors") if error.get("message"))


def images_of(payload: dict[str, Any]) -> list[str]:
    """The images of a synchronous answer, converted from URL-safe to standard base64."""
    parts = [part for candidate in _lists(payload, "candidates") for part in _lists(candidate, "content", "parts")]
    data = [part["inlineData"].get("data") for part in parts if isinstance(part.get("inlineData"), dict)]
    return [candidate.replace("-", "+").replace("_", "/") for candidate in data if isinstance(candidate, str)]


def reason(payload: dict[str, Any]) -> str:
    """Why there is no image: the block reason of the prompt, or the finish reason of the result."""
    feedback = payload.get("promptFeedback")
    block_reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    finish_reasons = [candidate.get("finishReason") for candidate in _lists(payload, "candidates")]
    return str(block_reason or next(iter(finish_reasons), None) or "no reason given")


def videos_of(payload: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Video URLs of a finished operation, and the reasons why videos were filtered."""
    response = payload.get("response")
    response = response.get("generateVideoResponse") if isinstance(response, dict) else None
    videos = [sample.get("video") for sample in _lists(response, "generatedSamples")]
    addresses = [sample["uri"] for sample in videos if isinstance(sample, dict) and isinstance(sample.get("uri"), str)]
    reasons = response.get("raiMediaFilteredReasons") if isinstance(response, dict) else None
    return addresses, [str(sample) for sample in reasons] if isinstance(reasons, list) else []


# --- money -----------------------------------------------------------------------------------------------------------


def prices(model: ModelEntry) -> dict[str, Any]:
    """Token prices, stored in the Operation; empty if the catalogue has none."""
    price = model.price
    if isinstance(price, PerToken):
        prices = {"token_usd": price.usd, "text_in_usd": price.text_in_usd}
    elif isinstance(price, PerImage) and price.token_usd is not None:
        prices = {"token_usd": price.token_usd, "text_in_usd": 0.0}
    else:
        return {}
    return {**prices, "is_sure": not model.is_price_uncertain}


def cost(usage: Any, price: dict[str, Any]) -> Cost | None:  # noqa: ANN401 - JSON
    """The service's token counts at the catalogue's price.

    models.csv has no price for prompt tokens: if they were counted without a price, the cost is not exact.
    """
    if not isinstance(usage, dict) or "token_usd" not in price:
        return None
    output_tokens = _media_tokens(usage, "output_tokens_by_modality", "tokens")
    output_tokens = output_tokens or _media_tokens(usage, "candidatesTokensDetails", "tokenCount")
    output_tokens = output_tokens or _count(usage, "total_output_tokens", "candidatesTokenCount")
    input_tokens = _count(usage, "total_input_tokens", "promptTokenCount")
    usd = output_tokens * price["token_usd"] + input_tokens * price["text_in_usd"]
    return Cost(round(usd * 1e6), is_exact=bool(price["is_sure"]) and (not input_tokens or price["text_in_usd"] > 0))


def _media_tokens(usage: dict[str, Any], name: str, count: str) -> int:
    """Tokens of images, video and audio; text tokens have another price."""
    media = [item for item in _lists(usage, name) if str(item.get("modality")).lower() != "text"]
    return sum(_count(item, count) for item in media)


def _count(payload: dict[str, Any], *names: str) -> int:
    return next((int(payload[name]) for name in names if isinstance(payload.get(name), int)), 0)


# --- errors ----------------------------------------------------------------------------------------------------------


def error_status(answer: Answer) -> Failed | NoFunds:
    """Map an error. A 429 is retryable only if the answer states a delay: a daily quota does not.

    Raises:
        SecretError: the service rejects the key.
    """
    payload = answer.json_or_none()
    error = payload.get("error") if isinstance(payload, dict) else None
    fields: dict[str, Any] = error if isinstance(error, dict) else {}
    message = fields.get("message") if isinstance(fields.get("message"), str) else None
    code = fields.get("status") if isinstance(fields.get("status"), str) else None
    if answer.status == _FORBIDDEN:
        raise errors.SecretError(
            f"The service rejects the key: {message or answer.text()}",
            provider="google",
            status=answer.status,
            hint="ff.connect('google') stores another key.",
        )
    if answer.status == TOO_MANY and answer.retry_after_s() is None:
        return Failed(code or "quota", message or answer.text())
    return rejection(answer, code=code, message=message)
