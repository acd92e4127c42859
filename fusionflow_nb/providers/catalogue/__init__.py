"""The model catalogue: built-in entries from `facts.json`, and the user's entries from `<home>/models/*.json`."""

from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from fusionflow_nb.providers.catalogue.mappings import EXTRA_MODELS, entry_of
from fusionflow_nb.providers.model import ModelEntry
from fusionflow_nb.settings.environment import HOME_VARIABLE, home_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTS = Path(__file__).with_name("facts.json")
FOLDER = "models"
_MANY = TypeAdapter(list[ModelEntry])


def entries_of(provider: str) -> tuple[ModelEntry, ...]:
    """The entries of a service. The user's entries replace built-in ones with the same id.

    >>> "fal/fal-ai/flux-pro/v1.1" in [entry.id for entry in entries_of("fal")]
    True
    """
    entries = {entry.id: entry for entry in built_in() if entry.provider == provider}
    entries.update({entry.id: entry for entry in user_entries(home_folder() / FOLDER) if entry.provider == provider})
    return tuple(entries.values())


@functools.cache
def built_in() -> tuple[ModelEntry, ...]:
    """All built-in entries, including services without an adapter."""
    facts: list[dict[str, Any]] = [*json.loads(FACTS.read_text()), *EXTRA_MODELS]
    fields = {fact["model"]: fact.get("fields", []) for fact in facts}
    return tuple(entry_of(fact, fields) for fact in facts)


def user_entries(folder: Path) -> Iterator[ModelEntry]:
    """Entries from a folder's JSON files, each with one entry or a list. Warns about an invalid file and skips it."""
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_bytes())
            yield from _MANY.validate_python(data if isinstance(data, list) else [data])
        except (OSError, ValueError) as error:
            problem = error.errors()[0] if isinstance(error, ValidationError) else None
            where = ".".join(str(part) for part in problem["loc"]) if problem else ""
            warnings.warn(
                f"{path.name} in {HOME_VARIABLE}/{FOLDER} is ignored: {where}: {problem['msg']}."
                if problem
                else f"{path.name} in {HOME_VARIABLE}/{FOLDER} is ignored: it is not valid JSON.",
                UserWarning,
                stacklevel=3,
            )
