"""Names of stored assets: validated digests, keys inside a store, permanent URIs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media import media_types

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Asset

_SHA256 = re.compile(r"[0-9a-f]{64}")


def checked_sha256(sha256: str) -> str:
    """Validate a digest: 64 lowercase hex digits. Nothing else is used as a file name.

    Raises:
        MediaError: it is not.

    >>> checked_sha256("ab" * 32)[:4]
    'abab'
    """
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        shown = ascii(sha256)[:80]
        message = f"{shown} is not an asset's digest."
        raise errors.MediaError(message, hint="An asset is named by its sha256: 64 lowercase hex digits.")
    return sha256


def file_name(sha256: str, media_type: str) -> str:
    """The path below a store's root, with `/` as separator: `ab/<sha256>.<ext>`.

    Raises:
        MediaError: the digest is malformed, or the store does not know the type.

    >>> file_name("ab" * 32, "image/png").endswith("abab.png")
    True
    """
    return media_types.file_name(checked_sha256(sha256), media_type)


def store_key(asset: Asset) -> str:
    """`asset.store_key`, after validating its digest.

    Raises:
        MediaError: the digest is malformed, or the store does not know the type.
    """
    checked_sha256(asset.sha256)
    return asset.store_key


def local_uri(sha256: str) -> str:
    """The permanent URI of bytes in the local folder.

    Raises:
        MediaError: the digest is malformed.

    >>> local_uri("ab" * 32)[:16]
    'fusionflow:ababa'
    """
    return f"fusionflow:{checked_sha256(sha256)}"
