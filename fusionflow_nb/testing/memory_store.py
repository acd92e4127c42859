"""An AssetStore in memory, for tests and experiments."""

from __future__ import annotations

import hashlib
import shutil
import threading
import weakref
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.ingest import Source, file_sha256, name_source_in_errors, open_source, write_and_hash
from fusionflow_nb.assets.keys import checked_sha256, file_name, local_uri
from fusionflow_nb.assets.probe import describe, verify_and_preview

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Asset


class MemoryStore:
    """An AssetStore whose content exists as long as the object.

    `path` writes the bytes to a temporary folder.
    """

    def __init__(self) -> None:
        self._bytes: dict[str, tuple[bytes, str]] = {}
        self._previews: dict[str, bytes | None] = {}
        self._lock = threading.Lock()
        self._folder = Path(mkdtemp(prefix="fusionflow-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, source: Source, *, media_type: str | None = None, recipe: str | None = None) -> Asset:  # noqa: ARG002 - recipes are not stored
        """Store bytes, a file or a stream; equal bytes are stored once.

        Raises:
            MediaError: not a supported media type, truncated, or unsafe to decode.
        """
        kind, chunks = open_source(source, media_type)
        buffer = BytesIO()
        content = write_and_hash(chunks, buffer.write)
        with TemporaryDirectory(dir=self._folder) as folder:
            probed = Path(folder) / "bytes.part"
            probed.write_bytes(buffer.getvalue())
            with name_source_in_errors(source, probed, kind):
                asset = describe(probed, kind, content)
                if self._is_sound(asset.sha256):
                    return asset
                preview = verify_and_preview(probed, asset.media_type)
        with self._lock:
            self._bytes[asset.sha256] = (buffer.getvalue(), asset.media_type)
            self._previews[asset.sha256] = preview
        return asset

    def has(self, sha256: str) -> bool:
        """Return whether the bytes are stored.

        Raises:
            MediaError: not a sha256.
        """
        return checked_sha256(sha256) in self._bytes

    def path(self, sha256: str) -> Path:
        """Return a file with the bytes; it exists as long as the store.

        Raises:
            LostAssetError, CorruptAssetError: the bytes are not stored, or have changed.
            MediaError: not a sha256.
        """
        if not self.has(sha256):
            message = f"The bytes of asset {sha256[:12]} are not in memory."
            raise errors.LostAssetError(message, hint="Run the node that generated it again.")
        if not self._is_sound(sha256):
            message = f"The bytes stored for asset {sha256[:12]} do not match its hash."
            raise errors.CorruptAssetError(message, hint="Run the node that generated it again.")
        data, media_type = self._bytes[sha256]
        path = self._folder / file_name(sha256, media_type)
        with self._lock:
            if not path.exists() or file_sha256(path) != sha256:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
        return path

    def uri(self, asset: Asset) -> str:
        """`fusionflow:<sha256>`."""
        return local_uri(asset.sha256)

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:  # noqa: ARG002 - a file URL does not expire
        """Return the URL of the file.

        Raises:
            LostAssetError, CorruptAssetError: like `path`.
        """
        return self.path(asset.sha256).as_uri()

    def service_url(self, asset: Asset, *, expires_s: int, timeout_s: float) -> None:
        """Return None: services cannot read this store."""

    def preview(self, asset: Asset) -> bytes | None:
        """Return the WebP preview created by `put`, if the asset has one."""
        return self._previews.get(checked_sha256(asset.sha256))

    def _is_sound(self, sha256: str) -> bool:
        return sha256 in self._bytes and hashlib.sha256(self._bytes[sha256][0]).hexdigest() == sha256
