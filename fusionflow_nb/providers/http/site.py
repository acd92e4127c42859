"""Where a service lives and how it knows us: its origins, the form of its key, and the simulator in its place."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from fusionflow_nb import credentials, errors
from fusionflow_nb.credentials import Key
from fusionflow_nb.home import SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIMULATED_KEY = Key("simulated")


@dataclass(frozen=True, slots=True)
class Site:
    """One service.

    Args:
        provider: its name.
        roots: base addresses by what they are for; the simulator has them under `/<provider>/<name>`.
        authorise: the headers that the keys make; called with the keys by the names of their variables.
        base: an address in place of all of the roots (a simulator, a gateway): each is below it, under its name.
    """

    provider: str
    roots: Mapping[str, str]
    authorise: Callable[[Mapping[str, Key]], Mapping[str, str]] = field(repr=False)
    base: str | None = None

    def root(self, name: str = "api") -> str:
        """The base address of one of its roots, without a slash at the end."""
        return self._placed(self.base or _simulator(self.provider), name)

    def _placed(self, base: str | None, name: str) -> str:
        return f"{base.rstrip('/')}/{name}" if base else self.roots[name]

    def is_own(self, url: str | URL) -> bool:
        """Whether an address is the service's own: only there a key is sent."""
        try:
            origin = origin_of(url)
        except ValueError:
            return False
        base = self.base or _simulator(self.provider)
        return origin in _origins(tuple(self._placed(base, name) for name in self.roots))

    def keys(self) -> Mapping[str, Key]:
        """The keys by the names of their variables.

        Raises:
            SecretError: there are none; says how to store them.
        """
        if self.base is None and _simulator(self.provider):
            return defaultdict(lambda: SIMULATED_KEY)  # whatever the variables are called
        found = credentials.key_of(self.provider)
        if found is None:
            names = " and ".join(credentials.services()[self.provider])
            raise errors.SecretError(
                "There is no key for this service.",
                provider=self.provider,
                hint=f"ff.connect({self.provider!r}) stores one; or set {names}.",
            )
        return found


def origin_of(url: str | URL) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what a key belongs to. Raises ValueError.

    >>> origin_of("https://queue.fal.run/a?b") == origin_of("https://queue.fal.run:443/")
    True
    """
    parsed = url if isinstance(url, URL) else URL(url)
    return parsed.scheme, parsed.host, parsed.port


@functools.lru_cache(maxsize=256)
def _origins(roots: tuple[str, ...]) -> frozenset[tuple[str, str | None, int | None]]:
    """Of the few addresses that every request is compared with."""
    return frozenset(origin_of(root) for root in roots)


def _simulator(provider: str) -> str | None:
    base = os.environ.get(SIMULATOR_VARIABLE)
    return f"{base.rstrip('/')}/{provider}" if base else None
