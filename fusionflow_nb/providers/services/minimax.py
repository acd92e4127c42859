"""MiniMax: films of Hailuo 03, as tasks. Its errors come with HTTP 200 and a code of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.catalogue.minimax import IMAGE_USD
from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, data_uri, rejection, request_body, unknown_state
from fusionflow_nb.providers.model import PerSecond
from fusionflow_nb.providers.protocol import Cancelled, Cost, Failed, NoFunds, Pending, Refused, SubmitAmbiguousError
from fusionflow_nb.settings.credentials import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionflow_nb.providers.http import Answer
    from fusionflow_nb.providers.protocol import Operation, Reference, Request, Status

ROOTS = {"api": "https://api.minimax.io"}
TEXT_ONLY_RATIO = "16:9"
"""From words alone the service wants a ratio named."""
KEYFRAMES = frozenset({"image", "last_image"})
BAD_KEY, NO_BALANCE = 1004, 1008
SENSITIVE = frozenset({1026, 1027})
BUSY = frozenset({1002, 1039, 1041})
TROUBLE = frozenset({1000, 1001, 1024, 1033})
"""Unknown, time-out, internal: whether a task was begun, they do not say."""


def _authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return {"authorization": Key(f"Bearer {keys['MINIMAX_API_KEY']}")}


class MiniMax(HttpProvider):
    """See the module."""

    name = "minimax"
    poll_interval_s = 5.0

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("minimax", ROOTS, _authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:  # noqa: ARG002 - it takes none
        """Create the task."""
        body = {"model": request.model.provider_model_id, **request_body(request, {})}
        if not any(request.references.values()):
            body.setdefault("ratio", TEXT_ONLY_RATIO)
        body["content"] = await _content(request)
        answer = await self.http.post_once(f"{self.http.endpoint.root()}/v2/video_generation", body)
        code, message = _code(answer)
        if code in TROUBLE:
            raise SubmitAmbiguousError(f"The service answered with an error of its own ({code}): {message}")
        if not answer.is_success or code:
            return _error(answer, code, message)
        said = answer.json_or_none()
        task = said.get("task") if isinstance(said, dict) else None
        name = task.get("id") if isinstance(task, dict) else said.get("task_id") if isinstance(said, dict) else None
        if not isinstance(name, str) or not name:
            raise SubmitAmbiguousError("The service took it, and its answer does not say under which name.")
        return self.operation(request, id=name, cost_micro_usd=_price(request))

    async def poll(self, operation: Operation) -> Status:
        """How the task stands; each look gives its film a new address."""
        address = f"{self.http.endpoint.root()}/v2/query/video_generation/{operation.data['id']}"
        answer = await self.http.request("GET", address)
        code, message = _code(answer)
        if code in TROUBLE | BUSY:
            raise errors.ProviderError(
                f"The service has trouble of its own ({code}).",
                provider="minimax",
                hint="It is asked again while the run goes on; else run again later.",
                is_retryable=True,
                retry_after_s=answer.retry_after_s(),
            )
        if code == BAD_KEY:
            raise _bad_key(message)
        if not answer.is_success or code:
            return Failed(str(code or "not_found"), f"The service does not know the task any more: {message}")
        task = answer.json_object().get("task")
        said: dict[str, Any] = task if isinstance(task, dict) else {}
        match said.get("status"):
            case "queued" | "running":
                return Pending()
            case "succeeded":
                return await self._succeeded(operation, said)
            case "failed" | "expired":
                return _failed(said)
            case "cancelled":
                return Cancelled()
        raise unknown_state(said.get("status"), provider="minimax")

    async def _succeeded(self, operation: Operation, said: dict[str, Any]) -> Status:
        content = said.get("content")
        address = content.get("video_url") if isinstance(content, dict) else None
        priced = operation.data.get("cost_micro_usd")
        cost = Cost(priced, is_exact=False) if isinstance(priced, int) else None
        if not isinstance(address, str):
            return Failed("no_output", "The task succeeded, and there is no film in it.", cost=cost)
        return await self.fetch_outputs(operation, [address], cost)


async def _content(request: Request) -> list[dict[str, Any]]:
    """The words, and pictures by their role. Raises SettingError for what the model does not read, or not together."""
    model = request.model
    given = {port: found for port, found in request.references.items() if found}
    roles = model.wire.references if model.wire is not None else {}
    for port in given.keys() - roles.keys():
        raise errors.SettingError(f"{model.id} reads no {port!r}.", hint=f"It reads: {', '.join(roles)}.")
    if "references" in given and KEYFRAMES & given.keys():
        raise errors.SettingError(
            f"{model.id} takes a first and last picture, or references, not both.", hint="Disconnect one of them."
        )
    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt or ""}]
    for port, role in roles.items():
        content += [
            {"type": "image_url", "image_url": {"url": await _address(each)}, "role": role.removesuffix("[]")}
            for each in given.get(port, ())
        ]
    return content


async def _address(reference: Reference) -> str:
    return reference.url if reference.url is not None else await data_uri(reference)


def _price(request: Request) -> int | None:
    """What the table says, in micro-dollars: seconds by class of size, and each picture that goes in."""
    price, settings = request.model.price, request.settings
    if not isinstance(price, PerSecond) or "duration_s" not in settings or "resolution" not in settings:
        return None
    pictures = sum(len(found) for found in request.references.values())
    rate = price.tiers.get(settings["resolution"], price.usd)
    usd: float = rate * settings["duration_s"] + IMAGE_USD * pictures
    return round(usd * 1e6)


def _code(answer: Answer) -> tuple[int, str]:
    """The service's own code, 0 for none, and what it says to it."""
    said = answer.json_or_none()
    base = said.get("base_resp") if isinstance(said, dict) else None
    fields: dict[str, Any] = base if isinstance(base, dict) else {}
    code, message = fields.get("status_code"), fields.get("status_msg")
    return code if isinstance(code, int) else 0, message if isinstance(message, str) else answer.text()


def _error(answer: Answer, code: int, message: str) -> Failed | NoFunds | Refused:
    """What a task that was not taken means. Raises SecretError."""
    if code in SENSITIVE:
        return Refused(message)
    if code in BUSY:
        return Failed(str(code), message, is_retryable=True, retry_after_s=answer.retry_after_s())
    if code == NO_BALANCE:
        return NoFunds(message)
    if code == BAD_KEY:
        raise _bad_key(message)
    return rejection(answer, code=str(code) if code else None, message=message)


def _bad_key(message: str) -> errors.SecretError:
    return errors.SecretError(
        f"The service does not take the key: {message}",
        provider="minimax",
        hint="ff.connect('minimax') stores another one; keys of its two regions do not open each other's doors.",
    )


def _failed(said: dict[str, Any]) -> Failed | Refused:
    error = said.get("error")
    fields: dict[str, Any] = error if isinstance(error, dict) else {}
    message = str(fields.get("message") or f"It {said.get('status')} without saying why.")
    code = str(fields.get("code") or said.get("status"))
    return Refused(message) if code in {str(each) for each in SENSITIVE} else Failed(code, message)


def provider() -> MiniMax:
    """For the entry point."""
    return MiniMax()
