"""Where the browser finds bytes: signed addresses of the Jupyter server, relative to its base URL, used for a while."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING

from fusionflow_nb.lab.secret import make_secret
from fusionflow_nb.lab.signing import asset_url, preview_url, probe_answer, upload_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.media.values import Asset

LASTS_S = 12 * 3600
"""How long an address opens what it names. A view asks anew (`sign`) where one has ended."""
REUSED_S = 6 * 3600
"""A browser's cache goes by the address: the same one is given out again until half its time is over."""
MOST = 50_000


class AssetUrls:
    """Signs for one home folder. Safe to call from any thread.

    Args:
        home: whose secret signs, and whose store is served.
        clock: tells seconds since 1970.
        away: the address of bytes that are not on this machine, for so many seconds; None of those that are.
    """

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        away: Callable[[Asset, int], str | None] = lambda _asset, _lasts_s: None,
    ) -> None:
        self._away = away
        self._secret = make_secret(home)
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def of(self, asset: Asset) -> dict[str, str]:
        """`{url, preview_url}` of stored bytes; a preview only where there can be one.

        Raises:
            MediaError: bytes of a type that no store of ours holds.
        """
        now = self._clock()
        with self._lock:
            known = self._known.get(asset.sha256)
        if known is not None and now < known[0]:
            return known[1]
        away = self._away(asset, LASTS_S)
        urls = {"url": away or asset_url(self._secret, asset, expires_s=LASTS_S, clock=self._clock)}
        if asset.media_type.partition("/")[0] in {"image", "video", "audio"}:
            urls["preview_url"] = preview_url(self._secret, asset.sha256, expires_s=LASTS_S, clock=self._clock)
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[asset.sha256] = (now + REUSED_S, urls)
        return urls

    def forget(self, sha256: str) -> None:
        """Sign anew next time: a view says that its address opens nothing any more."""
        with self._lock:
            self._known.pop(sha256, None)

    def upload(self, sha256: str, *, media_type: str, size_bytes: int) -> str:
        """Where the browser may PUT these very bytes.

        Raises:
            MediaError: no media type, or a length that cannot be uploaded.
        """
        return upload_url(self._secret, sha256, media_type=media_type, size_bytes=size_bytes, clock=self._clock)

    def probe(self) -> dict[str, str]:
        """`{nonce, answer}`: the server that reads the same secret answers just this."""
        nonce = secrets.token_hex(16)
        return {"nonce": nonce, "answer": probe_answer(self._secret, nonce)}
