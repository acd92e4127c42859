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
    """A store of immutable bytes. All calls block: the engine makes them in worker threads."""

    def put(
        self, source: bytes | Path | Iterable[bytes], *, media_type: str | None = None, recipe: str | None = None
    ) -> Asset:
        """Store bytes, a file or a stream; equal bytes are stored once.

        The type is sniffed from the bytes; `media_type` decides only if they are ambiguous. `recipe` is the content key
        of the job that created them (hex), for stores with metadata per object.

        Raises:
            MediaError: the media type is unknown, or the bytes are truncated or hostile.
            DiskFullError, UnwritableError: nothing was stored, no partial file remains.
        """
        ...

    def has(self, sha256: str) -> bool:
        """Whether the bytes are stored; they are not read."""
        ...

    def path(self, sha256: str) -> Path:
        """A local file of the bytes; never write to it.

        Raises:
            LostAssetError: the bytes are missing.
            CorruptAssetError: the bytes do not match their digest.
        """
        ...

    def uri(self, asset: Asset) -> str:
        """The permanent, unsigned URI that the tape stores (`fusionflow:<sha256>` or `s3://bucket/key`)."""
        ...

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:
        """A URL that a browser or a service can fetch now (may be signed, may expire)."""
        ...

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side, rendered when the asset was stored; None if it has no preview."""
        ...

    def service_url(self, asset: Asset, *, expires_s: int, timeout_s: float) -> str | None:
        """A URL that a service on the internet can open; None if this store has none.

        Raises:
            BucketError: the upload failed or timed out.
        """
        ...


class HomeStore(AssetStore, Protocol):
    """The store of a user's home folder, with the methods for display, uploads, doctor and garbage collection."""

    has_bucket: bool
    """Whether browsers upload to a bucket."""

    def look_up(self, sha256: str) -> Asset:
        """The asset as far as name and size describe it; nothing is read or fetched.

        Raises:
            LostAssetError: the bytes are missing.
        """
        ...

    def remote_url(self, asset: Asset, *, expires_s: int) -> str | None:
        """The URL of bytes that are not on this machine; None if they are. No request is made."""
        ...

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut | None:
        """A signed URL to which a browser may PUT exactly these bytes; None if Jupyter's server takes uploads."""
        ...

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:
        """Register an asset that a browser uploaded, with the preview that it rendered.

        Raises:
            LostAssetError: the upload has not arrived.
            CorruptAssetError: other bytes have arrived.
        """
        ...

    def stored_preview(self, sha256: str) -> bytes | None:
        """The stored preview of a digest, or None."""
        ...

    def assets(self) -> Iterator[StoredFile]:
        """Every file on this machine."""
        ...

    def size_bytes(self) -> int:
        """The total size of all files on this machine."""
        ...

    def verify(self, sha256: str) -> None:
        """Hash the local bytes now. Raises LostAssetError, CorruptAssetError."""
        ...

    def discard(self, stored: StoredFile) -> None:
        """Delete a file from this machine. Raises StoreError."""
        ...

    def close(self) -> None:
        """Stop its threads."""
        ...
