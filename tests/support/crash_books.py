"""Invariants after any number of killed kernels, read from the service's log, the journal file and the store."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.journal.audit import audit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fusionflow_nb.simulator.scenario import RecordedRequest, World

OPEN = {"intent", "accepted"}
SCOPES = 4
_SUBMIT = re.compile(r"/(fal/queue/(?!.*/requests/)|replicate/api/v1/(models/.*/)?predictions$|openai/api/)")
_PART = re.compile(rb'name="prompt"\r\n(?:.*\r\n)*?\r\n(.*?)\r\n--', re.DOTALL)

Request = tuple[str, str, str]
"""Service, prompt and sha256 of the input picture: identifies a request of the flow."""


@dataclass
class Books:
    """The records after a campaign, and what its user and kernels reported during it."""

    home: Path
    world: World
    forgotten: Counter[bytes] = field(default_factory=Counter)
    """How often the user allowed another submit of an unknown job, by content key."""
    done: set[str] = field(default_factory=set)
    """Nodes that a kernel reported as done before it was killed."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the journal with another read-only connection."""
        database = sqlite3.connect(f"file:{self.home / 'journal.sqlite'}?mode=ro", uri=True)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def arrivals(self) -> Counter[bytes]:
        """Count the submits in the services' logs by content key; each must have an intent."""
        keys: dict[Request, bytes] = {}
        for key, draft in self.rows("SELECT content_key, draft FROM jobs"):
            request = _request_of_draft(json.loads(draft))
            assert keys.setdefault(request, key) == key, f"two keys for {request}"
        counts: Counter[bytes] = Counter()
        for received in submissions(self.world.requests):
            request = _request_of_submit(received, self.world)
            assert request in keys, f"submitted without an intent: {request}"
            counts[keys[request]] += 1
        return counts

    def check(self, ends: dict[str, str]) -> dict[str, int]:
        """Check that nothing is lost or paid twice and the sums agree; return the figures."""
        bad = {node_id: state for node_id, state in ends.items() if state not in {"succeeded", "cached", "unknown"}}
        unknown_nodes = {node_id for node_id, state in ends.items() if state == "unknown"}
        assert set(bad.values()) <= {"skipped"}, bad
        assert unknown_nodes or not bad
        assert not self.done & (set(bad) | unknown_nodes), "a result is lost"
        arrived = self.arrivals()
        succeeded = Counter(key for (key,) in self.rows("SELECT content_key FROM jobs WHERE state = 'succeeded'"))
        unknown = Counter(key for (key,) in self.rows("SELECT content_key FROM jobs WHERE state = 'unknown'"))
        assert max(succeeded.values()) == 1, "generated twice"
        for key in arrived | succeeded | unknown:
            certain, possible = succeeded[key], unknown[key] + self.forgotten[key]
            assert certain <= arrived[key] <= certain + possible, (
                "paid twice" if arrived[key] else "result without a submit"
            )
        self._check_jobs()
        self._check_results(succeeded)
        self._check_money()
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        return {
            "submissions": arrived.total(),
            "keys": len(succeeded),
            "unknown": unknown.total(),
            "submitted again by the user": (arrived - succeeded - unknown).total(),
            "forgotten": self.forgotten.total(),
        }

    def _check_jobs(self) -> None:
        states = dict(self.rows("SELECT state, count(*) FROM jobs GROUP BY state"))
        assert not OPEN & states.keys(), f"left open: {states}"
        accepted = self.rows("SELECT operation, state FROM jobs WHERE operation IS NOT NULL")
        assert {state for _, state in accepted} <= {"succeeded"}, "accepted work is lost"
        names = Counter(_name_of(json.loads(operation)) for operation, _ in accepted)
        assert not names or max(names.values()) == 1
        assert names.keys() <= self.world.jobs.keys()
        assert self.rows("SELECT * FROM waiters") == []

    def _check_results(self, succeeded: Counter[bytes]) -> None:
        results = self.rows("SELECT content_key, generation_id, outputs FROM results")
        assert {key for key, _, _ in results} == succeeded.keys()
        logged = {
            row[0]: json.loads(row[1])
            for row in self.rows("SELECT entity_id, payload FROM events WHERE kind = 'generation' ORDER BY seq")
        }
        store = LocalFolderStore(self.home / "assets")
        for key, generation_id, outputs in results:
            generation = logged[generation_id]
            assert (generation["status"], generation["content_key"]) == ("succeeded", key.hex())
            assert generation["outputs"] == json.loads(outputs)
            digests = re.findall(r"\b[0-9a-f]{64}\b", outputs)
            assert digests, "a result without bytes"
            for sha256 in digests:
                store.verify(sha256)
        running = [item["id"] for item in logged.values() if item["status"] == "running"]
        assert not running, "running in the log"

    def _check_money(self) -> None:
        costs = "SELECT entity_id, json_extract(payload, '$.cost_micro_usd') FROM events WHERE kind = 'generation'"
        cost_of = {generation_id: cost or 0 for generation_id, cost in self.rows(f"{costs} ORDER BY seq")}
        held: dict[str, set[tuple[str, int]]] = {}
        lines: Counter[str] = Counter()
        for job_id, state, micro_usd in self.rows("SELECT job_id, state, micro_usd FROM reservations"):
            held.setdefault(job_id, set()).add((state, micro_usd))
            lines[job_id] += 1
        jobs = self.rows("SELECT job_id, state, reserve_micro_usd, json_extract(draft, '$.id') FROM jobs")
        for job_id, state, reserve, generation_id in jobs:
            due = {"succeeded": ("settled", cost_of[generation_id]), "unknown": ("at_stake", reserve)}.get(state)
            assert held.pop(job_id, set()) == ({due} if due is not None and due[1] else set()), (state, due)
            assert lines[job_id] in {0, SCOPES}
        assert not held, "reservations of missing jobs"
        settled = "SELECT sum(micro_usd) FROM reservations WHERE state = 'settled' AND scope = 'project:crash'"
        assert self.rows(settled) == [(sum(cost_of.values()),)]
        database = sqlite3.connect(f"file:{self.home / 'journal.sqlite'}?mode=ro", uri=True, isolation_level=None)
        try:
            assert audit(database.cursor()).discrepancies == [], "the audit has discrepancies"
        finally:
            database.close()


def submissions(requests: Iterable[RecordedRequest]) -> list[RecordedRequest]:
    """Return the requests that start a paid job."""
    return [item for item in tuple(requests) if item.method == "POST" and _SUBMIT.match(item.path)]


def _request_of_draft(draft: dict[str, Any]) -> Request:
    service = draft["provider"]
    digests = [item["digest"].partition(":")[2] for item in draft.get("inputs", ()) if item["digest"][:5] == "asset"]
    prompt = draft.get("prompt_snapshot") or ""
    return service, prompt, digests[0] if digests and service != "openai" else ""


def _request_of_submit(received: RecordedRequest, world: World) -> Request:
    service = received.path.split("/")[1]
    if service == "openai":  # its prompts are all different; a picture is part of a form
        form = _PART.search(received.body)
        prompt = form[1].decode() if form else json.loads(received.body)["prompt"]
        return service, prompt, ""
    body = json.loads(received.body)
    body = body.get("input", body)
    addresses = [value for name, value in body.items() if name in {"image", "image_url", "input_image"}]
    return service, body.get("prompt", ""), _digest(addresses[0], world) if addresses else ""


def _digest(address: str, world: World) -> str:
    if address.startswith("data:"):
        return hashlib.sha256(base64.b64decode(address.partition(",")[2])).hexdigest()
    content = world.read_url(address)
    assert content is not None
    return hashlib.sha256(content).hexdigest()


def _name_of(operation: dict[str, Any]) -> str:
    return str(operation.get("request_id") or operation["id"])
