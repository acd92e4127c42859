"""The connections of this process: one aiohttp session per event loop and way out, shared by all services.

httpx's own transport looks through its whole pool at each request (1,000 concurrent jobs are not done in 45 s); over
aiohttp's it takes longer to make its requests and answers than to send them (`make bench` prints what is left). Nothing
here waits for a free connection: the queue is in front, one per service.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
import socket
import ssl
import urllib.request
import weakref
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

IDLE_S = 2.0
"""A connection idle for longer is not used again: a submit on one that the other side has just closed is ambiguous."""


class OutsideResolver(AbstractResolver):
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


class Way(NamedTuple):
    """How an address is reached: a session, and the proxy in between, if there is one."""

    session: aiohttp.ClientSession
    proxy: URL | None
    proxy_headers: Mapping[str, str] | None


class Pool:
    """Sessions of one event loop."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._proxies: dict[tuple[str, str | None], URL | None] = {}

    def way(self, url: URL, *, outside: bool) -> Way:
        """The way to an address: through the system's proxy if it names one for it."""
        place = (url.scheme, url.host)
        if place not in self._proxies:  # the system's answer holds as long as the pool: asking it takes long
            self._proxies[place] = _proxy_for(url)
        proxy = self._proxies[place]
        checked = outside and proxy is None
        session = self._sessions.get(checked)
        if session is None:
            session = self._sessions[checked] = _session(outside=checked)
        if proxy is None:
            return Way(session, None, None)
        return Way(session, proxy.with_user(None), _login(proxy))

    async def aclose(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = weakref.WeakKeyDictionary()


def of_this_loop(user: object) -> Pool:
    """The running loop's pool, with one more who uses it."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = Pool()
    pool.users.add(id(user))
    return pool


async def let_go(user: object) -> None:
    """One who used the running loop's pool needs it no more; the last one closes it."""
    pool = _pools.get(asyncio.get_running_loop())
    if pool is None or id(user) not in pool.users:
        return
    pool.users.discard(id(user))
    if not pool.users:
        del _pools[asyncio.get_running_loop()]
        await pool.aclose()


def _session(*, outside: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=IDLE_S, ssl=_trusted(), resolver=OutsideResolver() if outside else None
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A type that nobody named would be sent with empty bodies, which no client of a service does.
        skip_auto_headers=["content-type"],
        # Nothing is taken from the environment here: .netrc and proxies would travel with every request.
        trust_env=False,
    )


def _trusted() -> ssl.SSLContext:
    """Whom we trust: those whom browsers trust, or those that a company names in the customary variables."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder)


def _proxy_for(url: URL) -> URL | None:
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if proxy is None or urllib.request.proxy_bypass(url.host or "") else URL(proxy)


def _login(proxy: URL) -> Mapping[str, str] | None:
    if proxy.user is None:
        return None
    words = f"{proxy.user}:{proxy.password or ''}".encode()
    return {"proxy-authorization": f"Basic {base64.b64encode(words).decode()}"}
