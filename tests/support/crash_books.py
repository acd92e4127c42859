"""What must hold after any number of deaths, read from the service's own log, the journal's file and the store."""

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

    from fusionflow_nb.simulator.scenario import Asked, World

OPEN = {"intent", "accepted"}
SCOPES = 4
_SUBMIT = re.compile(r"/(fal/queue/(?!.*/requests/)|replicate/api/v1/(models/.*/)?predictions$|openai/api/)")
_PART = re.compile(rb'name="prompt"\r\n(?:.*\r\n)*?\r\n(.*?)\r\n--', re.DOTALL)

Wanted = tuple[str, str, str]
"""Service, words, sha256 of the picture that went in: what tells one request of the flow from another."""


@dataclass
class Books:
    """What a campaign has left behind, and what its person and its kernels said on the way."""

    home: Path
    world: World
    forgotten: Counter[bytes] = field(default_factory=Counter)
    """How often a person let an unknown job of this content key be sent again."""
    done: set[str] = field(default_factory=set)
    """Nodes that a kernel had called done before it died."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """From the journal as a bystander sees it."""
        database = sqlite3.connect(f"file:{self.home / 'journal.sqlite'}?mode=ro", uri=True)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def arrivals(self) -> Counter[bytes]:
        """Submissions that the services logged, by content key; each was written down before it left."""
        keys: dict[Wanted, bytes] = {}
        for key, draft in self.rows("SELECT content_key, draft FROM jobs"):
            wanted = _wanted_of_draft(json.loads(draft))
            assert keys.setdefault(wanted, key) == key, f"two keys for {wanted}"
        found: Counter[bytes] = Counter()
        for asked in submissions(self.world.asked):
            wanted = _wanted_of_request(asked, self.world)
            assert wanted in keys, f"sent, and never written ahead: {wanted}"
            found[keys[wanted]] += 1
        return found

    def check(self, ends: dict[str, str]) -> dict[str, int]:
        """Nothing is lost, nothing is paid twice, the books are balanced; the figures."""
        bad = {node_id: state for node_id, state in ends.items() if state not in {"succeeded", "cached", "unknown"}}
        unknown_nodes = {node_id for node_id, state in ends.items() if state == "unknown"}
        assert set(bad.values()) <= {"skipped"}, bad
        assert unknown_nodes or not bad
        assert not self.done & (set(bad) | unknown_nodes), "a result is lost"
        arrived = self.arrivals()
        succeeded = Counter(key for (key,) in self.rows("SELECT content_key FROM jobs WHERE state = 'succeeded'"))
        unknown = Counter(key for (key,) in self.rows("SELECT content_key FROM jobs WHERE state = 'unknown'"))
        assert max(succeeded.values()) == 1, "made twice"
        for key in arrived | succeeded | unknown:
            surely, perhaps = succeeded[key], unknown[key] + self.forgotten[key]
            assert surely <= arrived[key] <= surely + perhaps, "paid twice" if arrived[key] else "made of nothing"
        self._check_jobs()
        self._check_results(succeeded)
        self._check_money()
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        return {
            "submissions": arrived.total(),
            "keys": len(succeeded),
            "unknown": unknown.total(),
            "sent again by a person": (arrived - succeeded - unknown).total(),
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
        running = [each["id"] for each in logged.values() if each["status"] == "running"]
        assert not running, "the log ends before they do"

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
        assert not held, "money for jobs that are not there"
        settled = "SELECT sum(micro_usd) FROM reservations WHERE state = 'settled' AND scope = 'project:crash'"
        assert self.rows(settled) == [(sum(cost_of.values()),)]
        database = sqlite3.connect(f"file:{self.home / 'journal.sqlite'}?mode=ro", uri=True, isolation_level=None)
        try:
            assert audit(database.cursor()).discrepancies == [], "a person's own audit says otherwise"
        finally:
            database.close()


def submissions(asked: Iterable[Asked]) -> list[Asked]:
    """Requests that start paid work."""
    return [each for each in tuple(asked) if each.method == "POST" and _SUBMIT.match(each.path)]


def _wanted_of_draft(draft: dict[str, Any]) -> Wanted:
    service = draft["provider"]
    digests = [each["digest"].partition(":")[2] for each in draft.get("inputs", ()) if each["digest"][:5] == "asset"]
    words = draft.get("prompt_snapshot") or ""
    return service, words, digests[0] if digests and service != "openai" else ""


def _wanted_of_request(asked: Asked, world: World) -> Wanted:
    service = asked.path.split("/")[1]
    if service == "openai":  # whose words are all different; a picture comes as the part of a form
        form = _PART.search(asked.body)
        said = {} if form else json.loads(asked.body)
        return service, form[1].decode() if form else said["prompt"], ""
    said = json.loads(asked.body)
    said = said.get("input", said)
    addresses = [value for name, value in said.items() if name in {"image", "image_url", "input_image"}]
    return service, said.get("prompt", ""), _digest(addresses[0], world) if addresses else ""


def _digest(address: str, world: World) -> str:
    if address.startswith("data:"):
        return hashlib.sha256(base64.b64decode(address.partition(",")[2])).hexdigest()
    content = world.read(address)
    assert content is not None
    return hashlib.sha256(content).hexdigest()


def _name_of(operation: dict[str, Any]) -> str:
    return str(operation.get("request_id") or operation["id"])
