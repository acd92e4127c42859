"""Helpers of the journal and tape tests: small records, and workers for other processes."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Granted, Intent, Stored
from fusionflow_nb.journal.records import Generation
from fusionflow_nb.media.values import Asset, Value

SPAWN = multiprocessing.get_context("spawn")
DAY_US = 86_400_000_000


def key_of(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def picture(name: object = "a") -> Asset:
    return Asset(hashlib.sha256(f"bytes of {name}".encode()).hexdigest(), "image/png", 3, 640, 480)


def a_generation(name: object = "a", **changes) -> Generation:
    base = Generation(
        id=new_id(),
        project_id="scratch",
        run_id="run-1",
        node_id=f"node_{name}",
        node_type="generate_image",
        status="succeeded",
        content_key=key_of(name),
        provider="fake",
        model="fake/one",
        prompt_snapshot=f"a picture of {name}",
        settings_snapshot={"width": 64},
        outputs={"image": picture(name)},
    )
    return replace(base, **changes)


def an_intent(name: object = "a", *, reserve: int = 0, **changes) -> Intent:
    draft = a_generation(name, status="running", outputs=None)
    base = Intent(
        job_id=new_id(),
        run_id="run-1",
        project_id="scratch",
        node_id=draft.node_id,
        coordinate=(),
        content_key=key_of(name),
        provider="fake",
        model="fake/one",
        idempotency_key=new_id(),
        reserve_micro_usd=reserve,
        draft=draft,
    )
    return replace(base, **changes)


def ended(intent: Intent, status: str = "succeeded", **changes) -> Generation:
    outputs = {"text": Value.of(intent.node_id)} if status == "succeeded" else None
    return replace(intent.draft, status=status, outputs=outputs, **changes)


def events_of(home: Path) -> list[tuple[str, str, str]]:
    """Return (kind, entity_id, event_id) of every event, read from the file."""
    connection = sqlite3.connect(home / "journal.sqlite")
    try:
        return connection.execute("SELECT kind, entity_id, event_id FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()


def is_sound(home: Path) -> bool:
    connection = sqlite3.connect(home / "journal.sqlite")
    try:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


@contextmanager
def worker(target, *arguments):
    """Yield a spawned process and the parent's end of its pipe; kills the process at the end."""
    parent_end, child_end = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(child_end, *arguments), daemon=True)
    process.start()
    child_end.close()
    try:
        yield process, parent_end
    finally:
        process.kill()
        process.join()
        parent_end.close()
        process.close()


# Workers: top-level functions, so that a spawned process can import them.


def write_for_ever(pipe, home: str) -> None:
    """Record generations one after another; send each id once it is durable."""
    journal = Journal.open(Path(home))

    async def go() -> None:
        while True:
            generation = a_generation(new_id())
            await journal.record([generation])
            pipe.send(generation.id)

    asyncio.run(go())


def write_some(pipe, home: str, count: int) -> None:
    """Record `count` generations, reading each back."""

    async def go(journal: Journal) -> int:
        misses = 0
        for number in range(count):
            name = f"{os.getpid()}-{number}"
            await journal.record([a_generation(name)])
            misses += key_of(name) not in await journal.lookup([key_of(name)])
        return misses

    with Journal.open(Path(home)) as journal:
        pipe.recv()
        pipe.send(journal.call(go(journal)))


def claim_once(pipe, home: str, name: str) -> None:
    """Claim one key after a message, send the answer, then wait for another message."""
    with Journal.open(Path(home)) as journal:
        pipe.send("ready")
        pipe.recv()
        (answer,) = journal.call(journal.claim([an_intent(name)], {}))
        pipe.send(type(answer).__name__)
        pipe.recv()


def claim_and_accept(pipe, home: str, intent: Intent, operation: dict | None) -> None:
    """Claim, accept if there is an Operation, then wait to be killed."""
    journal = Journal.open(Path(home))

    async def go() -> None:
        (granted,) = await journal.claim([intent], {})
        if operation is not None:
            await journal.accepted(granted.job_id, granted.epoch, operation)

    journal.call(go())
    pipe.send(journal.kernel_id)
    pipe.recv()


def spend(pipe, home: str, cost: int, caps: dict[str, int]) -> None:
    """Claim and finish jobs of one price until a cap refuses one; send how many were granted."""

    async def go(journal: Journal) -> int:
        granted = 0
        while True:
            intent = an_intent(new_id(), reserve=cost)
            (answer,) = await journal.claim([intent], caps)
            if not isinstance(answer, Granted):
                return granted
            granted += 1
            if granted % 2:
                await journal.finish(
                    answer.job_id, answer.epoch, ended(intent, cost_micro_usd=cost, cost_is_exact=True)
                )

    with Journal.open(Path(home)) as journal:
        pipe.recv()
        pipe.send(journal.call(go(journal)))


def finish_on_a_full_disk(pipe, home: str, count: int) -> None:
    """Claim, then limit the file size as on a full disk, then finish: the results go to the outbox."""
    import resource

    def limit_file_size() -> None:
        wal = Path(home, "journal.sqlite-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal, resource.RLIM_INFINITY))

    async def go(journal: Journal) -> list[bool]:
        await journal.record([a_generation(new_id(), error_message="x" * 2000) for _ in range(300)])
        intents = [an_intent(f"full-{number}") for number in range(count)]
        answers = await journal.claim(intents, {})
        limit_file_size()
        results = []
        for intent, answer in zip(intents, answers, strict=True):
            results.append(await journal.finish(answer.job_id, answer.epoch, ended(intent)))
        return results

    journal = Journal.open(Path(home))
    pipe.send(journal.call(go(journal)))
    pipe.recv()


def stored_names(journal: Journal, names) -> set:
    """Return the names whose keys have results."""
    results = journal.call(journal.lookup([key_of(name) for name in names]))
    assert all(isinstance(result, Stored) for result in results.values())
    return {name for name in names if key_of(name) in results}
