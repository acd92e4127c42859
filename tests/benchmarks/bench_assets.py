"""How fast results reach a bucket, and how much memory that takes, against bare boto3 in the same rounds.

`stored and uploaded` is the whole way: into the local folder, hashed, decoded and drawn, written down, then to the
bucket in the background, until the last one is there; `uploads alone` begins where the files are in the folder. Bare
boto3 sends the same files with as many threads (`upload_file`), from the disk. Each round runs in a process of its
own, whose peak memory is its own; the server is a real one on this machine.

    python tests/benchmarks/bench_assets.py [--quick]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table
from support.s3 import NO_WEED, WEED, s3_server

from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.client import make_client
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.assets.uploads import AT_ONCE
from fusionflow_nb.journal.journal import Journal

if TYPE_CHECKING:
    from fusionflow_nb.assets.s3.settings import BucketSettings

SPAWN = multiprocessing.get_context("spawn")
SMALL_BYTES, LARGE_BYTES = 100_000, 64 << 20


class Outcome(NamedTuple):
    """One round."""

    seconds: float
    before_mb: float
    peak_mb: float
    put_seconds: float
    """Until the last put had returned: what a run waits for."""


def a_sound(path: Path, size_bytes: int) -> None:
    """A WAV file of noise: no two are alike, and each is proven in little time."""
    body = size_bytes - 44
    layout = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 48_000, 96_000, 2, 16, b"data", body)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(layout) + body) + b"WAVE" + layout + os.urandom(body))


def peak_mb() -> float:
    """Of this process so far (Linux; elsewhere nobody tells it of one program alone)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def whole_way(pipe, settings: BucketSettings, files: list[Path], home: str) -> None:
    """The store as a session has it, from the file to the bucket."""
    with Journal.open(Path(home)) as journal:
        store = S3Store(LocalFolderStore(Path(home) / "assets"), Bucket(settings), journal.uploads(settings.place))
        _ = store.bucket.client
        before, began = peak_mb(), time.perf_counter()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(store.put, files))
        put = time.perf_counter() - began
        store.uploads.settle()
        pipe.send(Outcome(time.perf_counter() - began, before, peak_mb(), put))
        store.close()


def sending(pipe, settings: BucketSettings, files: list[Path], home: str) -> None:
    """The uploads alone, written down as always: what boto3 does, and what makes it survive."""
    with Journal.open(Path(home)) as journal:
        folder = LocalFolderStore(Path(home) / "assets")
        assets = [folder.put(path) for path in files]
        store = S3Store(folder, Bucket(settings), journal.uploads(settings.place))
        _ = store.bucket.client
        before, began = peak_mb(), time.perf_counter()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(store.uploads.add, assets))
        put = time.perf_counter() - began
        store.uploads.settle()
        pipe.send(Outcome(time.perf_counter() - began, before, peak_mb(), put))
        store.close()


def bare(pipe, settings: BucketSettings, files: list[Path], _home: str) -> None:
    """boto3's own way to send files."""
    client = make_client(settings)
    before, began = peak_mb(), time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda path: client.upload_file(str(path), settings.bucket, f"bare/{path.stem}"), files))
    seconds = time.perf_counter() - began
    pipe.send(Outcome(seconds, before, peak_mb(), seconds))


def measure(worker, settings: BucketSettings, count: int, size_bytes: int) -> Outcome:
    """One round with files that nobody has seen yet."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{os.urandom(8).hex()}.wav" for _ in range(count)]
        for path in files:
            a_sound(path, size_bytes)
        here, there = SPAWN.Pipe()
        process = SPAWN.Process(target=worker, args=(there, settings, files, folder))
        process.start()
        outcome: Outcome = here.recv()
        process.join()
        return outcome


def middle(rounds: list[Outcome]) -> Outcome:
    """The median of each figure."""
    return Outcome(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of a tenth each: a look, not a figure")
    quick = parser.parse_args().quick
    if not WEED.exists():
        print(NO_WEED)
        return 0
    cases = [("100 kB", 100 if quick else 1000, SMALL_BYTES), ("64 MB", 2 if quick else 8, LARGE_BYTES)]
    table = Table(title=f"to a bucket ({AT_ONCE} at once)", box=None, header_style="bold")
    for name in ("files", "", "s", "rate", "put returns after", "memory before", "peak"):
        table.add_column(name, justify="left" if name in {"files", ""} else "right")
    with tempfile.TemporaryDirectory() as folder, s3_server(Path(folder)) as server:
        for name, count, size_bytes in cases:
            workers = {"bare boto3": bare, "uploads alone": sending, "stored and uploaded": whole_way}
            rounds: dict[str, list[Outcome]] = {who: [] for who in workers}
            for _ in range(1 if quick else 3):
                for who, worker in workers.items():
                    rounds[who].append(measure(worker, server.settings, count, size_bytes))
            floor = middle(rounds["bare boto3"])
            for who, found in rounds.items():
                one = middle(found)
                rate = (
                    f"{count / one.seconds:.0f}/s" if size_bytes < 1 << 20 else f"{count * 64 / one.seconds:.0f} MB/s"
                )
                seconds = f"{one.seconds:.1f} ({one.seconds / floor.seconds:.2f}x)"
                memory = (f"{one.before_mb:.0f} MB", f"{one.peak_mb:.0f} MB")
                table.add_row(f"{count} x {name}", who, seconds, rate, f"{one.put_seconds:.1f} s", *memory)
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
