"""The store in a local folder: content-addressed, durable, safe for concurrent threads and processes.

Below the folder (FUSIONFLOW_HOME/assets):

    ab/<sha256>.<ext>             the bytes, read-only
    previews/ab/<sha256>.webp     previews; may be deleted, rendered again when requested
    incoming/<random>.part        files being written; leftovers of killed processes are deleted after a day

Bytes are hashed while they are written, and published only after they are flushed to the disk. A file is hashed again
at its first use in a process, and whenever its size, time or inode has changed since.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fusionflow_nb import errors
from fusionflow_nb.assets.atomic_write import part_file, sweep_stale, write_disposable
from fusionflow_nb.assets.ingest import (
    ContentInfo,
    Source,
    file_sha256,
    name_source_in_errors,
    open_source,
    write_and_hash,
)
from fusionflow_nb.assets.keys import checked_sha256, file_name, local_uri
from fusionflow_nb.assets.os_errors import store_errors
from fusionflow_nb.assets.probe import describe, verify_and_preview
from fusionflow_nb.assets.sniff import EXTENSIONS
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator

_STORED = re.compile(r"([0-9a-f]{64})\.[a-z0-9]+")
_PREFIX = re.compile(r"[0-9a-f]{2}")
_TYPES = {suffix: kind for kind, suffix in EXTENSIONS.items()}

# Inode, size, modification time: a file is unchanged while all three are the same.
_Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of the store."""

    sha256: str
    path: Path
    size_bytes: int


class LocalFolderStore:
    """An AssetStore below one folder of this machine.

    Args:
        folder: created at the first put; opening a store writes nothing, so it may be read-only.
    """

    has_bucket = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._incoming = self._folder / "incoming"
        # No lock: concurrent threads at worst hash a file twice.
        self._verified: dict[Path, _Stamp] = {}
        sweep_stale(self._incoming)

    def put(self, source: Source, *, media_type: str | None = None, recipe: str | None = None) -> Asset:  # noqa: ARG002 - embedded when a file is saved
        """Store bytes, a file or a stream; equal bytes are stored once, a damaged file is replaced.

        Raises:
            MediaError: the media type is unknown, or the bytes are truncated or hostile; nothing was stored.
            DiskFullError, UnwritableError, StoreError: nothing was stored.
        """
        kind, chunks = open_source(source, media_type)
        if isinstance(source, bytes):
            # Bytes in memory: an asset that is stored already needs no write.
            content = ContentInfo(hashlib.sha256(source).hexdigest(), len(source))
            stored = self._find_intact(content.sha256)
            if stored is not None:
                return describe(stored, kind, content)
        with part_file(self._incoming, root=self._folder) as part:
            content = write_and_hash(chunks, part.write)
            stored = self._find_intact(content.sha256)
            if stored is not None:
                return describe(stored, kind, content)
            part.finish()
            # Verified under the part name: bytes that are not media never get a final name.
            with name_source_in_errors(source, part.path, kind):
                asset = describe(part.path, kind, content)
                preview = verify_and_preview(part.path, asset.media_type)
            # A damaged file, whatever its extension, is replaced in place.
            target = self._find(asset.sha256) or self._folder / file_name(asset.sha256, asset.media_type)
            part.publish(target)
        self._mark_verified(target)
        if preview is not None:
            self.store_preview(asset.sha256, preview)
        return asset

    def look_up(self, sha256: str) -> Asset:
        """The asset as far as the file's name and size describe it.

        Raises:
            LostAssetError: the file is missing.
            MediaError: the digest is malformed.
        """
        path = self._find(checked_sha256(sha256))
        if path is None:
            raise _lost(sha256, self._folder)
        return Asset(sha256, _TYPES[path.suffix[1:]], path.stat().st_size)

    def has(self, sha256: str) -> bool:
        """Whether a file of these bytes exists; it is not read.

        Raises:
            MediaError: the digest is malformed.
        """
        return self._find(checked_sha256(sha256)) is not None

    def path(self, sha256: str) -> Path:
        """The file of these bytes: read-only, hashed at its first use in this process.

        Raises:
            LostAssetError: the file is missing.
            CorruptAssetError: its bytes do not match its name.
            MediaError: the digest is malformed.
        """
        path = self._find(checked_sha256(sha256))
        if path is None:
            raise _lost(sha256, self._folder)
        if not self._is_intact(path, sha256):
            raise _corrupt(sha256, path)
        return path

    def verify(self, sha256: str) -> None:
        """Hash the stored bytes now, even if they were verified before.

        Raises:
            LostAssetError, CorruptAssetError, MediaError: as `path`.
        """
        path = self._find(checked_sha256(sha256))
        if path is not None:
            self._verified.pop(path, None)
        self.path(sha256)

    def uri(self, asset: Asset) -> str:
        """`fusionflow:<sha256>`: the same on every machine that holds the bytes."""
        return local_uri(asset.sha256)

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:  # noqa: ARG002 - a file URL does not expire
        """The file URL; the server extension replaces it by a signed URL.

        Raises:
            LostAssetError, CorruptAssetError: as `path`.
        """
        return self.path(asset.sha256).as_uri()

    def service_url(self, asset: Asset, *, expires_s: int, timeout_s: float) -> None:
        """None: no service can open a file of this machine."""

    def remote_url(self, asset: Asset, *, expires_s: int) -> None:
        """None: there is no other store."""

    def put_url(self, asset: Asset, *, expires_s: int) -> None:
        """None: browsers upload to Jupyter's server."""

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:  # noqa: ARG002 - it renders its own
        """The stored asset, described by its bytes.

        Raises:
            LostAssetError, CorruptAssetError: as `path`.
        """
        path = self.path(asset.sha256)
        return describe(path, _TYPES[path.suffix[1:]], ContentInfo(asset.sha256, path.stat().st_size))

    def close(self) -> None:
        """Nothing to release."""

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side; rendered again if it is missing or damaged.

        None for text, for formats that no installed library decodes, and for lost or damaged bytes.
        """
        stored = self.stored_preview(asset.sha256)
        if stored is not None:
            return stored
        try:
            rendered = verify_and_preview(self.path(asset.sha256), asset.media_type)
        except (errors.StoreError, errors.MediaError):
            return None
        if rendered is not None:
            self.store_preview(asset.sha256, rendered)
        return rendered

    def stored_preview(self, sha256: str) -> bytes | None:
        """The stored preview of a digest, or None."""
        with suppress(OSError):
            data = self._preview_path(checked_sha256(sha256)).read_bytes()
            if _is_whole_webp(data):
                return data
        return None

    def assets(self) -> Iterator[StoredFile]:
        """Every stored file, in no order, without previews and part files.

        Raises:
            StoreError: the folder cannot be read.
        """
        with store_errors(self._folder):
            for prefix in _entries(self._folder):
                if _PREFIX.fullmatch(prefix.name) and prefix.is_dir(follow_symlinks=False):
                    yield from _stored_files(prefix)

    def discard(self, stored: StoredFile) -> None:
        """Delete a file and its preview.

        Raises:
            StoreError: the file cannot be deleted.
        """
        with store_errors(self._folder):
            stored.path.unlink(missing_ok=True)
            self._preview_path(stored.sha256).unlink(missing_ok=True)
        self._verified.pop(stored.path, None)

    def size_bytes(self) -> int:
        """The total size of all stored files, without previews.

        Raises:
            StoreError: the folder cannot be read.
        """
        return sum(stored.size_bytes for stored in self.assets())

    def _find(self, sha256: str) -> Path | None:
        """The file of these bytes, whatever its extension. Raises StoreError if the folder cannot be read."""
        prefix = self._folder / sha256[:2]
        for suffix in EXTENSIONS.values():
            path = prefix / f"{sha256}.{suffix}"
            with store_errors(self._folder):
                try:
                    mode = path.stat().st_mode
                except (FileNotFoundError, NotADirectoryError):
                    continue
            if stat.S_ISREG(mode):
                return path
        return None

    def _find_intact(self, sha256: str) -> Path | None:
        path = self._find(sha256)
        return path if path is not None and self._is_intact(path, sha256) else None

    def _is_intact(self, path: Path, sha256: str) -> bool:
        """Whether the bytes match their name, by an earlier look at the unchanged file or by hashing it now."""
        try:
            stamp = _stamp(path)
            if self._verified.get(path) == stamp:
                return True
            is_intact = file_sha256(path) == sha256
        except FileNotFoundError as error:
            raise _lost(sha256, self._folder) from error
        except OSError:
            # An unreadable file, by a disk error or by permissions, is not intact.
            return False
        if is_intact:
            self._verified[path] = stamp
        return is_intact

    def _mark_verified(self, path: Path) -> None:
        """Mark a file that was hashed while it was written as verified."""
        with suppress(OSError):
            self._verified[path] = _stamp(path)

    def _preview_path(self, sha256: str) -> Path:
        return self._folder / "previews" / sha256[:2] / f"{sha256}.webp"

    def store_preview(self, sha256: str, data: bytes) -> None:
        """Store a preview (a complete WebP); never raises, because it can be rendered again."""
        # The asset is stored. A full disk is reported by the next put, and the preview is generated again.
        with suppress(errors.StoreError):
            write_disposable(self._preview_path(sha256), data, parts=self._incoming)


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_whole_webp(data: bytes) -> bool:
    """Whether a preview is complete: it is written without a flush, so a power failure may truncate it."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _stored_files(prefix: os.DirEntry[str]) -> Iterator[StoredFile]:
    for entry in _entries(Path(prefix.path)):
        match = _STORED.fullmatch(entry.name)
        if match and match[1].startswith(prefix.name) and entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):
                yield StoredFile(match[1], Path(entry.path), entry.stat(follow_symlinks=False).st_size)


def _lost(sha256: str, folder: Path) -> errors.LostAssetError:
    message = f"The bytes of asset {sha256[:12]} are no longer in {folder}."
    return errors.LostAssetError(message, hint="Restore the file, or run its node again.")


def _corrupt(sha256: str, path: Path) -> errors.CorruptAssetError:
    message = f"The stored file {path} is damaged: its bytes do not match asset {sha256[:12]}."
    return errors.CorruptAssetError(message, hint="Run its node again: the damaged file is then replaced.")
