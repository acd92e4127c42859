"""Acme Pictures for FusionFlow: one file, one model. Rename it, and change what its service does otherwise."""

from collections.abc import Mapping

from fusionflow_nb.providers.http import Endpoint
from fusionflow_nb.providers.http_provider import HttpProvider, rejection, request_body, unknown_state
from fusionflow_nb.providers.model import ModelEntry, Parameter, PerImage
from fusionflow_nb.providers.protocol import Failed, Operation, Pending, Refused, Request, Status, SubmitAmbiguousError
from fusionflow_nb.providers.request_mapping import RequestMapping, Size
from fusionflow_nb.settings.credentials import Key

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
    # Our word on the left, the service's on the right; its own fields pass as they are.
    wire=RequestMapping(fields={"seed": "seed"}, size=Size(form="ratio", field="shape"), own_fields=("palette",)),
    price=PerImage(usd=0.02),
    source="https://acme.example/prices",
    source_date="2026-11",
)


def authorise(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    """The header that the key makes; it is added where a request is sent, and for the service's own addresses only."""
    return {"authorization": Key(f"Bearer {keys['ACME_API_KEY']}")}


class Acme(HttpProvider):
    """Submit, poll, fetch."""

    name = "acme"
    models = (DAWN,)

    def __init__(self, base: str | None = None) -> None:
        super().__init__(Endpoint("acme", {"api": "https://api.acme.example/v1"}, authorise, base))

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Hand it over: sent once, whatever comes back."""
        address = f"{self.http.endpoint.root()}/{request.model.provider_model_id}"
        answer = await self.http.post_once(
            address, request_body(request, {}), headers={"x-idempotency-key": idempotency_key}
        )
        if not answer.is_success:
            return rejection(answer)
        said = answer.json_or_none()
        if not isinstance(said, dict) or not isinstance(said.get("job"), str):
            raise SubmitAmbiguousError("Acme took it, and its answer does not say under which name.")
        return self.operation(request, job=said["job"])

    async def poll(self, operation: Operation) -> Status:
        """How it stands, from the Operation alone."""
        answer = await self.http.request("GET", f"{self.http.endpoint.root()}/jobs/{operation.data['job']}")
        if not answer.is_success:
            return Failed("not_found", f"Acme does not know the job any more: {answer.text()}")
        said = answer.json_object()
        match said.get("state"):
            case "working":
                return Pending(progress=said.get("fraction"))
            case "done" if isinstance(said.get("picture"), str):
                return await self.fetch_outputs(operation, [said["picture"]], seed=said.get("seed"))
            case "refused":
                return Refused(str(said.get("reason")))
            case "failed":
                return Failed("failed", str(said.get("reason")))
        raise unknown_state(said.get("state"), provider=self.name)


def provider() -> Acme:
    """For the entry point."""
    return Acme()
