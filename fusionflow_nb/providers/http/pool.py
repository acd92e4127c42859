"""Connections of this process: one client per event loop and proxy, shared by all services.

httpx's own transport scans its whole pool for each request (1,000 concurrent jobs do not finish in 45 s), so the
aiohttp transport is used. The pool has no limit: each service has a semaphore in front of it.
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
"""Headers of every request. They reveal nothing about the machine, the user or the notebook."""
IDLE_S = 2.0
"""Idle connections are closed after this time: a submit on a connection that the server just closed is ambiguous."""


class PublicResolver(AbstractResolver):
    """Resolve names with the system's resolver, but reject addresses of this machine or its network.

    A URL in an answer must not make this kernel send requests to private hosts.
    """

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError if one of them is not public."""
        addresses = await self._system.resolve(host, port, family)
        if not all(is_public(entry["host"]) for entry in addresses):
            raise OSError(None, f"{host} resolves to a private network")
        return addresses

    async def close(self) -> None:
        """Close the system's resolver."""
        await self._system.close()


def is_public(address: str) -> bool:
    """Whether an IP address is public. Host names count as public, except localhost.

    >>> is_public("127.0.0.1"), is_public("169.254.169.254"), is_public("fal.media")
    (False, False, True)
    """
    try:
        ip = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address.lower().rstrip(".") != "localhost" and not address.lower().rstrip(".").endswith(".localhost")
    return ip.is_global and not ip.is_multicast


class Pool:
    """Clients of one event loop."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self._clients: dict[tuple[str | None, bool], httpx.AsyncClient] = {}
        self._proxies: dict[tuple[str, str], str | None] = {}

    def client(self, url: httpx.URL, *, public_only: bool) -> httpx.AsyncClient:
        """The client for a URL: uses the system's proxy if one is configured for it."""
        place = (url.scheme, url.host)
        if place not in self._proxies:  # cached: looking up the proxy is slow
            self._proxies[place] = _proxy_for(url)
        proxy = self._proxies[place]
        key = (proxy, public_only and proxy is None)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _client(proxy, public_only=key[1])
        return client

    async def aclose(self) -> None:
        """Close all connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


def acquire(user: object) -> Pool:
    """Register `user` with the running loop's pool and return the pool."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = Pool()
    pool.users.add(id(user))
    return pool


async def release(user: object) -> None:
    """Unregister `user` from the running loop's pool. The last user closes it."""
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
        # aiohttp would add a content type to empty bodies, which no official client sends.
        quiet = ["content-type"]
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=quiet)

    transport = AiohttpTransport(client=session, proxy=httpx.Proxy(proxy) if proxy else None)
    # trust_env=False: credentials of .netrc and environment proxies would be added to every request.
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


def _proxy_for(url: httpx.URL) -> str | None:
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if proxy is None or urllib.request.proxy_bypass(url.host) else proxy
