"""Endpoint of a service: base URLs, authentication headers, and the simulator that replaces them in tests."""

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
    """The URLs and keys of one service.

    Args:
        provider: name of the provider.
        roots: base URLs by purpose; the simulator serves them below `/<provider>/<name>`.
        authorise: returns the authentication headers; called with the keys by the names of their variables.
        base: replaces all roots (a simulator, a gateway): each is served below it, under its name.
        regions: further hosts of the service (https only) that its answers may refer to.
    """

    provider: str
    roots: Mapping[str, str]
    authorise: Callable[[Mapping[str, Key]], Mapping[str, str]] = field(repr=False)
    base: str | None = None
    regions: re.Pattern[str] | None = None

    def root(self, name: str = "api") -> str:
        """A base URL, without trailing slash."""
        base = self.base or _simulator(self.provider)
        return f"{base.rstrip('/')}/{name}" if base else self.roots[name]

    def is_own(self, url: httpx.URL) -> bool:
        """Whether a URL belongs to the service: keys are sent only there."""
        origin = origin_of(url)
        if any(origin == _origin_of_root(self.root(name)) for name in self.roots):
            return True
        scheme, host, port = origin
        is_region = self.regions is not None and self.regions.fullmatch(host) is not None
        return is_region and scheme == "https" and port == _PORTS["https"]

    def keys(self) -> Mapping[str, Key]:
        """The keys by the names of their variables.

        Raises:
            SecretError: no key is stored; the hint explains how to store one.
        """
        if self.base is None and _simulator(self.provider):
            return defaultdict(lambda: SIMULATED_KEY)  # for any variable name
        keys = credentials.key_of(self.provider)
        if keys is None:
            names = " and ".join(credentials.services()[self.provider])
            raise errors.SecretError(
                "No key is stored for this service.",
                provider=self.provider,
                hint=f"ff.connect({self.provider!r}) stores one; or set {names}.",
            )
        return keys


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """The origin of a URL (scheme, host, port): the scope of a key.

    >>> origin_of(httpx.URL("https://queue.fal.run/a?b")) == origin_of(httpx.URL("https://queue.fal.run:443/"))
    True
    """
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


@functools.lru_cache(maxsize=256)
def _origin_of_root(root: str) -> tuple[str, str, int | None]:
    """Cached, because parsing a URL takes as long as sending a request."""
    return origin_of(httpx.URL(root))


def _simulator(provider: str) -> str | None:
    base = os.environ.get(SIMULATOR_VARIABLE)
    return f"{base.rstrip('/')}/{provider}" if base else None
