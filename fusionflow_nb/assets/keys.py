"""How stored bytes are named: checked digests, keys inside a store, lasting addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media import media_types

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Asset

_SHA256 = re.compile(r"[0-9a-f]{64}")


def checked_sha256(sha256: str) -> str:
    """The digest itself, once it is known to be 64 lowercase hex digits; nothing else ever becomes a file name.

    Raises:
        MediaError: it is anything else.

    >>> checked_sha256("ab" * 32)[:4]
    'abab'
    """
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        shown = ascii(sha256)[:80]
        message = f"{shown} names no asset."
        raise errors.MediaError(message, hint="An asset is named by its sha256: 64 lowercase hex digits.")
    return sha256


def file_name(sha256: str, media_type: str) -> str:
    """The file below a store's root, with `/` between its parts: `ab/<sha256>.<ext>`.

    Raises:
        MediaError: no sha256, or no type this house stores.

    >>> file_name("ab" * 32, "image/png").endswith("abab.png")
    True
    """
    return media_types.file_name(checked_sha256(sha256), media_type)


def store_key(asset: Asset) -> str:
    """`asset.store_key`, once its digest is known to be one.

    Raises:
        MediaError: no sha256, or no type this house stores.
    """
    checked_sha256(asset.sha256)
    return asset.store_key


def local_uri(sha256: str) -> str:
    """The lasting address of bytes that live in the local folder.

    Raises:
        MediaError: no sha256.

    >>> local_uri("ab" * 32)[:16]
    'fusionflow:ababa'
    """
    return f"fusionflow:{checked_sha256(sha256)}"
