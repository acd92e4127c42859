"""Providers by name and models by id or alias. Built-in providers use the same entry points as third-party packages."""

from __future__ import annotations

import datetime as dt
import difflib
import importlib.metadata
import re
import warnings
from typing import TYPE_CHECKING

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusionflow_nb.providers.model import ModelEntry, Task
    from fusionflow_nb.providers.protocol import Provider

GROUP = "fusionflow_nb.providers"

WITHOUT_API = {"midjourney": ("flux-2-flex", "nano-banana-2", "ideogram-v3", "recraft-v3", "seedream-5-lite")}
"""Services without a public API, with models of a similar look."""

_DEFAULTS: dict[str, tuple[str, ...]] = {
    # The first installed model wins: models that need an optional package come first.
    "text-to-image": ("local/landscape",),
    "edit-image": ("local/recolor",),
    "upscale": ("local/upscale-x4", "local/upscale-lanczos"),
    "text-to-video": ("local/animate",),
    "image-to-video": ("local/ken-burns",),
    "text-to-audio": ("local/ambient",),
    "remove-background": ("local/backdrop",),
}


class Registry:
    """Providers by name, and models by id or alias. Loaded on first use.

    Args:
        providers: used instead of the installed entry points (for tests).
        today: returns the current date, to check retirement dates.
    """

    def __init__(
        self, providers: Iterable[Provider] | None = None, *, today: Callable[[], dt.date] | None = None
    ) -> None:
        self._injected = None if providers is None else list(providers)
        self._today = today or (lambda: dt.datetime.now(dt.UTC).date())
        self._providers: dict[str, Provider] | None = None
        self._entries: dict[str, ModelEntry] = {}
        self._aliases: dict[str, str] = {}

    def provider(self, name: str) -> Provider:
        """Return the provider with this name.

        Raises:
            ModelError: no such provider is installed.
        """
        provider = self._load().get(name)
        if provider is None:
            raise errors.ModelError(
                f"Unknown provider {name!r}.", hint=f"Installed: {', '.join(sorted(self._load()))}."
            )
        return provider

    def loaded(self) -> list[Provider]:
        """The providers loaded so far."""
        return list((self._providers or {}).values())

    def entries(self, *, task: Task | None = None, tests: bool = False) -> list[ModelEntry]:
        """All models, or those of a task; models for tests only if `tests`."""
        self._load()
        return [
            entry
            for entry in self._entries.values()
            if (task is None or task in entry.tasks) and (tests or entry.method != "test")
        ]

    def entry(self, name: str) -> ModelEntry | None:
        """The entry with exactly this id, retired or not; None if missing."""
        self._load()
        return self._entries.get(name)

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """Resolve a model id or alias.

        Raises:
            UnknownModelError: no such model; lists similar names.
            RetiredModelError: the service has retired it; names the successor.
        """
        self._load()
        entry = self._entries.get(self._aliases.get(name, name))
        if entry is None:
            if WITHOUT_API.keys() & set(re.split(r"[^a-z]+", name.lower())):
                raise self._without_api(name, node_id)
            names = [*self._aliases, *(entry.id for entry in self.entries())]
            matches = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
            hint = f"Did you mean {', '.join(matches)}?" if matches else "ff.models() lists the known models."
            raise errors.UnknownModelError(f"Unknown model {name!r}.", node_id=node_id, hint=hint)
        if entry.retires_on is not None:
            self._check_retirement(entry, entry.retires_on, node_id)
        return entry

    def default_for(self, task: Task) -> str:
        """The default model of a task: one that needs no key.

        Raises:
            ModelError: no installed model does this task.
        """
        self._load()
        for name in _DEFAULTS.get(task, ()):
            if name in self._entries:
                return name
        raise errors.ModelError(
            f"No model is installed for {task}.", hint="Name one with model=; ff.models() lists them."
        )

    def _without_api(self, name: str, node_id: str | None) -> errors.UnknownModelError:
        [service] = WITHOUT_API.keys() & set(re.split(r"[^a-z]+", name.lower()))
        alternatives = [alias for alias in WITHOUT_API[service] if alias in self._aliases]
        hint = f"Similar in look: {', '.join(alternatives)}." if alternatives else "ff.models() lists the known models."
        message = f"{service.capitalize()} has no public API, so it cannot be called from here."
        return errors.UnknownModelError(message, node_id=node_id, hint=hint)

    def _check_retirement(self, entry: ModelEntry, ends: dt.date, node_id: str | None) -> None:
        hint = (
            f"Use {entry.successor} instead."
            if entry.successor
            else f"ff.models(task={entry.tasks[0]!r}) lists others."
        )
        if self._today() >= ends:
            raise errors.RetiredModelError(f"{entry.id} ended on {ends}.", node_id=node_id, hint=hint)
        warnings.warn(f"{entry.id} ends on {ends}. {hint}", FutureWarning, stacklevel=4)

    def _load(self) -> dict[str, Provider]:
        if self._providers is None:
            if self._injected is not None:
                providers = self._injected
            else:
                points = importlib.metadata.entry_points(group=GROUP)
                providers = [
                    provider
                    for point in sorted(points, key=lambda point: point.name)
                    if (provider := _load_provider(point)) is not None
                ]
            # Local providers need no key, so model lists show them first.
            providers = sorted(providers, key=lambda provider: provider.is_remote)
            self._providers = {provider.name: provider for provider in providers}
            for provider in providers:
                for entry in provider.models:
                    self._entries[entry.id] = entry
                    self._aliases.update(dict.fromkeys(entry.aliases, entry.id))
        return self._providers


def _load_provider(point: importlib.metadata.EntryPoint) -> Provider | None:
    """Load the provider of an entry point. A broken third-party package must not disable the others."""
    try:
        provider: Provider = point.load()()
    except (ImportError, AttributeError) as error:
        warnings.warn(
            f"The provider {point.name!r} ({point.value}) cannot be loaded: {error}.", RuntimeWarning, stacklevel=2
        )
        return None
    return provider
