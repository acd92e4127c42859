"""Plant keys in all places of keys, then search everything that is written, shown or printed for them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import duckdb
import keyring
import pytest
from keyring.backend import KeyringBackend

from fusionflow_nb import display, errors, tape
from fusionflow_nb.api import models
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.api.node import node
from fusionflow_nb.assets import recipe as embedded
from fusionflow_nb.journal.commit_lock import CommitLock
from fusionflow_nb.maintenance import doctor
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import home_folder
from fusionflow_nb.testing.fake import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED = {
    "FAL_KEY": "planted-in-the-environment-9f3a",
    "OPENAI_API_KEY": "planted-in-the-file-71c2",
    "REPLICATE_API_TOKEN": "planted-in-the-keyring-04be",
    "KLING_ACCESS_KEY": "planted-half-in-the-environment-d5",
    "KLING_SECRET_KEY": "planted-half-in-the-keyring-e6",
}
KEYS = list(PLANTED.values())


class MemoryKeyring(KeyringBackend):
    """A keyring in memory."""

    priority = -1  # type: ignore[assignment] # never selected automatically
    passwords: dict[str, str]

    def get_password(self, service: str, username: str) -> str | None:  # noqa: ARG002 - one service
        return self.passwords.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:  # noqa: ARG002
        self.passwords[username] = password


class KeyedProvider(FakeProvider):
    """A service that reads its key for each call and stores it in its headers, as real adapters do."""

    name = "fake"

    async def submit(self, request: Any, *, idempotency_key: str) -> Any:
        keys = {name: credentials.key_of(name) for name in ("fal", "openai", "replicate", "kling")}
        assert all(keys.values())
        self.headers = {"Authorization": f"Bearer {next(iter((keys['fal'] or {}).values()))}"}
        if request.prompt == "breaks":
            raise RuntimeError("the adapter broke")
        return await super().submit(request, idempotency_key=idempotency_key)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys in all three places, and a pair split over two of them."""
    before = keyring.get_keyring()
    ring = MemoryKeyring()
    ring.passwords = {name: PLANTED[name] for name in ("REPLICATE_API_TOKEN", "KLING_SECRET_KEY")}
    keyring.set_keyring(ring)
    for name in ("FAL_KEY", "KLING_ACCESS_KEY"):
        monkeypatch.setenv(name, PLANTED[name])
    home_folder().mkdir(parents=True)
    (home_folder() / "keys.json").write_text(json.dumps({"OPENAI_API_KEY": PLANTED["OPENAI_API_KEY"]}))
    yield
    keyring.set_keyring(before)


def forms(key: str) -> list[bytes]:
    """Encodings of a key: plain, base64 at each of three offsets, hex, UTF-16."""
    result = [key.encode(), key.encode().hex().encode(), key.encode("utf-16-le")]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + key.encode())
        result.append(coded[4 if shift else 0 : -4])
    return result


def assert_clean(data: bytes | str, where: object) -> None:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    for key in KEYS:
        assert not any(form in raw for form in forms(key)), f"a key is in {where}"


def assert_files_clean(folder: Path) -> int:
    count = 0
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "keys.json":
            assert_clean(path.read_bytes(), path)
            assert_clean(str(path), "a file name")
            count += 1
    return count


def a_flow() -> Flow:
    """A flow whose jobs end in all ways: succeeded, refused, adapter error, error in a Python node, unknown."""

    @node
    def careless(text: str) -> str:
        secret = credentials.key_of("fal")
        raise ValueError(f"{text}: {secret} is no use")

    flow = Flow("Secrets", variables={"time": "dawn"})
    text = flow.text("hills at {{time}}", name="words")
    still = flow.generate_image(text, model="fake/image", name="still")
    flow.generate_video(image=still, model="fake/video", name="film")
    flow.generate_image("forbidden", model="fake/image", name="forbidden")
    flow.generate_image("breaks", model="fake/image", name="breaks")
    flow.generate_image("lost", model="fake/image", name="lost")
    flow.add(careless, text=text, name="careless")
    many = flow.generate_image("x", model="fake/image", seed=flow.seeds([1, 2], name="seeds"), name="many")
    flow.upscale(many, model="fake/edit", name="large")
    return flow


def test_the_search_finds_a_key() -> None:
    """A key in any usual encoding is found."""
    for data in (
        KEYS[0],
        f"x{KEYS[1]}".encode(),
        base64.b64encode(b"ab" + KEYS[2].encode()),
        KEYS[3].encode("utf-16-le"),
    ):
        with pytest.raises(AssertionError, match="a key is in"):
            assert_clean(data, "here")


def test_no_key_is_written_or_shown(
    planted: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Journal, store, flow, recipes, exports, HTML, reprs, errors, tracebacks, logs and output contain no key."""
    caplog.set_level(logging.DEBUG)
    service = KeyedProvider()
    service.when("forbidden", Behaviour(end="refused"))
    service.when("lost", Behaviour(submit="lost"))
    session = Session(home_folder(), Registry([service]))
    use_session(session)
    flow = a_flow()
    run = flow.run().wait()
    assert {run.jobs[name, ()].state for name in ("still", "forbidden", "careless", "lost")} >= {"succeeded", "refused"}
    assert PLANTED["FAL_KEY"] in service.headers["Authorization"]  # the keys were used, so they could have leaked

    out = tmp_path / "out"
    saved = run.save(out)
    flow.save(out / "f.flow.json")
    tape.export(out / "x.duckdb")
    tape.export(out / "x.parquet")
    for path in saved:
        assert_clean(json.dumps(embedded.extract(path)), f"the recipe of {path.name}")
    with duckdb.connect(str(out / "x.duckdb"), read_only=True) as database:
        for (table,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            assert_clean(str(database.table(table).fetchall()), table)

    shown: dict[str, Any] = {
        "run": run,
        "run card": display.run_html(run),
        "flow card": display.flow_html(flow),
        "python": flow.to_python(),
        "plan": [flow.stale(), flow.states(), str(flow.estimate())],
        "models": [models.models(), models.models()._repr_html_()],
        "doctor": list(doctor.findings()),
        "parts": [vars(session), vars(session.engine), vars(session.engine.context), vars(flow)],
        "wire": [error.to_payload() for error in run.errors],
        "tape": [
            tape.sql(f"FROM {name}")._repr_mimebundle_() for name in ("generations", "runs", "projects", "outputs")
        ],
        "outputs": run.outputs,
    }
    for name, value in shown.items():
        assert_clean(value if isinstance(value, str) else repr(value), name)
    with pytest.raises(errors.RunFailedError) as failed:
        run.result()
    all_errors = [failed.value, *failed.value.causes]
    for error in all_errors:
        for with_variables in (False, True):
            lines = traceback.TracebackException.from_exception(error, capture_locals=with_variables).format()
            assert_clean("".join(lines), f"a traceback of {type(error).__name__}")
    assert_clean(caplog.text, "the log")
    use_session(None)
    assert_files_clean(home_folder())
    assert assert_files_clean(out) >= len(saved) + 3
    captured = capfd.readouterr()
    assert_clean(captured.out + captured.err, "the output")


def test_no_key_is_in_the_outbox(planted: None) -> None:
    """A paid result in the outbox, while the journal cannot be written, contains no key."""
    service = Slow()
    session = Session(home_folder(), Registry([service]))
    session.journal._writer._timeout_s = 0.2
    use_session(session)
    flow = Flow("Outbox")
    flow.generate_image("x", model="fake/image", name="still")
    commit_lock = CommitLock(session.journal.path.parent / "journal.turnstile")
    run = flow.run()
    assert service.polled.wait(30)
    with commit_lock.hold():
        service.gate.set()
        run.wait()
        waiting = [path for path in home_folder().rglob("*.jsonl") if path.stat().st_size]
        assert waiting
        assert_files_clean(home_folder())
    commit_lock.close()


class Slow(KeyedProvider):
    """A service whose jobs end when the test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.polled, self.gate = threading.Event(), threading.Event()

    async def poll(self, operation: Any) -> Any:
        self.polled.set()
        await asyncio.to_thread(self.gate.wait, 30)
        return await super().poll(operation)


@pytest.mark.parametrize(
    "words",
    [["doctor"], ["models"], ["run", "f.flow.json"], ["run", "f.flow.json", "--json"], ["tape", "FROM generations"]],
)
def test_no_command_prints_a_key(planted: None, tmp_path: Path, words: list[str]) -> None:
    """In another process, with keys in environment and file."""
    flow = Flow("Commands")
    flow.text("dawn", name="words")
    flow.save(tmp_path / "f.flow.json")
    use_session(None)
    done = subprocess.run(
        [sys.executable, "-m", "fusionflow_nb", *words],
        env=os.environ, cwd=tmp_path, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert_clean(done.stdout + done.stderr, words)
    if words == ["doctor"]:
        assert b"fal" in done.stdout
        assert b"environment" in done.stdout
        assert b"file" in done.stdout


def test_keys_hide_themselves_in_reprs_and_pickles(planted: None) -> None:
    """The repr of `key_of`'s result hides the keys; it may be the last line of a cell."""
    keys = credentials.key_of("kling")
    assert keys is not None
    assert_clean(repr(keys), "a repr")
    assert pickle.loads(pickle.dumps(keys)) == keys  # noqa: S301 - pickled here
