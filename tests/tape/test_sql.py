"""Queries: up to date, read-only, with DuckDB's error messages and results in every form."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from support.journal import a_generation, an_intent, ended, picture, worker, write_for_ever, write_some

from fusionflow_nb import errors
from fusionflow_nb import tape as tape_module
from fusionflow_nb.assets import keys
from fusionflow_nb.assets.sniff import EXTENSIONS
from fusionflow_nb.journal.journal import Journal
from fusionflow_nb.journal.records import InputRecord, JobRecord, ProjectRecord, RunRecord
from fusionflow_nb.media.values import Series, Value
from fusionflow_nb.tape.query import Tape

NOON_US = 1_800_014_400_000_000  # 2027-01-15 12:00 UTC


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def tape(journal):
    opened = Tape(journal.path)
    yield opened
    opened.close()


def record(journal, *generations):
    journal.call(journal.record(generations))


def test_tables_have_the_documented_columns(tape):
    """Names and order of columns are part of the interface."""
    promised = {
        "projects": "id name graph_state variables created_at updated_at",
        "runs": "id project_id user status started_at finished_at flow_hash targets jobs cost_computation",
        "generations": "id project_id run_id node_id node_type provider model served_by prompt_snapshot "
        "settings_snapshot seed take content_key axes status output_url output_value cost_computation cost_estimate "
        "queued_at started_at finished_at operation error_code error_message flow_hash cost_estimate_low "
        "cost_is_exact",
        "outputs": "generation_id index port sha256 value",
        "inputs": "generation_id port index sha256 source_generation_id",
        "assets": "sha256 media_type size_bytes width height duration_s store_key created_at",
    }
    for table, columns in promised.items():
        assert tape.sql(f"FROM {table}").columns == columns.split()
    for view in ("cost_by_day", "cost_by_model", "cost_against_estimate", "lineage"):
        assert tape.sql(f"FROM {view}").rows() == []


def test_generation_has_all_fields(journal, tape):
    """Money in USD, times in UTC, axes by name, settings and values as JSON."""
    generation = a_generation(
        "a",
        seed=7,
        take=2,
        coordinate=(("prompt", "dawn"), ("seed", "1")),
        outputs={"text": Value.of({"deep": [1, None]}), "image": picture("a")},
        output_url="fusionflow:x",
        cost_micro_usd=1_500,
        estimate_micro_usd=2_000,
        estimate_low_micro_usd=1_000,
        started_at_us=NOON_US,
        finished_at_us=NOON_US + 1_500_000,
        operation={"id": 1},
        inputs=(InputRecord("image", 0, picture("b").digest, "g-1"), InputRecord("text", 1, "json:ff", None)),
    )
    record(journal, generation)
    result = tape.sql("FROM generations")
    row = dict(zip(result.columns, result.rows()[0], strict=True))
    noon = dt.datetime(2027, 1, 15, 12)  # noqa: DTZ001 - the tape's times are UTC by contract
    assert row == {
        "id": generation.id,
        "project_id": "scratch",
        "run_id": "run-1",
        "node_id": "node_a",
        "node_type": "generate_image",
        "provider": "fake",
        "model": "fake/one",
        "served_by": None,
        "prompt_snapshot": "a picture of a",
        "settings_snapshot": '{"width":64}',
        "seed": 7,
        "take": 2,
        "content_key": generation.content_key.hex(),
        "axes": '{"prompt":"dawn","seed":"1"}',
        "status": "succeeded",
        "output_url": "fusionflow:x",
        "output_value": '{"deep":[1,null]}',
        "cost_computation": 0.0015,
        "cost_estimate": 0.002,
        "queued_at": None,
        "started_at": noon,
        "finished_at": noon + dt.timedelta(seconds=1.5),
        "operation": '{"id":1}',
        "error_code": None,
        "error_message": None,
        "flow_hash": None,
        "cost_estimate_low": 0.001,
        "cost_is_exact": False,
    }
    assert tape.sql("FROM outputs ORDER BY port").rows() == [
        (generation.id, 0, "image", picture("a").sha256, None),
        (generation.id, 0, "text", None, '{"deep":[1,null]}'),
    ]
    assert tape.sql("FROM inputs ORDER BY port").rows() == [
        (generation.id, "image", 0, picture("b").sha256, "g-1"),
        (generation.id, "text", 1, None, None),
    ]


def test_series_has_a_row_per_item(journal, tape):
    """A call with three outputs has three rows in `outputs`; equal bytes are one asset."""
    several = Series("variant", ("0", "1", "2"), (picture("x"), picture("y"), Value.of("words")))
    record(
        journal,
        a_generation("a", outputs={"images": several}, finished_at_us=NOON_US),
        a_generation("b", outputs={"image": picture("x")}, finished_at_us=NOON_US + 1),
    )
    assert tape.sql('SELECT "index", sha256, value FROM outputs WHERE port = $port', port="images").rows() == [
        (0, picture("x").sha256, None),
        (1, picture("y").sha256, None),
        (2, None, '"words"'),
    ]
    sha256 = picture("x").sha256
    (row,) = tape.sql("FROM assets WHERE sha256 = ?", [sha256]).rows()
    assert row[:7] == (sha256, "image/png", 3, 640, 480, None, f"assets/{sha256[:2]}/{sha256}.png")
    assert len(tape.sql("FROM assets")) == 2


def test_store_keys_equal_those_of_the_store(journal, tape):
    """The tape derives store keys by the store's rule for every media type."""
    assets = {kind: replace(picture(kind), media_type=kind) for kind in EXTENSIONS}
    record(journal, *[a_generation(kind, outputs={"out": asset}) for kind, asset in assets.items()])
    expected = sorted(keys.store_key(asset) for asset in assets.values())
    assert tape.sql("SELECT store_key FROM assets ORDER BY 1").rows() == [(key,) for key in expected]


def test_query_includes_all_committed_records(journal, tape):
    """A query includes everything committed before it; earlier results do not change."""
    counts = []
    for name in "abc":
        record(journal, a_generation(name))
        counts.append(tape.sql("FROM generations"))
    assert [len(result) for result in counts] == [1, 2, 3]
    assert [len(result.rows()) for result in counts] == [1, 2, 3]


def test_running_call_is_superseded_by_its_end(journal, tape):
    """An intent is a running generation with its Operation until it ends."""
    intent = an_intent("a", reserve=5)
    journal.call(journal.claim([intent], {}))
    query = "SELECT status, operation FROM generations"
    assert tape.sql(query).rows() == [("running", None)]
    journal.call(journal.accepted(intent.job_id, 1, {"id": "op"}))
    assert tape.sql(query).rows() == [("running", '{"id":"op"}')]
    journal.call(journal.finish(intent.job_id, 1, ended(intent, cost_micro_usd=5)))
    assert tape.sql(query).rows() == [("succeeded", '{"id":"op"}')]
    assert tape.sql("SELECT sum(cost_computation) FROM cost_by_day").rows() == [(0.000005,)]
    assert tape.sql("SELECT model, generations, succeeded FROM cost_by_model").rows() == [("fake/one", 1, 1)]


def test_reconciled_call_is_running(journal, tape):
    """A reconciled job is running, not unknown."""
    intent = an_intent("a")
    journal.call(journal.claim([intent], {}))
    journal.call(journal.finish(intent.job_id, 1, ended(intent, "unknown")))
    assert tape.sql("SELECT status FROM generations").rows() == [("unknown",)]
    journal.call(journal.accepted(intent.job_id, 1, {"id": 1}))
    assert tape.sql("SELECT status, operation FROM generations").rows() == [("running", '{"id":1}')]


def test_runs_and_projects_have_their_latest_state(journal, tape):
    """The last record of an id counts; a project keeps the time of its first."""
    run = RunRecord("r", "p", "ann", "running", NOON_US, targets=("n",))
    project = ProjectRecord("p", "Neon", {"nodes": [1]}, {"city": "Oslo"})
    for _ in range(2):
        journal.call(journal.record_run(run))
        journal.call(journal.record_project(project))
        tape.refresh()
    journal.call(
        journal.record_run(
            replace(run, status="succeeded", jobs=(JobRecord("n", (), "cached", "g"),), cost_micro_usd=3)
        )
    )
    journal.call(journal.record_project(replace(project, name="Dawn")))
    journal.call(journal.record_project(replace(project, name="Dusk")))
    assert tape.sql("SELECT status, targets, jobs->>'$[0].state', cost_computation FROM runs").rows() == [
        ("succeeded", ["n"], "cached", 0.000003)
    ]
    assert tape.sql("SELECT name, variables, created_at < updated_at FROM projects").rows() == [
        ("Dusk", '{"city":"Oslo"}', True)
    ]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE generations",
        "DROP VIEW generations",
        "INSERT INTO internal.runs (id) VALUES ('x')",
        "DELETE FROM internal.generations",
        "UPDATE internal.generations SET id = 'x'",
        "ATTACH 'FILE.duckdb'",
        "COPY generations TO 'FILE.csv'",
        "COPY (SELECT 1) TO 'FILE.csv'",
        "EXPORT DATABASE 'FILE'",
        "CREATE TABLE mine AS SELECT 1",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "SET threads = 1",
        "SET VARIABLE x = 1",
        "PRAGMA database_list",
        "PRAGMA enable_profiling",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "BEGIN",
        "COMMIT",
        "CHECKPOINT",
        "VACUUM",
        "PREPARE p AS SELECT 1",
        "USE memory",
        "WITH gone AS (DELETE FROM internal.generations RETURNING *) FROM gone",
        "WITH new AS (INSERT INTO internal.runs (id) VALUES ('x') RETURNING *) FROM new",
        "WITH out AS (COPY generations TO 'FILE.csv') SELECT 1",
        "SELECT * FROM query('WITH out AS (COPY generations TO ''FILE.csv'') SELECT 1')",
        "EXPLAIN ANALYZE COPY generations TO 'FILE.csv'",
        "EXPLAIN ANALYZE DELETE FROM internal.generations",
        "EXPLAIN ANALYZE WITH out AS (COPY generations TO 'FILE.csv') SELECT 1",
        "/* x */ EXPLAIN ANALYZE COPY generations TO 'FILE.csv'",
        "EXPLAIN (ANALYZE) COPY generations TO 'FILE.csv'",
        "SELECT 1; DROP VIEW generations",
        "DROP VIEW generations; SELECT 1",
        "SELECT 1; SELECT 2",
        "",
        "   -- nothing",
    ],
)
def test_everything_but_one_read_is_refused(journal, tape, tmp_path, query):
    """No statement changes the tape, the settings or a file; it raises TapeError."""
    record(journal, a_generation("a"))
    target = tmp_path / "written"
    files = set(tmp_path.rglob("*"))
    with pytest.raises(errors.TapeError):
        tape.sql(query.replace("FILE", str(target)))
    assert {path for path in tmp_path.rglob("*") if "written" in path.name} == set()
    assert {path for path in files if path.suffix != ".jsonl"} <= set(tmp_path.rglob("*"))
    assert len(tape.sql("FROM generations")) == 1
    assert tape.sql("FROM runs").rows() == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("SELECT 1", 1),
        ("select 1;", 1),
        ("FROM generations", 1),
        ("TABLE generations", 1),
        ("VALUES (1), (2)", 2),
        ("DESCRIBE runs", 10),
        ("SUMMARIZE runs", 10),
        ("WITH x AS (SELECT 1) SELECT * FROM x -- comment", 1),
        ("SELECT 1 UNION ALL SELECT 2", 2),
        ("PIVOT generations ON status USING count(*)", 1),
        ("EXPLAIN SELECT 1", 1),
        ("explain analyze select 1", 1),
        ("SELECT 'COPY', 'DROP TABLE x; --'", 1),
        ("SELECT 1 AS a, 2 AS a", 1),
        ("SELECT * FROM generations WHERE FALSE", 0),
    ],
)
def test_every_kind_of_read_is_allowed(journal, tape, query, count):
    """All of DuckDB's read statements are allowed."""
    record(journal, a_generation("a"))
    result = tape.sql(query)
    assert len(result) == len(list(result)) == count


def test_reading_a_file_is_allowed(tape, tmp_path):
    """Reading a CSV file is a read."""
    (tmp_path / "prices.csv").write_text("model,price\nfake/one,2\n")
    assert tape.sql("SELECT price FROM read_csv($path)", path=str(tmp_path / "prices.csv")).rows() == [(2,)]


@pytest.mark.parametrize(
    "value",
    ["'; DROP VIEW generations; --", "$name", "?", '"', "\\", "\x00", "🙂", "Robert'); DELETE FROM x", "%s {0}"],
)
def test_values_are_never_part_of_the_sql(journal, tape, value):
    """A hostile value stays a value, as a parameter and as a prompt."""
    record(journal, a_generation("a", prompt_snapshot=value))
    query = "SELECT $v, prompt_snapshot, prompt_snapshot = $v FROM generations"
    assert tape.sql(query, v=value).rows() == [(value, value, True)]
    assert tape.sql(query, {"v": value, "unused": object()}).rows() == [(value, value, True)]
    assert tape.sql("SELECT ?", [value]).rows() == [(value,)]


def test_missing_and_invalid_values_raise_tape_error(tape):
    """A name without a value and a value without an SQL type raise TapeError."""
    with pytest.raises(errors.TapeError, match=r"\$model"):
        tape.sql("SELECT $model")
    for value in (object(), 2**200, "\ud800"):
        with pytest.raises(errors.TapeError):
            tape.sql("SELECT $v", v=value)
    with pytest.raises(errors.TapeError):
        tape.sql("SELECT ?", [1, 2])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM generations", "nothing"),
        ("FROM nowhere", "nowhere"),
        ("SELECT CAST('x' AS INTEGER)", "Could not convert"),
    ],
)
def test_errors_have_the_message_of_duckdb(tape, query, words):
    """The message is DuckDB's own, without a chained exception."""
    with pytest.raises(errors.TapeError, match=words) as caught:
        tape.sql(query)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert tape.sql("SELECT 1").rows() == [(1,)]


def test_local_variables_are_not_tables(tape):
    """DuckDB must not look up tables among local variables."""
    mine = tape.sql("SELECT 1").df()
    assert len(mine) == 1
    for name in ("mine", "query", "params", "named", "cursor", "statement"):
        with pytest.raises(errors.TapeError, match=f"{name} does not exist"):
            tape.sql(f'FROM "{name}"')


def test_result_keeps_its_types_in_every_form(journal, tape):
    """A result converts to rows, pandas, polars and Arrow repeatedly."""
    record(journal, a_generation("a", seed=3), a_generation("b"))
    result = tape.sql("SELECT seed, prompt_snapshot, finished_at, [1, 2] AS many FROM generations ORDER BY 2")
    for _ in range(2):
        assert result.rows() == [(3, "a picture of a", None, [1, 2]), (None, "a picture of b", None, [1, 2])]
        assert result.df()["prompt_snapshot"].tolist() == ["a picture of a", "a picture of b"]
        assert result.pl()["seed"].to_list() == [3, None]
        assert result.arrow().column("many").to_pylist() == [[1, 2], [1, 2]]
    assert str(result.pl().schema["finished_at"]).startswith("Datetime")
    assert result.columns == ["seed", "prompt_snapshot", "finished_at", "many"]


def test_threads_may_query_concurrently(journal, tape):
    """Each query has its own connection."""
    record(journal, *[a_generation(number) for number in range(50)])
    answers = []

    def ask():
        for _ in range(10):
            answers.append(len(tape.sql("SELECT * FROM generations WHERE node_id LIKE $like", like="node_%")))  # noqa: PERF401

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [50] * 40


def test_tape_follows_three_writing_processes(tmp_path):
    """Counts only grow, and in the end every row is there once."""
    journal = Journal.open(tmp_path)
    tape = Tape(journal.path)
    workers = [worker(write_some, str(tmp_path), 80) for _ in range(3)]
    with workers[0] as (_, a), workers[1] as (_, b), workers[2] as (_, c):
        pipes = [a, b, c]
        for pipe in pipes:
            pipe.send("go")
        counts = []
        misses = []
        while pipes:
            counts.append(len(tape.sql("FROM generations")))
            for pipe in list(pipes):
                if pipe.poll(0.01):
                    misses.append(pipe.recv())
                    pipes.remove(pipe)
    assert misses == [0, 0, 0]
    assert counts == sorted(counts)
    assert tape.sql("SELECT count(*), count(DISTINCT id) FROM generations").rows() == [(240, 240)]
    tape.close()
    journal.close()


def test_rows_of_a_killed_writer_are_readable(tmp_path):
    """Every acknowledged row of a killed kernel is on the tape of an open kernel."""
    with Journal.open(tmp_path) as journal, worker(write_for_ever, str(tmp_path)) as (process, pipe):
        tape = Tape(journal.path)
        acknowledged = {pipe.recv() for _ in range(30)}
        process.kill()
        process.join()
        assert acknowledged <= {row_id for (row_id,) in tape.sql("SELECT id FROM generations").rows()}
        tape.close()


def test_lineage_lists_each_ancestor_once(journal, tape):
    """An ancestor on two paths counts once at the shorter distance; it may be missing from the tape."""
    root = a_generation("root")
    left = a_generation("left", inputs=(InputRecord("image", 0, "asset:x", root.id),))
    right = a_generation("right", inputs=(InputRecord("image", 0, "asset:x", root.id),))
    both = (InputRecord("images", 0, "asset:x", left.id), InputRecord("images", 1, "asset:x", right.id))
    tip = a_generation("tip", inputs=(*both, InputRecord("mask", 0, "asset:x", root.id)))
    record(journal, root, left, right)
    assert tape.ancestors(tip.id) == []
    record(journal, tip)
    for _ in range(2):
        assert set(tape.ancestors(tip.id)) == {root.id, left.id, right.id}
        assert set(tape.descendants(root.id)) == {left.id, right.id, tip.id}
        fresh = Tape(journal.path)
        assert fresh.lineage(left.id).rows()[0][:3] == (-1, root.id, "node_root")
        assert [row[:2] for row in fresh.lineage(left.id)] == [(-1, root.id), (0, left.id), (1, tip.id)]
        fresh.close()
    late = a_generation("late", inputs=(InputRecord("image", 0, "asset:x", tip.id),))
    record(journal, late)
    assert tape.ancestors(late.id)[0] == tip.id
    assert set(tape.descendants(root.id)) == {left.id, right.id, tip.id, late.id}
    assert tape.sql("SELECT count(*) FROM lineage WHERE source_node_id = 'node_root'").rows() == [(3,)]
    with pytest.raises(errors.TapeError, match="no generation missing"):
        tape.lineage("missing")


def test_export_contains_all_tables(journal, tape, tmp_path):
    """DuckDB exports have all tables and views, Parquet the generations; an existing file is replaced."""
    record(journal, a_generation("a", cost_micro_usd=5), a_generation("b", outputs={"text": Value.of("hey")}))
    path = tmp_path / "out.duckdb"
    path.write_bytes(b"older")
    assert tape.export(path) == path
    copy = duckdb.connect(str(path), read_only=True)
    for table in ("projects", "runs", "generations", "outputs", "inputs", "assets", "cost_by_model", "lineage"):
        assert copy.execute(f"FROM {table} ORDER BY ALL").fetchall() == tape.sql(f"FROM {table} ORDER BY ALL").rows()
    copy.close()
    tape.export(str(tmp_path / "out.parquet"))
    assert tape.sql("SELECT count(*) FROM read_parquet(?)", [str(tmp_path / "out.parquet")]).rows() == [(2,)]
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.duckdb", "out.parquet"]
    assert len(tape.sql("FROM generations")) == 2


@pytest.mark.parametrize("name", ["out.txt", "out", "nowhere/out.parquet"])
def test_export_refuses_other_suffixes(tape, tmp_path, name):
    """An unsupported suffix or a missing folder raises TapeError, and nothing is written."""
    with pytest.raises(errors.TapeError):
        tape.export(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_tape_requires_a_journal(tmp_path):
    """A missing journal raises TapeError."""
    with pytest.raises(errors.TapeError, match="no journal"):
        Tape(tmp_path / "journal.sqlite")


def test_module_queries_the_bound_tape(tape, monkeypatch):
    """`ff.tape` queries the bound tape, and raises TapeError without a session."""
    monkeypatch.setattr(tape_module, "_provider", None)
    with pytest.raises(errors.TapeError, match="no session"):
        tape_module.sql("SELECT 1")
    tape_module.bind(lambda: tape)
    assert tape_module.sql("SELECT $x", x=4).rows() == [(4,)]
    assert tape_module.current() is tape
    assert "answer" in repr(tape_module.sql("SELECT 1 AS answer"))


def test_no_submodule_shadows_a_public_function():
    """Importing `tape.export` as a module would replace the function `ff.tape.export`."""
    submodules = {path.stem for path in Path(tape_module.__file__).parent.glob("*.py")}
    assert not submodules & set(tape_module.__all__)


FORMS = ["rows", "df", "pl", "arrow"]


# DuckDB's own call of pandas, which pandas 3.1 warns of.
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_times_with_a_zone_convert_to_every_form(tape, form):
    """`now()` requires no package beyond the dependencies of the project."""
    assert len(getattr(tape.sql("SELECT now() AS at"), form)()) == 1


@pytest.mark.parametrize(
    ("query", "form"),
    [("SELECT INTERVAL '9999999 years' AS x", "rows"), ("SELECT DATE 'infinity' AS x", "df")],
    ids=["overflow", "conversion"],
)
def test_value_that_cannot_convert_raises_tape_error(tape, query, form):
    """A failing conversion raises the same error type as a failing query."""
    with pytest.raises(errors.TapeError):
        getattr(tape.sql(query), form)()


def test_missing_package_raises_tape_error(tape):
    """DuckDB imports some packages only when a value needs them; the error names the package."""

    class CursorWithoutPackage:
        def table(self, _name):
            import a_package_that_is_not_installed  # noqa: F401

    result = tape.sql("SELECT 1")
    result._cursor = CursorWithoutPackage()
    with pytest.raises(errors.TapeError, match="a_package_that_is_not_installed"):
        result.rows()


@pytest.mark.parametrize("zone", [{"TZ": "Asia/Tokyo"}, {"PYTHONTZPATH": "/nowhere"}], ids=["Tokyo", "no database"])
def test_times_are_utc_on_every_machine(zone):
    """Independent of the time zone and of a time zone database; in a process that reads the variables."""
    code = "import fusionflow_nb as ff; print(ff.tape.sql('SELECT now()').rows()[0][0].tzinfo)"
    environment = {**os.environ, **zone}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "UTC"
