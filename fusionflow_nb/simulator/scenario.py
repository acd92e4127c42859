"""What the simulated services know: jobs with their moods, files, and what they were asked."""

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

from fusionflow_nb.simulator.media import Maker

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.simulator.media import Made

BAD_KEY = "bad"
"""A key that no service takes; every other one opens all of them."""

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_WORDS = re.compile(r"\bsimulate (busy|broken|lost|no_funds|invalid|failed|refused|never)\b")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a service does with one submission."""

    submit: Literal["accept", "busy", "broken", "lost", "no_funds", "invalid"] = "accept"
    """`busy`: 429 with Retry-After. `broken`: 500. `lost`: it takes the job and cuts the connection."""
    end: Literal["done", "failed", "refused", "never"] = "done"
    looks: int = 2
    """How many polls say that it is not done: one in the queue, the others at work."""


@dataclass(slots=True)
class Job:
    """One accepted submission."""

    id: str
    model: str
    task: str
    body: dict[str, Any]
    mood: Scenario
    made: tuple[Made, ...] = ()
    looked: int = 0
    is_cancelled: bool = False
    began_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def progress(self) -> float:
        """The fraction that the polls so far have reached."""
        return min(1.0, self.looked / (self.mood.looks + 1))


@dataclass(slots=True)
class File:
    """Something at an address, until it is not there any more."""

    content: bytes
    media_type: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """Something on the way that answers in the place of a service: a proxy, a login page, a cable."""

    raw: bytes
    """What goes over the socket before it is closed."""
    on: Callable[[str], bool] = lambda _path: True
    """Which requests it meets, by their path."""
    hits: int = 0


@dataclass
class World:
    """See the module.

    Args:
        clock: seconds; an argument so that tests let addresses expire.
        now: the time of day here, in seconds since 1970: signatures are judged by it.
        lifetime_s: how long an output can be fetched.
        pause_s: between partial pictures.
        fault: stands in the way while it is set.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    lifetime_s: float = 3600.0
    pause_s: float = 0.0
    fault: Fault | None = None
    maker: Maker = field(default_factory=Maker)
    moods: deque[Scenario] = field(default_factory=deque)
    jobs: dict[str, Job] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=10_000))
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def mood(self, prompt: object) -> Scenario:
        """The next mood that was set, else what the prompt asks for ("a cat, simulate refused"), else a good one."""
        if self.moods:
            return self.moods.popleft()
        found = _WORDS.search(prompt) if isinstance(prompt, str) else None
        if found is None:
            return Scenario()
        word: Any = found[1]
        return Scenario(end=word) if word in {"failed", "refused", "never"} else Scenario(submit=word)

    async def begin(
        self, model: str, task: str, body: dict[str, Any], mood: Scenario, *, prompt: str = "prompt"
    ) -> Job:
        """Take a job and make its media, while the client still waits in the queue."""
        job = Job(self.name(), model, task, body, mood)
        if mood.end == "done":
            media = [self.read(value) or await _from_this_machine(value) for value in _addresses(body)]
            job.made = await self.maker.make(
                task, body.get(prompt), {**body, "model": model}, [each for each in media if each]
            )
        self.jobs[job.id] = job
        return job

    def look(self, job: Job) -> Literal["queued", "running", "ended"]:
        """How a job stands at this poll."""
        job.looked += 1
        if job.mood.end == "never" or job.looked <= job.mood.looks:
            return "queued" if job.looked == 1 else "running"
        return "ended"

    def keep(self, request: web.Request, content: bytes, media_type: str) -> str:
        """Put bytes at an address of the service that is asked; the address."""
        service = request.path.split("/")[1]
        name = f"{self.name()}.{media_type.rsplit('/', maxsplit=1)[-1]}"
        self.files[name] = File(content, media_type, self.clock() + self.lifetime_s)
        return f"{base_of(request)}/{service}/cdn/files/{name}"

    def read(self, address: str) -> bytes | None:
        """The bytes at an address that a request names; None where it is somebody else's."""
        if address.startswith("data:"):
            return base64.b64decode(address.partition(",")[2])
        file = self.files.get(address.rsplit("/", 1)[-1])
        return file.content if file else None

    def name(self) -> str:
        """A name that nothing else here has; long, as services have them."""
        return f"{next(self._ids):08d}-0000-4000-8000-000000000000"


def base_of(request: web.Request) -> str:
    """The server's address as its client knows it."""
    return f"{request.scheme}://{request.host}"


def cut(request: web.Request) -> web.StreamResponse:
    """Answer nothing: the client cannot know."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def met(request: web.Request, fault: Fault) -> web.StreamResponse:
    """What comes of a request that a fault meets."""
    fault.hits += 1
    if request.transport is not None:
        request.transport.write(fault.raw)
    return cut(request)


async def _from_this_machine(address: str) -> bytes | None:
    """What another server here gives (a bucket), as a service fetches a reference; nobody on the internet is asked."""
    if URL(address).host not in _HERE:
        return None
    async with ClientSession() as client, client.get(address) as answer:
        return await answer.read() if answer.ok else None


def _addresses(body: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for value in body.values():
        found += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    return [each for each in found if each.startswith(("data:", "http:", "https:"))]
