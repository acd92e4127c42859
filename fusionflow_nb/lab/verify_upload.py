"""Holding an upload to its announcement: kind, length and digest, while the bytes flow by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fusionflow_nb.assets.sniff import DECLARED_TYPES, HEAD_BYTES, sniff
from fusionflow_nb.lab.errors import TooLongError, WrongDigestError, WrongLengthError, WrongTypeError
from fusionflow_nb.lab.signing import ANY_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fusionflow_nb.lab.signing import Link


def as_announced(chunks: Iterable[bytes], link: Link) -> Iterator[bytes]:
    """The same bytes, as long as they are what was announced; the last word falls after the last chunk.

    So the store must not give them a name before this iterator has ended.

    Raises:
        TooLongError, WrongLengthError, WrongDigestError, WrongTypeError: they are not.
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
            # Few first bytes can look like something else; enough of them, or all, cannot.
            if len(head) == HEAD_BYTES or size_bytes == link.size_bytes:
                _check_kind(head, link.media_type)
        digest.update(chunk)
        yield chunk
    if size_bytes < link.size_bytes:
        raise WrongLengthError(link.size_bytes, str(size_bytes))
    if digest.hexdigest() != link.sha256:
        raise WrongDigestError(link.sha256, digest.hexdigest())


def _check_kind(head: bytes, announced: str) -> None:
    """A picture may turn out to be of another format, but never to be a film; what proves nothing the store judges."""
    proven = sniff(head)
    if proven is not None and announced != ANY_TYPE and _kind(proven) != _kind(announced):
        raise WrongTypeError(announced, proven)


def _kind(media_type: str) -> str:
    if media_type in DECLARED_TYPES:
        return media_type
    family = media_type.partition("/")[0]
    # Video and audio share containers: only opening the file decides.
    return "film or sound" if family in {"video", "audio"} else family
