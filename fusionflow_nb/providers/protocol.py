"""Protocol between the engine and a provider: submit, poll, cancel, and the status that each may return.

The engine owns the polling loop, retries and timeouts. A provider maps its service's API to these types, in one module.
Progress is a fraction of real work (0..1) or None; it is never estimated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from fusionflow_nb.media.values import Asset
    from fusionflow_nb.providers.model import ModelEntry


@dataclass(frozen=True, slots=True)
class Reference:
    """An input asset of a request. `file` holds the bytes; `url` is set if the service can fetch the asset."""

    asset: Asset
    file: Path
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One call in normalised form: the same names for every service."""

    model: ModelEntry
    task: str
    prompt: str | None
    settings: Mapping[str, Any]
    """Settings by their common names (`width`, `height`, `seed`, `duration_s` ...); never None."""
    references: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    """Input assets by port: `image`, `mask`, `video`, `audio`, `depth` ..."""
    on_progress: Callable[[Pending], None] | None = field(default=None, compare=False, repr=False)
    """Callback for progress while `submit` waits for the result (partial images of a synchronous service)."""

    def reference(self, port: str) -> Reference | None:
        """The first asset of a port, or None."""
        references = self.references.get(port, ())
        return references[0] if references else None


@dataclass(frozen=True, slots=True)
class Output:
    """One downloaded output: bytes, or a temporary file that the engine removes after storing it."""

    port: str
    content: bytes | Path
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """Handle of accepted work: JSON, with the URLs returned by the submit. Another process can poll with it."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a call in micro-dollars; `is_exact` if the service reported it."""

    micro_usd: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """Not finished yet, with the progress that the service reports."""

    progress: float | None = None
    queue_position: int | None = None
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Finished successfully."""

    outputs: tuple[Output, ...]
    cost: Cost | None = None
    seed: int | None = None
    """The seed that the service reports, if any."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The service reports a failure."""

    code: str
    message: str
    is_retryable: bool = False
    """True only if the service certainly started no work: the engine then submits again."""
    cost: Cost | None = None
    retry_after_s: float | None = None
    """Delay that the service requests before the next submit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service rejects this content. Final, never retried."""

    message: str
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class NoFunds:
    """The account has no credit. Final, never retried."""

    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The work was cancelled."""

    cost: Cost | None = None


Status: TypeAlias = Pending | Done | Failed | Refused | NoFunds | Cancelled


class CancelAnswer(StrEnum):
    """Result of a cancel request."""

    CONFIRMED = "confirmed"
    REQUESTED = "requested"
    UNSUPPORTED = "unsupported"


class SubmitAmbiguousError(Exception):
    """It is unknown whether the service received a submit (timeout or reset after the request was sent).

    The engine turns this into the state `unknown`. Every other failure before acceptance is a `Failed`.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """Rate limits of a service for one key, as documented; None where the documentation states none."""

    per_minute: int | None = None
    """Submits per minute."""
    concurrent: int | None = None
    """Concurrent jobs, over all kernels of a user."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class LostSubmit:
    """A submit that got no answer, with the data to look for its work at the service."""

    request: Request
    idempotency_key: str
    sent_at_us: int
    """Approximate time of the submit in microseconds since 1970 (UTC), by the local clock."""


@dataclass(frozen=True, slots=True)
class SubmitCandidate:
    """Work at the service that may belong to a lost submit."""

    name: str
    """The service's id of the work, as in its Operation."""
    operation: Operation


class Provider(Protocol):
    """An adapter to one service."""

    name: str
    is_remote: bool
    """False for a provider that computes in this kernel: free of cost, without write-ahead."""
    max_concurrency: int
    limits: Limits
    """Enforced over all kernels of a user; `max_concurrency` limits one kernel's own queue."""
    poll_interval_s: float
    """Delay between polls; 0 if `poll` itself waits for a change."""
    takes_references: Literal["bytes", "bytes_or_url", "url"]
    """How references are sent: as bytes, as bytes or `url`, or only as `url`."""
    models: Sequence[ModelEntry]
    reconciles_by: Literal["", "id", "listing"]
    """How to find work whose submit got no answer: by our idempotency key, in the service's listing, or not at all."""

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:
        """Work that may belong to a lost submit. Empty only if the submit certainly did not arrive.

        Raises:
            ProviderError: the service cannot be queried, or its answer is not conclusive.
        """
        ...

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Submit the work. Synchronous services return the final status.

        Raises:
            SubmitAmbiguousError: the request may or may not have been accepted.
        """
        ...

    async def poll(self, operation: Operation) -> Status:
        """The status of the work. Uses only the Operation, so that a fresh process can poll."""
        ...

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Request the service to stop the work."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads."""
        ...
