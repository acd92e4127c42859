"""The interface of an asset store: bytes are named by their sha256 and verified when read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fusionflow_nb.assets.local import StoredFile
    from fusionflow_nb.assets.s3.bucket import SignedPut
    from fusionflow_nb.media.values import Asset


class AssetStore(Protocol):
    """Where immutable bytes live. All calls block: the engine makes them in worker threads."""

    def put(
        self, source: bytes | Path | Iterable[bytes], *, media_type: str | None = None, recipe: str | None = None
    ) -> Asset:
        """Store bytes, a file or a stream; equal bytes are stored once.

        The type is what the bytes are (sniffed); `media_type` decides only where sniffing cannot. `recipe` is the
        content key of what made them (hex), for stores that keep a note with each object.

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

    def service_url(self, asset: Asset, *, expires_s: int, patience_s: float) -> str | None:
        """An address that a service on the network can open; None where this store has none.

        Raises:
            BucketError: the bytes do not arrive there in time.
        """
        ...


class HomeStore(AssetStore, Protocol):
    """The store of a user's home: what display, uploads, doctor and garbage collection need besides."""

    has_bucket: bool
    """Whether browsers put files into a bucket."""

    def look_up(self, sha256: str) -> Asset:
        """As much of stored bytes as their name and length tell; nothing is read or fetched.

        Raises:
            LostAssetError: no store has them.
        """
        ...

    def away_url(self, asset: Asset, *, expires_s: int) -> str | None:
        """The URL of bytes that are not on this machine; None if they are. No request is made."""
        ...

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut | None:
        """Where a browser may PUT these very bytes; None where Jupyter's server takes them."""
        ...

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:
        """Take in what a browser has put there, with the small picture it made.

        Raises:
            LostAssetError: it has not arrived.
            CorruptAssetError: something else has.
        """
        ...

    def kept_preview(self, sha256: str) -> bytes | None:
        """The small picture, by digest alone; None where none is kept."""
        ...

    def assets(self) -> Iterator[StoredFile]:
        """Every file on this machine."""
        ...

    def size_bytes(self) -> int:
        """The sum of all files on this machine."""
        ...

    def verify(self, sha256: str) -> None:
        """Hash the local bytes now. Raises LostAssetError, CorruptAssetError."""
        ...

    def discard(self, stored: StoredFile) -> None:
        """Delete a file of this machine. Raises StoreError."""
        ...

    def close(self) -> None:
        """End its threads."""
        ...
