"""Signed URLs of assets on the Jupyter server, relative to its base URL and cached for some hours."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING

from fusionflow_nb.lab.secret import ensure_secret
from fusionflow_nb.lab.signing import asset_url, preview_url, probe_answer, upload_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.media.values import Asset

EXPIRES_S = 12 * 3600
"""Lifetime of a URL. A view requests a new URL (`sign`) after expiry."""
CACHED_S = 6 * 3600
"""The browser caches by URL, so the same URL is returned for the first half of its lifetime."""
MAX_CACHED = 50_000


class AssetUrls:
    """Signs URLs with the secret of one home folder. Thread-safe.

    Args:
        home: the home folder whose store the server serves.
        clock: returns seconds since 1970.
        remote_url: returns a URL, valid for so many seconds, of bytes that are only in the bucket; None if they are
            on this machine.
    """

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        remote_url: Callable[[Asset, int], str | None] = lambda _asset, _expires_s: None,
    ) -> None:
        self._remote_url = remote_url
        self._secret = ensure_secret(home)
        self._clock = clock
        self._cache: dict[str, tuple[float, dict[str, str]]] = {}
        """Digest -> (time until which the URLs are reused, URLs)."""
        self._lock = threading.Lock()

    def of(self, asset: Asset) -> dict[str, str]:
        """Return `{url, preview_url}` of stored bytes; `preview_url` only for images, videos and audio.

        Raises:
            MediaError: no store holds bytes of this type.
        """
        now = self._clock()
        with self._lock:
            entry = self._cache.get(asset.sha256)
        if entry is not None and now < entry[0]:
            return entry[1]
        remote = self._remote_url(asset, EXPIRES_S)
        urls = {"url": remote or asset_url(self._secret, asset, expires_s=EXPIRES_S, clock=self._clock)}
        if asset.media_type.partition("/")[0] in {"image", "video", "audio"}:
            urls["preview_url"] = preview_url(self._secret, asset.sha256, expires_s=EXPIRES_S, clock=self._clock)
        with self._lock:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[asset.sha256] = (now + CACHED_S, urls)
        return urls

    def invalidate(self, sha256: str) -> None:
        """Sign again at the next call, because a view reported that the URL no longer works."""
        with self._lock:
            self._cache.pop(sha256, None)

    def upload(self, sha256: str, *, media_type: str, size_bytes: int) -> str:
        """Return the URL to PUT exactly these bytes to.

        Raises:
            MediaError: not a media type, or a size that cannot be uploaded.
        """
        return upload_url(self._secret, sha256, media_type=media_type, size_bytes=size_bytes, clock=self._clock)

    def probe(self) -> dict[str, str]:
        """Return `{nonce, answer}`: only a server that reads the same secret can compute the answer."""
        nonce = secrets.token_hex(16)
        return {"nonce": nonce, "answer": probe_answer(self._secret, nonce)}
