"""Verify type, length and digest of an upload while its bytes pass through."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fusionflow_nb.assets.sniff import DECLARED_TYPES, HEAD_BYTES, sniff
from fusionflow_nb.lab.errors import TooLongError, WrongDigestError, WrongLengthError, WrongTypeError
from fusionflow_nb.lab.signing import ANY_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fusionflow_nb.lab.signing import Link


def verified_chunks(chunks: Iterable[bytes], link: Link) -> Iterator[bytes]:
    """Yield the chunks unchanged; raise as soon as they differ from what the link declares.

    The digest is checked after the last chunk, so the store must not publish the file before this iterator has ended.

    Raises:
        TooLongError, WrongLengthError, WrongDigestError, WrongTypeError: the bytes differ from the declaration.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    head = b""
    for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > link.size_bytes:
            raise TooLongError(link.size_bytes, "more")
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
            # A shorter head may be taken for another type.
            if len(head) == HEAD_BYTES or size_bytes == link.size_bytes:
                _check_kind(head, link.media_type)
        digest.update(chunk)
        yield chunk
    if size_bytes < link.size_bytes:
        raise WrongLengthError(link.size_bytes, str(size_bytes))
    if digest.hexdigest() != link.sha256:
        raise WrongDigestError(link.sha256, digest.hexdigest())


def _check_kind(head: bytes, declared: str) -> None:
    """Refuse another kind of media; another format of the same kind passes, and unknown bytes are left to the store."""
    detected = sniff(head)
    if detected is not None and declared != ANY_TYPE and _kind(detected) != _kind(declared):
        raise WrongTypeError(declared, detected)


def _kind(media_type: str) -> str:
    if media_type in DECLARED_TYPES:
        return media_type
    family = media_type.partition("/")[0]
    # Video and audio share containers: only opening the file decides.
    return "video or audio" if family in {"video", "audio"} else family
