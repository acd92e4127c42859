"""The store of a user with a bucket: the local folder first, the bucket behind it, one AssetStore.

Bytes go to the folder and are stored; the bucket gets them in the background. Bytes that only the bucket has are
read through: streamed into the folder, verified, and handed out as a file.
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

UPLOAD_PATIENCE_S = 600.0
"""How long a caller that needs a URL waits for one upload."""


class S3Store:
    """An AssetStore over a folder and a bucket.

    Args:
        folder: the local one; it has the bytes first.
        bucket: has them soon after, and keeps them.
        log: remembers uploads over the death of kernels.
        serves_services: whether addresses of this bucket open anything for a service on the network.
    """

    has_bucket = True

    def __init__(
        self, folder: LocalFolderStore, bucket: Bucket, log: UploadLog | None = None, *, serves_services: bool = True
    ) -> None:
        self.folder = folder
        self.bucket = bucket
        self.serves_services = serves_services
        self.uploads = Uploads(bucket, folder.path, log or MemoryLog())
        self._reading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._damaged: set[str] = set()

    # --- AssetStore --------------------------------------------------------------------------------------------------

    def put(self, source: Source, *, media_type: str | None = None, recipe: str | None = None) -> Asset:
        """Store bytes in the folder; the bucket gets them in the background.

        Raises:
            MediaError: no media this house knows; nothing was stored.
            DiskFullError, UnwritableError, StoreError: nothing was stored. Trouble with the bucket raises nothing.
        """
        asset = self.folder.put(source, media_type=media_type)
        self.uploads.add(asset, recipe=recipe, overwrite=asset.sha256 in self._damaged)
        self._damaged.discard(asset.sha256)
        return asset

    def look_up(self, sha256: str) -> Asset:
        """As much of stored bytes as their name and length tell, from the folder, else from the bucket.

        Raises:
            LostAssetError: neither has them.
            BucketError: the bucket does not say.
        """
        with suppress(errors.LostAssetError):
            return self.folder.look_up(sha256)
        there = self.bucket.find(sha256)
        if there is None:
            raise lost(sha256, self.bucket.settings)
        asset = Asset(sha256, there.media_type, there.size_bytes)
        if not self.uploads.is_there(sha256):
            self.uploads.came(asset)
        return asset

    def has(self, sha256: str) -> bool:
        """Whether the folder or the bucket has them; the bucket is asked only where the folder has not.

        Raises:
            BucketError: the bucket does not say.
            MediaError: no sha256.
        """
        return self.folder.has(sha256) or self.uploads.is_there(sha256) or self.bucket.find(sha256) is not None

    def path(self, sha256: str) -> Path:
        """A local file that holds the bytes, fetched from the bucket and verified where need be.

        Raises:
            LostAssetError: neither has them.
            CorruptAssetError: what the bucket has does not match its name.
            BucketError: the bucket cannot be read now.
            StoreError: there is no room for them here.
        """
        try:
            return self.folder.path(sha256)
        except (errors.LostAssetError, errors.CorruptAssetError) as missing:
            with self._lock:
                reading = self._reading.setdefault(sha256, threading.Lock())
            with reading:
                return self._read_through(sha256, missing)

    def uri(self, asset: Asset) -> str:
        """`s3://bucket/assets/ab/<sha256>.<ext>`."""
        return self.bucket.uri(asset)

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:
        """An address that opens the bytes anywhere for a while; waits for their upload where they are not there yet.

        Raises:
            LostAssetError, CorruptAssetError: there are no such bytes here or there.
            BucketError: they do not arrive.
        """
        checked_sha256(asset.sha256)
        if not self.uploads.is_there(asset.sha256):
            self._bring(asset)
        return self.bucket.get_url(asset, expires_s=expires_s)

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side; a film that only the bucket has is not fetched for it."""
        kept = self.folder.kept_preview(asset.sha256)
        return kept if kept is not None or not self.folder.has(asset.sha256) else self.folder.preview(asset)

    # --- addresses ---------------------------------------------------------------------------------------------------

    def service_url(self, asset: Asset, *, expires_s: int, patience_s: float) -> str | None:
        """An address for a service, once the bytes are there; None where no service could open it.

        Raises:
            BucketError: the upload does not arrive in time.
        """
        if not self.serves_services:
            return None
        if not self.uploads.is_there(asset.sha256):
            self._bring(asset, patience_s=patience_s)
        return self.bucket.get_url(asset, expires_s=expires_s)

    def away_url(self, asset: Asset, *, expires_s: int) -> str | None:
        """The bucket's URL of bytes that the folder lacks; None if it has them. No request is made."""
        if self.folder.has(asset.sha256) or not self.uploads.is_there(asset.sha256):
            return None
        return self.bucket.get_url(asset, expires_s=expires_s)

    # --- browsers ----------------------------------------------------------------------------------------------------

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut:
        """Where a browser may PUT these bytes. Raises MediaError."""
        return self.bucket.put_url(asset, expires_s=expires_s)

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:
        """Take in what a browser has put into the bucket: there, of this length, and of this kind.

        Args:
            asset: as announced, with the browser's facts.
            preview: the small picture it made, a WebP.

        Raises:
            LostAssetError: it has not arrived.
            CorruptAssetError: something else has.
            BucketError: the bucket does not say.
        """
        if self.folder.has(asset.sha256):  # it went through Jupyter, where the bucket takes nothing from this page
            stored = self.folder.confirm(asset)
            self.uploads.add(stored)
            return stored
        there = self.bucket.head(asset)
        if there is None:
            raise errors.LostAssetError(
                f"The upload of {asset.sha256[:12]} has not arrived in the bucket.",
                hint="Drop the file again.",
                is_retryable=True,
            )
        head = b"".join(self.bucket.read(there, first_bytes=HEAD_BYTES))
        if there.size_bytes != asset.size_bytes or (sniff(head) not in {asset.media_type, None}):
            raise _damaged(there, self.bucket)
        if preview is not None:
            self.folder.keep_preview(asset.sha256, preview)
        self.uploads.came(asset)
        return asset

    # --- for those who count or clean --------------------------------------------------------------------------------

    def assets(self) -> Iterator[StoredFile]:
        """Every file of the folder."""
        return self.folder.assets()

    def size_bytes(self) -> int:
        """Of the folder."""
        return self.folder.size_bytes()

    def kept_preview(self, sha256: str) -> bytes | None:
        """The preview that was kept, by digest alone."""
        return self.folder.kept_preview(sha256)

    def verify(self, sha256: str) -> None:
        """Hash the local bytes now. Raises LostAssetError, CorruptAssetError."""
        self.folder.verify(sha256)

    def verify_object(self, there: StoredObject, *, fetch: bool = False) -> None:
        """Compare an object's length with the local file's; with `fetch`, read and hash it.

        Raises:
            CorruptAssetError: it is not what it was named for; the next put of these bytes replaces it.
            LostAssetError, BucketError: it cannot be read.
        """
        local_bytes = None
        with suppress(errors.LostAssetError, errors.CorruptAssetError):
            local_bytes = self.folder.path(there.sha256).stat().st_size
        try:
            if local_bytes not in {None, there.size_bytes}:
                raise _damaged(there, self.bucket)
            for _ in self._verified(there) if fetch else ():
                pass
        except errors.CorruptAssetError:
            self._damaged.add(there.sha256)
            raise

    def discard(self, stored: StoredFile) -> None:
        """Delete a file of the folder."""
        self.folder.discard(stored)

    def close(self) -> None:
        """Stop uploading; the next kernel continues."""
        self.uploads.close()

    # --- how ---------------------------------------------------------------------------------------------------------

    def _bring(self, asset: Asset, *, patience_s: float = UPLOAD_PATIENCE_S) -> None:
        """Have it in the bucket, from the folder if it is there."""
        if not self.folder.has(asset.sha256):
            there = self.bucket.find(asset.sha256)
            if there is None:
                raise lost(asset.sha256, self.bucket.settings)
            self.uploads.came(asset)
            return
        self.uploads.add(asset)
        self.uploads.wait(asset.sha256, timeout_s=patience_s)

    def _read_through(self, sha256: str, missing: errors.StoreError) -> Path:
        with suppress(errors.LostAssetError, errors.CorruptAssetError):
            return self.folder.path(sha256)  # another thread has fetched it meanwhile
        there = self.bucket.find(sha256)
        if there is None:
            self.uploads.gone([sha256])
            if isinstance(missing, errors.CorruptAssetError):
                raise missing
            raise lost(sha256, self.bucket.settings)
        try:
            self.folder.put(self._verified(there), media_type=there.media_type)
        except errors.CorruptAssetError:
            self._damaged.add(sha256)
            raise
        return self.folder.path(sha256)

    def _verified(self, there: StoredObject) -> Iterator[bytes]:
        """The object's bytes; the last word falls after the last chunk, before anybody gives them a name."""
        digest = hashlib.sha256()
        for chunk in self.bucket.read(there):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != there.sha256:
            raise _damaged(there, self.bucket)


def _damaged(there: StoredObject, bucket: Bucket) -> errors.CorruptAssetError:
    message = f"{bucket.settings.uri}/{there.key} does not hold the bytes it was named for."
    return errors.CorruptAssetError(message, hint="Put the file again, or run the node that made it again.")
