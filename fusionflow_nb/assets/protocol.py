"""What the rest of the house knows of a store: bytes go in, are named by their sha256, and come out verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fusionflow_nb.media.values import Asset


class AssetStore(Protocol):
    """Where immutable bytes live. All calls block: the engine makes them in worker threads."""

    def put(self, source: bytes | Path | Iterable[bytes], *, media_type: str | None = None) -> Asset:
        """Store bytes, a file or a stream; equal bytes are stored once.

        The type is what the bytes are (sniffed); `media_type` decides only where sniffing cannot.

        Raises:
            MediaError: the bytes are no media this house knows, truncated or hostile.
            DiskFullError, UnwritableError: nothing was stored; nothing half-written stays behind.
        """
        ...

    def has(self, sha256: str) -> bool:
        """Whether the bytes are at hand without reading them."""
        ...

    def path(self, sha256: str) -> Path:
        """A local file that holds the bytes; never write to it.

        Raises:
            LostAssetError: no store holds these bytes any more.
            CorruptAssetError: the bytes found do not match their name.
        """
        ...

    def uri(self, asset: Asset) -> str:
        """The unsigned, lasting address that the tape keeps (`fusionflow:<sha256>` or `s3://bucket/key`)."""
        ...

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:
        """An address a browser or a service can fetch now (may be signed, may expire)."""
        ...

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side, made when the asset was stored; None where there is no picture to show."""
        ...
