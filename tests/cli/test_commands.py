"""The command line: output for users and programs, exit codes, and errors without tracebacks."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.cli import main, output
from fusionflow_nb.session import current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE, Behaviour

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from fusionflow_nb.session import Session
    from fusionflow_nb.testing.fake import FakeProvider

PATIENCE_S = 120.0
"""Time-out for hangs; not a measurement."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fake service that child processes share."""
    folder = tmp_path / "service"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def script(service: Path, **behaviours: dict[str, Any]) -> None:
    (service / "behaviours.json").write_text(json.dumps(behaviours))


def submissions(service: Path) -> int:
    path = service / "submissions.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def child(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `fusionflow ...` in a child process and check that it prints no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "fusionflow_nb", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def invoke(*words: str | Path) -> Result:
    """Run `fusionflow ...` in this process with the current session."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return done


def pictures(prompt: str = "hills at {{time}}", **variables: Any) -> Flow:
    """Text -> picture -> upscaled picture, with the fake provider."""
    flow = Flow("Pictures", variables={"time": "dawn", **variables})
    still = flow.generate_image(flow.text(prompt, name="prompt"), model="fake/image", seed=3, name="still")
    flow.upscale(still, model="fake/edit", name="large")
    return flow


@pytest.fixture
def file(session: Session, tmp_path: Path) -> Path:
    """A flow file for `invoke`, with a current session."""
    return pictures().save(tmp_path / "pictures.flow.json")


@pytest.fixture
def saved(service: Path, tmp_path: Path) -> Path:
    """A flow file for child processes; the session of this process is closed."""
    path = pictures().save(tmp_path / "pictures.flow.json")
    use_session(None)
    return path


# --- run -------------------------------------------------------------------------------------------------------------


def test_run_saves_results(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """`run FLOW --out FOLDER` prints the state of each node, then the paths of the files."""
    done = invoke("run", file, "--out", tmp_path / "out")
    assert done.exit_code == 0
    still, large = tmp_path / "out" / "still.png", tmp_path / "out" / "large.png"
    assert done.stdout.splitlines()[-2:] == [str(still), str(large)]
    assert still.exists()
    assert large.exists()
    assert len(fake.log()) == 2
    again = invoke("run", file)
    assert again.exit_code == 0
    assert "cached" in again.stdout
    assert len(fake.log()) == 2


def test_a_saved_picture_runs_as_a_flow(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """The recipe in a picture runs as a flow, and all its jobs are cached."""
    invoke("run", file, "--out", tmp_path / "out")
    done = invoke("run", tmp_path / "out" / "still.png", "--json")
    jobs = json.loads(done.stdout)["jobs"]
    assert {job["node"]: job["state"] for job in jobs} == {"prompt": "cached", "still": "cached"}
    assert len(fake.log()) == 2


def test_set_changes_only_the_current_run(file: Path, fake: FakeProvider) -> None:
    """`--set name=value` and `--set node.parameter=value` change the run, not the file."""
    before = file.read_bytes()
    done = invoke(
        "run", file, "--set", "time=noon", "--set", "still.width=64", "--set", "still.seed=9", "--to", "still"
    )
    assert done.exit_code == 0
    assert [entry["prompt"] for entry in fake.log()] == ["hills at noon"]
    [(width, seed)] = current_session().tape.sql("SELECT settings_snapshot->>'width', seed FROM generations").rows()
    assert (width, seed) == ("64", 9)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("1962", "1962"),
        ("007", "007"),
        ('"quoted"', "quoted"),
        ("a=b", "a=b"),
        ("true", "true"),
        ("", ""),
        ("NaN", "NaN"),
    ],
)
def test_text_variables_are_not_parsed_as_json(file: Path, fake: FakeProvider, text: str, prompt: str) -> None:
    """For a text variable, values that look like JSON stay text; only a JSON string is parsed."""
    assert invoke("run", file, "--set", f"time={text}", "--to", "still").exit_code == 0
    assert [entry["prompt"] for entry in fake.log()] == [f"hills at {prompt}"]


def test_to_runs_only_the_node_and_its_inputs(file: Path, fake: FakeProvider) -> None:
    """`--to` excludes nodes that are not ancestors of the target."""
    assert invoke("run", file, "--to", "still").exit_code == 0
    assert [entry["model"] for entry in fake.log()] == ["fake/image"]


def test_dry_run_prints_reasons_and_prices(file: Path, fake: FakeProvider) -> None:
    """`--dry-run` starts nothing, lists stale nodes with reasons, and prices only the targets."""
    invoke("run", file)
    done = invoke("run", file, "--dry-run", "--json", "--set", "time=noon")
    payload = json.loads(done.stdout)
    assert (payload["low_usd"], payload["high_usd"]) == (0.04, 0.06)
    because = ["prompt: 'hills at dawn' → 'hills at noon'"]
    price = {"low_usd": 0.04, "high_usd": 0.04, "is_unpriced": False}
    assert payload["nodes"]["still"] == {"state": "stale", "because": because, **price}
    assert {name: node.get("high_usd") for name, node in payload["nodes"].items()}["prompt"] is None
    assert json.loads(invoke("run", file, "--dry-run", "--json", "--to", "prompt").stdout)["nodes"].keys() == {"prompt"}
    assert "price: $0.00" in invoke("run", file, "--dry-run").stdout
    assert len(fake.log()) == 2


def test_dry_run_of_a_flow_that_cannot_run_fails(file: Path) -> None:
    """A dry run prints the plan, then fails like a run of the same flow."""
    broken = file.read_text().replace('"upscale"', '"no_such_type"')
    file.write_text(broken)
    done = invoke("run", file, "--dry-run")
    assert done.exit_code == 2
    assert "invalid" in done.stdout
    assert "no_such_type" in done.stderr


def test_json_output_is_one_document(saved: Path) -> None:
    """With `--json`, stdout is one JSON document, also on errors."""
    done = child("run", str(saved), "--json", "--out", "out")
    payload = json.loads(done.stdout)
    assert (done.returncode, done.stderr, payload["status"]) == (0, "", "succeeded")
    assert payload["cost_usd"] == pytest.approx(0.06)
    assert payload["saved"] == ["out/still.png", "out/large.png"]
    assert {job["node"]: job["state"] for job in payload["jobs"]}["large"] == "succeeded"
    wrong = child("run", str(saved), "--json", "--to", "missing")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]["code"]) == (2, "gone")


def test_python_nodes_come_from_the_nodes_file(service: Path, tmp_path: Path) -> None:
    """`--nodes` declares functions, which may import modules of the folder; their results are cached."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "beside.py").write_text("END = '!'\n")
    nodes = folder / "my_nodes.py"
    nodes.write_text(
        "import fusionflow_nb as ff\nfrom beside import END\n\n\ndef loud(text):\n    return text.upper()\n\n\n"
        "@ff.node\ndef shout(text: str) -> str:\n    return loud(text) + END\n"
    )
    file = tmp_path / "f.flow.json"
    file.write_text(
        '{"fusionflow": 1, "id": "p", "name": "F", "variables": {}, "nodes": ['
        '{"id": "t", "type": "text", "params": {"text": "dawn"}}, {"id": "s", "type": "shout", "params": {}}],'
        '"edges": [{"source": "t", "sourceHandle": "text", "target": "s", "targetHandle": "text"}]}'
    )
    without = child("run", str(file))
    assert (without.returncode, "shout" in without.stderr) == (2, True)
    states = []
    for _ in range(2):
        payload = json.loads(child("run", str(file), "--nodes", str(nodes), "--json").stdout)
        states.append({job["node"]: job["state"] for job in payload["jobs"]}["s"])
    assert states == ["succeeded", "cached"]
    tape = child("tape", "--json", "SELECT output_value FROM generations WHERE node_type = 'shout'")
    assert "DAWN!" in tape.stdout


# --- exit codes ------------------------------------------------------------------------------------------------------


def test_failed_jobs_exit_with_1_and_keep_other_results(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """A failure skips dependent jobs and is printed on stderr with its node; all other results are saved."""
    flow = pictures()
    flow.generate_image("a forbidden thing", model="fake/image", name="other")
    flow.save(file)
    fake.when("a forbidden thing", Behaviour(end="refused"))
    done = invoke("run", file, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "other: fake: The service refuses this prompt." in done.stderr
    assert (tmp_path / "out" / "large.png").exists()
    payload = json.loads(invoke("run", file, "--json").stdout)
    assert {job["node"]: (job["error"] or {}).get("code") for job in payload["jobs"]}["other"] == "refused"


def test_money_errors_exit_with_3(file: Path, fake: FakeProvider) -> None:
    """No funds, an exceeded cap and an unpriced model exit with 3 and their message."""
    fake.when("hills at dawn", Behaviour(end="no_funds"))
    assert invoke("run", file).exit_code == 3
    many = Flow("Many")
    many.generate_image("one", model="fake/image", seed=many.seeds(list(range(60))), name="many")
    many.save(file)
    over = invoke("run", file)
    assert (over.exit_code, "over_budget" in over.stdout) == (3, True)
    unpriced = Flow("Unpriced")
    unpriced.generate_image("one", model="fake/unpriced", name="one")
    unpriced.save(file)
    done = invoke("run", file)
    assert (done.exit_code, "unpriced" in done.stderr) == (3, True)
    assert invoke("run", file, "--unpriced", "0.10").exit_code == 0


def test_a_large_run_needs_confirmation(file: Path, fake: FakeProvider) -> None:
    """More than 100 paid calls need `--yes`; without it nothing is sent."""
    many = Flow("Many")
    many.generate_image("one", model="fake/image", seed=many.seeds(list(range(101))), name="many")
    many.save(file)
    done = invoke("run", file)
    assert (done.exit_code, "101 paid calls" in done.stderr, fake.log()) == (3, True, [])


def test_ctrl_c_exits_with_130_and_resume_fetches_results(saved: Path, service: Path, tmp_path: Path) -> None:
    """After an interrupt, `resume` fetches the results of accepted calls; nothing is paid twice."""
    script(service, **{"hills at dawn": {"end": "never"}})
    running = subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "run", str(saved)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not accepted(tmp_path / "home") and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, "Traceback" in out + err) == (130, False)
    assert "fusionflow resume" in err
    assert "1 of dead kernels" in child("doctor").stdout
    [job] = (service / "jobs").glob("*.json")
    job.write_text(job.read_text().replace('"never"', '"done"'))
    assert child("resume").stdout.startswith("Resumed 1 call of “Pictures”: 1 result ($0.04)")
    assert child("resume").stdout == "Resumed 0 calls.\n"
    payload = json.loads(child("run", str(saved), "--to", "still", "--json").stdout)
    assert {job["node"]: job["state"] for job in payload["jobs"]}["still"] == "cached"
    assert submissions(service) == 1


def accepted(home: Path) -> bool:
    """Whether the journal has an accepted job, read without a session."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT 1 FROM jobs WHERE state = 'accepted'").fetchall())
    except sqlite3.Error:
        return False


# --- invalid input ---------------------------------------------------------------------------------------------------

BAD_FILES = {
    "nothing": (None, "cannot be read"),
    "empty": ("", "not valid JSON"),
    "no-json": ("{nodes", "not valid JSON"),
    "no-flow": ("[1, 2]", "not a FusionFlow flow"),
    "newer": ('{"fusionflow": 99, "nodes": []}', "newer FusionFlow"),
    "half": ('{"fusionflow": 1, "nodes": [{"id": 3}]}', "node 1: field id"),
    "unknown-type": (
        '{"fusionflow": 1, "name": "F", "nodes": [{"id": "x", "type": "no_such", "params": {}}], "edges": []}',
        "no_such",
    ),
    "cycle": (
        json.dumps(
            {
                "fusionflow": 1,
                "nodes": [{"id": name, "type": "resize", "params": {}} for name in "ab"],
                "edges": [
                    {"source": source, "sourceHandle": "image", "target": target, "targetHandle": "image"}
                    for source, target in ("ab", "ba")
                ],
            }
        ),
        "cycle",
    ),
    "png-bytes": ("\x89PNG\r\n\x1a\n\0\0", ""),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_prints_one_line_and_exits_with_2(
    session: Session, tmp_path: Path, content: str | None, message: str
) -> None:
    """Any invalid file gives one line on stderr and exit code 2."""
    path = tmp_path / "bad.flow.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    done = invoke("run", path)
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "time"], "NAME=VALUE"),
        (["--set", "=dawn"], "NAME=VALUE"),
        (["--set", "weather=fog"], "Its variables: time"),
        (["--set", "missing.seed=1"], "no node 'missing'"),
        (["--set", "still.seed=first"], "seed"),
        (["--set", "still.seed=" + "9" * 5000], "seed"),
        (["--set", "still.sharpness=2"], "sharpness"),
        (["--set", "still.model=fake/imagge"], "fake-image"),
        (["--set", "large.colour=x"], "colour"),
        (["--to", "missing"], "no node 'missing'"),
        (["--nodes", "missing.py"], "missing.py does not exist"),
        (["--out", "/dev/null/x"], "cannot be used"),
        (["--unpriced", "-1"], "--unpriced"),
        (["--unpriced", "much"], "--unpriced"),
        (["--sett", "a=b"], "--sett"),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, list) else "",
)
def test_an_invalid_option_exits_with_2(file: Path, fake: FakeProvider, words: list[str], message: str) -> None:
    """An invalid option starts nothing, and the message lists the choices."""
    done = invoke("run", file, *words)
    assert (done.exit_code, done.stdout, fake.log()) == (2, "", [])
    assert message in done.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import fusionflow_nb as ff\n\nx = 1 +\n", "my_nodes.py, line 3: SyntaxError"),
        ("\n\n1 / 0\n", "my_nodes.py, line 3: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "my_nodes.py, line 1: ModuleNotFoundError"),
        ("raise SystemExit(5)\n", "sys.exit(5)"),
        ("import fusionflow_nb as ff\n\n@ff.node\ndef f(x: set) -> str: ...\n", "set"),
    ],
    ids=["syntax", "raises", "import", "exit", "hint"],
)
def test_a_broken_nodes_file_names_its_line(saved: Path, tmp_path: Path, source: str, message: str) -> None:
    """An error in the user's code prints one line with file and line number; nothing runs."""
    (tmp_path / "my_nodes.py").write_text(source)
    done = child("run", str(saved), "--nodes", "my_nodes.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_characters_of_a_flow_are_escaped(session: Session, tmp_path: Path) -> None:
    """A hostile flow cannot send control sequences to the terminal by names, prompts or errors."""
    hostile = "\x1b[2J\x1b]0;owned\x07\u202egnp\x9b31m"
    flow = Flow(f"Bad {hostile}", variables={f"v{hostile}": "x"})
    flow.text(f"text {hostile}", name="words")
    path = flow.save(tmp_path / "bad.flow.json")
    worse = tmp_path / "worse.flow.json"
    worse.write_text(path.read_text().replace('"words"', json.dumps(f"w{hostile}")))
    for words in (
        ["run", worse],
        ["run", path],
        ["run", path, "--dry-run"],
        ["run", path, "--set", "no=1"],
        ["run", path, "--to", "x"],
    ):
        done = invoke(*words)
        assert not CONTROL.search(done.output.replace("\n", "")), words
        assert "\u202e" not in done.output


def test_an_unusable_home_names_its_variable(saved: Path) -> None:
    """If the home folder cannot be created, every command names the variable that moves it."""
    for words in (["run", str(saved)], ["tape", "SELECT 1"], ["models"], ["resume"]):
        done = child(*words, **{HOME_VARIABLE: "/dev/null/home"})
        assert (done.returncode, HOME_VARIABLE in done.stderr) == (2, True), words


# --- terminals and pipes ---------------------------------------------------------------------------------------------


def test_output_to_a_pipe_has_no_control_characters(saved: Path) -> None:
    """Output to a file or pipe is plain text with one line per row."""
    for words in (
        ["run", str(saved)],
        ["models"],
        ["doctor"],
        ["tape", "FROM generations"],
        ["run", str(saved), "--dry-run"],
    ):
        done = child(*words)
        assert done.returncode == 0
        assert not CONTROL.search(done.stdout.replace("\n", "")), words
    assert "local/reaction-diffusion" in child("models").stdout  # not wrapped to a terminal width


def test_a_terminal_shows_progress_and_a_final_table(saved: Path) -> None:
    """A terminal shows progress bars, and the final table stays once."""
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "run", str(saved)],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(slave)
    screen = b""
    try:
        while piece := os.read(master, 65536):
            screen += piece
    except OSError:
        pass  # EIO: the child closed the terminal
    os.close(master)
    assert running.wait(PATIENCE_S) == 0
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.decode()).split("Pictures · running")[-1]
    assert "━" in last
    assert last.count("Pictures · succeeded") == 1


def test_a_closed_pipe_prints_no_error(saved: Path) -> None:
    """`fusionflow ... | head -1` exits without a message."""
    running = subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "tape", "--json", "SELECT range FROM range(100000)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.read(1) == b"["
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(PATIENCE_S) in {0, 1}  # click exits with 1 on a closed pipe
    assert err == b""


def test_an_ascii_terminal_gets_question_marks(saved: Path) -> None:
    """Characters that the encoding lacks do not raise UnicodeEncodeError."""
    done = child("run", str(saved), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "succeeded" in done.stdout


# --- other commands --------------------------------------------------------------------------------------------------


def test_tape_prints_rows_or_json(file: Path) -> None:
    """Results are printed as a table or as strict JSON."""
    invoke("run", file)
    query = "SELECT node_id, cost_computation FROM generations ORDER BY ALL"
    assert invoke("tape", query).stdout.splitlines() == [
        "node_id  cost_computation",
        "large                0.02",
        "still                0.04",
    ]
    rows = json.loads(invoke("tape", "--json", query).stdout)
    assert rows == [{"node_id": "large", "cost_computation": 0.02}, {"node_id": "still", "cost_computation": 0.04}]
    odd = (
        "SELECT 'nan'::DOUBLE AS n, 'a'::BLOB AS b, 1.5::DECIMAL(4, 2) AS d, DATE '2030-01-02' AS day, {'x': [1]} AS s"
    )
    assert json.loads(invoke("tape", "--json", odd).stdout) == [
        {"n": None, "b": "YQ==", "d": 1.5, "day": "2030-01-02", "s": {"x": [1]}}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELEC 1",
        "SELECT nothing FROM generations",
        "FROM no_such_table",
        "DELETE FROM generations",
        "SELECT 1; SELECT 2",
        "",
        "COPY generations TO 'x.csv'",
    ],
)
def test_an_invalid_query_prints_one_line(session: Session, query: str) -> None:
    """The message of DuckDB is printed in one line without the query excerpt, with exit code 2."""
    done = invoke("tape", query)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_models_filters_by_task(session: Session) -> None:
    """`--task` filters the list; an unknown task lists the tasks."""
    assert "local/upscale" not in invoke("models", "--task", "text-to-image").stdout
    wrong = invoke("models", "--task", "text-to-imag")
    assert (wrong.exit_code, "text-to-image" in wrong.stderr) == (2, True)


def test_doctor_continues_after_a_broken_home(tmp_path: Path) -> None:
    """A broken home is a finding with exit code 1, and the other checks still run."""
    done = child("doctor", **{HOME_VARIABLE: "/dev/null/home"})
    assert (done.returncode, done.stdout.startswith("✗  home")) == (1, True)
    assert "extra video" in done.stdout


def test_doctor_names_an_unreadable_keys_file(session: Session) -> None:
    """The finding names the file, and `models` still lists the models."""
    (session.home / "keys.json").write_text("{")
    done = invoke("doctor")
    assert (done.exit_code, "keys.json cannot be read" in done.stdout) == (1, True)
    assert invoke("models").exit_code == 0


def test_help_and_version_import_no_heavy_modules(tmp_path: Path) -> None:
    """`--help` and `--version` create no home and import no heavy packages."""
    done = child("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("demo", "run", "tape", "models", "resume", "doctor"))
    assert "fusionflow, version" in child("--version").stdout
    assert not (tmp_path / "home").exists()
    heavy = ("pydantic", "duckdb", "numpy", "rich", "PIL")
    code = f"import sys, fusionflow_nb.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


@pytest.mark.parametrize("group", [[], ["assets"], ["operations"]], ids=["fusionflow", "assets", "operations"])
def test_command_summaries_fit_80_columns(group: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No summary of the help listing is truncated at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(main, [*group, "--help"])
    listing = done.stdout.partition("Commands:")[2].splitlines()
    assert len(listing) > 3
    assert [line for line in listing if line.endswith("...")] == []


def test_resume_is_the_same_command_in_both_places() -> None:
    """`fusionflow resume` is an alias of `fusionflow operations resume`."""
    operations = main.commands["operations"]
    assert isinstance(operations, click.Group)
    assert main.commands["resume"] is operations.commands["resume"]


def test_as_line_returns_a_single_line() -> None:
    """Line breaks and control characters of a message are replaced."""
    assert output.as_line("a\nb\r\n  c\x1b[0m") == r"a b c\x1b[0m"
    assert isinstance(errors.TapeError("x"), errors.FusionFlowError)
