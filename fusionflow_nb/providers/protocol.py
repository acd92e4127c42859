"""What the engine knows of a service: submit, poll, cancel, and what each may answer.

The engine owns the polling loop, retries and time-outs. A provider maps its service's wire to these forms, in one file.
Progress is a fraction of real work (0..1) or None: nothing is made up.
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
    """A medium that goes into a request. `file` holds the bytes; `url` is set where a fetchable address exists."""

    asset: Asset
    file: Path
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One call, normalised: the same words whoever serves the model."""

    model: ModelEntry
    task: str
    prompt: str | None
    settings: Mapping[str, Any]
    """Parameters of the model by their common names (`width`, `height`, `seed`, `duration_s` ...); no None."""
    references: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    """Media by port: `image`, `mask`, `video`, `audio`, `depth` ..."""
    on_progress: Callable[[Pending], None] | None = field(default=None, compare=False, repr=False)
    """Hears news while `submit` itself still waits for the result (partial pictures of a synchronous service)."""

    def reference(self, port: str) -> Reference | None:
        """The one medium of a port, if there is one."""
        found = self.references.get(port, ())
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Output:
    """One thing the service made, already fetched: bytes, or a file, which the engine removes once it is stored."""

    port: str
    content: bytes | Path
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """The service's handle of accepted work: JSON, with the URLs given at submit; enough to poll from elsewhere."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost, in micro-dollars, and whether the service said so itself."""

    micro_usd: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """Not done yet; what is known of how far."""

    progress: float | None = None
    queue_position: int | None = None
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It is there."""

    outputs: tuple[Output, ...]
    cost: Cost | None = None
    seed: int | None = None
    """The seed the service says it used, where it says so."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It went wrong at the service."""

    code: str
    message: str
    is_retryable: bool = False
    """Only where it is sure that nothing was begun: the engine submits again."""
    cost: Cost | None = None
    retry_after_s: float | None = None
    """How long the service asks us to wait before that."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service refuses this content: final, never retried."""

    message: str
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class NoFunds:
    """The account is empty: final, never retried."""

    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It was cancelled."""

    cost: Cost | None = None


Status: TypeAlias = Pending | Done | Failed | Refused | NoFunds | Cancelled


class CancelAnswer(StrEnum):
    """What a service says to a cancel."""

    CONFIRMED = "confirmed"
    REQUESTED = "requested"
    UNSUPPORTED = "unsupported"


class SubmitAmbiguousError(Exception):
    """A submit of which nobody knows whether it arrived (time-out or reset after the request was sent).

    The engine turns it into the state `unknown`. Any other failure before acceptance is a `Failed`.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """How a service may be asked with one key, where its documentation says so; None where it does not."""

    per_minute: int | None = None
    """Starts in any minute."""
    concurrent: int | None = None
    """Calls at once, over all kernels of a user."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class LostSubmit:
    """A submit whose answer never came, as far as its service might know it again."""

    request: Request
    idempotency_key: str
    sent_at_us: int
    """About when, by our clock (UTC)."""


@dataclass(frozen=True, slots=True)
class SubmitCandidate:
    """Work of the service that may be the lost one."""

    name: str
    """The service's own name for it, as it stands in its Operation."""
    operation: Operation


class Provider(Protocol):
    """An adapter to one service."""

    name: str
    is_remote: bool
    """False: it computes in this kernel, costs nothing and needs no write-ahead."""
    max_concurrency: int
    limits: Limits
    """Kept by all kernels of a user together; `max_concurrency` is one kernel's own queue."""
    poll_interval_s: float
    """How long to wait between polls; 0 where `poll` itself waits for news."""
    takes_references: Literal["bytes", "bytes_or_url", "url"]
    """Whether a reference's `url` is of use, and whether one must be there."""
    models: Sequence[ModelEntry]
    reconciles_by: Literal["", "id", "listing"]
    """How work can be found again whose submit was never answered: by the id we chose, in a listing, or not at all."""

    async def find_candidates(self, lost: LostSubmit) -> Sequence[SubmitCandidate]:
        """Everything of the service that may be the lost work; nothing only where it surely did not arrive.

        Raises:
            ProviderError: the service cannot be asked, or does not say enough.
        """
        ...

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Hand the work over. Synchronous services answer with a final status at once.

        Raises:
            SubmitAmbiguousError: the request may or may not have been accepted.
        """
        ...

    async def poll(self, operation: Operation) -> Status:
        """How the work stands. Must work from the Operation alone, in a fresh process."""
        ...

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Ask the service to stop."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads."""
        ...
