"""Time and memory to store results and upload them to a bucket, relative to boto3 alone in the same rounds.

`stored and uploaded` is the whole path: into the local folder, hashed, decoded, with previews, journalled, then
uploaded in the background until the last file is there. `uploads alone` starts with the files in the folder. boto3
sends the same files from the disk with as many threads (`upload_file`). Each round is a separate process, so that its
peak memory is measured alone. The server is a real S3 server on this machine.

    python tests/benchmarks/bench_assets.py [--quick] [--json FILE]
"""

from __future__ import annotations

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

from report import Report, options
from support.s3 import NO_WEED, WEED, s3_server

from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.client import make_client
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.assets.uploads import MAX_CONCURRENT
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
    """Until the last put returned: what a run waits for."""


def a_sound(path: Path, size_bytes: int) -> None:
    """Write a WAV file of noise: unique, and quick to verify."""
    body = size_bytes - 44
    layout = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 48_000, 96_000, 2, 16, b"data", body)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(layout) + body) + b"WAVE" + layout + os.urandom(body))


def peak_mb() -> float:
    """Peak memory of this process; NaN where /proc is missing."""
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
        store.uploads.wait_all()
        pipe.send(Outcome(time.perf_counter() - began, before, peak_mb(), put))
        store.close()


def sending(pipe, settings: BucketSettings, files: list[Path], home: str) -> None:
    """The journalled uploads alone."""
    with Journal.open(Path(home)) as journal:
        folder = LocalFolderStore(Path(home) / "assets")
        assets = [folder.put(path) for path in files]
        store = S3Store(folder, Bucket(settings), journal.uploads(settings.place))
        _ = store.bucket.client
        before, began = peak_mb(), time.perf_counter()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(store.uploads.add, assets))
        put = time.perf_counter() - began
        store.uploads.wait_all()
        pipe.send(Outcome(time.perf_counter() - began, before, peak_mb(), put))
        store.close()


def bare(pipe, settings: BucketSettings, files: list[Path], _home: str) -> None:
    """boto3's `upload_file`."""
    client = make_client(settings)
    before, began = peak_mb(), time.perf_counter()
    with ThreadPoolExecutor(MAX_CONCURRENT) as threads:
        list(threads.map(lambda path: client.upload_file(str(path), settings.bucket, f"bare/{path.stem}"), files))
    seconds = time.perf_counter() - began
    pipe.send(Outcome(seconds, before, peak_mb(), seconds))


def measure(worker, settings: BucketSettings, count: int, size_bytes: int) -> Outcome:
    """One round with new files."""
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
    """Measure and print."""
    chosen = options(__doc__, "one round of a tenth each").parse_args()
    report = Report(f"files to a bucket, {MAX_CONCURRENT} concurrent uploads")
    if not WEED.exists():
        report.skip("stored and uploaded", NO_WEED, "<= 1.5")
        return report.finish(chosen.json)
    cases = [("100 kB", 100 if chosen.quick else 1000, SMALL_BYTES), ("64 MB", 2 if chosen.quick else 8, LARGE_BYTES)]
    with tempfile.TemporaryDirectory() as folder, s3_server(Path(folder)) as server:
        for name, count, size_bytes in cases:
            workers = {"bare boto3": bare, "uploads alone": sending, "stored and uploaded": whole_way}
            rounds: dict[str, list[Outcome]] = {arm: [] for arm in workers}
            for _ in range(1 if chosen.quick else 2):
                for arm, worker in workers.items():
                    rounds[arm].append(measure(worker, server.settings, count, size_bytes))
            baseline = middle(rounds["bare boto3"])
            for arm, outcomes in rounds.items():
                row = middle(outcomes)
                detail = f"{row.seconds:.1f} s; put returns after {row.put_seconds:.1f} s; peak {row.peak_mb:.0f} MB"
                target = "<= 1.5" if arm == "stored and uploaded" else ""
                report.add(f"{count} x {name}, {arm}", row.seconds / baseline.seconds, "x", target, detail)
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
