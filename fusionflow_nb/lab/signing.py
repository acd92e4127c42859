"""Addresses that the kernel signs and the server believes: for one use, one asset, one length, until one moment.

A signature is HMAC-SHA256 with the user's secret over everything that a URL allows. It does not replace Jupyter's
authentication; it proves that this user's kernel agreed. Addresses are relative to the server's base URL, which the
browser knows and the kernel does not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlencode

from fusionflow_nb import errors
from fusionflow_nb.assets.keys import checked_sha256
from fusionflow_nb.assets.sniff import extension
from fusionflow_nb.lab.errors import ExpiredLinkError, ForgedLinkError, MalformedQueryError
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.media.values import Asset

PREFIX = "fusionflow"
MAX_UPLOAD_BYTES = 2 << 30
# For a browser that cannot tell what it holds: then the bytes alone decide.
ANY_TYPE = "application/octet-stream"

Use: TypeAlias = Literal["assets", "previews", "uploads"]
_METHODS: dict[Use, str] = {"assets": "GET", "previews": "GET", "uploads": "PUT"}
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_NONCE = re.compile(r"[0-9a-f]{32,128}")


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed address allows.

    Args:
        use: what may be done: fetch the bytes or their preview, or upload them.
        sha256: of the bytes, all of them.
        expires_at: seconds since 1970, UTC.
        media_type: of an upload, as announced; empty for a fetch.
        size_bytes: of an upload, exactly; 0 for a fetch.
    """

    use: Use
    sha256: str
    expires_at: int
    media_type: str = ""
    size_bytes: int = 0


def sign(secret: bytes, link: Link) -> str:
    """The signature of an address: 64 hex digits."""
    # The method follows from the use; it is signed too, so that no change of the table can mix them up.
    method = _METHODS[link.use]
    return _mac(secret, "link", link.use, method, link.sha256, link.media_type, link.size_bytes, link.expires_at)


def check(secret: bytes | None, link: Link, signature: str, *, now_s: float) -> None:
    """Verify a URL. The signature is checked first: a forged URL reveals nothing else.

    Args:
        secret: None where the server has none: then nothing can have been signed for it.
        link: what the address asks for, as it was received.
        signature: as it was received.
        now_s: seconds since 1970, UTC.

    Raises:
        ForgedLinkError, ExpiredLinkError: it is not believed.
    """
    if secret is None or not hmac.compare_digest(sign(secret, link).encode(), signature.encode()):
        raise ForgedLinkError
    if now_s >= link.expires_at:
        raise ExpiredLinkError


def upload_url(
    secret: bytes,
    sha256: str,
    *,
    media_type: str,
    size_bytes: int,
    expires_s: int = 3600,
    clock: Callable[[], float] = time.time,
) -> str:
    """Where the browser may PUT these very bytes, relative to the server's base URL.

    Args:
        secret: see `secret.make_secret`.
        sha256: of the bytes.
        media_type: what the browser takes the file for; `ANY_TYPE` where it does not know. The bytes decide in the
            end, but a picture is never taken where sound was announced.
        size_bytes: exactly.
        expires_s: how long an upload may *begin*; one that has begun may take its time.
        clock: returns seconds since 1970.

    Raises:
        MediaError: no sha256, no media type, or a length that cannot be uploaded.

    >>> upload_url(b"k" * 32, "ab" * 32, media_type="image/png", size_bytes=9, clock=lambda: 0.0)[:25]
    'fusionflow/uploads/ababab'
    """
    announced = plain_type(media_type)
    if not 0 < size_bytes <= MAX_UPLOAD_BYTES:
        message = f"A file of {size_bytes} bytes cannot be uploaded."
        raise errors.MediaError(message, hint=f"Files of 1 byte to {MAX_UPLOAD_BYTES >> 30} GB can.")
    link = Link("uploads", checked_sha256(sha256), _end(clock, expires_s), announced, size_bytes)
    query = {"media_type": announced, "size_bytes": size_bytes, **_proof(secret, link)}
    return f"{PREFIX}/uploads/{sha256}?{urlencode(query)}"


def asset_url(secret: bytes, asset: Asset, *, expires_s: int = 3600, clock: Callable[[], float] = time.time) -> str:
    """Where the browser may GET the bytes for a while, relative to the server's base URL.

    Raises:
        MediaError: no sha256, or no type this house stores.
    """
    link = Link("assets", checked_sha256(asset.sha256), _end(clock, expires_s))
    return f"{PREFIX}/assets/{asset.sha256}.{extension(asset.media_type)}?{urlencode(_proof(secret, link))}"


def preview_url(secret: bytes, sha256: str, *, expires_s: int = 3600, clock: Callable[[], float] = time.time) -> str:
    """Where the browser may GET the preview for a while, relative to the server's base URL.

    Raises:
        MediaError: no sha256.
    """
    link = Link("previews", checked_sha256(sha256), _end(clock, expires_s))
    return f"{PREFIX}/previews/{sha256}?{urlencode(_proof(secret, link))}"


def probe_answer(secret: bytes, nonce: str) -> str:
    """What only those who read the same secret can answer to a nonce of 32 to 128 lowercase hex digits.

    Raises:
        MalformedQueryError: no such nonce.

    >>> probe_answer(b"k" * 32, "0" * 32) == probe_answer(b"k" * 32, "0" * 32)
    True
    """
    if not _NONCE.fullmatch(nonce):
        raise MalformedQueryError("nonce")
    return _mac(secret, "probe", nonce)


def plain_type(media_type: str) -> str:
    """A media type without its parameters, in lower case.

    Raises:
        MediaError: it is not a sha256.

    >>> plain_type("text/plain;charset=UTF-8")
    'text/plain'
    """
    plain = media_type.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(plain):
        message = f"{ascii(media_type)[:80]} is no media type."
        raise errors.MediaError(message, hint=f"Say what the file is, as image/png, or {ANY_TYPE}.")
    return plain


def _mac(secret: bytes, purpose: str, *told: str | int) -> str:
    # The purpose is part of what is signed: else the probe could be used to sign URLs.
    # JSON marks where each field ends, so that no two lists read the same.
    return hmac.new(secret, canonical_json(["fusionflow", 1, purpose, *told]).encode(), hashlib.sha256).hexdigest()


def _end(clock: Callable[[], float], expires_s: int) -> int:
    return int(clock()) + expires_s


def _proof(secret: bytes, link: Link) -> dict[str, str | int]:
    return {"expires_at": link.expires_at, "signature": sign(secret, link)}
