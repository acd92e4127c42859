"""A fake provider for tests, with prices, configurable behaviour and a log of its submissions.

It behaves like a remote queue: submit, poll, cancel. With a folder (`FUSIONFLOW_FAKE_FOLDER`), jobs and the log of
submissions are stored there, so that several kernels, killed and restarted, share one service. Tests use the log to
count how often each key was paid for.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import wave
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fusionflow_nb.providers.model import ModelEntry, Parameter, PerImage, PerSecond
from fusionflow_nb.providers.protocol import (
    NO_LIMITS,
    CancelAnswer,
    Cancelled,
    Cost,
    Done,
    Failed,
    NoFunds,
    Operation,
    Output,
    Pending,
    Refused,
    Request,
    SubmitAmbiguousError,
    SubmitCandidate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionflow_nb.providers.protocol import LostSubmit, Status

FOLDER_VARIABLE = "FUSIONFLOW_FAKE_FOLDER"
SIDE_PX = 32


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the service handles one submit."""

    submit: Literal["accept", "busy", "lost", "taken"] = "accept"
    """`busy`: rejected. `lost`, `taken`: no response arrives; the job was not accepted, was accepted."""
    end: Literal["done", "failed", "refused", "no_funds", "never"] = "done"
    polls: int = 1
    """Number of polls that return Pending before the end."""
    cost_micro_usd: int | None = None


_SEED = Parameter(kind="integer", minimum=0, maximum=2**31 - 1)
_SIZE = Parameter(kind="integer", minimum=16, maximum=4096)
_COMMON = {"seed": _SEED, "width": _SIZE, "height": _SIZE, "count": Parameter(kind="integer", minimum=1, maximum=8)}


def _entry(model: str, tasks: tuple[Any, ...], **facts: Any) -> ModelEntry:  # noqa: ANN401 - fields of ModelEntry
    return ModelEntry(
        provider="fake", provider_model_id=model, tasks=tasks, title=f"Fake {model}", method="test", **facts
    )


MODELS = (
    _entry("image", ("text-to-image",), aliases=("fake-image",), parameters=_COMMON, price=PerImage(usd=0.04)),
    _entry(
        "edit",
        ("edit-image", "upscale", "remove-background"),
        parameters={"seed": _SEED},
        price=PerImage(usd=0.02),
        inputs=("image",),
    ),
    _entry(
        "video",
        ("text-to-video", "image-to-video"),
        parameters={"seed": _SEED, "duration_s": Parameter(kind="number", default=2, minimum=1, maximum=10)},
        price=PerSecond(usd=0.05),
    ),
    _entry("cutout", ("remove-background",), price=PerImage(usd=0.02), inputs=("image",)),
    _entry("audio", ("text-to-audio",), parameters={"seed": _SEED}, price=PerImage(usd=0.01)),
    _entry("free", ("text-to-image",), parameters=_COMMON, is_free=True),
    _entry("unpriced", ("text-to-image",), parameters=_COMMON),
)


class FakeProvider:
    """Fake provider. `enqueue` sets the behaviour of the next submits; the default is success."""

    name = "fake"
    is_remote = True
    max_concurrency = 1000
    poll_interval_s = 0.002
    takes_references: Literal["bytes", "bytes_or_url", "url"] = "bytes"
    models: Sequence[ModelEntry] = MODELS
    limits = NO_LIMITS
    reconciles_by: Literal["", "id", "listing"] = "id"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._queue: deque[Behaviour] = deque()
        self._by_prompt: dict[str, Behaviour] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._polled: dict[str, int] = {}
        self._lock = threading.Lock()
        self.submissions: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        if folder is not None:
            (folder / "jobs").mkdir(parents=True, exist_ok=True)

    def enqueue(self, *behaviours: Behaviour) -> None:
        """Queue behaviours for the next submits, in order."""
        self._queue.extend(behaviours)

    def when(self, prompt: str, behaviour: Behaviour) -> None:
        """Set the behaviour of every submit with this prompt."""
        self._by_prompt[prompt] = behaviour

    async def submit(self, request: Request, *, idempotency_key: str) -> Operation | Status:
        """Handle a request by its behaviour, and log it if it was accepted."""
        with self._lock:
            behaviour = self._behaviour_for(request.prompt or "") or (
                self._queue.popleft() if self._queue else Behaviour()
            )
        if behaviour.submit == "busy":
            return Failed("busy", "The service is busy.", is_retryable=True)
        if behaviour.submit == "lost":
            raise SubmitAmbiguousError("The connection was lost before a response arrived.")
        job_id = _job_id(idempotency_key)
        count = int(request.settings.get("count") or 1)
        job = {
            "id": job_id,
            "port": _port(request.task),
            "seed_text": json.dumps(
                [request.model.id, request.prompt, dict(request.settings), _digests(request)],
                sort_keys=True,
                default=str,
            ),
            "count": count,
            "behaviour": asdict(behaviour),
            "cost_micro_usd": request.model.estimate(dict(request.settings)).high_micro_usd
            if behaviour.cost_micro_usd is None
            else behaviour.cost_micro_usd,
        }
        self._record(
            job, {"id": job_id, "idempotency_key": idempotency_key, "model": request.model.id, "prompt": request.prompt}
        )
        if behaviour.submit == "taken":
            raise SubmitAmbiguousError("The connection was lost before a response arrived.")
        return Operation({"id": job_id})

    async def poll(self, operation: Operation) -> Status:
        """Return a job's status; with a shared folder the Operation is sufficient."""
        job_id = operation.data["id"]
        job = self._job(job_id)
        if job is None:
            return Failed("not_found", f"There is no job {job_id}.")
        if job_id in self.cancelled:
            return Cancelled()
        behaviour = Behaviour(**job["behaviour"])
        polled = self._polled[job_id] = self._polled.get(job_id, 0) + 1
        if polled <= behaviour.polls or behaviour.end == "never":
            return Pending(
                progress=min(0.99, polled / (behaviour.polls + 1)), queue_position=max(0, behaviour.polls - polled)
            )
        return _end_status(job, behaviour)

    async def cancel(self, operation: Operation) -> CancelAnswer:
        """Cancel a job."""
        self.cancelled.append(operation.data["id"])
        return CancelAnswer.CONFIRMED

    async def find_candidates(self, lost: LostSubmit) -> list[SubmitCandidate]:
        """Return the job submitted with the idempotency key, if it was accepted."""
        job_id = _job_id(lost.idempotency_key)
        return [] if self._job(job_id) is None else [SubmitCandidate(job_id, Operation({"id": job_id}))]

    async def aclose(self) -> None:
        """Do nothing: there are no resources."""

    def log(self) -> list[dict[str, Any]]:
        """Return the accepted submits; with a shared folder, those of all kernels."""
        if self._folder is None:
            return list(self.submissions)
        path = self._folder / "submissions.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _behaviour_for(self, prompt: str) -> Behaviour | None:
        """Return a prompt's behaviour, set by `when` or in `behaviours.json` (`{prompt: {"end": "refused"}}`)."""
        path = self._folder / "behaviours.json" if self._folder is not None else None
        if path is None or prompt in self._by_prompt or not path.exists():
            return self._by_prompt.get(prompt)
        fields = json.loads(path.read_text()).get(prompt)
        return None if fields is None else Behaviour(**fields)

    def _record(self, job: dict[str, Any], entry: dict[str, Any]) -> None:
        with self._lock:
            self._jobs[job["id"]] = job
            self.submissions.append(entry)
            if self._folder is not None:
                (self._folder / "jobs" / f"{job['id']}.json").write_text(json.dumps(job))
                line = (json.dumps(entry) + "\n").encode()
                descriptor = os.open(self._folder / "submissions.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                try:
                    os.write(
                        descriptor, line
                    )  # a single write per line: appends of several processes do not interleave
                finally:
                    os.close(descriptor)

    def _job(self, job_id: str) -> dict[str, Any] | None:
        if job_id not in self._jobs and self._folder is not None:
            path = self._folder / "jobs" / f"{job_id}.json"
            if path.exists():
                self._jobs[job_id] = json.loads(path.read_text())
        return self._jobs.get(job_id)


def provider() -> FakeProvider:
    """Create the provider, for the entry point."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return FakeProvider(Path(folder) if folder else None)


def _end_status(job: dict[str, Any], behaviour: Behaviour) -> Status:
    """Return the final status of a job."""
    match behaviour.end:
        case "failed":
            return Failed("internal", "The service failed.", cost=Cost(0, is_exact=True))
        case "refused":
            return Refused("The service refuses this prompt.")
        case "no_funds":
            return NoFunds("The account is empty.")
    port, text = job["port"], job["seed_text"]
    outputs = tuple(Output(port, _media(port, f"{text}#{index}")) for index in range(job["count"]))
    return Done(outputs, Cost(job["cost_micro_usd"], is_exact=True))


def _job_id(idempotency_key: str) -> str:
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]


def _port(task: str) -> str:
    return "video" if task.endswith("video") else "audio" if task == "text-to-audio" else "image"


def _digests(request: Request) -> dict[str, list[str]]:
    return {
        port: [reference.asset.sha256 for reference in references] for port, references in request.references.items()
    }


def _media(port: str, text: str) -> bytes:
    """Return small, valid media that differ between requests."""
    digest = hashlib.sha256(text.encode()).digest()
    if port == "audio":
        return _tone(200 + digest[0] * 4)
    from PIL import Image as Pillow  # noqa: PLC0415 - not needed for audio

    frames = [Pillow.new("RGB", (SIDE_PX, SIDE_PX), tuple(digest[at : at + 3])) for at in range(3)]
    for frame in frames:
        frame.putpixel((digest[5] % SIDE_PX, digest[6] % SIDE_PX), (255, 255, 255))
    buffer = io.BytesIO()
    if port == "video":
        frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    else:
        frames[0].save(buffer, "PNG")
    return buffer.getvalue()


def _tone(hertz: int, rate: int = 8000, seconds: float = 0.1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        half = max(1, rate // (2 * hertz))
        cycle = (b"\x00\x40" * half) + (b"\x00\xc0" * half)
        sound.writeframes((cycle * (int(rate * seconds) // (2 * half) + 1))[: int(rate * seconds) * 2])
    return buffer.getvalue()
