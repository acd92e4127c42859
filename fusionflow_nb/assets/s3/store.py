"""The store with a bucket: an AssetStore over the local folder and the bucket.

Bytes are stored in the folder and uploaded to the bucket in the background. Bytes that only the bucket has are
downloaded into the folder and verified when they are read.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.keys import checked_sha256
from fusionflow_nb.assets.s3.bucket import lost
from fusionflow_nb.assets.sniff import HEAD_BYTES, sniff
from fusionflow_nb.assets.uploads import MemoryLog, Uploads
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusionflow_nb.assets.ingest import Source
    from fusionflow_nb.assets.local import LocalFolderStore, StoredFile
    from fusionflow_nb.assets.s3.bucket import Bucket, SignedPut, StoredObject
    from fusionflow_nb.assets.uploads import UploadLog

UPLOAD_TIMEOUT_S = 600.0
"""How long a caller that needs a URL waits for one upload."""


class S3Store:
    """An AssetStore over a folder and a bucket.

    Args:
        folder: the local store.
        bucket: the bucket.
        log: stores pending uploads, so that they survive the kernel.
        is_reachable_by_services: whether a service on the internet can open URLs of this bucket.
    """

    has_bucket = True

    def __init__(
        self,
        folder: LocalFolderStore,
        bucket: Bucket,
        log: UploadLog | None = None,
        *,
        is_reachable_by_services: bool = True,
    ) -> None:
        self.folder = folder
        self.bucket = bucket
        self.is_reachable_by_services = is_reachable_by_services
        self.uploads = Uploads(bucket, folder.path, log or MemoryLog())
        self._downloads: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._damaged: set[str] = set()

    # --- AssetStore --------------------------------------------------------------------------------------------------

    def put(self, source: Source, *, media_type: str | None = None, recipe: str | None = None) -> Asset:
        """Store bytes in the folder and upload them in the background.

        Raises:
            MediaError: the media type is unknown; nothing was stored.
            DiskFullError, UnwritableError, StoreError: nothing was stored. Errors of the bucket are not raised.
        """
        asset = self.folder.put(source, media_type=media_type)
        self.uploads.add(asset, recipe=recipe, overwrite=asset.sha256 in self._damaged)
        self._damaged.discard(asset.sha256)
        return asset

    def look_up(self, sha256: str) -> Asset:
        """The asset as far as name and size describe it, from the folder, else from the bucket.

        Raises:
            LostAssetError: neither has the bytes.
            BucketError: the request failed.
        """
        with suppress(errors.LostAssetError):
            return self.folder.look_up(sha256)
        stored = self.bucket.find(sha256)
        if stored is None:
            raise lost(sha256, self.bucket.settings)
        asset = Asset(sha256, stored.media_type, stored.size_bytes)
        if not self.uploads.is_uploaded(sha256):
            self.uploads.mark_uploaded(asset)
        return asset

    def has(self, sha256: str) -> bool:
        """Whether the folder or the bucket has the bytes; a request is sent only if the folder lacks them.

        Raises:
            BucketError: the request failed.
            MediaError: the digest is malformed.
        """
        return self.folder.has(sha256) or self.uploads.is_uploaded(sha256) or self.bucket.find(sha256) is not None

    def path(self, sha256: str) -> Path:
        """A local file of the bytes, downloaded from the bucket and verified if the folder lacks it.

        Raises:
            LostAssetError: neither has the bytes.
            CorruptAssetError: the object does not match its digest.
            BucketError: the object cannot be read.
            StoreError: the file cannot be stored.
        """
        try:
            return self.folder.path(sha256)
        except (errors.LostAssetError, errors.CorruptAssetError) as missing:
            with self._lock:
                download = self._downloads.setdefault(sha256, threading.Lock())
            with download:
                return self._download(sha256, missing)

    def uri(self, asset: Asset) -> str:
        """`s3://bucket/assets/ab/<sha256>.<ext>`."""
        return self.bucket.uri(asset)

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:
        """A URL that serves the bytes until it expires; waits for a pending upload.

        Raises:
            LostAssetError, CorruptAssetError: the bytes are missing or damaged.
            BucketError: the upload failed or timed out.
        """
        checked_sha256(asset.sha256)
        if not self.uploads.is_uploaded(asset.sha256):
            self._ensure_uploaded(asset)
        return self.bucket.get_url(asset, expires_s=expires_s)

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side; bytes that only the bucket has are not downloaded for it."""
        stored = self.folder.stored_preview(asset.sha256)
        return stored if stored is not None or not self.folder.has(asset.sha256) else self.folder.preview(asset)

    # --- URLs --------------------------------------------------------------------------------------------------------

    def service_url(self, asset: Asset, *, expires_s: int, timeout_s: float) -> str | None:
        """A URL for a service, after the upload; None if services cannot reach the bucket.

        Raises:
            BucketError: the upload failed or timed out.
        """
        if not self.is_reachable_by_services:
            return None
        if not self.uploads.is_uploaded(asset.sha256):
            self._ensure_uploaded(asset, timeout_s=timeout_s)
        return self.bucket.get_url(asset, expires_s=expires_s)

    def remote_url(self, asset: Asset, *, expires_s: int) -> str | None:
        """The bucket's URL of bytes that the folder lacks; None if it has them. Sends no request."""
        if self.folder.has(asset.sha256) or not self.uploads.is_uploaded(asset.sha256):
            return None
        return self.bucket.get_url(asset, expires_s=expires_s)

    # --- browsers ----------------------------------------------------------------------------------------------------

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut:
        """A signed URL to which a browser may PUT exactly these bytes. Raises MediaError."""
        return self.bucket.put_url(asset, expires_s=expires_s)

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:
        """Register an asset that a browser uploaded, after checking its size and type in the bucket.

        Args:
            asset: as the browser declared it.
            preview: the WebP that the browser rendered.

        Raises:
            LostAssetError: the upload has not arrived.
            CorruptAssetError: other bytes have arrived.
            BucketError: the request failed.
        """
        if self.folder.has(asset.sha256):  # uploaded through Jupyter, because the bucket refuses this page's uploads
            local = self.folder.confirm(asset)
            self.uploads.add(local)
            return local
        stored = self.bucket.head(asset)
        if stored is None:
            raise errors.LostAssetError(
                f"The upload of {asset.sha256[:12]} has not arrived in the bucket.",
                hint="Drop the file again.",
                is_retryable=True,
            )
        head = b"".join(self.bucket.read(stored, first_bytes=HEAD_BYTES))
        if stored.size_bytes != asset.size_bytes or (sniff(head) not in {asset.media_type, None}):
            raise _damaged(stored, self.bucket)
        if preview is not None:
            self.folder.store_preview(asset.sha256, preview)
        self.uploads.mark_uploaded(asset)
        return asset

    # --- maintenance -------------------------------------------------------------------------------------------------

    def assets(self) -> Iterator[StoredFile]:
        """Every file of the folder."""
        return self.folder.assets()

    def size_bytes(self) -> int:
        """The total size of the folder's files."""
        return self.folder.size_bytes()

    def stored_preview(self, sha256: str) -> bytes | None:
        """The stored preview of a digest, or None."""
        return self.folder.stored_preview(sha256)

    def verify(self, sha256: str) -> None:
        """Hash the local bytes now. Raises LostAssetError, CorruptAssetError."""
        self.folder.verify(sha256)

    def verify_object(self, stored: StoredObject, *, fetch: bool = False) -> None:
        """Compare an object's size with the local file's; with `fetch`, download and hash it.

        Raises:
            CorruptAssetError: the object is damaged; the next put of these bytes replaces it.
            LostAssetError, BucketError: the object cannot be read.
        """
        local_bytes = None
        with suppress(errors.LostAssetError, errors.CorruptAssetError):
            local_bytes = self.folder.path(stored.sha256).stat().st_size
        try:
            if local_bytes not in {None, stored.size_bytes}:
                raise _damaged(stored, self.bucket)
            for _ in self._verified_chunks(stored) if fetch else ():
                pass
        except errors.CorruptAssetError:
            self._damaged.add(stored.sha256)
            raise

    def discard(self, stored: StoredFile) -> None:
        """Delete a file from the folder."""
        self.folder.discard(stored)

    def close(self) -> None:
        """Stop uploading; the next kernel continues."""
        self.uploads.close()

    # --- private ------------------------------------------------------------------------------------------------------

    def _ensure_uploaded(self, asset: Asset, *, timeout_s: float = UPLOAD_TIMEOUT_S) -> None:
        """Wait until the bucket has the asset, uploading it from the folder if need be."""
        if not self.folder.has(asset.sha256):
            stored = self.bucket.find(asset.sha256)
            if stored is None:
                raise lost(asset.sha256, self.bucket.settings)
            self.uploads.mark_uploaded(asset)
            return
        self.uploads.add(asset)
        self.uploads.wait(asset.sha256, timeout_s=timeout_s)

    def _download(self, sha256: str, missing: errors.StoreError) -> Path:
        with suppress(errors.LostAssetError, errors.CorruptAssetError):
            return self.folder.path(sha256)  # another thread has downloaded it meanwhile
        stored = self.bucket.find(sha256)
        if stored is None:
            self.uploads.mark_missing([sha256])
            if isinstance(missing, errors.CorruptAssetError):
                raise missing
            raise lost(sha256, self.bucket.settings)
        try:
            self.folder.put(self._verified_chunks(stored), media_type=stored.media_type)
        except errors.CorruptAssetError:
            self._damaged.add(sha256)
            raise
        return self.folder.path(sha256)

    def _verified_chunks(self, stored: StoredObject) -> Iterator[bytes]:
        """The object's bytes; raises after the last chunk if they are damaged, before the file is published."""
        digest = hashlib.sha256()
        for chunk in self.bucket.read(stored):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != stored.sha256:
            raise _damaged(stored, self.bucket)


def _damaged(stored: StoredObject, bucket: Bucket) -> errors.CorruptAssetError:
    message = f"The object {bucket.settings.uri}/{stored.key} is damaged: its bytes do not match its name."
    return errors.CorruptAssetError(message, hint="Upload the file again, or run its node again.")
