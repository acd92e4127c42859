"""The command line: what it prints for people and for programs, how it ends, and that no mistake shows our insides."""

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
"""Only a hang takes so long; nothing is measured by it."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a service that child processes share."""
    folder = tmp_path / "service"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def said_of(service: Path, **behaviours: dict[str, Any]) -> None:
    (service / "behaviours.json").write_text(json.dumps(behaviours))


def submissions(service: Path) -> int:
    path = service / "submissions.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def child(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`fusionflow ...` in a process of its own; whatever happens, it shows no traceback."""
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


def called(*words: str | Path) -> Result:
    """`fusionflow ...` in this process, on the current session."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return done


def pictures(prompt: str = "hills at {{time}}", **variables: Any) -> Flow:
    """Text -> picture -> larger picture, at the fake service."""
    flow = Flow("Pictures", variables={"time": "dawn", **variables})
    still = flow.generate_image(flow.text(prompt, name="prompt"), model="fake/image", seed=3, name="still")
    flow.upscale(still, model="fake/edit", name="large")
    return flow


@pytest.fixture
def file(session: Session, tmp_path: Path) -> Path:
    """A flow file; the session is the current one, so `called` runs at once."""
    return pictures().save(tmp_path / "pictures.flow.json")


@pytest.fixture
def saved(service: Path, tmp_path: Path) -> Path:
    """A flow file for child processes: this one lets home and journal go."""
    path = pictures().save(tmp_path / "pictures.flow.json")
    use_session(None)
    return path


# --- run -------------------------------------------------------------------------------------------------------------


def test_a_flow_runs_and_its_results_are_saved(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """`run FLOW --out FOLDER` says how each node ended, and the last lines are the paths of the files."""
    done = called("run", file, "--out", tmp_path / "out")
    assert done.exit_code == 0
    still, large = tmp_path / "out" / "still.png", tmp_path / "out" / "large.png"
    assert done.stdout.splitlines()[-2:] == [str(still), str(large)]
    assert still.exists()
    assert large.exists()
    assert len(fake.log()) == 2
    again = called("run", file)
    assert again.exit_code == 0
    assert "cached" in again.stdout
    assert len(fake.log()) == 2


def test_a_saved_picture_runs_as_a_flow(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """A picture carries the part of the flow that made it: it runs, and all of it is known."""
    called("run", file, "--out", tmp_path / "out")
    done = called("run", tmp_path / "out" / "still.png", "--json")
    jobs = json.loads(done.stdout)["jobs"]
    assert {job["node"]: job["state"] for job in jobs} == {"prompt": "cached", "still": "cached"}
    assert len(fake.log()) == 2


def test_set_changes_variables_and_parameters_of_this_run_only(file: Path, fake: FakeProvider) -> None:
    """`--set name=value` and `--set node.parameter=value` change the run, not the file."""
    before = file.read_bytes()
    done = called(
        "run", file, "--set", "time=noon", "--set", "still.width=64", "--set", "still.seed=9", "--to", "still"
    )
    assert done.exit_code == 0
    assert [entry["prompt"] for entry in fake.log()] == ["hills at noon"]
    [(width, seed)] = current_session().tape.sql("SELECT settings_snapshot->>'width', seed FROM generations").rows()
    assert (width, seed) == ("64", 9)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "prompt"),
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
def test_a_text_stays_a_text(file: Path, fake: FakeProvider, given: str, prompt: str) -> None:
    """Where a text is wanted, what looks like a number or a word of JSON is still a text."""
    assert called("run", file, "--set", f"time={given}", "--to", "still").exit_code == 0
    assert [entry["prompt"] for entry in fake.log()] == [f"hills at {prompt}"]


def test_to_runs_what_the_node_needs_and_nothing_else(file: Path, fake: FakeProvider) -> None:
    """`--to` leaves out what is not above the node."""
    assert called("run", file, "--to", "still").exit_code == 0
    assert [entry["model"] for entry in fake.log()] == ["fake/image"]


def test_dry_run_says_why_and_for_how_much(file: Path, fake: FakeProvider) -> None:
    """`--dry-run` starts nothing, says what is stale and why, and prices exactly the targets."""
    called("run", file)
    done = called("run", file, "--dry-run", "--json", "--set", "time=noon")
    said = json.loads(done.stdout)
    assert (said["low_usd"], said["high_usd"]) == (0.04, 0.06)
    because = ["prompt: 'hills at dawn' → 'hills at noon'"]
    price = {"low_usd": 0.04, "high_usd": 0.04, "is_unpriced": False}
    assert said["nodes"]["still"] == {"state": "stale", "because": because, **price}
    assert {name: node.get("high_usd") for name, node in said["nodes"].items()}["prompt"] is None
    assert json.loads(called("run", file, "--dry-run", "--json", "--to", "prompt").stdout)["nodes"].keys() == {"prompt"}
    assert "price: $0.00" in called("run", file, "--dry-run").stdout
    assert len(fake.log()) == 2


def test_dry_run_of_a_flow_that_cannot_run_fails(file: Path) -> None:
    """What a run would refuse, the dry run refuses too, after it has said all it knows."""
    broken = file.read_text().replace('"upscale"', '"no_such_type"')
    file.write_text(broken)
    done = called("run", file, "--dry-run")
    assert done.exit_code == 2
    assert "invalid" in done.stdout
    assert "no_such_type" in done.stderr


def test_json_is_alone_on_stdout(saved: Path) -> None:
    """With `--json`, stdout is one JSON document; a program needs nothing else."""
    done = child("run", str(saved), "--json", "--out", "out")
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr, said["status"]) == (0, "", "succeeded")
    assert said["cost_usd"] == pytest.approx(0.06)
    assert said["saved"] == ["out/still.png", "out/large.png"]
    assert {job["node"]: job["state"] for job in said["jobs"]}["large"] == "succeeded"
    wrong = child("run", str(saved), "--json", "--to", "nobody")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]["code"]) == (2, "gone")


def test_python_nodes_come_from_the_file_that_is_named(service: Path, tmp_path: Path) -> None:
    """`--nodes` declares functions, finds modules beside it, and runs no other code; its results are known again."""
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
        said = json.loads(child("run", str(file), "--nodes", str(nodes), "--json").stdout)
        states.append({job["node"]: job["state"] for job in said["jobs"]}["s"])
    assert states == ["succeeded", "cached"]
    tape = child("tape", "--json", "SELECT output_value FROM generations WHERE node_type = 'shout'")
    assert "DAWN!" in tape.stdout


# --- exit codes ------------------------------------------------------------------------------------------------------


def test_failed_jobs_end_with_1_and_keep_the_rest(file: Path, fake: FakeProvider, tmp_path: Path) -> None:
    """A failure takes along what needs it, is said on stderr with its node, and everything else is saved."""
    flow = pictures()
    flow.generate_image("a forbidden thing", model="fake/image", name="other")
    flow.save(file)
    fake.when("a forbidden thing", Behaviour(end="refused"))
    done = called("run", file, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "other: fake: The service refuses this prompt." in done.stderr
    assert (tmp_path / "out" / "large.png").exists()
    said = json.loads(called("run", file, "--json").stdout)
    assert {job["node"]: (job["error"] or {}).get("code") for job in said["jobs"]}["other"] == "refused"


def test_money_ends_with_3(file: Path, fake: FakeProvider) -> None:
    """No funds, a cap that would be passed, and a model without a price: each is 3, and says what it is about."""
    fake.when("hills at dawn", Behaviour(end="no_funds"))
    assert called("run", file).exit_code == 3
    many = Flow("Many")
    many.generate_image("one", model="fake/image", seed=many.seeds(list(range(60))), name="many")
    many.save(file)
    over = called("run", file)
    assert (over.exit_code, "over_budget" in over.stdout) == (3, True)
    unpriced = Flow("Unpriced")
    unpriced.generate_image("one", model="fake/unpriced", name="one")
    unpriced.save(file)
    done = called("run", file)
    assert (done.exit_code, "unpriced" in done.stderr) == (3, True)
    assert called("run", file, "--unpriced", "0.10").exit_code == 0


def test_a_large_run_asks_first(file: Path, fake: FakeProvider) -> None:
    """More than 100 paid calls need `--yes`; nothing was sent before."""
    many = Flow("Many")
    many.generate_image("one", model="fake/image", seed=many.seeds(list(range(101))), name="many")
    many.save(file)
    done = called("run", file)
    assert (done.exit_code, "101 paid calls" in done.stderr, fake.log()) == (3, True, [])


def test_ctrl_c_ends_with_130_and_resume_brings_the_result_home(saved: Path, service: Path, tmp_path: Path) -> None:
    """Interrupting a run loses nothing: accepted work is fetched by `resume`, and never paid twice."""
    said_of(service, **{"hills at dawn": {"end": "never"}})
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
    assert "fusionflow operations resume" in err
    assert "1 of dead kernels" in child("doctor").stdout
    [job] = (service / "jobs").glob("*.json")
    job.write_text(job.read_text().replace('"never"', '"done"'))
    assert child("resume").stdout == "1 result came home.\n"
    assert child("resume").stdout == "0 results came home.\n"
    said = json.loads(child("run", str(saved), "--to", "still", "--json").stdout)
    assert {job["node"]: job["state"] for job in said["jobs"]}["still"] == "cached"
    assert submissions(service) == 1


def accepted(home: Path) -> bool:
    """Whether a service's acceptance is in the journal, as a bystander sees it."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT 1 FROM jobs WHERE state = 'accepted'").fetchall())
    except sqlite3.Error:
        return False


# --- mistakes --------------------------------------------------------------------------------------------------------

BAD_FILES = {
    "nothing": (None, "cannot be read"),
    "empty": ("", "no valid JSON"),
    "no-json": ("{nodes", "no valid JSON"),
    "no-flow": ("[1, 2]", "no FusionFlow flow"),
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
                    {"source": one, "sourceHandle": "image", "target": other, "targetHandle": "image"}
                    for one, other in ("ab", "ba")
                ],
            }
        ),
        "circle",
    ),
    "png-bytes": ("\x89PNG\r\n\x1a\n\0\0", ""),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_one_line_and_2(session: Session, tmp_path: Path, content: str | None, said: str) -> None:
    """Whatever is wrong with the file: one line on stderr that names it, and exit code 2."""
    path = tmp_path / "bad.flow.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    done = called("run", path)
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "time"], "NAME=VALUE"),
        (["--set", "=dawn"], "NAME=VALUE"),
        (["--set", "weather=fog"], "Its variables: time"),
        (["--set", "nobody.seed=1"], "no node 'nobody'"),
        (["--set", "still.seed=first"], "seed"),
        (["--set", "still.seed=" + "9" * 5000], "seed"),
        (["--set", "still.sharpness=2"], "sharpness"),
        (["--set", "still.model=fake/imagge"], "fake-image"),
        (["--set", "large.colour=x"], "colour"),
        (["--to", "nobody"], "no node 'nobody'"),
        (["--nodes", "missing.py"], "no file missing.py"),
        (["--out", "/dev/null/x"], "cannot be used"),
        (["--unpriced", "-1"], "--unpriced"),
        (["--unpriced", "much"], "--unpriced"),
        (["--sett", "a=b"], "--sett"),
    ],
    ids=lambda given: " ".join(given)[:40] if isinstance(given, list) else "",
)
def test_a_wrong_word_is_said_and_2(file: Path, fake: FakeProvider, words: list[str], said: str) -> None:
    """A mistake in a command starts nothing, ends with 2, and the message says what there is instead."""
    done = called("run", file, *words)
    assert (done.exit_code, done.stdout, fake.log()) == (2, "", [])
    assert said in done.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import fusionflow_nb as ff\n\nx = 1 +\n", "my_nodes.py, line 3: SyntaxError"),
        ("\n\n1 / 0\n", "my_nodes.py, line 3: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "my_nodes.py, line 1: ModuleNotFoundError"),
        ("raise SystemExit(5)\n", "sys.exit(5)"),
        ("import fusionflow_nb as ff\n\n@ff.node\ndef f(x: set) -> str: ...\n", "set"),
    ],
    ids=["syntax", "raises", "import", "exit", "hint"],
)
def test_a_broken_nodes_file_names_its_line(saved: Path, tmp_path: Path, source: str, said: str) -> None:
    """The user's own code fails in one line that names file and line; nothing ran."""
    (tmp_path / "my_nodes.py").write_text(source)
    done = child("run", str(saved), "--nodes", "my_nodes.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_codes_in_a_flow_reach_no_terminal(session: Session, tmp_path: Path) -> None:
    """A hostile flow cannot recolour or rewrite the terminal through names, prompts or errors."""
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
        done = called(*words)
        assert not CONTROL.search(done.output.replace("\n", "")), words
        assert "\u202e" not in done.output


def test_an_unusable_home_is_a_sentence(saved: Path) -> None:
    """Where home cannot be made, every command says which setting moves it."""
    for words in (["run", str(saved)], ["tape", "SELECT 1"], ["models"], ["resume"]):
        done = child(*words, **{HOME_VARIABLE: "/dev/null/home"})
        assert (done.returncode, HOME_VARIABLE in done.stderr) == (2, True), words


# --- terminals and pipes ---------------------------------------------------------------------------------------------


def test_without_a_terminal_there_are_no_control_codes(saved: Path) -> None:
    """Output into a file is plain text in whole lines, each row in one."""
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
    assert "local/reaction-diffusion" in child("models").stdout  # never cut to the width of a screen that is not there


def test_a_terminal_shows_bars_and_ends_with_the_table(saved: Path) -> None:
    """On a terminal the run is followed live, and the last state of every node stays there, once."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "fusionflow_nb", "run", str(saved)],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    os.close(ours)
    assert running.wait(PATIENCE_S) == 0
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode()).split("Pictures · running")[-1]
    assert "━" in last
    assert last.count("Pictures · succeeded") == 1


def test_a_closed_pipe_is_no_error_of_ours(saved: Path) -> None:
    """`fusionflow ... | head -1` ends quietly."""
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
    assert running.wait(PATIENCE_S) in {0, 1}  # as click sees it; a reader that has enough is no failure
    assert err == b""


def test_a_terminal_that_lacks_a_letter_stops_nothing(saved: Path) -> None:
    """An ASCII terminal gets question marks, not a UnicodeEncodeError."""
    done = child("run", str(saved), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "succeeded" in done.stdout


# --- the other commands ----------------------------------------------------------------------------------------------


def test_tape_answers_in_rows_and_in_json(file: Path) -> None:
    """The same answer as a table for people, and as JSON that every parser takes."""
    called("run", file)
    asked = "SELECT node_id, cost_computation FROM generations ORDER BY ALL"
    assert called("tape", asked).stdout.splitlines() == [
        "node_id  cost_computation",
        "large                0.02",
        "still                0.04",
    ]
    rows = json.loads(called("tape", "--json", asked).stdout)
    assert rows == [{"node_id": "large", "cost_computation": 0.02}, {"node_id": "still", "cost_computation": 0.04}]
    odd = (
        "SELECT 'nan'::DOUBLE AS n, 'a'::BLOB AS b, 1.5::DECIMAL(4, 2) AS d, DATE '2030-01-02' AS day, {'x': [1]} AS s"
    )
    assert json.loads(called("tape", "--json", odd).stdout) == [
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
def test_a_wrong_query_is_one_line_and_2(session: Session, query: str) -> None:
    """DuckDB's words in one line, without its excerpt; nothing was written."""
    done = called("tape", query)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_models_lists_by_task(session: Session) -> None:
    """A task narrows the list; a wrong one lists the tasks."""
    assert "local/upscale" not in called("models", "--task", "text-to-image").stdout
    wrong = called("models", "--task", "text-to-imag")
    assert (wrong.exit_code, "text-to-image" in wrong.stderr) == (2, True)


def test_doctor_looks_at_the_rest_when_something_is_broken(tmp_path: Path) -> None:
    """A home that cannot be made is a finding with exit code 1, and no reason to say nothing about the rest."""
    done = child("doctor", **{HOME_VARIABLE: "/dev/null/home"})
    assert (done.returncode, done.stdout.startswith("✗  home")) == (1, True)
    assert "extra video" in done.stdout


def test_doctor_names_a_file_of_keys_that_cannot_be_read(session: Session) -> None:
    """Doctor exists for such days: the finding names the file; the list of models is still there."""
    (session.home / "keys.json").write_text("{")
    done = called("doctor")
    assert (done.exit_code, "keys.json cannot be read" in done.stdout) == (1, True)
    assert called("models").exit_code == 0


def test_help_and_version_need_nothing(tmp_path: Path) -> None:
    """`--help` and `--version` touch no home, and load no room that they do not need."""
    done = child("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("demo", "run", "tape", "models", "resume", "doctor"))
    assert "fusionflow, version" in child("--version").stdout
    assert not (tmp_path / "home").exists()
    heavy = ("pydantic", "duckdb", "numpy", "rich", "PIL")
    code = f"import sys, fusionflow_nb.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_a_line_is_a_line() -> None:
    """Whatever a message holds, stderr gets one line of it."""
    assert output.as_line("a\nb\r\n  c\x1b[0m") == r"a b c\x1b[0m"
    assert isinstance(errors.TapeError("x"), errors.FusionFlowError)
