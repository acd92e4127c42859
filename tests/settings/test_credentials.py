"""Keys of services: sources, storage, and that nothing shows them."""

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

SECRET = "sk-planted-0123456789"  # noqa: S105 - not a real key


class MemoryKeyring(KeyringBackend):
    """A keyring in memory."""

    priority = -1  # type: ignore[assignment] # never selected automatically

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.passwords[service, username] = password

    def _open(self) -> None:
        if self.is_locked:
            raise keyring.errors.KeyringLocked("locked")


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """No keyring, as on most notebook servers; the machine's keyring is never used."""
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring() -> MemoryKeyring:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    return memory


@pytest.fixture
def path() -> Path:
    return home_folder() / "keys.json"


def test_the_environment_has_priority(ring: MemoryKeyring, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment before keyring before file."""
    path.parent.mkdir()
    path.write_text(json.dumps({"FAL_KEY": "from-file"}))
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-file"}, "file")
    ring.passwords["fusionflow-nb", "FAL_KEY"] = "from-ring"
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-ring"}, "keyring")
    monkeypatch.setenv("FAL_KEY", " from-environment\n")
    assert (key_of("fal"), where("fal")) == ({"FAL_KEY": "from-environment"}, "environment")


def test_a_missing_key_is_none() -> None:
    """For a missing key `key_of` returns None: most services have no key."""
    assert (key_of("openai"), where("openai")) == (None, None)


def test_a_keyring_is_preferred_to_the_file(ring: MemoryKeyring, path: Path) -> None:
    """With a keyring, nothing is written to a file."""
    connect("fal", SECRET)
    assert ring.passwords == {("fusionflow-nb", "FAL_KEY"): SECRET}
    assert type(ring.passwords["fusionflow-nb", "FAL_KEY"]) is str  # backends in C accept only str
    assert not path.exists()


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "null"])
def test_an_unusable_keyring_is_replaced_by_the_file(ring: MemoryKeyring, path: Path, *, is_locked: bool) -> None:
    """With a locked keyring, or a keyring that stores nothing, the key is written to the file."""
    ring.is_locked = is_locked
    if not is_locked:
        keyring.set_keyring(null.Keyring())
    connect("fal", SECRET)
    assert json.loads(path.read_text()) == {"FAL_KEY": SECRET}
    assert key_of("fal") == {"FAL_KEY": SECRET}


def test_only_the_user_can_read_the_file(path: Path) -> None:
    """Mode 0600 whatever the umask and the earlier mode; other keys are kept."""
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


def test_a_key_is_written_atomically(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing disk leaves the old file and no partial file, and the error names the alternative."""
    connect("openai", "other")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.SecretError, match=r"No space left.*FAL_KEY"):
        connect("fal", SECRET)
    assert json.loads(path.read_text()) == {"OPENAI_API_KEY": "other"}
    assert not [file for file in path.parent.iterdir() if SECRET in file.read_text()]


def test_concurrent_connects_lose_no_key(path: Path) -> None:
    """Reading, adding and writing is atomic: all keys are kept."""
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
def test_a_damaged_file_is_reported_without_content(path: Path, content: str) -> None:
    """The error and its causes name the file, but not its content."""
    path.parent.mkdir()
    path.write_bytes((SECRET + content if content == "{" else content).encode("utf-8", "surrogatepass"))
    with pytest.raises(errors.SecretError, match=r"keys\.json cannot be read") as caught:
        key_of("fal")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_unreadable_file_is_reported(path: Path) -> None:
    """The error contains the system's reason."""
    path.mkdir(parents=True)
    with pytest.raises(errors.SecretError, match="Is a directory"):
        key_of("fal")


def test_a_service_with_two_keys_needs_both(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single key of a pair is neither stored nor returned."""
    with pytest.raises(errors.SecretError, match="2 keys: KLING_ACCESS_KEY, KLING_SECRET_KEY"):
        connect("kling", "one")
    with pytest.raises(errors.SecretError, match="empty"):
        connect("kling", {"KLING_ACCESS_KEY": "one", "KLING_SECRET_KEY": " "})
    assert ring.passwords == {}
    monkeypatch.setenv("KLING_ACCESS_KEY", "one")
    assert (key_of("kling"), where("kling")) == (None, None)
    ring.passwords["fusionflow-nb", "KLING_SECRET_KEY"] = "two"
    assert key_of("kling") == {"KLING_ACCESS_KEY": "one", "KLING_SECRET_KEY": "two"}
    assert where("kling") == "environment and keyring"


def test_connect_prompts_for_each_key_without_echo(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt names service and variable; surrounding whitespace is removed."""
    prompts: list[str] = []

    def read_key(prompt: str) -> str:
        prompts.append(prompt)
        return f" {SECRET}\n"

    monkeypatch.setattr(getpass, "getpass", read_key)
    connect("kling")
    assert prompts == ["kling KLING_ACCESS_KEY: ", "kling KLING_SECRET_KEY: "]
    assert set(ring.passwords.values()) == {SECRET}


def test_connect_never_reads_a_key_with_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal that can hide input, connect raises instead of reading the key."""

    def read_with_echo(_prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError

    monkeypatch.setattr(getpass, "getpass", read_with_echo)
    with pytest.raises(errors.SecretError, match="FAL_KEY"):
        connect("fal")


@pytest.mark.parametrize("key", ["", "  \n", "two words", "line\nbreak", "clé", "tab\there", "\x00"])
def test_an_invalid_key_is_refused_without_showing_it(ring: MemoryKeyring, key: str) -> None:
    """Empty keys, and characters that would break an HTTP header; the message does not contain the key."""
    with pytest.raises(errors.SecretError) as caught:
        connect("fal", key)
    assert ring.passwords == {}
    assert not key.strip() or key.strip() not in str(caught.value)


def test_an_unknown_service_lists_the_known_services() -> None:
    """The error for an unknown name lists the services."""
    for function in (connect, key_of, where):
        with pytest.raises(errors.SecretError, match="fal, google"):
            function("fall")


def test_the_repr_of_a_key_hides_it() -> None:
    """As text it is the key; in a repr, also of a dict or a traceback's locals, it is `<key>`."""
    key = Key(SECRET)
    assert f"Bearer {key}" == f"Bearer {SECRET}"
    assert SECRET not in repr({"FAL_KEY": key, "all": [key, (key,)]})
    assert pickle.loads(pickle.dumps(key)) == SECRET  # noqa: S301 - pickled here


def test_no_traceback_shows_a_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a traceback with the variables of every frame, as of rich and IPython."""
    path.parent.mkdir()
    path.parent.chmod(0o500)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: SECRET)

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
        pytest.fail("the key was stored")


def test_doctor_reports_where_a_key_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The findings name the place of a key, never the key."""
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
