"""Where a service lives and how it knows us: its origins, the form of its key, and the simulator in its place."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from fusionflow_nb import errors
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.credentials import Key
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

SIMULATED_KEY = Key("simulated")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One service.

    Args:
        provider: its name.
        roots: base addresses by what they are for; the simulator has them under `/<provider>/<name>`.
        authorise: the headers that the keys make; called with the keys by the names of their variables.
        base: an address in place of all of the roots (a simulator, a gateway): each is below it, under its name.
        regions: further hosts of the service, reached over TLS, that its answers lead to.
    """

    provider: str
    roots: Mapping[str, str]
    authorise: Callable[[Mapping[str, Key]], Mapping[str, str]] = field(repr=False)
    base: str | None = None
    regions: re.Pattern[str] | None = None

    def root(self, name: str = "api") -> str:
        """The base address of one of its roots, without a slash at the end."""
        base = self.base or _simulator(self.provider)
        return f"{base.rstrip('/')}/{name}" if base else self.roots[name]

    def is_own(self, url: httpx.URL) -> bool:
        """Whether an address is the service's own: only there a key is sent."""
        origin = origin_of(url)
        if any(origin == _origin_of_root(self.root(name)) for name in self.roots):
            return True
        scheme, host, port = origin
        is_region = self.regions is not None and self.regions.fullmatch(host) is not None
        return is_region and scheme == "https" and port == _PORTS["https"]

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


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a key belongs to.

    >>> origin_of(httpx.URL("https://queue.fal.run/a?b")) == origin_of(httpx.URL("https://queue.fal.run:443/"))
    True
    """
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


@functools.lru_cache(maxsize=256)
def _origin_of_root(root: str) -> tuple[str, str, int | None]:
    """Roots are few and asked about at every request; reading an address takes as long as sending one."""
    return origin_of(httpx.URL(root))


def _simulator(provider: str) -> str | None:
    base = os.environ.get(SIMULATOR_VARIABLE)
    return f"{base.rstrip('/')}/{provider}" if base else None
