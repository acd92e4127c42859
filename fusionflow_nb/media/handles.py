"""Handles of media for user code, which open the bytes only on demand.

A handle has an `Asset` (digest, type, size) and its store; it holds no pixels.
"""

from __future__ import annotations

import base64
import errno
import io
import os
import shutil
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Protocol
from uuid import uuid4

from fusionflow_nb import errors
from fusionflow_nb.media.ports import PortType

if TYPE_CHECKING:
    import builtins  # `bytes` is a method here
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image as Pillow

    from fusionflow_nb.media.values import Asset


# Media type by file extension.
_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SHOWN_PX = 1024
PLAYED_BYTES = 1_000_000  # a video up to this size is played in its cell; of a larger video the preview is shown


class Files(Protocol):
    """The part of an AssetStore that a handle needs."""

    def path(self, sha256: str) -> Path:
        """A local file of the bytes."""
        ...

    def url(self, asset: Asset, *, expires_s: int = 3600) -> str:
        """A URL that can be fetched now."""
        ...

    def preview(self, asset: Asset) -> builtins.bytes | None:
        """A preview as WebP, or None."""
        ...


class Media:
    """A handle of stored bytes."""

    port_type: ClassVar[PortType]

    def __init__(self, asset: Asset, files: Files, write_to: Callable[[Path, Path], None] | None = None) -> None:
        self.asset = asset
        self._files = files
        self._write_to = write_to

    @property
    def sha256(self) -> str:
        """The sha256 of the bytes, in hex."""
        return self.asset.sha256

    def path(self) -> Path:
        """A local file of the bytes. Never write to it.

        Raises:
            LostAssetError: the bytes are missing.
        """
        return self._files.path(self.asset.sha256)

    def bytes(self) -> builtins.bytes:
        """Read the whole file into memory."""
        return self.path().read_bytes()

    def url(self, *, expires_s: int = 3600) -> str:
        """A URL that can be fetched now; it may expire."""
        return self._files.url(self.asset, expires_s=expires_s)

    def save(self, path: str | Path) -> Path:
        """Save the file to a path, with its recipe embedded if it has one, and return the path.

        An image is converted by the extension (.png, .jpg, .webp); video and audio are not converted.

        Raises:
            MediaError: the extension is of another media type.
            UnwritableError, DiskFullError: the file cannot be written; an existing file is unchanged.
            LostAssetError: the bytes are missing.
        """
        target = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for unknown users
        stored = self.path()
        with _writing(target), TemporaryDirectory(prefix="fusionflow-") as folder:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() and target.samefile(stored):
                raise errors.UnwritableError(f"{target} is the store's own file.", hint="Save a copy elsewhere.")
            source = self._as(target, Path(folder))
            (self._write_to or copy_atomically)(source, target)
        return target

    def _as(self, target: Path, folder: Path) -> Path:
        """The source file for the target's extension: the stored file, or a conversion in `folder`."""
        allowed = _KINDS.get(target.suffix.lower())
        if allowed is None or allowed == self.asset.media_type:
            return self.path()
        converted = self._converted(allowed)
        if converted is None:
            own = next((suffix for suffix, kind in _KINDS.items() if kind == self.asset.media_type), "")
            raise errors.MediaError(
                f"{target.name}: {self.asset.media_type} cannot be converted to {allowed}.",
                hint=f"Save it as {target.with_suffix(own).name!r}." if own else "Choose another name.",
            )
        source = folder / f"converted{target.suffix}"
        source.write_bytes(converted)
        return source

    def _converted(self, media_type: str) -> builtins.bytes | None:  # noqa: ARG002 - used by Image
        """The bytes converted to another type; None if that is not supported."""
        return None

    def preview(self) -> builtins.bytes | None:
        """A WebP of at most 256 px a side; None if there is no preview."""
        return self._files.preview(self.asset)

    def __repr__(self) -> str:
        size = f" {self.asset.width}x{self.asset.height}" if self.asset.width else ""
        length = f" {self.asset.duration_s:.1f}s" if self.asset.duration_s else ""
        return f"<{type(self).__name__} {self.asset.sha256[:8]}{size}{length} {self.asset.media_type}>"

    def _repr_html_(self) -> str | None:
        preview = self.preview()
        if preview is None:
            return None
        return f'<img alt="{escape(repr(self), quote=True)}" src="{_inline(preview, "image/webp")}">'


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file atomically: readers see the old file or the complete new file.

    Raises:
        OSError: the target cannot be written; it is unchanged.
    """
    part = target.with_name(f".saving-{uuid4().hex}")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        if isinstance(error, OSError) and error.errno in _FULL:
            raise errors.DiskFullError(
                f"The disk is full; {target} was not saved.", hint="Free space and save again."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise errors.UnwritableError(
            f"{str(target)!r} cannot be written: {reason}.", hint="Save it to a writable folder."
        ) from error


def _inline(data: builtins.bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


class Image(Media):
    """A picture."""

    port_type = PortType.IMAGE

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.asset.width or self.pil().width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.asset.height or self.pil().height

    def pil(self) -> Pillow.Image:
        """The image as a Pillow image (RGB, RGBA or L), fully loaded."""
        from fusionflow_nb.media.picture import open_picture  # noqa: PLC0415 - Pillow, only to read pixels

        return open_picture(self.path())

    def numpy(self) -> NDArray[np.uint8]:
        """The image as an array of shape (height, width, 3 or 4), uint8, sRGB."""
        from fusionflow_nb.media.picture import to_array  # noqa: PLC0415

        return to_array(self.pil())

    def _converted(self, media_type: str) -> builtins.bytes | None:
        from fusionflow_nb.media.picture import encode_jpeg, encode_png, encode_webp  # noqa: PLC0415

        encoders = {"image/png": encode_png, "image/jpeg": encode_jpeg, "image/webp": encode_webp}
        return encoders[media_type](self.pil()) if media_type in encoders else None

    def _repr_png_(self) -> builtins.bytes | None:
        return self._shown("PNG") if self.pil().mode == "RGBA" else None

    def _repr_jpeg_(self) -> builtins.bytes | None:
        return self._shown("JPEG") if self.pil().mode != "RGBA" else None

    def _shown(self, form: str) -> builtins.bytes:
        """The image for a notebook cell: large enough to judge, small enough to store in the notebook."""
        picture = self.pil()
        picture.thumbnail((SHOWN_PX, SHOWN_PX))
        target = io.BytesIO()
        picture.save(target, form, quality=82, subsampling=0, optimize=True)
        return target.getvalue()

    def _repr_html_(self) -> str | None:
        return None  # images have their own representation


class Mask(Image):
    """A grey image: white is inside."""

    port_type = PortType.MASK

    def numpy(self) -> NDArray[np.uint8]:
        """The mask as an array of shape (height, width), uint8."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(self.pil().convert("L"))


class Video(Media):
    """A video."""

    port_type = PortType.VIDEO

    def frame(self, time_s: float = 0.0) -> NDArray[np.uint8]:
        """The frame shown at a time, as an array of shape (height, width, 3)."""
        from fusionflow_nb.media.video import frame_at  # noqa: PLC0415

        return frame_at(self.path(), time_s)

    def _repr_html_(self) -> str | None:
        if self.asset.size_bytes > PLAYED_BYTES:
            return super()._repr_html_()
        name = escape(repr(self), quote=True)
        source = _inline(self.bytes(), self.asset.media_type)
        width = min(self.asset.width or SHOWN_PX, SHOWN_PX)
        style = f"display:block;width:{width}px;max-width:100%;border-radius:4px"
        if self.asset.media_type.startswith("image/"):
            return f'<img alt="{name}" style="{style}" src="{source}">'
        preview = self.preview()
        poster = "" if preview is None else f' poster="{_inline(preview, "image/webp")}"'
        look = f'aria-label="{name}" style="{style}" controls loop muted playsinline{poster}'
        return f'<video {look} src="{source}"></video>'


class Audio(Media):
    """A sound."""

    port_type = PortType.AUDIO


_HANDLES: dict[str, type[Media]] = {"image": Image, "video": Video, "audio": Audio}


def handle(
    asset: Asset,
    files: Files,
    port_type: PortType | None = None,
    write_to: Callable[[Path, Path], None] | None = None,
) -> Media:
    """The handle of an asset, by its port, else by its media type.

    `write_to(source, target)` replaces the copy when a file is saved (to embed its recipe).
    """
    if port_type is PortType.MASK:
        return Mask(asset, files, write_to)
    # An animated WebP replaces a video if no video codec is installed: the port decides.
    if port_type is PortType.VIDEO:
        return Video(asset, files, write_to)
    return _HANDLES.get(asset.media_type.partition("/")[0], Media)(asset, files, write_to)
