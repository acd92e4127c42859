"""What is paid for stays in hand: where its end cannot be written, stored, waited for or told, the next run has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.engine import PATIENCE_S, EventRecorder, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.journal import liveness
from fusionflow_nb.providers.protocol import Pending
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from fusionflow_nb.api.flow import Flow


class AtOnce(FakeProvider):
    """A service that answers a submit with the result itself: nothing can be fetched again."""

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        operation = await super().submit(request, idempotency_key=idempotency_key)
        while isinstance(status := await self.poll(operation), Pending):
            pass
        return status


@pytest.fixture(params=[FakeProvider, AtOnce], ids=["a queue", "at once"])
def fake(request: pytest.FixtureRequest) -> FakeProvider:
    """Both kinds of service."""
    return request.param()


def failing(error: Exception, whole: Any = None, *, times: int = 1) -> Any:
    """A call that fails so often, and then does what it did before."""
    left = [times]

    async def call(*args: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return await whole(*args, **named)

    return call


def books(session: Session) -> list[tuple[str, int]]:
    """Status and cost of every generation, and what is still reserved, in micro-dollars."""
    rows = ff.tape.sql("SELECT status, cost_computation FROM generations ORDER BY id").rows()
    spending = session.call(session.journal.spending(["project:test"]))["project:test"]
    assert spending.spent_micro_usd == sum(round(float(cost or 0) * 1e6) for _, cost in rows)
    return [(status, round(float(cost or 0) * 1e6)) for status, cost in rows] + [("held", spending.reserved_micro_usd)]


@pytest.fixture
def flow(session: Session) -> Flow:
    """One picture for four cents."""
    made = ff.Flow("Test", id="test")
    made.generate_image("dawn", model="fake/image", name="still")
    return made


def test_an_end_that_no_disk_could_take_is_written_by_the_next_run(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither journal nor outbox: the run fails and says so; the next one has the result and nobody waits for ever."""
    unwritable = errors.JournalUnwritableError("The disk is full.", hint="Make room.")
    monkeypatch.setattr(session.journal, "finish", failing(unwritable, session.journal.finish))
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.JournalUnwritableError)
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1
    assert books(session) == [("succeeded", 40_000), ("held", 0)]


def test_a_result_that_no_disk_could_take_is_stored_by_the_next_run(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not submitted again, not paid again, and no cap stands in its way."""

    def full(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    session.engine.context.caps_micro_usd["project"] = 40_000
    whole = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", full)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.DiskFullError)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.DiskFullError)
    monkeypatch.setattr(LocalFolderStore, "put", whole)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1
    assert sum(cost for _, cost in books(session)) == 40_000


def test_a_result_that_is_no_media_was_paid_for_and_is_no_ones_lease(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking again makes it no better: it failed, it cost what it cost, and a person may run it again."""

    def torn(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.MediaError("The picture is truncated.")

    whole = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", torn)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.MediaError)
    assert books(session) == [("failed", 40_000), ("held", 0)]
    monkeypatch.setattr(LocalFolderStore, "put", whole)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 2


@pytest.mark.parametrize("fake", [FakeProvider], ids=["a queue"], indirect=True)
@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("journal", errors.JournalBusyError("Held by another process.")),
        ("service", errors.SecretError("The key was taken back.")),
        ("service", KeyError("status")),
    ],
    ids=["journal busy", "no key any more", "adapter breaks"],
)
def test_a_cancel_that_nobody_could_be_told_of_blocks_nothing(  # noqa: PLR0917 - fixtures
    flow: Flow, fake: FakeProvider, session: Session, recorder: EventRecorder, monkeypatch: Any, where: str, error: Any
) -> None:
    """Whoever cannot be told: the job has an end or a follower, and the next run does not wait for ever."""
    fake.enqueue(Behaviour(polls=60))
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    if where == "journal":
        monkeypatch.setattr(session.journal, "release_to_waiter", failing(error, session.journal.release_to_waiter))
    else:
        monkeypatch.setattr(fake, "cancel", failing(error))
    run.cancel()
    assert run.wait(PATIENCE_S).status == "cancelled"
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    # Where the journal was busy the job was followed again; a stop that failed may be billed, and is booked as such.
    assert len(fake.log()) == (1 if where == "journal" else 2)
    assert sum(cost for _, cost in books(session)) == len(fake.log()) * 40_000


@pytest.mark.parametrize("fake", [FakeProvider], ids=["a queue"], indirect=True)
def test_a_kernel_that_slept_looks_once_more_before_it_gives_up(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time has run out while nobody looked (a closed laptop, a stopped process): what is done by then is taken."""
    entry = session.registry.entry("fake/image")
    assert entry is not None
    monkeypatch.setitem(session.registry._entries, "fake/image", entry.model_copy(update={"timeout_s": 0.05}))
    whole, looks = fake.poll, []

    async def asleep(operation: Any) -> Any:
        looks.append(operation)
        if len(looks) == 1:
            await asyncio.Event().wait()  # for ever, as far as this kernel can tell
        while isinstance(status := await whole(operation), Pending):
            pass
        return status

    monkeypatch.setattr(fake, "poll", asleep)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(looks) == 2
    assert fake.cancelled == []
    assert books(session) == [("succeeded", 40_000), ("held", 0)]


@pytest.mark.parametrize("fake", [FakeProvider], ids=["a queue"], indirect=True)
def test_who_was_taken_for_dead_settles_nothing(
    flow: Flow, fake: FakeProvider, session: Session, recorder: EventRecorder
) -> None:
    """Its lock file was removed, another kernel brought the work home: booked once, and the next run has the result."""
    fake.enqueue(Behaviour(polls=150))
    run = flow.run()
    recorder.until_state(run, "still", "running", progress=0.01)
    liveness.lock_path(session.home / "kernels", session.journal.kernel_id).unlink()
    other = Session(session.home, Registry([fake]))
    try:
        assert len(other.resume()) == 1
        assert counts(run.wait(PATIENCE_S)) == {"failed": 1}
        assert "taken this job over" in str(run.errors[0])
        assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    finally:
        other.close()
    assert len(fake.log()) == 1
    assert books(current_session()) == [("succeeded", 40_000), ("held", 0)]
