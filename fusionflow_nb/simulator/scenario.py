"""State shared by the simulated services: jobs with their scenarios, files and recorded requests."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import ClientSession, web
from yarl import URL

from fusionflow_nb.simulator.media import MediaGenerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.simulator.media import GeneratedMedia

BAD_KEY = "bad"
"""The API key that every simulated service rejects; any other key is accepted."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PROMPT_SCENARIO = re.compile(r"\bsimulate (busy|broken|lost|no_funds|invalid|failed|refused|never)\b")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a service handles one submit."""

    submit: Literal["accept", "busy", "broken", "lost", "no_funds", "invalid"] = "accept"
    """`busy`: 429 with Retry-After. `broken`: 500. `lost`: accepts the job, then drops the connection."""
    end: Literal["done", "failed", "refused", "never"] = "done"
    polls: int = 2
    """Number of polls before the job ends: the first reports it queued, the others running."""


@dataclass(slots=True)
class Job:
    """An accepted submit."""

    id: str
    model: str
    task: str
    body: dict[str, Any]
    scenario: Scenario
    results: tuple[GeneratedMedia, ...] = ()
    polls: int = 0
    is_cancelled: bool = False
    created_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def progress(self) -> float:
        """Fraction of the scenario's polls done so far."""
        return min(1.0, self.polls / (self.scenario.polls + 1))


@dataclass(slots=True)
class File:
    """A file served until it expires."""

    content: bytes
    media_type: str
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """A network fault: a proxy, a login page or a broken connection answers instead of the service."""

    raw: bytes
    """Bytes written to the socket before it is closed."""
    on: Callable[[str], bool] = lambda _path: True
    """Whether the fault applies to a request, by its path."""
    hits: int = 0


@dataclass
class World:
    """State of the simulated services.

    Args:
        clock: monotonic seconds, by which files expire; tests replace it.
        now: wall clock in seconds since 1970, by which signatures are checked and responses dated.
        lifetime_s: seconds until an output's URL expires.
        pause_s: seconds between partial images of a stream.
        fault: applied to matching requests while it is set.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    lifetime_s: float = 3600.0
    pause_s: float = 0.0
    fault: Fault | None = None
    generator: MediaGenerator = field(default_factory=MediaGenerator)
    scenarios: deque[Scenario] = field(default_factory=deque)
    jobs: dict[str, Job] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=10_000))
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def scenario_for(self, prompt: object) -> Scenario:
        """Return the next queued scenario, else that of the prompt ("a cat, simulate refused"), else the default."""
        if self.scenarios:
            return self.scenarios.popleft()
        match = _PROMPT_SCENARIO.search(prompt) if isinstance(prompt, str) else None
        if match is None:
            return Scenario()
        word: Any = match[1]
        return Scenario(end=word) if word in {"failed", "refused", "never"} else Scenario(submit=word)

    async def start_job(
        self, model: str, task: str, body: dict[str, Any], scenario: Scenario, *, prompt: str = "prompt"
    ) -> Job:
        """Accept a job and generate its media before the first poll."""
        job = Job(self.new_id(), model, task, body, scenario)
        if scenario.end == "done":
            media = [self.read_url(url) or await _read_loopback(url) for url in _urls(body)]
            job.results = await self.generator.generate(
                task, body.get(prompt), {**body, "model": model}, [content for content in media if content]
            )
        self.jobs[job.id] = job
        return job

    def poll(self, job: Job) -> Literal["queued", "running", "ended"]:
        """Count a poll and return the job's phase."""
        job.polls += 1
        if job.scenario.end == "never" or job.polls <= job.scenario.polls:
            return "queued" if job.polls == 1 else "running"
        return "ended"

    def store_file(self, request: web.Request, content: bytes, media_type: str) -> str:
        """Store a file of the requested service and return its URL."""
        service = request.path.split("/")[1]
        name = f"{self.new_id()}.{media_type.rsplit('/', maxsplit=1)[-1]}"
        self.files[name] = File(content, media_type, self.clock() + self.lifetime_s)
        return f"{base_url(request)}/{service}/cdn/files/{name}"

    def read_url(self, url: str) -> bytes | None:
        """Return the content of a data URL or of a stored file; None if the URL is not served here."""
        if url.startswith("data:"):
            return base64.b64decode(url.partition(",")[2])
        file = self.files.get(url.rsplit("/", 1)[-1])
        return file.content if file else None

    def new_id(self) -> str:
        """Return a unique id in the form of a UUID."""
        return f"{next(self._ids):08d}-0000-4000-8000-000000000000"


def base_url(request: web.Request) -> str:
    """Return the server's base URL as the client addressed it."""
    return f"{request.scheme}://{request.host}"


def drop_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection without a response."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def apply_fault(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Write a fault's bytes and close the connection."""
    fault.hits += 1
    if request.transport is not None:
        request.transport.write(fault.raw)
    return drop_connection(request)


async def _read_loopback(url: str) -> bytes | None:
    """Fetch a reference from another server on this machine (a bucket); the internet is never accessed."""
    if URL(url).host not in _LOOPBACK:
        return None
    async with ClientSession() as client, client.get(url) as response:
        return await response.read() if response.ok else None


def _urls(body: dict[str, Any]) -> list[str]:
    texts: list[str] = []
    for value in body.values():
        texts += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    return [text for text in texts if text.startswith(("data:", "http:", "https:"))]
