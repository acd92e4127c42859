"""`fusionflow doctor --money`: discrepancies are reported with the next step, and repaired where possible."""

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
def finished(flow: Flow, fake: FakeProvider) -> Flow:
    """A flow with paid, failed, refused, free and unknown calls, and one above its estimate."""
    fake.when("failed", Behaviour(end="failed"))
    fake.when("refused", Behaviour(end="refused"))
    fake.when("dear", Behaviour(cost_micro_usd=123_456))
    fake.when("unknown", Behaviour(submit="taken"))
    for prompt in ("paid", "failed", "refused", "dear", "unknown"):
        flow.generate_image(prompt, model="fake/image", name=prompt)
    flow.generate_image("free", model="fake/free", name="free")
    flow.run().wait(PATIENCE_S)
    return flow


def damage(session: Session, *statements: str) -> None:
    """Change the database with another connection."""
    connection = sqlite3.connect(session.journal.path)
    with connection:
        for statement in statements:
            whole = statement
            for word, means in WORDS.items():
                whole = whole.replace(f"= {word}", f"= {means}")
            changed = connection.execute(whole).rowcount
            assert changed, f"changed nothing: {statement}"
    connection.close()


def kinds(session: Session) -> set[str]:
    return {item.kind for item in money_audit.examine(session)[1]}


def test_consistent_records_have_no_discrepancy(finished: Flow, session: Session) -> None:
    """After every kind of end there is no difference, and the sums are reported."""
    audit, entries = money_audit.examine(session)
    assert entries == []
    assert (audit.calls, audit.open_calls) == (5, 1)
    assert (audit.spent_micro_usd, audit.held_micro_usd) == (163_456, 40_000)
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 0
    assert "5 paid calls ended, $0.16 spent; 1 open, $0.04 reserved; no discrepancy" in done.stdout


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
    "dangling_result": ["UPDATE results SET generation_id = 'missing' WHERE content_key = KEY"],
    "no_outputs": ["UPDATE events SET payload = json_remove(payload, '$.outputs') WHERE seq = ENDED"],
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_discrepancy_has_a_next_step(finished: Flow, session: Session, case: str) -> None:
    """The command exits with 1; repairable kinds are repaired, and the records then agree."""
    kind = case.split(maxsplit=1)[0]
    damage(session, *BROKEN[case])
    entries = money_audit.examine(session)[1]
    assert kind in {item.kind for item in entries}
    assert all(item.next for item in entries)
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 1
    assert kind.replace("_", " ") in done.stdout
    if kind in money_audit.REPAIRABLE:
        repaired = CliRunner().invoke(main, ["doctor", "--money", "--repair"])
        assert repaired.exit_code == 0, repaired.stdout
        assert kinds(session) == set()
        audit, _ = money_audit.examine(session)
        assert (audit.spent_micro_usd, audit.held_micro_usd) == (163_456, 40_000)


def test_every_kind_has_a_test() -> None:
    """Each kind of discrepancy is caused by a test."""
    broken = {case.split()[0] for case in BROKEN} | {"lost_bytes", "outbox", "rejected", "store"}
    assert broken == set(money_audit._NEXT)


def test_repaired_result_is_not_paid_again(finished: Flow, fake: FakeProvider, session: Session) -> None:
    """A lost look-up row is rebuilt from the log: the next run is cached."""
    damage(session, "DELETE FROM results WHERE content_key = KEY")
    CliRunner().invoke(main, ["doctor", "--money", "--mend"])
    session.engine.memo.clear()
    sent = len(fake.log())
    assert counts(finished.run("paid").wait(PATIENCE_S)) == {"cached": 1}
    assert len(fake.log()) == sent


def test_lost_bytes_are_reported_with_their_generation(finished: Flow, session: Session) -> None:
    """A missing file is a warning that names its digest and generation."""
    [picture] = [output for name, output in finished.run("paid").wait().outputs.items() if name == "paid"]
    session.store.path(picture.asset.sha256).unlink()
    [finding] = money_audit.examine(session)[1]
    assert finding.kind == "lost_bytes"
    assert picture.asset.sha256[:12] in finding.message
    done = CliRunner().invoke(main, ["doctor", "--money"])
    assert done.exit_code == 0
    assert "lost bytes" in done.stdout


def test_failing_store_is_reported_once(finished: Flow, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store fails, its error is reported once, and the records are checked."""

    def fail(_sha256: str) -> bool:
        raise errors.StoreError("The bucket does not answer.")

    monkeypatch.setattr(session.store, "has", fail)
    audit, [finding] = money_audit.examine(session)
    assert (finding.kind, audit.calls) == ("store", 5)
    assert "The bucket does not answer" in finding.message


def test_outbox_entries_are_reported(finished: Flow, session: Session) -> None:
    """Entries not written yet and rejected entries are reported by both doctor commands."""
    kernels = session.journal.path.parent / "kernels"
    (kernels / "dead.outbox.jsonl").write_text('{"kind": "finish"}\n{"kind": "finish"}\n')
    (kernels / "dead.rejected.jsonl").write_text('{"kind": "odd"}\n')
    messages = {item.kind: item.message for item in money_audit.examine(session)[1]}
    assert "2 lines in" in messages["outbox"]
    assert "1 line in" in messages["rejected"]
    states = {finding.name: finding.state for finding in doctor.findings()}
    assert (states["outbox"], states["rejected"]) == ("warning", "error")


def test_repair_requires_money() -> None:
    """`--repair`, or its former name `--mend`, without `--money` is a usage error."""
    for option in ("--repair", "--mend"):
        done = CliRunner().invoke(main, ["doctor", option])
        assert done.exit_code == 2
        assert "requires --money" in done.output


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
    session.journal.path.unlink()      # no claim can be written
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
        check=False,  # it exits like a killed kernel
    )


def test_nothing_is_submitted_without_a_journal(tmp_path: Path) -> None:
    """A kernel whose journal was removed raises an error, and the service receives nothing."""
    done = writer(tmp_path, "refuse")
    assert "was removed or replaced while it was in use" in done.stdout, done.stderr
    assert FakeProvider(tmp_path / "service").log() == []


def test_outbox_result_is_applied_once_by_the_next_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal disappears before the result: the outbox keeps it, and the next kernel writes it."""
    done = writer(tmp_path, "lose")
    assert "'still': 'succeeded'" in done.stdout, done.stderr
    home = tmp_path / "home"
    [outbox] = (home / "kernels").glob("*.outbox.jsonl")
    assert outbox.read_text().count('"finish"') == 1
    (home / "journal.away").rename(home / "journal.sqlite")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "service"))
    session = current_session()
    assert not outbox.exists()
    assert kinds(session) == set()
    rows = ff.tape.sql("select node_id, status, cost_computation::double from generations").rows()
    assert rows == [("still", "succeeded", 0.04)]
    assert len(FakeProvider(tmp_path / "service").log()) == 1
