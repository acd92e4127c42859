"""Keys of services: from the customary environment variable, the OS keyring, or a file only the user can read.

A key is never part of a flow, the tape, a log line, a repr, an exception or anything sent to the browser.
"""

from __future__ import annotations

import functools
import getpass
import hashlib
import importlib.metadata
import json
import os
import stat
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE, home_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "fusionflow-nb"
ENVIRONMENT = {
    "bfl": ("BFL_API_KEY",),
    "elevenlabs": ("ELEVENLABS_API_KEY",),
    "fal": ("FAL_KEY",),
    "google": ("GEMINI_API_KEY",),
    "kling": ("KLING_ACCESS_KEY", "KLING_SECRET_KEY"),
    "luma": ("LUMA_AGENTS_API_KEY",),
    "luma-dream-machine": ("LUMAAI_API_KEY",),
    "minimax": ("MINIMAX_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "r2": ("FUSIONFLOW_R2_ACCESS_KEY_ID", "FUSIONFLOW_R2_SECRET_ACCESS_KEY"),
    "replicate": ("REPLICATE_API_TOKEN",),
    "runway": ("RUNWAYML_API_SECRET",),
    "stability": ("STABILITY_API_KEY",),
}
GROUP = "fusionflow_nb.keys"
"""Entry points of other packages: `service = "module:KEYS"`, the names of the variables its keys stand in."""
_LOCK_WAIT_S = 10.0


class Key(str):
    """A key. It is text where text is sent, and shows nothing where it is only looked at.

    A list of variables beside a traceback, or a dict of keys as the last line of a cell, is the usual leak.

    >>> key = Key("not-a-real-key")
    >>> {"FAL_KEY": key}
    {'FAL_KEY': <key>}
    >>> f"Bearer {key}"
    'Bearer not-a-real-key'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<key>"


def connect(provider: str, key: str | Mapping[str, str] | None = None) -> None:
    """Store the key of a service, asking for it without showing it.

    Args:
        provider: `fal`, `openai`, `replicate` ...
        key: only where it does not come from a person's keyboard; never write one into a notebook. A service with
            several keys takes them by the names of their variables.

    Raises:
        SecretError: unknown service, a key that is none, or nowhere to keep it.
    """
    names = _names(provider)
    if key is None:
        given = {name: _ask(provider, name) for name in names}
    elif isinstance(key, str):
        given = {names[0]: Key(key)}
    else:
        given = {name: Key(value) for name, value in key.items()}
    if given.keys() != set(names):
        raise errors.SecretError(
            f"{provider} takes {len(names)} keys: {', '.join(names)}."
            if len(names) > 1
            else f"{provider} takes one key: {names[0]}.",
            hint=f"Call ff.connect({provider!r}) and paste what it asks for.",
        )
    # All of them are looked at before the first is kept: half a pair opens nothing.
    for name, value in {name: _checked(provider, value) for name, value in given.items()}.items():
        _keep(name, value)


def key_of(provider: str) -> dict[str, Key] | None:
    """The keys of a service by their variable's name; None where one is missing.

    Raises:
        SecretError: unknown service, or the file of keys cannot be read.
    """
    found = {name: found[0] for name in _names(provider) if (found := _find(name))}
    return found if len(found) == len(_names(provider)) else None


def where(provider: str) -> str | None:
    """Where the key of a service was found (`environment`, `keyring`, `file`), never the key; None where it was not.

    Raises:
        SecretError: as `key_of`.
    """
    places = [found[1] if (found := _find(name)) else None for name in _names(provider)]
    return None if None in places else " and ".join(dict.fromkeys(str(place) for place in places))


def missing(provider: str) -> list[str]:
    """The variables of a service's keys that are found nowhere: one of two is as good as none.

    Raises:
        SecretError: as `key_of`.
    """
    return [name for name in _names(provider) if _find(name) is None]


def services() -> Mapping[str, tuple[str, ...]]:
    """Services that take keys, with the variables these stand in: ours, then those of other installed packages."""
    return {**ENVIRONMENT, **_of_others()}


def account(provider: str) -> str:
    """Which key of a service is in use, as a short name that gives nothing of it away; empty where none is needed."""
    if provider not in services() or os.environ.get(SIMULATOR_VARIABLE):
        return ""
    try:
        keys = key_of(provider)
    except errors.SecretError:
        return ""
    if keys is None:
        return ""
    whole = "\n".join(f"{name}={keys[name]}" for name in sorted(keys))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def has_key(provider: str) -> bool:
    """Whether a service can be called: its key is there, or it needs none, as a simulated one does."""
    return provider not in services() or bool(os.environ.get(SIMULATOR_VARIABLE)) or where(provider) is not None


def trouble() -> str | None:
    """What is wrong with how keys are kept, in words; None where nothing is."""
    try:
        mode = stat.S_IMODE(_path().stat().st_mode)
    except OSError:
        return None
    if os.name == "posix" and mode & 0o077:
        return f"others can read {_path()}: chmod 600 closes it"
    return None


def _names(provider: str) -> tuple[str, ...]:
    names = ENVIRONMENT.get(provider) or _of_others().get(provider)
    if names is None:
        raise errors.SecretError(
            f"There is no service {provider!r} that takes a key.", hint=f"Known: {', '.join(services())}."
        )
    return names


@functools.cache
def _of_others() -> Mapping[str, tuple[str, ...]]:
    """What other packages declare. None of them has a say in where the keys of our services stand."""
    found: dict[str, tuple[str, ...]] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            names = point.load()
        except (ImportError, AttributeError) as error:
            warnings.warn(f"The keys of {point.name!r} are not known: {error}.", RuntimeWarning, stacklevel=2)
            continue
        if point.name not in ENVIRONMENT:
            found[point.name] = tuple(str(name) for name in names)
    return found


def _ask(provider: str, name: str) -> Key:
    with warnings.catch_warnings():
        # Where the terminal cannot hide what is typed, getpass only warns; by then it is on the screen.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return Key(getpass.getpass(f"{provider} {name}: "))
        except (getpass.GetPassWarning, EOFError) as error:
            raise errors.SecretError(
                "There is no terminal that can ask for a key without showing it.",
                provider=provider,
                hint=f"Set the environment variable {name} instead.",
            ) from error


def _checked(provider: str, value: str) -> Key:
    """The key without what a paste brings along; refused where no service could have given it."""
    key = Key(value.strip())
    if not key:
        raise errors.SecretError(
            f"The {provider} key is empty.", provider=provider, hint="Paste the key and press Enter."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        # It would end up in an HTTP header, where a line break begins another one.
        raise errors.SecretError(
            f"The {provider} key holds characters that no key has (blanks, line breaks, accents).",
            provider=provider,
            hint="Copy it again, the key alone.",
        )
    return key


def _find(name: str) -> tuple[Key, str] | None:
    """A key and the place it was found in: the environment, then the keyring, then the file."""
    in_environment = os.environ.get(name, "").strip()
    if in_environment:
        return Key(in_environment), "environment"
    in_keyring = _from_keyring(name)
    if in_keyring:
        return Key(in_keyring), "keyring"
    in_file = _from_file().get(name)
    return (in_file, "file") if in_file else None


# --- the keyring -----------------------------------------------------------------------------------------------------


def _keyring() -> Any:  # noqa: ANN401 - the module, where it is installed and has somewhere to keep things
    try:
        import keyring  # noqa: PLC0415 - optional
        from keyring.backends import fail  # noqa: PLC0415
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else keyring


def _from_keyring(name: str) -> str | None:
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, name)
    except keyring.errors.KeyringError:
        return None
    return found


def _keep(name: str, key: Key) -> None:
    keyring = _keyring()
    if keyring is not None:
        try:
            keyring.set_password(SERVICE, name, str(key))
        except keyring.errors.KeyringError:
            pass  # locked or headless: the file below is the customary second place
        else:
            if _from_keyring(name) == key:  # some backends take everything and keep nothing
                return
    _keep_in_file(name, key)


# --- the file --------------------------------------------------------------------------------------------------------


def _path() -> Path:
    return home_folder() / "keys.json"


def _from_file() -> dict[str, Key]:
    """What the file holds. Its errors come from nowhere: the parser's own would carry the whole text along."""
    try:
        data = json.loads(_path().read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        said = error.strerror
    except (ValueError, RecursionError):
        said = "it is no JSON"
    else:
        if isinstance(data, dict):
            return {str(name): Key(value) for name, value in data.items() if isinstance(value, str)}
        said = "it is no list of keys by name"
    raise errors.SecretError(f"{_path()} cannot be read: {said}.", hint="Mend or remove it, then ff.connect again.")


def _keep_in_file(name: str, key: Key) -> None:
    """Written whole, readable by the user alone from its first byte on, and by one kernel at a time."""
    import portalocker  # noqa: PLC0415 - only to write

    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with portalocker.Lock(path.with_suffix(".lock"), timeout=_LOCK_WAIT_S):
            _replace(path, {**_from_file(), name: key})
    except (OSError, portalocker.exceptions.LockException) as error:
        said = getattr(error, "strerror", None) or "another process holds it"
        raise errors.SecretError(
            f"The key could not be kept in {path}: {said}.", hint=f"Set the environment variable {name} instead."
        ) from error


def _replace(path: Path, keys: dict[str, Key]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump(keys, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
