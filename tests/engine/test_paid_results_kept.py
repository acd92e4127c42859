"""A paid result is kept: if its end cannot be written, stored, awaited or cancelled, the next run has it."""

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


class Synchronous(FakeProvider):
    """A service that returns the result from submit: it cannot be fetched again."""

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        operation = await super().submit(request, idempotency_key=idempotency_key)
        while isinstance(status := await self.poll(operation), Pending):
            pass
        return status


@pytest.fixture(params=[FakeProvider, Synchronous], ids=["queue", "synchronous"])
def fake(request: pytest.FixtureRequest) -> FakeProvider:
    """A service with a queue, and a synchronous service."""
    return request.param()


def failing(error: Exception, original: Any = None, *, times: int = 1) -> Any:
    """An async function that raises `times` times and then calls the original."""
    remaining = [times]

    async def call(*args: Any, **kwargs: Any) -> Any:
        if remaining[0]:
            remaining[0] -= 1
            raise error
        return await original(*args, **kwargs)

    return call


def costs(session: Session) -> list[tuple[str, int]]:
    """Status and cost of every generation, then the reserved amount (`held`), in micro-dollars."""
    rows = ff.tape.sql("SELECT status, cost_computation FROM generations ORDER BY id").rows()
    spending = session.call(session.journal.spending(["project:test"]))["project:test"]
    assert spending.spent_micro_usd == sum(round(float(cost or 0) * 1e6) for _, cost in rows)
    return [(status, round(float(cost or 0) * 1e6)) for status, cost in rows] + [("held", spending.reserved_micro_usd)]


@pytest.fixture
def flow(session: Session) -> Flow:
    """One image for four cents."""
    flow = ff.Flow("Test", id="test")
    flow.generate_image("dawn", model="fake/image", name="still")
    return flow


def test_unsaved_settlement_is_written_by_the_next_run(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If neither journal nor outbox can be written the run fails; the next run settles the job and has its result."""
    unwritable = errors.JournalUnwritableError("The disk is full.", hint="Make room.")
    monkeypatch.setattr(session.journal, "finish", failing(unwritable, session.journal.finish))
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.JournalUnwritableError)
    assert counts(flow.run().wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == 1
    assert costs(session) == [("succeeded", 40_000), ("held", 0)]


def test_unstored_result_is_stored_by_the_next_run(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither submitted nor paid again, and no budget cap blocks it."""

    def full(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.DiskFullError("The disk is full.", hint="Make room.")

    session.engine.context.caps_micro_usd["project"] = 40_000
    original_put = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", full)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.DiskFullError)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.DiskFullError)
    monkeypatch.setattr(LocalFolderStore, "put", original_put)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 1
    assert sum(cost for _, cost in costs(session)) == 40_000


def test_invalid_media_result_is_paid_and_releases_its_lease(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polling again would not change it: the job fails at its full cost, and the node can run again."""

    def torn(_store: LocalFolderStore, *_args: object, **_facts: object) -> None:
        raise errors.MediaError("The picture is truncated.")

    original_put = LocalFolderStore.put
    monkeypatch.setattr(LocalFolderStore, "put", torn)
    assert isinstance(flow.run().wait(PATIENCE_S).errors[0], errors.MediaError)
    assert costs(session) == [("failed", 40_000), ("held", 0)]
    monkeypatch.setattr(LocalFolderStore, "put", original_put)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(fake.log()) == 2


@pytest.mark.parametrize("fake", [FakeProvider], ids=["queue"], indirect=True)
@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("journal", errors.JournalBusyError("Held by another process.")),
        ("service", errors.SecretError("The key was revoked.")),
        ("service", KeyError("status")),
    ],
    ids=["journal busy", "key revoked", "adapter exception"],
)
def test_failed_cancel_does_not_block_the_next_run(  # noqa: PLR0917 - fixtures
    flow: Flow, fake: FakeProvider, session: Session, recorder: EventRecorder, monkeypatch: Any, where: str, error: Any
) -> None:
    """The job is settled or detached, so that the next run does not wait forever."""
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
    # With a busy journal the job was resumed; a failed cancel may still be billed and counts as spent.
    assert len(fake.log()) == (1 if where == "journal" else 2)
    assert sum(cost for _, cost in costs(session)) == len(fake.log()) * 40_000


@pytest.mark.parametrize("fake", [FakeProvider], ids=["queue"], indirect=True)
def test_timed_out_job_is_polled_once_more(
    flow: Flow, fake: FakeProvider, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a suspend (a closed laptop, a stopped process) a result that is ready by then is used."""
    entry = session.registry.entry("fake/image")
    assert entry is not None
    monkeypatch.setitem(session.registry._entries, "fake/image", entry.model_copy(update={"timeout_s": 0.05}))
    original_poll, polls = fake.poll, []

    async def asleep(operation: Any) -> Any:
        polls.append(operation)
        if len(polls) == 1:
            await asyncio.Event().wait()  # never returns
        while isinstance(status := await original_poll(operation), Pending):
            pass
        return status

    monkeypatch.setattr(fake, "poll", asleep)
    assert counts(flow.run().wait(PATIENCE_S)) == {"succeeded": 1}
    assert len(polls) == 2
    assert fake.cancelled == []
    assert costs(session) == [("succeeded", 40_000), ("held", 0)]


@pytest.mark.parametrize("fake", [FakeProvider], ids=["queue"], indirect=True)
def test_kernel_whose_job_was_taken_over_settles_nothing(
    flow: Flow, fake: FakeProvider, session: Session, recorder: EventRecorder
) -> None:
    """Its lock file was removed and another kernel finished the job: paid once, and the next run has the result."""
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
    assert costs(current_session()) == [("succeeded", 40_000), ("held", 0)]
