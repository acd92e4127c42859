"""Keys of services: where they are found, how they are kept, and that nothing shows them."""

from __future__ import annotations

import getpass
import json
import os
import pickle
import re
import stat
import threading
import traceback
import warnings
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null

from fusionflow_nb import errors
from fusionflow_nb.maintenance import doctor
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.credentials import Key, connect, key_of, where
from fusionflow_nb.settings.environment import home_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "sk-planted-0123456789"  # noqa: S105 - not one


class MemoryKeyring(KeyringBackend):
    """A keyring of this test."""

    priority = -1  # type: ignore[assignment] # never found by itself

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.kept[service, username] = password

    def _open(self) -> None:
        if self.is_locked:
            raise keyring.errors.KeyringLocked("locked")


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """Most machines of a notebook have none; the machine's own is never touched."""
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring() -> MemoryKeyring:
    made = MemoryKeyring()
    keyring.set_keyring(made)
    return made


@pytest.fixture
def path() -> Path:
    return home_folder() / "keys.json"


def test_the_environment_comes_first(ring: MemoryKeyring, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment before keyring before file: what was set for this process wins."""
    path.parent.mkdir()
    path.write_text(json.dumps({"FAL_KEY": "from-file"}))
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-file"}, "file")
    ring.kept["fusionflow-nb", "FAL_KEY"] = "from-ring"
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-ring"}, "keyring")
    monkeypatch.setenv("FAL_KEY", " from-environment\n")
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-environment"}, "environment")


def test_without_a_key_there_is_none() -> None:
    """No key is None, not an error: most services have none."""
    assert (key_of("openai"), where("openai")) == (None, None)


def test_the_keyring_keeps_the_key_where_there_is_one(ring: MemoryKeyring, path: Path) -> None:
    """With a keyring, nothing is written to a file."""
    connect("fal", SECRET)
    assert ring.kept == {("fusionflow-nb", "FAL_KEY"): SECRET}
    assert type(ring.kept["fusionflow-nb", "FAL_KEY"]) is str  # backends in C take nothing else
    assert not path.exists()


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "null"])
def test_a_keyring_that_keeps_nothing_is_not_believed(ring: MemoryKeyring, path: Path, *, is_locked: bool) -> None:
    """Locked, or one that takes everything and keeps nothing: the key goes into the file."""
    ring.is_locked = is_locked
    if not is_locked:
        keyring.set_keyring(null.Keyring())
    connect("fal", SECRET)
    assert json.loads(path.read_text()) == {"FAL_KEY": SECRET}
    assert key_of("fal") == {"FAL_KEY": SECRET}


def test_the_file_is_readable_by_the_user_alone(path: Path) -> None:
    """Mode 0600 whatever the umask, also where a file with another mode was there; other keys stay."""
    path.parent.mkdir()
    path.write_text(json.dumps({"OPENAI_API_KEY": "other"}))
    path.chmod(0o644)
    assert "chmod 600" in str(credentials.storage_warning())
    before = os.umask(0)
    try:
        connect("fal", SECRET)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credentials.storage_warning() is None
    assert json.loads(path.read_text()) == {"OPENAI_API_KEY": "other", "FAL_KEY": SECRET}


def test_a_key_is_written_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails leaves the old file, no part of the new one, and a sentence with the way out."""
    connect("openai", "other")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.SecretError, match=r"No space left.*FAL_KEY"):
        connect("fal", SECRET)
    assert json.loads(path.read_text()) == {"OPENAI_API_KEY": "other"}
    assert not [found for found in path.parent.iterdir() if SECRET in found.read_text()]


def test_kernels_that_connect_at_once_lose_no_key(path: Path) -> None:
    """Reading, adding and writing is one step: of many at once, all are kept."""
    names = [name for name, variables in credentials.ENVIRONMENT.items() if len(variables) == 1]
    threads = [threading.Thread(target=connect, args=(name, f"key-of-{name}")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads(path.read_text())) == len(names)


@pytest.mark.parametrize(
    "content", ["{", "[1]", '"x"', "\ud800", "{" * 100_000], ids=["cut", "list", "text", "bytes", "deep"]
)
def test_a_damaged_file_is_a_sentence_without_its_content(path: Path, content: str) -> None:
    """The error names the file and carries nothing of what is in it, nor does what it came from."""
    path.parent.mkdir()
    path.write_bytes((SECRET + content if content == "{" else content).encode("utf-8", "surrogatepass"))
    with pytest.raises(errors.SecretError, match=r"keys\.json cannot be read") as caught:
        key_of("fal")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_file_that_may_not_be_read_is_a_sentence(path: Path) -> None:
    """Whatever the system says about the file, it is told in one sentence."""
    path.mkdir(parents=True)
    with pytest.raises(errors.SecretError, match="Is a directory"):
        key_of("fal")


def test_a_service_with_two_keys_takes_both_or_none(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a pair opens nothing, so it is neither kept nor found."""
    with pytest.raises(errors.SecretError, match="2 keys: KLING_ACCESS_KEY, KLING_SECRET_KEY"):
        connect("kling", "one")
    with pytest.raises(errors.SecretError, match="empty"):
        connect("kling", {"KLING_ACCESS_KEY": "one", "KLING_SECRET_KEY": " "})
    assert ring.kept == {}
    monkeypatch.setenv("KLING_ACCESS_KEY", "one")
    assert (key_of("kling"), where("kling")) == (None, None)
    ring.kept["fusionflow-nb", "KLING_SECRET_KEY"] = "two"
    assert key_of("kling") == {"KLING_ACCESS_KEY": "one", "KLING_SECRET_KEY": "two"}
    assert where("kling") == "environment and keyring"


def test_it_asks_for_each_key_without_showing_it(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question names service and variable; the answer goes to the keyring without what a paste brings along."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return f" {SECRET}\n"

    monkeypatch.setattr(getpass, "getpass", answer)
    connect("kling")
    assert asked == ["kling KLING_ACCESS_KEY: ", "kling KLING_SECRET_KEY: "]
    assert set(ring.kept.values()) == {SECRET}


def test_it_never_reads_a_key_that_would_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal that can hide what is typed, it says so instead of reading it in the open."""

    def shown(_question: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError

    monkeypatch.setattr(getpass, "getpass", shown)
    with pytest.raises(errors.SecretError, match="FAL_KEY"):
        connect("fal")


@pytest.mark.parametrize("key", ["", "  \n", "two words", "line\nbreak", "clé", "tab\there", "\x00"])
def test_what_is_no_key_is_refused_unseen(ring: MemoryKeyring, key: str) -> None:
    """Empty, or with characters that would break an HTTP header; the message does not repeat it."""
    with pytest.raises(errors.SecretError) as caught:
        connect("fal", key)
    assert ring.kept == {}
    assert not key.strip() or key.strip() not in str(caught.value)


def test_unknown_services_list_the_known() -> None:
    """A name that is no service says which there are."""
    for ask in (connect, key_of, where):
        with pytest.raises(errors.SecretError, match="fal, google"):
            ask("fall")


def test_a_key_shows_nothing_where_it_is_looked_at() -> None:
    """As text it is itself; as a value in a dict, a repr, or the locals of a traceback it is `<key>`."""
    key = Key(SECRET)
    assert f"Bearer {key}" == f"Bearer {SECRET}"
    assert SECRET not in repr({"FAL_KEY": key, "all": [key, (key,)]})
    assert pickle.loads(pickle.dumps(key)) == SECRET  # noqa: S301 - our own


def test_no_traceback_shows_a_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that prints the variables of every frame, as rich and IPython can."""
    path.parent.mkdir()
    path.parent.chmod(0o500)
    monkeypatch.setattr(getpass, "getpass", lambda _question: SECRET)

    def refuse(*_args: object, **_named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(credentials.tempfile, "mkstemp", refuse)
    try:
        connect("fal")
    except errors.SecretError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "Permission denied" in shown
        assert SECRET not in shown
    else:
        pytest.fail("it was kept")


def test_doctor_says_where_a_key_is_and_never_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is there is said to be there."""
    monkeypatch.setenv("FAL_KEY", SECRET)
    monkeypatch.setenv("KLING_ACCESS_KEY", SECRET)
    findings = {finding.name: finding for finding in doctor.findings()}
    assert findings["fal"].state == "ok"
    assert re.match(
        r"key found in the environment \(FAL_KEY\); \d+ models: [^,]+, .* and \d+ more", findings["fal"].message
    )
    assert findings["kling"].state == "warning"
    assert "KLING_SECRET_KEY is missing" in findings["kling"].message
    assert findings["openai"].state == "optional"
    assert "sora" not in findings["openai"].message  # retired models are not listed
    assert SECRET not in repr(findings)
