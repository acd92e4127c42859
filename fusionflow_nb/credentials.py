"""Keys of services: from the customary environment variable, the OS keyring, or a file only the user can read.

A key is never part of a flow, the tape, a log line, a repr, an exception or anything sent to the browser.
"""

from __future__ import annotations

import getpass
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from fusionflow_nb import errors
from fusionflow_nb.session import home_folder

SERVICE = "fusionflow-nb"
ENVIRONMENT = {
    "bfl": ("BFL_API_KEY",),
    "elevenlabs": ("ELEVENLABS_API_KEY",),
    "fal": ("FAL_KEY",),
    "google": ("GEMINI_API_KEY",),
    "kling": ("KLING_ACCESS_KEY", "KLING_SECRET_KEY"),
    "luma": ("LUMA_AGENTS_API_KEY",),
    "minimax": ("MINIMAX_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "replicate": ("REPLICATE_API_TOKEN",),
    "runway": ("RUNWAYML_API_SECRET",),
    "stability": ("STABILITY_API_KEY",),
}


def connect(provider: str, key: str | None = None) -> None:
    """Store the key of a service, asking for it without showing it.

    Args:
        provider: `fal`, `openai`, `replicate` ...
        key: only where it does not come from a person's keyboard; never write one into a notebook.

    Raises:
        SecretError: unknown service, an empty key, or nowhere to keep it.
    """
    names = _names(provider)
    given = {
        name: key if key is not None and len(names) == 1 else getpass.getpass(f"{provider} {name}: ") for name in names
    }
    for name, value in given.items():
        if not value.strip():
            raise errors.SecretError(
                f"The {provider} key is empty.", provider=provider, hint="Paste the key and press Enter."
            )
        _keep(name, value.strip())


def key_of(provider: str) -> dict[str, str] | None:
    """The keys of a service by their variable's name; None where one is missing."""
    found = {name: value for name in _names(provider) if (value := _find(name))}
    return found if len(found) == len(_names(provider)) else None


def where(provider: str) -> str | None:
    """Where the key of a service was found (`environment`, `keyring`, `file`), never the key; None where it was not."""
    places = []
    for name in _names(provider):
        if os.environ.get(name):
            places.append("environment")
        elif _from_keyring(name):
            places.append("keyring")
        elif _from_file().get(name):
            places.append("file")
        else:
            return None
    return places[0]


def _names(provider: str) -> tuple[str, ...]:
    names = ENVIRONMENT.get(provider)
    if names is None:
        raise errors.SecretError(
            f"There is no service {provider!r} that takes a key.", hint=f"Known: {', '.join(ENVIRONMENT)}."
        )
    return names


def _find(name: str) -> str | None:
    return os.environ.get(name) or _from_keyring(name) or _from_file().get(name)


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


def _keep(name: str, value: str) -> None:
    keyring = _keyring()
    if keyring is not None:
        try:
            keyring.set_password(SERVICE, name, value)
        except keyring.errors.KeyringError:
            pass  # locked or headless: the file below is the customary second place
        else:
            return
    _keep_in_file(name, value)


def _path() -> Path:
    return home_folder() / "keys.json"


def _from_file() -> dict[str, str]:
    try:
        data = json.loads(_path().read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise errors.SecretError(
            f"{_path()} cannot be read.", hint="Mend or remove it, then ff.connect again."
        ) from error
    return {str(name): str(value) for name, value in data.items()}


def _keep_in_file(name: str, value: str) -> None:
    """Written whole, and readable by the user alone from its first byte on."""
    path = _path()
    data = {**_from_file(), name: value}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
        with os.fdopen(descriptor, "w") as stream:
            json.dump(data, stream)
        Path(temporary).replace(path)
    except OSError as error:
        raise errors.SecretError(
            f"The key could not be kept in {path}: {error.strerror}.", hint="Set it as an environment variable instead."
        ) from error
