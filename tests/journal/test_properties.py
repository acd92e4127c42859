"""The journal against a simple model, for any actions, outbox entries and deaths of kernels.

Every kernel is a separate `Journal` on one file. Plain dicts hold the expected state after each step: holders and
waiters of keys, amounts spent, reserved and at stake per day, results, and the status of every generation.
`test_model` tests the leases alone with many more examples.
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
    """An open job in the model."""

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
    """An outbox entry; `is_written` after it was applied with an effect, at most once."""

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
        self.kernels = [self.open() for _ in range(KERNELS)]
        self.alive = {journal.kernel_id for journal in self.kernels}
        self.jobs = {}  # key -> the open job
        self.over = []  # leases that were passed on or have ended: (job id, epoch, intent)
        self.results = {}  # key -> generation id
        self.spent = Counter()  # day -> settled
        self.statuses = {}  # generation id -> the last status logged
        self.outboxes = {}  # kernel id -> lines, until its file is gone

    def teardown(self):
        if hasattr(self, "home"):
            for journal in filter(None, self.kernels):
                journal.close()
            shutil.rmtree(self.home)

    # --- the model -----------------------------------------------------------------------------------------------

    def open(self):
        return Journal.open(self.home, clock_us=lambda: self.now_us)

    @property
    def today(self):
        return reservations.day_of(self.now_us)

    def held(self, day=None):
        """Return the sum reserved today: unknown jobs count on their day only."""
        return sum(
            job.reserve
            for job in self.jobs.values()
            if (day is None or job.day == day) and (job.state != "unknown" or job.day == self.today)
        )

    def over_cap(self, requested):
        for scope, cap, spent, held in (
            (f"day:{self.today}", DAY_CAP, self.spent[self.today], self.held(self.today)),
            (PROJECT, PROJECT_CAP, sum(self.spent.values()), self.held()),
        ):
            if requested and spent + held + requested > cap:
                return OverBudget(scope, cap, spent, held, requested)
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
        """Apply an outbox: each entry once, and only while its lease is valid."""
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
        """Return this kernel or the next live kernel; restart a kernel if all are dead."""
        for index in (*range(number, KERNELS), *range(number)):
            if self.kernels[index] is not None:
                return index
        self.restart(number)
        return number

    def writes(self, number):
        """A kernel begins a transaction: its outbox is applied first."""
        self.apply_outbox(self.kernels[number].kernel_id)
        self.outboxes.pop(self.kernels[number].kernel_id, None)

    def open_job_for(self, key, kernel_id):
        """A kernel claims a key: the outbox of a dead holder is applied first."""
        job = self.jobs.get(key)
        if job is not None and job.kernel != kernel_id and job.kernel not in self.alive:
            self.apply_outbox(job.kernel)
        return self.jobs.get(key)

    def answer_for(self, job, kernel_id, waiting_job_id):
        """Return the answer to a claim of an open job."""
        if job.state == "unknown":
            return Unknown(job.id, job.reserve)
        if job.kernel == kernel_id or job.kernel in self.alive:
            if waiting_job_id is not None:
                job.waiters.add((waiting_job_id, kernel_id))
            return Held(job.id, job.kernel)
        if job.operation is None:
            self.end(job, replace(job.intent.draft, status="unknown"))
            return Unknown(job.id, job.reserve)
        self.over.append((job.id, job.epoch, job.intent))
        job.epoch, job.kernel = job.epoch + 1, kernel_id
        return Inherited(job.id, job.epoch, job.operation)

    def job_at(self, key, *states):
        """Return the open job of this key, else of another key, optionally in one of some states."""
        for job in sorted(self.jobs.values(), key=lambda job: job.key != key):
            if not states or job.state in states:
                return job
        return None

    def owned(self, key, *states):
        """Return the same for a job of a live kernel, with the kernel's number."""
        numbers = {journal.kernel_id: number for number, journal in enumerate(self.kernels) if journal is not None}
        for job in sorted(self.jobs.values(), key=lambda job: job.key != key):
            if job.kernel in numbers and (not states or job.state in states):
                return job, numbers[job.kernel]
        return None, 0

    # --- actions of kernels --------------------------------------------------------------------------------------

    @rule(number=kernels, requests=st.lists(st.tuples(keys, amounts, mostly), min_size=1, max_size=3), stays=mostly)
    def claim(self, number, requests, stays):
        """Answers are in order, earlier intents count for later intents; a cancelled caller holds nothing."""
        number = self.awake(number)
        journal = self.kernels[number]
        intents = [
            an_intent(key, reserve=reserve, replaces=self.results.get(key) if is_replacement else None)
            for key, reserve, is_replacement in requests
        ]
        self.writes(number)
        answers = asyncio.run(journal.claim(intents, {"day": DAY_CAP, "project": PROJECT_CAP}))
        for (key, reserve, _), intent, answer in zip(requests, intents, answers, strict=True):
            job = self.open_job_for(key, journal.kernel_id)
            if self.results.get(key, intent.replaces) != intent.replaces:
                assert isinstance(answer, Stored)
                assert answer.generation_id == self.results[key]
            elif job is not None:
                assert answer == self.answer_for(job, journal.kernel_id, intent.job_id)
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
        """As `resume` does: never a submission."""
        number = self.awake(number)
        job = self.job_at(key)
        if job is None:
            return
        key = job.key
        journal = self.kernels[number]
        self.writes(number)
        if self.open_job_for(key, journal.kernel_id) is not job:  # its end was in an outbox
            try:
                assert isinstance(asyncio.run(journal.adopt(job.id)), Stored)
                assert key in self.results
            except messages.errors.JournalError:
                assert key not in self.results
        else:
            assert asyncio.run(journal.adopt(job.id)) == self.answer_for(job, journal.kernel_id, None)

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
        is_held = self.jobs.get(key) is job
        assert asyncio.run(self.kernels[number].accepted(job.id, job.epoch, operation)) is is_held
        if is_held:
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
        is_held = self.jobs.get(key) is job
        epoch = job.epoch
        for _ in range(times):  # repeating an end has no effect
            is_finished = asyncio.run(self.kernels[number].finish(job.id, epoch, generation))
            assert is_finished or not is_held
        if is_held:
            self.end(job, generation)

    def put_aside(self, number, line):
        """Write to the outbox, as if the journal could not be written."""
        journal = self.kernels[number]
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
        """An accepted job passes to a live waiter; otherwise it stays with its kernel, to be cancelled."""
        job, number = self.owned(key, "accepted")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_open = self.jobs.get(key) is job and job.state == "accepted"  # the outbox may have ended it
        has_waiter = is_open and any(kernel_id in self.alive for _, kernel_id in job.waiters)
        assert asyncio.run(self.kernels[number].release_to_waiter(job.id, job.epoch)) is has_waiter
        if has_waiter:
            job.kernel = liveness.NO_KERNEL

    @rule(key=keys)
    def stop_waiting(self, key):
        job = self.job_at(key)
        for waiter in sorted(job.waiters) if job is not None else ():
            for number, journal in enumerate(self.kernels):
                if journal is not None and journal.kernel_id == waiter[1]:
                    self.writes(number)
                    asyncio.run(journal.stop_waiting(job.id, waiter[0]))
                    job.waiters.discard(waiter)

    @rule(number=kernels, key=keys, status=st.sampled_from(["succeeded", "failed"]), cost=st.integers(0, 30))
    def resolve(self, number, key, status, cost):
        """The user decides; only for unknown jobs, of any kernel."""
        number = self.awake(number)
        job = self.job_at(key, "unknown")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_unknown = self.jobs.get(key) is job and job.state == "unknown"
        generation = ended(job.intent, status, cost_micro_usd=cost)
        assert asyncio.run(self.kernels[number].resolve(job.id, generation)) is is_unknown
        if is_unknown:
            self.end(job, generation)

    @rule(number=kernels, key=keys, url=st.text(max_size=3))
    def reconcile(self, number, key, url):
        """The service knows an unknown job: its reservation counts, and this kernel holds it."""
        number = self.awake(number)
        job = self.job_at(key, "unknown")
        if job is None:
            return
        key = job.key
        self.writes(number)
        is_unknown = self.jobs.get(key) is job and job.state == "unknown"
        inherited = asyncio.run(self.kernels[number].reconcile(job.id, {"url": url}))
        assert inherited == (Inherited(job.id, job.epoch + 1, {"url": url}) if is_unknown else None)
        if is_unknown:
            self.over.append((job.id, job.epoch, job.intent))
            job.epoch, job.kernel = job.epoch + 1, self.kernels[number].kernel_id
            self.accept(job, {"url": url})

    @rule(number=kernels, key=keys, cost=st.integers(0, 20))
    def record(self, number, key, cost):
        """Local calls need no lease; their cost counts today."""
        number = self.awake(number)
        generation = a_generation(key, cost_micro_usd=cost)
        self.writes(number)
        asyncio.run(self.kernels[number].record([generation]))
        self.results[key] = generation.id
        self.statuses[generation.id] = "succeeded"
        self.spent[self.today] += cost

    @rule(days=st.sampled_from([-1, 1, 40]))
    def jump(self, days):
        """Set the clock."""
        self.now_us += days * DAY_US

    @rule(number=kernels, properly=st.booleans())
    def die(self, number, properly):
        """Release the lock, keep the files."""
        journal = self.kernels[number]
        if journal is not None:
            journal.close() if properly else abandon(journal)
            self.alive.discard(journal.kernel_id)
            self.kernels[number] = None

    @rule(number=kernels)
    def restart(self, number):
        """Opening applies the outboxes of dead kernels."""
        if self.kernels[number] is None:
            self.kernels[number] = self.open()
            self.alive.add(self.kernels[number].kernel_id)
            for dead in set(self.outboxes) - self.alive:
                self.apply_outbox(dead)
                del self.outboxes[dead]

    @precondition(lambda self: getattr(self, "over", None))
    @rule(number=kernels, status=ends)
    def late_writes_are_refused(self, number, status):
        """An expired lease writes nothing, from any kernel."""
        number = self.awake(number)
        self.writes(number)
        for job_id, epoch, intent in self.over:
            generation = ended(intent, status, id=new_id())
            assert not asyncio.run(self.kernels[number].finish(job_id, epoch, generation))
            assert not asyncio.run(self.kernels[number].accepted(job_id, epoch, {}))

    # --- invariants ----------------------------------------------------------------------------------------------

    @invariant()
    def the_file_equals_the_model(self):
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
