"""API keys of services: from the customary environment variable, the OS keyring, or a file only the user can read.

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
"""Entry points of other packages: `service = "module:KEYS"`, the names of the environment variables of its keys."""
_LOCK_WAIT_S = 10.0


class Key(str):
    """A key: a `str` whose repr hides it.

    Keys usually leak through the repr of variables beside a traceback, or of a dict as the last line of a cell.

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
    """Store the key of a service; prompts for it without echo.

    Args:
        provider: `fal`, `openai`, `replicate` ...
        key: the key, instead of the prompt; never write a key into a notebook. A service with several keys takes a
            mapping by the names of their variables.

    Raises:
        SecretError: the service is unknown, the value is not a key, or it cannot be stored.
    """
    names = _names(provider)
    if key is None:
        keys = {name: _prompt(provider, name) for name in names}
    elif isinstance(key, str):
        keys = {names[0]: Key(key)}
    else:
        keys = {name: Key(value) for name, value in key.items()}
    if keys.keys() != set(names):
        raise errors.SecretError(
            f"{provider} takes {len(names)} keys: {', '.join(names)}."
            if len(names) > 1
            else f"{provider} takes one key: {names[0]}.",
            hint=f"Call ff.connect({provider!r}) and paste each key at its prompt.",
        )
    # All keys are checked before the first is stored: half a pair is useless.
    for name, value in {name: _checked(provider, value) for name, value in keys.items()}.items():
        _store(name, value)


def key_of(provider: str) -> dict[str, Key] | None:
    """The keys of a service by variable name; None if a key is missing.

    Raises:
        SecretError: the service is unknown, or the file of keys cannot be read.
    """
    keys = {name: key[0] for name in _names(provider) if (key := _find(name))}
    return keys if len(keys) == len(_names(provider)) else None


def where(provider: str) -> str | None:
    """Where the key of a service is stored (`environment`, `keyring`, `file`), never the key; None if it is missing.

    Raises:
        SecretError: as `key_of`.
    """
    places = [key[1] if (key := _find(name)) else None for name in _names(provider)]
    return None if None in places else " and ".join(dict.fromkeys(str(place) for place in places))


def missing(provider: str) -> list[str]:
    """The variables of a service's keys that are missing. Half a pair counts as missing.

    Raises:
        SecretError: as `key_of`.
    """
    return [name for name in _names(provider) if _find(name) is None]


def services() -> Mapping[str, tuple[str, ...]]:
    """Services with keys and their variables: the built-in ones, then those of other installed packages."""
    return {**ENVIRONMENT, **_from_entry_points()}


def account(provider: str) -> str:
    """A short digest that identifies the key in use without revealing it; empty if no key is needed."""
    if provider not in services() or os.environ.get(SIMULATOR_VARIABLE):
        return ""
    try:
        keys = key_of(provider)
    except errors.SecretError:
        return ""
    if keys is None:
        return ""
    text = "\n".join(f"{name}={keys[name]}" for name in sorted(keys))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def has_key(provider: str) -> bool:
    """Whether a service can be called: its key exists, or it needs no key, or it is simulated."""
    return provider not in services() or bool(os.environ.get(SIMULATOR_VARIABLE)) or where(provider) is not None


def storage_warning() -> str | None:
    """What is wrong with the file of keys; None if nothing is."""
    try:
        mode = stat.S_IMODE(_path().stat().st_mode)
    except OSError:
        return None
    if os.name == "posix" and mode & 0o077:
        return f"other users can read {_path()}; run chmod 600 on it"
    return None


def _names(provider: str) -> tuple[str, ...]:
    names = ENVIRONMENT.get(provider) or _from_entry_points().get(provider)
    if names is None:
        raise errors.SecretError(
            f"No service {provider!r} takes a key.", hint=f"Known services: {', '.join(services())}."
        )
    return names


@functools.cache
def _from_entry_points() -> Mapping[str, tuple[str, ...]]:
    """Services that other packages declare. They cannot change the variables of built-in services."""
    declared: dict[str, tuple[str, ...]] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            names = point.load()
        except (ImportError, AttributeError) as error:
            warnings.warn(f"The key names of {point.name!r} cannot be loaded: {error}.", RuntimeWarning, stacklevel=2)
            continue
        if point.name not in ENVIRONMENT:
            declared[point.name] = tuple(str(name) for name in names)
    return declared


def _prompt(provider: str, name: str) -> Key:
    with warnings.catch_warnings():
        # If the terminal cannot hide input, getpass only warns, and the key would be echoed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return Key(getpass.getpass(f"{provider} {name}: "))
        except (getpass.GetPassWarning, EOFError) as error:
            raise errors.SecretError(
                "This terminal cannot prompt for a key without echo.",
                provider=provider,
                hint=f"Set the environment variable {name} instead.",
            ) from error


def _checked(provider: str, value: str) -> Key:
    """The key without surrounding whitespace. Raises SecretError for text that cannot be a key."""
    key = Key(value.strip())
    if not key:
        raise errors.SecretError(
            f"The {provider} key is empty.", provider=provider, hint="Paste the key and press Enter."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        # It would go into an HTTP header, where a line break starts another header.
        raise errors.SecretError(
            f"The {provider} key contains characters that keys do not have (spaces, line breaks, accents).",
            provider=provider,
            hint="Copy only the key.",
        )
    return key


def _find(name: str) -> tuple[Key, str] | None:
    """A key and its place: the environment first, then the keyring, then the file."""
    in_environment = os.environ.get(name, "").strip()
    if in_environment:
        return Key(in_environment), "environment"
    in_keyring = _from_keyring(name)
    if in_keyring:
        return Key(in_keyring), "keyring"
    in_file = _from_file().get(name)
    return (in_file, "file") if in_file else None


# --- the keyring -----------------------------------------------------------------------------------------------------


def _keyring() -> Any:  # noqa: ANN401 - the module, if it is installed and has a backend
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
        key: str | None = keyring.get_password(SERVICE, name)
    except keyring.errors.KeyringError:
        return None
    return key


def _store(name: str, key: Key) -> None:
    keyring = _keyring()
    if keyring is not None:
        try:
            keyring.set_password(SERVICE, name, str(key))
        except keyring.errors.KeyringError:
            pass  # locked or headless: use the file
        else:
            if _from_keyring(name) == key:  # some backends accept a key and do not store it
                return
    _store_in_file(name, key)


# --- the file --------------------------------------------------------------------------------------------------------


def _path() -> Path:
    return home_folder() / "keys.json"


def _from_file() -> dict[str, Key]:
    """The keys in the file. Errors are not chained: the parser's exception would contain the whole text."""
    try:
        data = json.loads(_path().read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        reason = error.strerror
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    else:
        if isinstance(data, dict):
            return {str(name): Key(value) for name, value in data.items() if isinstance(value, str)}
        reason = "it does not map names to keys"
    raise errors.SecretError(
        f"{_path()} cannot be read: {reason}.", hint="Fix or remove it, then call ff.connect again."
    )


def _store_in_file(name: str, key: Key) -> None:
    """Replace the file atomically, with mode 0600 from the start, by one kernel at a time."""
    import portalocker  # noqa: PLC0415 - only to write

    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with portalocker.Lock(path.with_suffix(".lock"), timeout=_LOCK_WAIT_S):
            _replace(path, {**_from_file(), name: key})
    except (OSError, portalocker.exceptions.LockException) as error:
        reason = getattr(error, "strerror", None) or "another process has locked it"
        raise errors.SecretError(
            f"The key could not be stored in {path}: {reason}.", hint=f"Set the environment variable {name} instead."
        ) from error


def _replace(path: Path, keys: dict[str, Key]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # created with mode 0600
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump(keys, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
