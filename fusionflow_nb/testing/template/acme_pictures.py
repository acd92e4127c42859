"""Adapter of Acme Pictures for FusionFlow: one module, one model. Rename it and adapt it to your service."""

from collections.abc import Mapping

from fusionflow_nb.providers import (
    Endpoint,
    Failed,
    HttpProvider,
    Key,
    ModelEntry,
    Operation,
    Parameter,
    Pending,
    PerImage,
    Refused,
    Request,
    RequestMapping,
    Size,
    Status,
    SubmitAmbiguousError,
    rejection,
    request_body,
    unknown_state,
)

KEYS = ("ACME_API_KEY",)

DAWN = ModelEntry(
    provider="acme",
    provider_model_id="dawn-1",
    title="Dawn 1",
    aliases=("dawn",),
    tasks=("text-to-image",),
    parameters={
        "seed": Parameter(kind="integer", minimum=0, maximum=2**31 - 1),
        "aspect_ratio": Parameter(kind="choice", choices=("1:1", "16:9")),
    },
    # Common name: the service's field. `own_fields` are sent unchanged.
    wire=RequestMapping(fields={"seed": "seed"}, size=Size(form="ratio", field="shape"), own_fields=("palette",)),
    price=PerImage(usd=0.02),
    source="https://acme.example/prices",
    source_date="2026-11",
)


def authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    """The authentication header. It is added when a request is sent, and only for the service's own URLs."""
    return {"authorization": Key(f"Bearer {keys['ACME_API_KEY']}")}


class Acme(HttpProvider):
    """Submit, poll, download."""

    name = "acme"
    models = (DAWN,)

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("acme", {"api": "https://api.acme.example/v1"}, authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Submit the job: sent once, whatever the answer."""
        url = f"{self.http.endpoint.root()}/{request.model.provider_model_id}"
        answer = await self.http.post_once(
            url, request_body(request, {}), headers={"x-idempotency-key": idempotency_key}
        )
        if not answer.is_success:
            return rejection(answer)
        payload = answer.json_or_none()
        if not isinstance(payload, dict) or not isinstance(payload.get("job"), str):
            raise SubmitAmbiguousError("Acme accepted the job, but its answer has no job id.")
        return self.operation(request, job=payload["job"])

    async def poll(self, operation: Operation) -> Status:
        """Return the status, using only the Operation."""
        answer = await self.http.request("GET", f"{self.http.endpoint.root()}/jobs/{operation.data['job']}")
        if not answer.is_success:
            return Failed("not_found", f"Acme no longer knows the job: {answer.text()}")
        payload = answer.json_object()
        match payload.get("state"):
            case "working":
                return Pending(progress=payload.get("fraction"))
            case "done" if isinstance(payload.get("picture"), str):
                return await self.fetch_outputs(operation, [payload["picture"]], seed=payload.get("seed"))
            case "refused":
                return Refused(str(payload.get("reason")))
            case "failed":
                return Failed("failed", str(payload.get("reason")))
        raise unknown_state(payload.get("state"), provider=self.name)


def provider() -> Acme:
    """Create the provider, for the entry point."""
    return Acme()
