"""`fusionflow doctor --money`: sound books say so; damage is named with the next step, and mended where it can be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support.engine import PATIENCE_S, counts

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.cli import main
from fusionflow_nb.maintenance import doctor, money_audit
from fusionflow_nb.session import current_session
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, Behaviour, FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow
    from fusionflow_nb.session import Session


@pytest.fixture
def worked(flow: Flow, fake: FakeProvider) -> Flow:
    """Paid, failed, refused, dearer than thought, of unknown outcome: what an honest day leaves behind."""
    fake.when("failed", Behaviour(end="failed"))
    fake.when("refused", Behaviour(end="refused"))
    fake.when("dear", Behaviour(cost_micro_usd=123_456))
    fake.when("unknown", Behaviour(submit="taken"))
    for prompt in ("paid", "failed", "refused", "dear", "unknown"):
        flow.generate_image(prompt, model="fake/image", name=prompt)
    flow.generate_image("free", model="fake/free", name="free")
    flow.run().wait(PATIENCE_S)
    return flow


def break_it(session: Session, *statements: str) -> None:
    """Damage the file behind the journal's back."""
    connection = sqlite3.connect(session.journal.path)
    with connection:
        for statement in statements:
            whole = statement
            for word, means in WORDS.items():
                whole = whole.replace(f"= {word}", f"= {means}")
            changed = connection.execute(whole).rowcount
            assert changed, f"changed nothing: {statement}"
    connection.close()


def found(session: Session) -> set[str]:
    return {entry.kind for entry in money_audit.examine(session)[1]}


def test_sound_books_say_so(worked: Flow, session: Session) -> None:
    """After every kind of end nothing differs, and the sums are told: calls, spent, open, held."""
    audit, entries = money_audit.examine(session)
    assert entries == []
    assert (audit.calls, audit.open_calls) == (5, 1)
    assert (audit.spent_micro_usd, audit.held_micro_usd) == (163_456, 40_000)
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 0
    assert "5 paid calls have ended, $0.16 spent; 1 open, $0.04 held; everything agrees" in done.stdout


PAID = "(SELECT job_id FROM jobs WHERE json_extract(draft, '$.node_id') = 'paid')"
UNKNOWN = "(SELECT job_id FROM jobs WHERE state = 'unknown')"
KEY = "(SELECT content_key FROM jobs WHERE json_extract(draft, '$.node_id') = 'paid')"
ENDED = "(SELECT ended_seq FROM jobs WHERE json_extract(draft, '$.node_id') = 'paid')"
WORDS = {"PAID": PAID, "UNKNOWN": UNKNOWN, "KEY": KEY, "ENDED": ENDED}
BROKEN = {
    "stray_reservation": [
        "INSERT INTO reservations (job_id, scope, micro_usd, state, day) VALUES ('x', 'project:p', 5, 'reserved', 'd')"
    ],
    "stray_reservation of an ended job": ["UPDATE reservations SET state = 'reserved' WHERE job_id = PAID"],
    "missing_reservation": ["DELETE FROM reservations WHERE job_id = UNKNOWN"],
    "wrong_reservation": ["UPDATE reservations SET state = 'reserved' WHERE job_id = UNKNOWN"],
    "wrong_reservation of one budget": [
        "UPDATE reservations SET micro_usd = 1 WHERE job_id = UNKNOWN AND scope LIKE 'day:%'"
    ],
    "wrong_settlement": ["UPDATE reservations SET micro_usd = micro_usd + 1 WHERE job_id = PAID"],
    "wrong_settlement of a missing month": ["DELETE FROM reservations WHERE job_id = PAID AND scope LIKE 'month:%'"],
    "wrong_settlement that is gone": ["DELETE FROM reservations WHERE job_id = PAID"],
    "missing_result": ["DELETE FROM results WHERE content_key = KEY"],
    "unbooked_cost": ["DELETE FROM reservations WHERE job_id = PAID", "DELETE FROM jobs WHERE job_id = PAID"],
    "unended_job": ["UPDATE jobs SET ended_seq = NULL WHERE job_id = PAID"],
    "no_operation": ["UPDATE jobs SET state = 'accepted', operation = NULL WHERE job_id = UNKNOWN"],
    "dangling_result": ["UPDATE results SET generation_id = 'nobody' WHERE content_key = KEY"],
    "no_outputs": ["UPDATE events SET payload = json_remove(payload, '$.outputs') WHERE seq = ENDED"],
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_kind_of_damage_is_named_with_the_next_step(worked: Flow, session: Session, case: str) -> None:
    """The audit says which row differs and what to do; the command ends with 1; what can be mended is, and agrees."""
    kind = case.split(maxsplit=1)[0]
    break_it(session, *BROKEN[case])
    entries = money_audit.examine(session)[1]
    assert kind in {entry.kind for entry in entries}
    assert all(entry.next for entry in entries)
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 1
    assert kind.replace("_", " ") in done.stdout
    if kind in money_audit.MENDABLE:
        mended = CliRunner().invoke(main, ["doctor", "--money", "--mend"])
        assert mended.exit_code == 0, mended.stdout
        assert found(session) == set()
        audit, _ = money_audit.examine(session)
        assert (audit.spent_micro_usd, audit.held_micro_usd) == (163_456, 40_000)


def test_every_kind_has_a_test() -> None:
    """A kind of discrepancy that nothing here breaks on purpose is one that nobody has seen."""
    broken = {case.split()[0] for case in BROKEN} | {"lost_bytes", "outbox", "rejected", "store"}
    assert broken == set(money_audit._NEXT)


def test_a_mended_result_is_found_and_not_paid_again(worked: Flow, fake: FakeProvider, session: Session) -> None:
    """A look-up that was lost comes back from the log: the next run hits."""
    break_it(session, "DELETE FROM results WHERE content_key = KEY")
    CliRunner().invoke(main, ["doctor", "--money", "--mend"])
    session.engine.memo.clear()
    sent = len(fake.log())
    assert counts(worked.run("paid").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == sent


def test_lost_bytes_are_named_by_who_made_them(worked: Flow, session: Session) -> None:
    """A result whose file is gone: which one, made by which generation; nothing is broken, somebody should look."""
    [picture] = [output for name, output in worked.run("paid").wait().outputs.items() if name == "paid"]
    session.store.path(picture.asset.sha256).unlink()
    [entry] = money_audit.examine(session)[1]
    assert entry.kind == "lost_bytes"
    assert picture.asset.sha256[:12] in entry.says
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 0
    assert "lost bytes" in done.stdout


def test_a_store_that_cannot_be_asked_is_named(worked: Flow, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict on bytes where the store does not answer: said once, with why; the books are told all the same."""

    def fail(_sha256: str) -> bool:
        raise errors.StoreError("The bucket does not answer.")

    monkeypatch.setattr(session.store, "has", fail)
    audit, [entry] = money_audit.examine(session)
    assert (entry.kind, audit.calls) == ("store", 5)
    assert "The bucket does not answer" in entry.says


def test_what_waits_in_an_outbox_is_seen(worked: Flow, session: Session) -> None:
    """Lines that the journal could not take yet, and such as it would not take, are in both doctors."""
    kernels = session.journal.path.parent / "kernels"
    (kernels / "dead.outbox.jsonl").write_text('{"kind": "finish"}\n{"kind": "finish"}\n')
    (kernels / "dead.rejected.jsonl").write_text('{"kind": "odd"}\n')
    said = {entry.kind: entry.says for entry in money_audit.examine(session)[1]}
    assert "2 lines in" in said["outbox"]
    assert "1 line in" in said["rejected"]
    findings = {one.what: one.state for one in doctor.findings()}
    assert (findings["outbox"], findings["rejected"]) == ("look", "broken")


def test_mending_is_asked_for() -> None:
    """Nothing is written by looking, and --mend alone means nothing."""
    done = CliRunner().invoke(main, ["doctor", "--mend"])
    assert done.exit_code == 2


WRITER = """
import os, sys
import fusionflow_nb as ff
from fusionflow_nb.session import current_session

flow = ff.Flow("Outbox", id="outbox")
flow.generate_image("dawn", model="fake/image", name="still", seed=1)
flow.generate_image("dusk", model="fake/image", name="other", seed=1)
session = current_session()
flow.estimate()
if sys.argv[1] == "refuse":
    session.journal._writer._path.unlink()      # the file is gone under us: no claim can be written
    run = flow.run("still")
    try:
        run.wait()
    except ff.errors.JournalError as error:
        print("refused:", error, flush=True)
    else:
        print(*run.errors, flush=True)
else:
    whole = session.registry.provider("fake").poll
    async def poll(operation):
        if session.journal.path.exists():
            session.journal.path.rename(session.journal.path.with_suffix(".away"))
        return await whole(operation)
    session.registry.provider("fake").poll = poll
    run = flow.run("still")
    try:
        run.wait()
    except ff.errors.JournalError as error:
        print("run:", error, flush=True)
    print({name: job.state for (name, _), job in run.jobs.items()}, flush=True)
    os._exit(9)
"""


def writer(tmp_path: Path, what: str) -> Any:
    environment = {**os.environ, FOLDER_VARIABLE: str(tmp_path / "service")}
    return subprocess.run(
        [sys.executable, "-c", WRITER, what],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,  # it ends as a kernel does that is killed
    )


def test_nothing_paid_is_sent_while_the_journal_cannot_be_written(tmp_path: Path) -> None:
    """A real kernel whose journal is gone: a clear error, and the service's log stays empty."""
    done = writer(tmp_path, "refuse")
    assert "was removed or replaced while it was in use" in done.stdout, done.stderr
    assert FakeProvider(tmp_path / "service").log() == []


def test_a_paid_result_waits_in_the_outbox_and_is_drained_by_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal vanishes before the result comes: the outbox has it, and the next kernel writes it down, once."""
    done = writer(tmp_path, "lose")
    assert "'still': 'succeeded'" in done.stdout, done.stderr
    home = tmp_path / "home"
    [outbox] = (home / "kernels").glob("*.outbox.jsonl")
    assert outbox.read_text().count('"finish"') == 1
    (home / "journal.away").rename(home / "journal.sqlite")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "service"))
    session = current_session()
    assert not outbox.exists()
    assert found(session) == set()
    rows = ff.tape.sql("select node_id, status, cost_computation::double from generations").rows()
    assert rows == [("still", "succeeded", 0.04)]
    assert len(FakeProvider(tmp_path / "service").log()) == 1
