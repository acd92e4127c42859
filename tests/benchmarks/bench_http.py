"""1,000 concurrent jobs through an adapter, relative to aiohttp sending the same requests in the same run.

A job is a submit, three polls, the result and a picture of 40 kB. The service is a process of its own that answers
immediately, so that the client is measured. aiohttp has as many connections and writes the picture into a file too;
only the adapter adds keys, hashes, media types, host checks and settings.

    python tests/benchmarks/bench_http.py [--quick] [--only jobs adapters] [--profile] [--json FILE]
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from report import Report, options

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.adapters import ADAPTERS

from fusionflow_nb.providers.http.client import MAX_CONCURRENT
from fusionflow_nb.providers.protocol import Done, Operation, Pending
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.testing.contract.requests import make_task_request, read_output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

JOBS, QUICK_JOBS = 1000, 200
PROMPTS = 4
"""Number of different prompts: the simulator draws few pictures, because drawing is not measured."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SIMULATE = """
import asyncio
from fusionflow_nb.simulator import Simulator
async def main():
    async with Simulator() as simulator:
        print(simulator.base, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def serving(*words: str) -> Iterator[str]:
    """Start a server in a process of its own; yields its base URL."""
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Arm(NamedTuple):
    """One round of an arm: seconds of each job, sorted, and the errors."""

    seconds: list[float]
    errors: list[Exception]


async def timed(job: Callable[[int], Awaitable[None]], jobs: int) -> Arm:
    """Start all jobs together and time each."""
    seconds: list[float] = []
    errors: list[Exception] = []

    async def measured(number: int) -> None:
        began = time.perf_counter()
        try:
            await job(number)
        except Exception as error:  # noqa: BLE001 - reported
            errors.append(error)
        seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(measured(number) for number in range(jobs)))
    return Arm(sorted(seconds), errors)


async def bare(base: str, jobs: int) -> Arm:
    """The same requests with aiohttp alone."""
    headers = {"authorization": "Key simulated"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONCURRENT), headers=headers) as session:

        async def job(number: int) -> None:
            async with session.post(f"{base}/fal/queue/fal-ai/flux/dev", json={"prompt": f"hills {number}"}) as answer:
                submitted = await answer.json()
            while True:
                async with session.get(f"{submitted['status_url']}?logs=false") as answer:
                    if (await answer.json())["status"] == "COMPLETED":
                        break
            async with session.get(submitted["response_url"]) as answer:
                result = await answer.json()
            async with session.get(result["images"][0]["url"]) as answer:
                descriptor, name = tempfile.mkstemp()
                with os.fdopen(descriptor, "wb") as file:
                    async for chunk in answer.content.iter_chunked(2**16):
                        file.write(chunk)
            assert Path(name).read_bytes()  # noqa: ASYNC240 - the adapter's picture is read too
            Path(name).unlink()  # noqa: ASYNC240

        return await timed(job, jobs)


async def ours(make: Callable[[], Any], model: str, task: str, jobs: int) -> Arm:
    """The same jobs by an adapter."""
    service = make()
    with tempfile.TemporaryDirectory() as folder:
        requests = [
            make_task_request(service, model, task, Path(folder), prompt=f"hills {number}") for number in range(PROMPTS)
        ]

        async def job(number: int) -> None:
            status = await service.submit(requests[number % PROMPTS], idempotency_key=str(number))
            if isinstance(status, Operation):
                operation = status
                while isinstance(status := await service.poll(operation), Pending):
                    pass
            if not isinstance(status, Done):
                raise TypeError(f"{status}")
            for output in status.outputs:
                read_output(output)

        try:
            return await timed(job, jobs)
        finally:
            await service.aclose()


def p99(seconds: list[float]) -> float:
    """The 99th percentile of sorted times."""
    return seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]


def compare(report: Report, *, quick: bool) -> None:
    """The adapter and aiohttp take turns on one server."""
    jobs, rounds = (QUICK_JOBS, 3) if quick else (JOBS, 5)
    arms: dict[str, list[Arm]] = {"aiohttp": [], "adapter": []}
    with serving(str(Path(__file__).with_name("queue_server.py"))) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        for number in range(rounds + 1):  # the first round warms up
            baseline = asyncio.run(bare(base, jobs))
            adapter = asyncio.run(ours(Fal, "fal-ai/flux/dev", "text-to-image", jobs))
            if number:
                arms["aiohttp"].append(baseline)
                arms["adapter"].append(adapter)
    details = {}
    for name, runs in arms.items():
        last = statistics.median(p99(arm.seconds) for arm in runs)
        rate = statistics.median(jobs / arm.seconds[-1] for arm in runs)
        details[name] = f"{name} {last * 1e3:.0f} ms, {rate:,.0f} jobs/s"
        for error in (error for arm in runs for error in arm.errors):
            report.fail(name, error)
    ratios = [p99(a.seconds) / p99(b.seconds) for a, b in zip(arms["adapter"], arms["aiohttp"], strict=True)]
    detail = f"{'; '.join(details.values())}; {min(ratios):.2f} to {max(ratios):.2f}"
    report.add(f"{jobs:,} jobs of 6 requests, p99", statistics.median(ratios), "x", "<= 2", detail)


def every_adapter(report: Report, *, quick: bool) -> None:
    """The same number of jobs by each adapter, against the simulator."""
    jobs = QUICK_JOBS if quick else JOBS
    with serving("-c", SIMULATE) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        for name, adapter in ADAPTERS.items():
            arm = asyncio.run(ours(adapter.create, *adapter.first_model(), jobs))
            for error in arm.errors:
                report.fail(name, error)
            detail = f"p50 {statistics.median(arm.seconds) * 1e3:.0f} ms, p99 {p99(arm.seconds) * 1e3:.0f} ms"
            report.add(f"{name}, {jobs:,} jobs at the simulator", jobs / arm.seconds[-1], "jobs/s", ">= 500", detail)


def profile() -> None:
    """Print where the adapter spends its time."""
    with serving(str(Path(__file__).with_name("queue_server.py"))) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        profiler = cProfile.Profile()
        profiler.enable()
        asyncio.run(ours(Fal, "fal-ai/flux/dev", "text-to-image", JOBS))
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


ROWS = {"jobs": compare, "adapters": every_adapter}


def main() -> int:
    """Measure and print."""
    parser = options(__doc__, f"{QUICK_JOBS} jobs, three rounds")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--profile", action="store_true", help="print a profile of the adapter instead of figures")
    chosen = parser.parse_args()
    for name in PROXIES:
        os.environ.pop(name, None)
    if chosen.profile:
        profile()
        return 0
    report = Report("concurrent jobs over HTTP (wall time, medians)")
    for name in chosen.only:
        ROWS[name](report, quick=chosen.quick)
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
