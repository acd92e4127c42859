"""Leases against a model: for any actions and deaths of kernels, a key has one result and no cap is exceeded."""

from __future__ import annotations

import sqlite3

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.journal import an_intent, ended, key_of

from fusionflow_nb.journal import claims, reservations, schema
from fusionflow_nb.journal.event_log import Stamp
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.protocol import Granted, Held, Inherited, OverBudget, Stored, Unknown

CAP = 100
KEYS = st.sampled_from("abc")
KERNELS = st.integers(0, 2)
OPEN = {"intent", "accepted", "unknown"}


class Leases(RuleBasedStateMachine):
    """Three kernels, three keys, one cap; plain dicts hold the expected state."""

    @initialize()
    def begin(self):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.cursor = self.connection.cursor()
        schema.migrate(self.cursor)
        self.names = [new_id() for _ in range(3)]
        self.alive = set(self.names)
        self.jobs = {}  # key -> the open job: id, epoch, kernel, state, reserve, intent
        self.results = {}  # key -> generation id
        self.spent = 0
        self.old_leases = []

    def teardown(self):
        if hasattr(self, "connection"):
            self.connection.close()

    def kernel(self, number):
        return claims.Claims(
            self.names[number], lambda name: name in self.alive, lambda _cursor, _name: None, lambda: 10**15, new_id
        )

    def stamp(self):
        return Stamp(new_id(), 10**15, "k")

    def held(self):
        return sum(job["reserve"] for job in self.jobs.values())

    @rule(number=KERNELS, key=KEYS, reserve=st.integers(0, 60))
    def claim(self, number, key, reserve):
        intent = an_intent(key, reserve=reserve)
        (answer,) = self.kernel(number).claim(self.cursor, [intent], {"project:scratch": CAP})
        job = self.jobs.get(key)
        if key in self.results:
            assert answer.generation_id == self.results[key]
            assert isinstance(answer, Stored)
        elif job is None:
            if reserve and self.spent + self.held() + reserve > CAP:
                assert answer == OverBudget("project:scratch", CAP, self.spent, self.held(), reserve)
            else:
                assert answer == Granted(intent.job_id, 1)
                self.jobs[key] = {
                    "id": intent.job_id,
                    "epoch": 1,
                    "kernel": self.names[number],
                    "state": "intent",
                    "reserve": reserve,
                    "intent": intent,
                    "operation": None,
                }
        elif job["state"] == "unknown":
            assert answer == Unknown(job["id"], job["reserve"])
        elif job["kernel"] in self.alive:
            assert answer == Held(job["id"], job["kernel"])
        elif job["state"] == "intent":
            assert answer == Unknown(job["id"], job["reserve"])
            job["state"] = "unknown"
        else:
            assert answer == Inherited(job["id"], job["epoch"] + 1, job["operation"])
            self.old_leases.append((job["id"], job["epoch"], job["intent"]))
            job.update(epoch=job["epoch"] + 1, kernel=self.names[number])

    @rule(key=KEYS, url=st.text(max_size=5))
    def accept(self, key, url):
        job = self.jobs.get(key)
        if job is not None and job["kernel"] in self.alive:
            assert self.kernel(0).accepted(self.cursor, self.stamp(), (job["id"], job["epoch"]), {"url": url})
            job.update(state="accepted", operation={"url": url})

    @rule(
        key=KEYS,
        status=st.sampled_from(["succeeded", "failed", "refused", "cancelled", "unknown"]),
        cost=st.none() | st.integers(0, 80),
    )
    def finish(self, key, status, cost):
        job = self.jobs.get(key)
        if job is None or job["kernel"] not in self.alive:
            return
        generation = ended(job["intent"], status, cost_micro_usd=cost)
        assert self.kernel(0).finish(self.cursor, self.stamp(), (job["id"], job["epoch"]), generation)
        if status == "unknown":
            job["state"] = "unknown"
            return
        self.old_leases.append((job["id"], job["epoch"] + 7, job["intent"]))
        self.spent += (job["reserve"] if status == "succeeded" else 0) if cost is None else cost
        if status == "succeeded":
            self.results[key] = generation.id
        del self.jobs[key]

    @rule(number=KERNELS)
    def restart(self, number):
        self.alive.discard(self.names[number])
        self.names[number] = new_id()
        self.alive.add(self.names[number])

    @rule(status=st.sampled_from(["succeeded", "failed"]))
    def late_writes_are_refused(self, status):
        for job_id, epoch, intent in self.old_leases:
            assert not self.kernel(0).finish(self.cursor, self.stamp(), (job_id, epoch), ended(intent, status))
            assert not self.kernel(0).accepted(self.cursor, self.stamp(), (job_id, epoch), {})

    @invariant()
    def the_file_equals_the_model(self):
        if not hasattr(self, "cursor"):
            return
        jobs = {job.content_key: (job.job_id, job.epoch, job.state) for job in claims.open_jobs(self.cursor)}
        assert jobs == {key_of(key): (job["id"], job["epoch"], job["state"]) for key, job in self.jobs.items()}
        spending = reservations.spending_in(self.cursor, "project:scratch", reservations.day_of(10**15))
        assert (spending.spent_micro_usd, spending.reserved_micro_usd) == (self.spent, self.held())
        assert dict(self.cursor.execute("SELECT content_key, generation_id FROM results")) == {
            key_of(key): generation_id for key, generation_id in self.results.items()
        }


Leases.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLeases = Leases.TestCase
