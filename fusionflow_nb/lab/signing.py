"""Sign and verify URLs: the kernel signs, the server verifies. Each allows one use of one asset until it expires.

A signature is HMAC-SHA256 with the user's secret over everything that a URL allows. It does not replace Jupyter's
authentication; it proves that this user's kernel issued the URL. URLs are relative to the server's base URL, which
the browser knows and the kernel does not.
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
# For files whose type the browser does not know: the bytes alone decide.
ANY_TYPE = "application/octet-stream"

Use: TypeAlias = Literal["assets", "previews", "uploads"]
_METHODS: dict[Use, str] = {"assets": "GET", "previews": "GET", "uploads": "PUT"}
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_NONCE = re.compile(r"[0-9a-f]{32,128}")


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed URL allows.

    Args:
        use: `assets` and `previews` are fetched, `uploads` are sent.
        sha256: of all bytes.
        expires_at: seconds since 1970, UTC.
        media_type: the declared type of an upload; empty for a fetch.
        size_bytes: the exact size of an upload; 0 for a fetch.
    """

    use: Use
    sha256: str
    expires_at: int
    media_type: str = ""
    size_bytes: int = 0


def sign(secret: bytes, link: Link) -> str:
    """The signature of a link: 64 hex digits."""
    # The method follows from the use; it is signed too, so that a change of the table cannot allow another method.
    method = _METHODS[link.use]
    return _mac(secret, "link", link.use, method, link.sha256, link.media_type, link.size_bytes, link.expires_at)


def verify(secret: bytes | None, link: Link, signature: str, *, now_s: float) -> None:
    """Verify a URL. The signature is checked first: a forged URL reveals nothing else.

    Args:
        secret: None if the server has no secret: then every signature is invalid.
        link: the received request.
        signature: the received signature.
        now_s: seconds since 1970, UTC.

    Raises:
        ForgedLinkError: the signature is invalid.
        ExpiredLinkError: the link has expired.
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
    """A URL to which the browser may PUT exactly these bytes, relative to the server's base URL.

    Args:
        secret: see `secret.ensure_secret`.
        sha256: of the bytes.
        media_type: the type by the browser; `ANY_TYPE` if it is unknown. The bytes decide, but an image is refused
            where audio was declared.
        size_bytes: the exact size.
        expires_s: how long an upload may start; a started upload has no time limit.
        clock: returns seconds since 1970.

    Raises:
        MediaError: the sha256 or media type is malformed, or the size is out of range.

    >>> upload_url(b"k" * 32, "ab" * 32, media_type="image/png", size_bytes=9, clock=lambda: 0.0)[:25]
    'fusionflow/uploads/ababab'
    """
    declared = plain_type(media_type)
    if not 0 < size_bytes <= MAX_UPLOAD_BYTES:
        message = f"A file of {size_bytes} bytes cannot be uploaded."
        raise errors.MediaError(message, hint=f"Choose a file of 1 byte to {MAX_UPLOAD_BYTES >> 30} GB.")
    link = Link("uploads", checked_sha256(sha256), _expiry(clock, expires_s), declared, size_bytes)
    query = {"media_type": declared, "size_bytes": size_bytes, **_signature_fields(secret, link)}
    return f"{PREFIX}/uploads/{sha256}?{urlencode(query)}"


def asset_url(secret: bytes, asset: Asset, *, expires_s: int = 3600, clock: Callable[[], float] = time.time) -> str:
    """A URL from which the browser may GET the bytes until it expires, relative to the server's base URL.

    Raises:
        MediaError: the sha256 is malformed, or the store does not know the type.
    """
    link = Link("assets", checked_sha256(asset.sha256), _expiry(clock, expires_s))
    return f"{PREFIX}/assets/{asset.sha256}.{extension(asset.media_type)}?{urlencode(_signature_fields(secret, link))}"


def preview_url(secret: bytes, sha256: str, *, expires_s: int = 3600, clock: Callable[[], float] = time.time) -> str:
    """A URL from which the browser may GET the preview until it expires, relative to the server's base URL.

    Raises:
        MediaError: the sha256 is malformed.
    """
    link = Link("previews", checked_sha256(sha256), _expiry(clock, expires_s))
    return f"{PREFIX}/previews/{sha256}?{urlencode(_signature_fields(secret, link))}"


def probe_answer(secret: bytes, nonce: str) -> str:
    """The answer to a nonce of 32 to 128 lowercase hex digits, which only holders of the secret can compute.

    Raises:
        MalformedQueryError: the nonce is malformed.

    >>> probe_answer(b"k" * 32, "0" * 32) == probe_answer(b"k" * 32, "0" * 32)
    True
    """
    if not _NONCE.fullmatch(nonce):
        raise MalformedQueryError("nonce")
    return _mac(secret, "probe", nonce)


def plain_type(media_type: str) -> str:
    """A media type without its parameters, in lower case.

    Raises:
        MediaError: it is not a media type.

    >>> plain_type("text/plain;charset=UTF-8")
    'text/plain'
    """
    plain = media_type.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(plain):
        message = f"{ascii(media_type)[:80]} is not a media type."
        raise errors.MediaError(message, hint=f"Use a type such as image/png, or {ANY_TYPE}.")
    return plain


def _mac(secret: bytes, purpose: str, *fields: str | int) -> str:
    # The purpose is signed too: otherwise the probe could be used to sign URLs.
    # JSON delimits the fields, so that different lists never have the same encoding.
    return hmac.new(secret, canonical_json(["fusionflow", 1, purpose, *fields]).encode(), hashlib.sha256).hexdigest()


def _expiry(clock: Callable[[], float], expires_s: int) -> int:
    return int(clock()) + expires_s


def _signature_fields(secret: bytes, link: Link) -> dict[str, str | int]:
    return {"expires_at": link.expires_at, "signature": sign(secret, link)}
