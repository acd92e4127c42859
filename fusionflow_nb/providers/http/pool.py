"""The connections of this process: one client per event loop and way out, shared by all services.

httpx's own transport looks through its whole pool at each request (1,000 concurrent jobs are not done in 45 s), so
aiohttp's stands under it. Nothing here waits for a free connection: the queue is in front, one per service.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import urllib.request
import weakref
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

DEFAULT_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "fusionflow-nb"}
"""What every request says of us. Nothing of the machine, the person or the notebook."""
IDLE_S = 2.0
"""A connection idle for longer is not used again: a submit on one that the other side has just closed is ambiguous."""


class PublicResolver(AbstractResolver):
    """Names as the system resolves them, but none that leads into this machine or its network.

    An address out of an answer must not make this kernel ask a machine that only it can reach.
    """

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a host. Raises OSError where one of them is not public."""
        found = await self._system.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise OSError(None, f"{host} leads into a private network")
        return found

    async def close(self) -> None:
        """Let go of the system's resolver."""
        await self._system.close()


def is_public(address: str) -> bool:
    """Whether an IP address can be somebody else's on the open network; names that are no address count as such.

    >>> is_public("127.0.0.1"), is_public("169.254.169.254"), is_public("fal.media")
    (False, False, True)
    """
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address.lower().rstrip(".") != "localhost" and not address.lower().rstrip(".").endswith(".localhost")
    return found.is_global and not found.is_multicast


class Pool:
    """Clients of one event loop."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self._clients: dict[tuple[str | None, bool], httpx.AsyncClient] = {}
        self._proxies: dict[tuple[str, str], str | None] = {}

    def client(self, url: httpx.URL, *, public_only: bool) -> httpx.AsyncClient:
        """The client for an address: through the system's proxy if it names one for it."""
        place = (url.scheme, url.host)
        if place not in self._proxies:  # the system's answer holds as long as the pool: asking it takes long
            self._proxies[place] = _proxy_for(url)
        proxy = self._proxies[place]
        key = (proxy, public_only and proxy is None)
        found = self._clients.get(key)
        if found is None:
            found = self._clients[key] = _client(proxy, public_only=key[1])
        return found

    async def aclose(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


def acquire(user: object) -> Pool:
    """The running loop's pool, with one more who uses it."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = Pool()
    pool.users.add(id(user))
    return pool


async def release(user: object) -> None:
    """One who used the running loop's pool needs it no more; the last one closes it."""
    pool = _pools.get(asyncio.get_running_loop())
    if pool is None or id(user) not in pool.users:
        return
    pool.users.discard(id(user))
    if not pool.users:
        del _pools[asyncio.get_running_loop()]
        await pool.aclose()


def _client(proxy: str | None, *, public_only: bool) -> httpx.AsyncClient:
    context = httpx.create_ssl_context()

    def session() -> aiohttp.ClientSession:
        connector: Any = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=IDLE_S, ssl=context, resolver=PublicResolver() if public_only else None
        )
        # A type that nobody named would be sent with empty bodies, which no client of a service does.
        quiet = ["content-type"]
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=quiet)

    transport = AiohttpTransport(client=session, proxy=httpx.Proxy(proxy) if proxy else None)
    # Nothing is taken from the environment here: .netrc and proxies would travel with every request.
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


def _proxy_for(url: httpx.URL) -> str | None:
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if proxy is None or urllib.request.proxy_bypass(url.host) else proxy
