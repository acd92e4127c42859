"""Loading events: the tables are independent of the batches, and an invalid event affects no other."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journal import a_generation, an_intent, ended

from fusionflow_nb.journal import codec
from fusionflow_nb.journal.ids import new_id
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.tape import journal_sync
from fusionflow_nb.tape.query import Tape


class File:
    """A journal file with events written directly."""

    def __init__(self, folder):
        with Journal.open(Path(folder)) as journal:
            self.path = journal.path
        self.connection = sqlite3.connect(self.path, isolation_level=None)

    def add(self, kind, entity_id, payload):
        self.connection.execute(
            "INSERT INTO events (event_id, at_us, kernel_id, kind, entity_id, version, payload) "
            "VALUES (?, 1, 'k', ?, ?, 1, ?)",
            (new_id(), kind, entity_id, payload if isinstance(payload, str) else codec.dumps(payload)),
        )


def steps_of(number, status, *, has_operation):
    """Return the events of a provider call, in order."""
    intent = an_intent(number)
    events = [("intent", intent.draft.id, codec.generation_to_json(intent.draft))]
    if has_operation:
        events.append(("operation", intent.draft.id, {"id": intent.draft.id, "operation": {"n": number}}))
    if status is not None:
        events.append(("generation", intent.draft.id, codec.generation_to_json(ended(intent, status))))
    return events


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_result_is_independent_of_order_and_batches(data):
    """Interleaved events loaded in any parts give the latest state of each call."""
    count = data.draw(st.integers(1, 5))
    statuses = data.draw(
        st.lists(st.sampled_from([None, "succeeded", "failed", "unknown"]), min_size=count, max_size=count)
    )
    operations = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    calls = [
        steps_of(number, status, has_operation=has_operation)
        for number, (status, has_operation) in enumerate(zip(statuses, operations, strict=True))
    ]
    order = data.draw(st.permutations([number for number, steps in enumerate(calls) for _ in steps]))
    ends_first = data.draw(st.booleans())
    pulls = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    remaining = [list(reversed(steps)) if ends_first else list(steps) for steps in calls]
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder)
        tape = Tape(file.path)
        for number, is_pulled in zip(order, pulls, strict=True):
            file.add(*remaining[number].pop(0))
            if is_pulled:
                tape.refresh()
        rows = tape.sql("SELECT id, status, operation FROM generations").rows()
        once = Tape(file.path)
        assert sorted(rows) == sorted(once.sql("SELECT id, status, operation FROM generations").rows())
        once.close()
        tape.close()
        file.connection.close()
    expected = [
        (steps[0][1], status or "running", json.dumps({"n": number}, separators=(",", ":")) if has_operation else None)
        for number, (steps, status, has_operation) in enumerate(zip(calls, statuses, operations, strict=True))
    ]
    assert sorted(rows) == sorted(expected)


def test_last_end_of_a_generation_counts(tmp_path):
    """Unknown first, settled later: one row with the later status, in one pull or two."""
    file = File(tmp_path)
    tape = Tape(file.path)
    generation = a_generation("a", status="unknown", outputs=None)
    later = replace(generation, status="failed", error_code="provider")
    for state in (generation, later):
        file.add("generation", state.id, codec.generation_to_json(state))
        tape.refresh()
    once = Tape(file.path)
    for opened in (tape, once):
        assert opened.sql("SELECT status, error_code FROM generations").rows() == [("failed", "provider")]
        opened.close()
    file.connection.close()


@pytest.mark.parametrize(
    "payload",
    [
        '{"id":"bad","seed":"no number"}',
        '{"id":"bad","outputs":[1,2]}',
        '{"id":"bad"',
        "null",
        '{"id":"bad","seed":1e99}',
    ],
)
def test_invalid_event_is_skipped(tmp_path, payload, caplog):
    """An event that does not fit is skipped with a log record; the others are loaded."""
    file = File(tmp_path)
    file.add("generation", "bad", payload)
    good = a_generation("good")
    file.add("generation", good.id, codec.generation_to_json(good))
    tape = Tape(file.path)
    assert (good.id,) in tape.sql("SELECT id FROM generations WHERE id <> 'bad'").rows()
    assert caplog.records or payload == "null"
    tape.close()
    file.connection.close()


def test_unknown_kinds_and_fields_are_ignored(tmp_path):
    """Events of a newer version are loaded as far as they are known."""
    file = File(tmp_path)
    good = a_generation("good")
    file.add("moon-phase", "x", {"id": "x"})
    file.add("generation", good.id, {**codec.generation_to_json(good), "mood": "blue"})
    tape = Tape(file.path)
    assert tape.sql("SELECT id FROM generations").rows() == [(good.id,)]
    tape.close()
    file.connection.close()


def test_pull_loads_several_parts(tmp_path, monkeypatch):
    """A journal larger than one part is loaded completely, with rows superseded across parts."""
    monkeypatch.setattr(journal_sync, "_ROWS_PER_FETCH", 7)
    monkeypatch.setattr(journal_sync, "_ROWS_PER_PART", 20)
    file = File(tmp_path)
    for number in range(100):
        for event in steps_of(number, "succeeded", has_operation=number % 3 == 0):
            file.add(*event)
    tape = Tape(file.path)
    assert tape.sql("SELECT status, count(*), count(operation) FROM generations GROUP BY ALL").rows() == [
        ("succeeded", 100, 34)
    ]
    tape.close()
    file.connection.close()


def test_failed_pull_changes_nothing_and_is_retried(tmp_path, monkeypatch):
    """A full temporary folder raises TapeError; the next query loads all events."""
    file = File(tmp_path)
    good = a_generation("good")
    file.add("generation", good.id, codec.generation_to_json(good))
    tape = Tape(file.path)

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_sync, "_read", full)
    with pytest.raises(Exception, match="No space left") as caught:
        tape.sql("FROM generations")
    assert type(caught.value).__name__ == "TapeError"
    monkeypatch.undo()
    assert tape.sql("SELECT id FROM generations").rows() == [(good.id,)]
    tape.close()
    file.connection.close()


def test_large_payload_is_loaded(tmp_path):
    """A flow of many megabytes is loaded like any other event."""
    file = File(tmp_path)
    file.add(
        "project", "p", {"id": "p", "name": "big", "graph_state": {"nodes": ["x" * 1000] * 20_000}, "variables": {}}
    )
    tape = Tape(file.path)
    assert tape.sql("SELECT json_array_length(graph_state->'nodes') FROM projects").rows() == [(20_000,)]
    tape.close()
    file.connection.close()
