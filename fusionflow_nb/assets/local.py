"""The store in a folder: content-addressed, durable, safe for many threads and processes at once.

Below the folder (FUSIONFLOW_HOME/assets):

    ab/<sha256>.<ext>             the bytes, read-only
    previews/ab/<sha256>.webp     a small picture of them; may be deleted, comes back when asked for
    incoming/<random>.part        bytes on their way in; what a killed process leaves is swept after a day

Bytes are hashed while they are written and named only when they are safely on the disk. A file is hashed again the
first time this process hands it out, and whenever its size, time or inode has changed since.
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
from fusionflow_nb.assets.ingest import Arrival, Source, declared_type, file_sha256, open_source, pour
from fusionflow_nb.assets.keys import checked_sha256, file_name, local_uri
from fusionflow_nb.assets.os_errors import store_errors
from fusionflow_nb.assets.probe import describe, prove_and_picture
from fusionflow_nb.assets.sniff import EXTENSIONS
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator

_STORED = re.compile(r"([0-9a-f]{64})\.[a-z0-9]+")
_SHELF = re.compile(r"[0-9a-f]{2}")
_TYPES = {suffix: kind for kind, suffix in EXTENSIONS.items()}

# Inode, size, time of change: a file that keeps all three since it was hashed is taken to be the same.
_Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of the store, for those who count or clean."""

    sha256: str
    path: Path
    size_bytes: int


class LocalFolderStore:
    """An AssetStore below one folder of this machine.

    Args:
        folder: made at the first put; opening a store writes nothing, so it may be read-only.
    """

    has_bucket = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._incoming = self._folder / "incoming"
        # A plain dict is enough: threads that race at worst hash a file twice.
        self._sound: dict[Path, _Stamp] = {}
        sweep_stale(self._incoming)

    def put(self, source: Source, *, media_type: str | None = None, recipe: str | None = None) -> Asset:  # noqa: ARG002 - files carry theirs when they are saved
        """Store bytes, a file or a stream; equal bytes are stored once, damaged ones are replaced.

        Raises:
            MediaError: no media this house knows, truncated or hostile; nothing was stored.
            DiskFullError, UnwritableError, StoreError: nothing was stored.
        """
        kind, chunks = open_source(source, media_type)
        if isinstance(source, bytes):
            # At hand in memory: what is stored already need not touch the disk.
            arrival = Arrival(hashlib.sha256(source).hexdigest(), len(source))
            held = self._find_sound(arrival.sha256)
            if held is not None:
                return describe(held, kind, arrival)
        with part_file(self._incoming, root=self._folder) as part:
            arrival = pour(chunks, part.write)
            held = self._find_sound(arrival.sha256)
            if held is not None:
                return describe(held, kind, arrival)
            part.finish()
            # Verified under the part name: bytes that are not media never get a final name.
            with declared_type(source, part.path, kind):
                asset = describe(part.path, kind, arrival)
                preview = prove_and_picture(part.path, asset.media_type)
            # A damaged file, whatever its extension, is replaced in place.
            target = self._find(asset.sha256) or self._folder / file_name(asset.sha256, asset.media_type)
            part.publish(target)
        self._trust(target)
        if preview is not None:
            self.keep_preview(asset.sha256, preview)
        return asset

    def look_up(self, sha256: str) -> Asset:
        """As much of a stored file as its name and length tell.

        Raises:
            LostAssetError: it is not here.
            MediaError: no sha256.
        """
        path = self._find(checked_sha256(sha256))
        if path is None:
            raise _lost(sha256, self._folder)
        return Asset(sha256, _TYPES[path.suffix[1:]], path.stat().st_size)

    def has(self, sha256: str) -> bool:
        """Whether there is a file for these bytes; it is not read.

        Raises:
            MediaError: no sha256.
        """
        return self._find(checked_sha256(sha256)) is not None

    def path(self, sha256: str) -> Path:
        """The file that holds the bytes: read-only, hashed at its first use in this process.

        Raises:
            LostAssetError: it is not here.
            CorruptAssetError: its bytes do not match its name.
            MediaError: no sha256.
        """
        path = self._find(checked_sha256(sha256))
        if path is None:
            raise _lost(sha256, self._folder)
        if not self._is_sound(path, sha256):
            raise _corrupt(sha256, path)
        return path

    def verify(self, sha256: str) -> None:
        """Hash the stored bytes now, whatever is remembered of them.

        Raises:
            LostAssetError, CorruptAssetError, MediaError: as `path`.
        """
        path = self._find(checked_sha256(sha256))
        if path is not None:
            self._sound.pop(path, None)
        self.path(sha256)

    def uri(self, asset: Asset) -> str:
        """`fusionflow:<sha256>`: the same on every machine that holds the bytes."""
        return local_uri(asset.sha256)

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:  # noqa: ARG002 - a file's address does not expire
        """The file's own address; the server extension puts a signed one in its place.

        Raises:
            LostAssetError, CorruptAssetError: as `path`.
        """
        return self.path(asset.sha256).as_uri()

    def service_url(self, asset: Asset, *, expires_s: int, patience_s: float) -> None:
        """None: no service can open a file of this machine."""

    def away_url(self, asset: Asset, *, expires_s: int) -> None:
        """None: what is not here is nowhere."""

    def put_url(self, asset: Asset, *, expires_s: int) -> None:
        """None: Jupyter's server takes what browsers put here."""

    def confirm(self, asset: Asset, preview: bytes | None = None) -> Asset:  # noqa: ARG002 - it makes its own
        """The stored asset, as its own bytes tell.

        Raises:
            LostAssetError, CorruptAssetError: as `path`.
        """
        path = self.path(asset.sha256)
        return describe(path, _TYPES[path.suffix[1:]], Arrival(asset.sha256, path.stat().st_size))

    def close(self) -> None:
        """Nothing to release."""

    def preview(self, asset: Asset) -> bytes | None:
        """A WebP of at most 256 px a side; made again where it is missing or damaged.

        None for text, for what nothing installed can decode, and where the bytes themselves are lost or damaged.
        """
        kept = self.kept_preview(asset.sha256)
        if kept is not None:
            return kept
        try:
            made = prove_and_picture(self.path(asset.sha256), asset.media_type)
        except (errors.StoreError, errors.MediaError):
            return None
        if made is not None:
            self.keep_preview(asset.sha256, made)
        return made

    def kept_preview(self, sha256: str) -> bytes | None:
        """The preview that was made when the bytes came in, by their name alone; None where none is kept."""
        with suppress(OSError):
            data = self._preview_path(checked_sha256(sha256)).read_bytes()
            if _is_whole_webp(data):
                return data
        return None

    def assets(self) -> Iterator[StoredFile]:
        """Every stored file, in no order; previews and what is on its way in are left out.

        Raises:
            StoreError: the folder cannot be read.
        """
        with store_errors(self._folder):
            for shelf in _entries(self._folder):
                if _SHELF.fullmatch(shelf.name) and shelf.is_dir(follow_symlinks=False):
                    yield from _stored_files(shelf)

    def discard(self, stored: StoredFile) -> None:
        """Delete a file and its preview.

        Raises:
            StoreError: it cannot be deleted.
        """
        with store_errors(self._folder):
            stored.path.unlink(missing_ok=True)
            self._preview_path(stored.sha256).unlink(missing_ok=True)
        self._sound.pop(stored.path, None)

    def size_bytes(self) -> int:
        """The sum of all stored files, previews left out.

        Raises:
            StoreError: the folder cannot be read.
        """
        return sum(stored.size_bytes for stored in self.assets())

    def _find(self, sha256: str) -> Path | None:
        """The file of these bytes, whatever its extension. Raises StoreError where the folder may not be read."""
        shelf = self._folder / sha256[:2]
        for suffix in EXTENSIONS.values():
            path = shelf / f"{sha256}.{suffix}"
            with store_errors(self._folder):
                try:
                    mode = path.stat().st_mode
                except (FileNotFoundError, NotADirectoryError):
                    continue
            if stat.S_ISREG(mode):
                return path
        return None

    def _find_sound(self, sha256: str) -> Path | None:
        path = self._find(sha256)
        return path if path is not None and self._is_sound(path, sha256) else None

    def _is_sound(self, path: Path, sha256: str) -> bool:
        """Whether the bytes match their name, by an earlier look at the unchanged file or by hashing it now."""
        try:
            stamp = _stamp(path)
            if self._sound.get(path) == stamp:
                return True
            is_sound = file_sha256(path) == sha256
        except FileNotFoundError as error:
            raise _lost(sha256, self._folder) from error
        except OSError:
            # Unreadable sectors and refused permissions alike: these bytes cannot be handed out.
            return False
        if is_sound:
            self._sound[path] = stamp
        return is_sound

    def _trust(self, path: Path) -> None:
        """Remember a file that was hashed while it was written."""
        with suppress(OSError):
            self._sound[path] = _stamp(path)

    def _preview_path(self, sha256: str) -> Path:
        return self._folder / "previews" / sha256[:2] / f"{sha256}.webp"

    def keep_preview(self, sha256: str, data: bytes) -> None:
        """Keep a small picture (a whole WebP) of bytes; never raises, for it can be made again."""
        # The asset is stored. A full disk is reported by the next put, and the preview is generated again.
        with suppress(errors.StoreError):
            write_disposable(self._preview_path(sha256), data, parts=self._incoming)


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_whole_webp(data: bytes) -> bool:
    """Whether a preview is all there: it is written without waiting for the disk, so a power cut may have cut it."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _stored_files(shelf: os.DirEntry[str]) -> Iterator[StoredFile]:
    for entry in _entries(Path(shelf.path)):
        named = _STORED.fullmatch(entry.name)
        if named and named[1].startswith(shelf.name) and entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):
                yield StoredFile(named[1], Path(entry.path), entry.stat(follow_symlinks=False).st_size)


def _lost(sha256: str, folder: Path) -> errors.LostAssetError:
    message = f"The bytes of asset {sha256[:12]} are no longer in {folder}."
    return errors.LostAssetError(message, hint="Put the file back, or run the node that made it again.")


def _corrupt(sha256: str, path: Path) -> errors.CorruptAssetError:
    message = f"The stored file {path} does not hold the bytes it was named for (asset {sha256[:12]})."
    return errors.CorruptAssetError(message, hint="Run the node that made it again: the damaged file is then replaced.")
