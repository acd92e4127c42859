"""Which providers there are and which model a name means. Built-ins register like strangers: by entry point."""

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
"""Services that people ask for and that have no public API, with models of a similar look."""

_DEFAULTS: dict[str, tuple[str, ...]] = {
    # The first that this machine can run: what needs an optional package comes before what always works.
    "text-to-image": ("local/landscape",),
    "edit-image": ("local/recolor",),
    "upscale": ("local/upscale-x4", "local/upscale-lanczos"),
    "text-to-video": ("local/animate",),
    "image-to-video": ("local/ken-burns",),
    "text-to-audio": ("local/ambient",),
    "remove-background": ("local/backdrop",),
}


class Registry:
    """Providers by name, models by id or alias; loaded at the first question.

    Args:
        providers: ready-made ones instead of the installed entry points (tests).
        today: for retirement dates.
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
        """The adapter of a service.

        Raises:
            ModelError: no such provider is installed.
        """
        found = self._load().get(name)
        if found is None:
            raise errors.ModelError(
                f"There is no provider {name!r}.", hint=f"Installed: {', '.join(sorted(self._load()))}."
            )
        return found

    def loaded(self) -> list[Provider]:
        """The adapters in use so far."""
        return list((self._providers or {}).values())

    def entries(self, *, task: Task | None = None, tests: bool = False) -> list[ModelEntry]:
        """Every model, or those that do a task; models made for tests only if asked."""
        self._load()
        return [
            entry
            for entry in self._entries.values()
            if (task is None or task in entry.tasks) and (tests or entry.method != "test")
        ]

    def entry(self, name: str) -> ModelEntry | None:
        """The entry of exactly this id, retired or not; None where there is none."""
        self._load()
        return self._entries.get(name)

    def resolve(self, name: str, *, node_id: str | None = None) -> ModelEntry:
        """The one entry that a name or alias means.

        Raises:
            UnknownModelError: lists the nearest names.
            RetiredModelError: the service ended it; names the successor.
        """
        self._load()
        entry = self._entries.get(self._aliases.get(name, name))
        if entry is None:
            if WITHOUT_API.keys() & set(re.split(r"[^a-z]+", name.lower())):
                raise self._without_api(name, node_id)
            known = [*self._aliases, *(entry.id for entry in self.entries())]
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"Did you mean {', '.join(near)}?" if near else "ff.models() lists those there are."
            raise errors.UnknownModelError(f"There is no model {name!r}.", node_id=node_id, hint=hint)
        if entry.retires_on is not None:
            self._check_retirement(entry, entry.retires_on, node_id)
        return entry

    def default_for(self, task: Task) -> str:
        """The model a task gets when none is named: one that runs without keys.

        Raises:
            ModelError: nothing installed does this task.
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
        near = [alias for alias in WITHOUT_API[service] if alias in self._aliases]
        hint = f"Closest in look: {', '.join(near)}." if near else "ff.models() lists what there is."
        what = f"{service.capitalize()} has no public API, so it cannot be called from here."
        return errors.UnknownModelError(what, node_id=node_id, hint=hint)

    def _check_retirement(self, entry: ModelEntry, ends: dt.date, node_id: str | None) -> None:
        follows = (
            f"Use {entry.successor} instead."
            if entry.successor
            else f"ff.models(task={entry.tasks[0]!r}) lists others."
        )
        if self._today() >= ends:
            raise errors.RetiredModelError(f"{entry.id} ended on {ends}.", node_id=node_id, hint=follows)
        warnings.warn(f"{entry.id} ends on {ends}. {follows}", FutureWarning, stacklevel=4)

    def _load(self) -> dict[str, Provider]:
        if self._providers is None:
            if self._injected is not None:
                found = self._injected
            else:
                points = importlib.metadata.entry_points(group=GROUP)
                found = [
                    made
                    for point in sorted(points, key=lambda point: point.name)
                    if (made := _load_provider(point)) is not None
                ]
            # What computes here needs no key, so it is shown first wherever models are listed.
            found = sorted(found, key=lambda provider: provider.is_remote)
            self._providers = {provider.name: provider for provider in found}
            for provider in found:
                for entry in provider.models:
                    self._entries[entry.id] = entry
                    self._aliases.update(dict.fromkeys(entry.aliases, entry.id))
        return self._providers


def _load_provider(point: importlib.metadata.EntryPoint) -> Provider | None:
    """The provider of an entry point. A stranger's broken package must not take the others along."""
    try:
        made: Provider = point.load()()
    except (ImportError, AttributeError) as error:
        warnings.warn(
            f"The provider {point.name!r} ({point.value}) cannot be loaded: {error}.", RuntimeWarning, stacklevel=2
        )
        return None
    return made
