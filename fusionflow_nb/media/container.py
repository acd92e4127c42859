"""Media containers through PyAV: the only module that imports it, opens files and translates its errors.

Files may be hostile. FFmpeg is therefore restricted to media formats (no playlists, which may refer to other files or
hosts), to local files, and to frames of bounded size.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction
    from pathlib import Path

# 8K, the largest frame that any service returns. libavcodec refuses more before it allocates.
MAX_FRAME_PIXELS = 8192 * 4320
# Sample rate of all audio inside this package: the rate of Opus.
SOUND_RATE = 48_000

_DEMUXERS = (
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "avi",
    "mpegts",
    "ogg",
    "wav",
    "mp3",
    "flac",
    "aac",
    "aiff",
)


def load_av(what: str = "Reading and writing video") -> Any:  # noqa: ANN401 - a module
    """The `av` module.

    Raises:
        MissingExtraError: PyAV is not installed; `what` names the feature that needs it.
    """
    # libsvtav1 prints its settings to stderr unless the level is set before its first use; 1 = errors only.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        import av  # noqa: PLC0415 - optional, 128 MB: loaded when first needed
    except ImportError as error:
        raise errors.MissingExtraError(what, extra="video") from error
    return av


def is_av_available() -> bool:
    """Whether PyAV can be imported."""
    try:
        load_av()
    except errors.MissingExtraError:
        return False
    return True


@contextmanager
def media_errors(path: Path) -> Iterator[None]:
    """Turn errors that FFmpeg raises while reading `path` into MediaError.

    FFmpegError must be caught before its bases: PyAV lets it inherit from OSError, ValueError or EOFError by cause.
    """
    av = load_av()
    try:
        yield
    except FileNotFoundError as error:
        message = f"There is no file {path.name}."
        raise errors.MediaError(message, hint="Check the path.") from error
    except av.error.FFmpegError as error:
        message = f"{path.name} could not be decoded ({error.strerror or type(error).__name__})."
        hint = "It is damaged, truncated or in an unsupported format; export it again as WebM or MP4."
        raise errors.MediaError(message, hint=hint) from error
    except (UnicodeError, OverflowError, MemoryError) as error:
        message = f"{path.name} has an invalid header ({type(error).__name__})."
        raise errors.MediaError(message, hint="It is damaged; export it again.") from error


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn errors that FFmpeg or the system raises while writing `path` into StoreError.

    Only writing belongs into the block: a TimeoutError of a caller's `tick` is an OSError too, and passes unchanged.
    """
    failures: tuple[type[Exception], ...] = (OSError, load_av().error.FFmpegError) if is_av_available() else (OSError,)
    try:
        yield
    except failures as error:
        number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or type(error).__name__
        if number == errno.ENOSPC:
            message = f"The disk is full: {path.name} could not be finished."
            raise errors.DiskFullError(message, hint=f"Free space under {path.parent}.") from error
        message = f"{path.name} could not be written ({reason})."
        raise errors.UnwritableError(message, hint=f"Check that {path.parent} exists and is writable.") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; moved to `path` at the end of the block, deleted after an error.

    Raises:
        StoreError: the finished file cannot be moved.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        with write_errors(path):
            part.replace(path)
    finally:
        # The first error is more useful than a failure of the clean-up.
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """Open a local file as an `av` input container of a known format; errors inside the block become MediaError.

    Raises:
        MediaError: the file is missing, its format is unknown, or FFmpeg fails inside the block.
        MissingExtraError: PyAV is not installed.
    """
    av = load_av()
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_DEMUXERS)}
    # Absolute, because FFmpeg reads "concat:a|b" or "http:..." as a protocol.
    name = str(path.absolute())
    with (
        media_errors(path),
        av.open(name, "r", container_options=options, metadata_errors="replace") as container,
    ):
        yield container


def playable(streams: Iterable[Any]) -> list[Any]:
    """The av streams with a decoder; a damaged header may name a codec that does not exist."""
    return [stream for stream in streams if stream.codec_context is not None]


def limit_frames(stream: Any) -> None:  # noqa: ANN401 - av.VideoStream
    """Refuse frames above MAX_FRAME_PIXELS, in the header now and in the decoder later; let it use threads.

    Raises:
        MediaError: the header declares a larger frame, or none.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if width < 1 or height < 1 or width * height > MAX_FRAME_PIXELS:
        message = f"A video frame of {width} x {height} pixels is out of range."
        raise errors.MediaError(message, hint="Scale the video to at most 8192 x 4320 and try again.")
    stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
    stream.thread_type = "AUTO"


def seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    """Ticks of a time base in seconds; None stays None.

    >>> from fractions import Fraction
    >>> seconds(3, Fraction(1, 24))
    0.125
    """
    return None if ticks is None or time_base is None else float(ticks * time_base)
