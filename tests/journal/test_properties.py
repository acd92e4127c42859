"""The journal as kernels use it, against a simple model: whatever they do, put aside, and whenever they die.

Every kernel is a `Journal` of its own on one file. Plain dicts say what must be so after each step: who holds which
key and who waits for it, what is spent, reserved and at stake on which day, which result answers, and how every
generation ended. `test_journal_model` holds the rules of the lease alone, many more times.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal.test_outbox import abandon
from support.journal import DAY_US, a_generation, an_intent, ended, key_of

from fusionflow_nb.journal import liveness, messages, replay, reservations
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.protocol import Granted, Held, Inherited, OverBudget, Stored, Unknown

KERNELS = 3
DAY_CAP, PROJECT_CAP = 150, 600
PROJECT = "project:scratch"
keys, kernels = st.sampled_from("ab"), st.integers(0, KERNELS - 1)
amounts, mostly = st.integers(0, 20), st.sampled_from([True, True, True, False])
ends = st.sampled_from(["succeeded", "succeeded", "failed", "refused", "cancelled", "unknown"])


@dataclass
class Job:
    """An open job as the model knows it."""

    id: str
    key: str
    kernel: str
    reserve: int
    day: str
    intent: Any
    state: str = "intent"
    epoch: int = 1
    operation: dict[str, Any] | None = None
    waiters: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Line:
    """Something in an outbox; `is_written` once it has been applied to good effect, which happens once."""

    job: Job
    epoch: int
    operation: dict[str, Any] | None = None
    generation: Any = None
    is_written: bool = False


class Kernels(RuleBasedStateMachine):
    """Three kernels, two keys, two caps, any clock."""

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp(prefix="fusionflow-model-"))
        self.now_us = 1_800_000_000_000_000
        self.living = [self.open() for _ in range(KERNELS)]
        self.alive = {journal.kernel_id for journal in self.living}
        self.jobs = {}  # key -> the open job
        self.over = []  # leases that were passed on or have ended: (job id, epoch, intent)
        self.results = {}  # key -> generation id
        self.spent = Counter()  # day -> settled
        self.statuses = {}  # generation id -> the last status logged
        self.outboxes = {}  # kernel id -> lines, until its file is gone

    def teardown(self):
        if hasattr(self, "home"):
            for journal in filter(None, self.living):
                journal.close()
            shutil.rmtree(self.home)

    # --- what the model knows ---------------------------------------------------------------------------------------

    def open(self):
        return Journal.open(self.home, clock_us=lambda: self.now_us)

    @property
    def today(self):
        return reservations.day_of(self.now_us)

    def held(self, day=None):
        """What is reserved today: unknown work counts on its own day alone."""
        return sum(
            job.reserve
            for job in self.jobs.values()
            if (day is None or job.day == day) and (job.state != "unknown" or job.day == self.today)
        )

    def over_cap(self, asked):
        for scope, cap, spent, held in (
            (f"day:{self.today}", DAY_CAP, self.spent[self.today], self.held(self.today)),
            (PROJECT, PROJECT_CAP, sum(self.spent.values()), self.held()),
        ):
            if asked and spent + held + asked > cap:
                return OverBudget(scope, cap, spent, held, asked)
        return None

    def end(self, job, generation):
        self.statuses[generation.id] = generation.status
        if generation.status == "unknown":
            job.state = "unknown"
            return
        cost = generation.cost_micro_usd
        self.spent[job.day] += (job.reserve if generation.status == "succeeded" else 0) if cost is None else cost
        if generation.status == "succeeded":
            self.results[job.key] = generation.id
        self.over.append((job.id, job.epoch + 1, job.intent))
        del self.jobs[job.key]

    def accept(self, job, operation):
        if job.state == "unknown":
            self.statuses[job.intent.draft.id] = "running"
        job.state, job.operation = "accepted", operation

    def apply_outbox(self, kernel_id):
        """What waits in an outbox is written: each line once, and only while its lease holds."""
        for line in self.outboxes.get(kernel_id, ()):
            job = line.job
            if line.is_written or self.jobs.get(job.key) is not job or job.epoch != line.epoch:
                continue
            line.is_written = True
            if line.generation is None:
                self.accept(job, line.operation)
            else:
                self.end(job, line.generation)

    def awake(self, number):
        """This kernel, or the next one that lives; one that comes back where none does."""
        for index in (*range(number, KERNELS), *range(number)):
            if self.living[index] is not None:
                return index
        self.come_back(number)
        return number

    def writes(self, number):
        """This kernel begins a transaction: its own outbox comes first."""
        self.apply_outbox(self.living[number].kernel_id)
        self.outboxes.pop(self.living[number].kernel_id, None)

    def looks_at(self, key, kernel_id):
        """Somebody wants a key: what a dead holder had put aside counts first."""
        job = self.jobs.get(key)
        if job is not None and job.kernel != kernel_id and job.kernel not in self.alive:
            self.apply_outbox(job.kernel)
        return self.jobs.get(key)

    def taken(self, job, kernel_id, asker):
        """The answer to who wants an open job."""
        if job.state == "unknown":
            return Unknown(job.id, job.reserve)
        if job.kernel == kernel_id or job.kernel in self.alive:
            if asker is not None:
                job.waiters.add((asker, kernel_id))
            return Held(job.id, job.kernel)
        if job.operation is None:
            self.end(job, replace(job.intent.draft, status="unknown"))
            return Unknown(job.id, job.reserve)
        self.over.append((job.id, job.epoch, job.intent))
        job.epoch, job.kernel = job.epoch + 1, kernel_id
        return Inherited(job.id, job.epoch, job.operation)

    def job_at(self, key, *states):
        """The open job of this key, or of another one where it has none; in one of these states, if any are named."""
        for job in sorted(self.jobs.values(), key=lambda job: job.key != key):
            if not states or job.state in states:
                return job
        return None

    def owned(self, key, *states):
        """The same, of a living kernel; with the kernel's number."""
        numbers = {journal.kernel_id: number for number, journal in enumerate(self.living) if journal is not None}
        for job in sorted(self.jobs.values(), key=lambda job: job.key != key):
            if job.kernel in numbers and (not states or job.state in states):
                return job, numbers[job.kernel]
        return None, 0

    # --- what kernels do --------------------------------------------------------------------------------------------

    @rule(number=kernels, wanted=st.lists(st.tuples(keys, amounts, mostly), min_size=1, max_size=3), stays=mostly)
    def claim(self, number, wanted, stays):
        """Answers come in order, earlier ones count for later ones; a caller who left holds nothing."""
        number = self.awake(number)
        journal = self.living[number]
        intents = [
            an_intent(key, reserve=reserve, replaces=self.results.get(key) if anew else None)
            for key, reserve, anew in wanted
        ]
        self.writes(number)
        answers = asyncio.run(journal.claim(intents, {"day": DAY_CAP, "project": PROJECT_CAP}))
        for (key, reserve, _), intent, answer in zip(wanted, intents, answers, strict=True):
            job = self.looks_at(key, journal.kernel_id)
            if self.results.get(key, intent.replaces) != intent.replaces:
                assert isinstance(answer, Stored)
                assert answer.generation_id == self.results[key]
            elif job is not None:
                assert answer == self.taken(job, journal.kernel_id, intent.job_id)
            elif (over := self.over_cap(reserve)) is not None:
                assert answer == over
            else:
                assert answer == Granted(intent.job_id, 1)
                self.jobs[key] = Job(intent.job_id, key, journal.kernel_id, reserve, self.today, intent)
        if not stays:
            asyncio.run(journal._write(lambda cursor: journal._claims.withdraw(cursor, intents, answers)))
            self.withdrawn(intents, answers)

    def withdrawn(self, intents, answers):
        by_id = {job.id: job for job in self.jobs.values()}
        for intent, answer in zip(intents, answers, strict=True):
            job = by_id.get(getattr(answer, "job_id", None))
            if isinstance(answer, Granted):
                self.end(job, replace(intent.draft, status="cancelled", cost_micro_usd=0))
            elif isinstance(answer, Held):
                job.waiters = {waiter for waiter in job.waiters if waiter[0] != intent.job_id}
            elif isinstance(answer, Inherited):
                job.kernel = liveness.NO_KERNEL

    @rule(number=kernels, key=keys)
    def adopt(self, number, key):
        """As `resume` does it: never a submission, whatever comes of it."""
        number = self.awake(number)
        job = self.job_at(key)
        if job is None:
            return
        key = job.key
        journal = self.living[number]
        self.writes(number)
        if self.looks_at(key, journal.kernel_id) is not job:  # it had ended in its dead holder's outbox, or in ours
            try:
                assert isinstance(asyncio.run(journal.adopt(job.id)), Stored)
                assert key in self.results
            except messages.errors.JournalError:
                assert key not in self.results
        else:
            assert asyncio.run(journal.adopt(job.id)) == self.taken(job, journal.kernel_id, None)

    @rule(key=keys, url=st.text(max_size=3), is_aside=st.booleans())
    def accepted(self, key, url, is_aside):
        job, number = self.owned(key, "intent", "accepted")
        if job is None:
            return
        key = job.key
        operation = {"url": url}
        if is_aside:
            self.put_aside(number, Line(job, job.epoch, operation=operation))
            return
        self.writes(number)
        is_ours = self.jobs.get(key) is job
        assert asyncio.run(self.living[number].accepted(job.id, job.epoch, operation)) is is_ours
        if is_ours:
            self.accept(job, operation)

    @rule(key=keys, status=ends, cost=st.none() | st.integers(0, 30), is_aside=st.booleans(), times=st.integers(1, 2))
    def finish(self, key, status, cost, is_aside, times):
        job, number = self.owned(key)
        if job is None:
            return
        key = job.key
        generation = ended(job.intent, status, cost_micro_usd=cost)
        if is_aside:
            self.put_aside(number, Line(job, job.epoch, generation=generation))
            return
        self.writes(number)
        is_ours = self.jobs.get(key) is job
        epoch = job.epoch
        for _ in range(times):  # saying it twice is saying it once
            said = asyncio.run(self.living[number].finish(job.id, epoch, generation))
            assert said or not is_ours
        if is_ours:
            self.end(job, generation)

    def put_aside(self, number, line):
        """What a kernel does where the journal cannot be written."""
        journal = self.living[number]
        stamp, lease = journal._stamp(), (line.job.id, line.epoch)
        entry = (
            replay.accepted_entry(stamp, lease, line.operation)
            if line.generation is None
            else replay.finish_entry(stamp, lease, line.generation)
        )
        replay.append(journal._outbox, [entry], messages.busy())
        self.outboxes.setdefault(journal.kernel_id, []).append(line)

    @rule(key=keys)
    def release_to_waiter(self, key):
        """Accepted work goes to who waits for it and lives; else it stays, to be cancelled."""
        job, number = self.owned(key, "accepted")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_there = self.jobs.get(key) is job and job.state == "accepted"  # its end may have lain in the outbox
        wanted = is_there and any(kernel_id in self.alive for _, kernel_id in job.waiters)
        assert asyncio.run(self.living[number].release_to_waiter(job.id, job.epoch)) is wanted
        if wanted:
            job.kernel = liveness.NO_KERNEL

    @rule(key=keys)
    def stop_waiting(self, key):
        job = self.job_at(key)
        for waiter in sorted(job.waiters) if job is not None else ():
            for number, journal in enumerate(self.living):
                if journal is not None and journal.kernel_id == waiter[1]:
                    self.writes(number)
                    asyncio.run(journal.stop_waiting(job.id, waiter[0]))
                    job.waiters.discard(waiter)

    @rule(number=kernels, key=keys, status=st.sampled_from(["succeeded", "failed"]), cost=st.integers(0, 30))
    def resolve(self, number, key, status, cost):
        """A person decides: only what is unknown, whoever held it."""
        number = self.awake(number)
        job = self.job_at(key, "unknown")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_unknown = self.jobs.get(key) is job and job.state == "unknown"
        generation = ended(job.intent, status, cost_micro_usd=cost)
        assert asyncio.run(self.living[number].resolve(job.id, generation)) is is_unknown
        if is_unknown:
            self.end(job, generation)

    @rule(number=kernels, key=keys, url=st.text(max_size=3))
    def reconcile(self, number, key, url):
        """The service knew an unknown job after all: it counts again, for whoever found that out."""
        number = self.awake(number)
        job = self.job_at(key, "unknown")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_unknown = self.jobs.get(key) is job and job.state == "unknown"
        found = asyncio.run(self.living[number].reconcile(job.id, {"url": url}))
        assert found == (Inherited(job.id, job.epoch + 1, {"url": url}) if is_unknown else None)
        if is_unknown:
            self.over.append((job.id, job.epoch, job.intent))
            job.epoch, job.kernel = job.epoch + 1, self.living[number].kernel_id
            self.accept(job, {"url": url})

    @rule(number=kernels, key=keys, cost=st.integers(0, 20))
    def record(self, number, key, cost):
        """Local work needs no lease; what it costs counts today."""
        number = self.awake(number)
        generation = a_generation(key, cost_micro_usd=cost)
        self.writes(number)
        asyncio.run(self.living[number].record([generation]))
        self.results[key] = generation.id
        self.statuses[generation.id] = "succeeded"
        self.spent[self.today] += cost

    @rule(days=st.sampled_from([-1, 1, 40]))
    def jump(self, days):
        """Any clock."""
        self.now_us += days * DAY_US

    @rule(number=kernels, properly=st.booleans())
    def die(self, number, properly):
        """The lock falls, the files stay."""
        journal = self.living[number]
        if journal is not None:
            journal.close() if properly else abandon(journal)
            self.alive.discard(journal.kernel_id)
            self.living[number] = None

    @rule(number=kernels)
    def come_back(self, number):
        """Who opens writes what the dead had put aside."""
        if self.living[number] is None:
            self.living[number] = self.open()
            self.alive.add(self.living[number].kernel_id)
            for dead in set(self.outboxes) - self.alive:
                self.apply_outbox(dead)
                del self.outboxes[dead]

    @precondition(lambda self: getattr(self, "over", None))
    @rule(number=kernels, status=ends)
    def late_writers_are_fenced_off(self, number, status):
        """A lease that was passed on writes nothing, whoever says so."""
        number = self.awake(number)
        self.writes(number)
        for job_id, epoch, intent in self.over:
            generation = ended(intent, status, id=new_id())
            assert not asyncio.run(self.living[number].finish(job_id, epoch, generation))
            assert not asyncio.run(self.living[number].accepted(job_id, epoch, {}))

    # --- what must be so --------------------------------------------------------------------------------------------

    @invariant()
    def the_file_says_the_same(self):
        if not hasattr(self, "outboxes"):
            return
        with closing(sqlite3.connect(self.home / "journal.sqlite")) as reader:
            rows = reader.execute(
                "SELECT content_key, job_id, epoch, state, kernel_id FROM jobs WHERE state IN "
                "('intent', 'accepted', 'unknown')"
            ).fetchall()
            results = dict(reader.execute("SELECT content_key, generation_id FROM results"))
            waiters = set(reader.execute("SELECT job_id, waiting_job_id, kernel_id FROM waiters"))
            sums = {
                scope: reservations.spending_in(reader.cursor(), scope, self.today)
                for scope in (PROJECT, f"day:{self.today}")
            }
            states = dict(
                reader.execute(
                    "SELECT entity_id, json_extract(payload, '$.status') FROM events WHERE kind = 'generation' "
                    "ORDER BY seq"
                )
            )
        assert {(key_of(job.key), job.id, job.epoch, job.state, job.kernel) for job in self.jobs.values()} == set(rows)
        assert results == {key_of(key): generation_id for key, generation_id in self.results.items()}
        assert waiters == {(job.id, *waiter) for job in self.jobs.values() for waiter in job.waiters}
        project, day = sums.values()
        assert (project.spent_micro_usd, project.reserved_micro_usd) == (sum(self.spent.values()), self.held())
        assert (day.spent_micro_usd, day.reserved_micro_usd) == (self.spent[self.today], self.held(self.today))
        assert states == self.statuses


Kernels.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestKernels = pytest.mark.slow(Kernels.TestCase)
