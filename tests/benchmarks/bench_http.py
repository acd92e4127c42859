"""What our way to a service costs: 1,000 jobs at once, beside bare aiohttp doing the same requests in the same run.

A job is a submit, three looks, the result and a picture of 40 kB. The service is a process of its own that answers at
once, so that what is measured is the client. aiohttp has as many connections as we take, and puts the picture into a
file, too; keys, hashes, types, checked hosts and settings are ours alone.

    python tests/benchmarks/bench_http.py [--quick] [--only jobs adapters] [--profile]
"""

from __future__ import annotations

import argparse
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
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.adapters import ADAPTERS

from fusionflow_nb.providers.http.client import AT_ONCE
from fusionflow_nb.providers.protocol import Done, Operation, Pending
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.testing.contract.requests import asked, taken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

JOBS, QUICK_JOBS = 1000, 200
WORDS = 4
"""So many different results the simulator makes: its drawing is not what is measured."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SIMULATE = """
import asyncio
from fusionflow_nb.simulator import Simulator
async def main():
    async with Simulator() as made:
        print(made.base, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@contextlib.contextmanager
def serving(*words: str) -> Iterator[str]:
    """A server in a process of its own; its address."""
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def timed(one: Callable[[int], Awaitable[None]], jobs: int) -> tuple[list[float], int]:
    """Seconds of each job, all begun at once, and how many failed."""
    seconds: list[float] = []
    failed = 0

    async def measured(number: int) -> None:
        nonlocal failed
        began = time.perf_counter()
        try:
            await one(number)
        except Exception as error:  # noqa: BLE001 - counted
            failed += 1
            print(f"   {type(error).__name__}: {str(error)[:200]}")
        seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(measured(number) for number in range(jobs)))
    return sorted(seconds), failed


async def bare(base: str, jobs: int) -> tuple[list[float], int]:
    """The same requests on aiohttp alone."""
    headers = {"authorization": "Key simulated"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), headers=headers) as session:

        async def one(number: int) -> None:
            async with session.post(f"{base}/fal/queue/fal-ai/flux/dev", json={"prompt": f"hills {number}"}) as answer:
                said = await answer.json()
            while True:
                async with session.get(f"{said['status_url']}?logs=false") as answer:
                    if (await answer.json())["status"] == "COMPLETED":
                        break
            async with session.get(said["response_url"]) as answer:
                result = await answer.json()
            async with session.get(result["images"][0]["url"]) as answer:
                descriptor, name = tempfile.mkstemp()
                with os.fdopen(descriptor, "wb") as file:
                    async for chunk in answer.content.iter_chunked(2**16):
                        file.write(chunk)
            assert Path(name).read_bytes()  # noqa: ASYNC240 - as ours is taken
            Path(name).unlink()  # noqa: ASYNC240

        return await timed(one, jobs)


async def ours(make: Callable[[], Any], model: str, task: str, jobs: int) -> tuple[list[float], int]:
    """The same by an adapter."""
    service = make()
    requests = [asked(service, model, task, f"hills {number}") for number in range(WORDS)]

    async def one(number: int) -> None:
        status = await service.submit(requests[number % WORDS], idempotency_key=str(number))
        if isinstance(status, Operation):
            operation = status
            while isinstance(status := await service.poll(operation), Pending):
                pass
        assert isinstance(status, Done), status
        for output in status.outputs:
            taken(output)

    try:
        return await timed(one, jobs)
    finally:
        await service.aclose()


def p99(seconds: list[float]) -> float:
    return seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]


def compare(*, quick: bool) -> Table:
    """Ours and aiohttp's, in turn, on one server."""
    jobs, rounds = (QUICK_JOBS, 3) if quick else (JOBS, 7)
    found: dict[str, list[tuple[list[float], int]]] = {"aiohttp": [], "ours": []}
    with serving(str(Path(__file__).with_name("queue_server.py"))) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        for number in range(rounds + 1):  # the first is to warm up
            both = (asyncio.run(bare(base, jobs)), asyncio.run(ours(Fal, "fal-ai/flux/dev", "text-to-image", jobs)))
            if number:
                found["aiohttp"].append(both[0])
                found["ours"].append(both[1])
    table = Table("what", "p50", "p99", "jobs/s", "errors", "target", title=f"{jobs:,} jobs at once, 6 requests each")
    for name, runs in found.items():
        p50 = statistics.median(statistics.median(seconds) for seconds, _ in runs)
        last = statistics.median(p99(seconds) for seconds, _ in runs)
        rate = statistics.median(jobs / seconds[-1] for seconds, _ in runs)
        errors = sum(failed for _, failed in runs)
        table.add_row(name, f"{p50 * 1e3:.0f} ms", f"{last * 1e3:.0f} ms", f"{rate:,.0f}", str(errors), "")
    ratios = [p99(mine[0]) / p99(theirs[0]) for mine, theirs in zip(found["ours"], found["aiohttp"], strict=True)]
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    table.add_row(
        "ratio of p99, round by round", "", f"{statistics.median(ratios):.2f}x ({spread})", "", "", "<= 2x, 0"
    )
    return table


def every_adapter(*, quick: bool) -> Table:
    """As many jobs by each adapter, against the simulator."""
    jobs = QUICK_JOBS if quick else JOBS
    table = Table("adapter", "p50", "p99", "jobs/s", "errors", title=f"{jobs:,} jobs at once, against the simulator")
    with serving("-c", SIMULATE) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        for name, adapter in ADAPTERS.items():
            seconds, failed = asyncio.run(ours(adapter.make, *adapter.first(), jobs))
            figures = (f"{statistics.median(seconds) * 1e3:.0f} ms", f"{p99(seconds) * 1e3:.0f} ms")
            table.add_row(name, *figures, f"{jobs / seconds[-1]:,.0f}", str(failed))
    return table


def profile() -> None:
    """Where our time goes, to the screen."""
    with serving(str(Path(__file__).with_name("queue_server.py"))) as base:
        os.environ[SIMULATOR_VARIABLE] = base
        watched = cProfile.Profile()
        watched.enable()
        asyncio.run(ours(Fal, "fal-ai/flux/dev", "text-to-image", JOBS))
        watched.disable()
    pstats.Stats(watched).sort_stats("tottime").print_stats(45)


ROWS = {"jobs": compare, "adapters": every_adapter}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_JOBS} jobs, three rounds")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--profile", action="store_true", help="where our time goes, instead of figures")
    given = parser.parse_args()
    for name in PROXIES:
        os.environ.pop(name, None)
    if given.profile:
        profile()
        return
    for name in given.only:
        Console(width=110).print(ROWS[name](quick=given.quick))
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
