"""Audio: write WAV, read samples, inspect files, compute waveforms.

WAV needs only the standard library; other formats need PyAV (extra `video`).
"""

from __future__ import annotations

import wave
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionflow_nb import errors
from fusionflow_nb.media.container import SOUND_RATE, load_av, open_media, playable, seconds, whole_file, write_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_CHANNELS = 32
_BLOCK_SAMPLES = 65_536
_MEDIA_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg", "flac": "audio/flac", "aac": "audio/aac"}


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """Properties of an audio file; rate in samples per second."""

    media_type: str
    duration_s: float
    rate: int
    channels: int


def write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> AudioFacts:
    """Write samples (n, channels) of -1..1 as 16-bit WAV, atomically; values outside are clipped.

    Raises:
        MediaError: the samples are not finite floats (n, channels), or empty.
        StoreError: the file cannot be written.

    >>> import tempfile, pathlib
    >>> write_wav(pathlib.Path(tempfile.mkdtemp()) / "a.wav", np.zeros((8000, 2), np.float32), 8000).duration_s
    1.0
    """
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= _MAX_CHANNELS or not len(samples):  # noqa: PLR2004 - (n, channels)
        message = f"Samples of shape {samples.shape} cannot be written."
        raise errors.MediaError(message, hint="Pass float32 samples of shape (n, channels).")
    if samples.dtype.kind != "f" or not np.isfinite(samples).all():
        message = f"Samples of {samples.dtype} that are not finite floats cannot be written."
        raise errors.MediaError(message, hint="Pass finite float32 samples between -1 and 1.")
    with whole_file(path) as part, write_errors(path), wave.open(str(part), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            block = np.clip(samples[start : start + _BLOCK_SAMPLES], -1, 1) * np.float32(32767)
            file.writeframesraw(np.rint(block).astype("<i2").tobytes())
    return AudioFacts("audio/wav", round(len(samples) / rate, 6), rate, samples.shape[1])


def audio_facts(path: Path) -> AudioFacts:
    """Properties of an audio file, or of a video's audio. Reads all packets, so a truncated file is detected.

    Raises:
        MediaError: the file has no audio, is hostile or truncated.
        MissingExtraError: the file is not a PCM WAV and PyAV is not installed.
    """
    with _plain_wav(path) as plain:
        if plain is not None:
            rate = plain.getframerate()
            return AudioFacts("audio/wav", round(plain.getnframes() / rate, 6), rate, plain.getnchannels())
    with open_media(path) as container:
        stream = _sound_stream(container, path)
        end_s = 0.0
        for packet in container.demux(stream):
            start_s = seconds(packet.pts, packet.time_base)
            if start_s is not None and packet.size:
                end_s = max(end_s, start_s + (seconds(packet.duration, packet.time_base) or 0.0))
        declared_s = seconds(stream.duration, stream.time_base) or end_s
        if end_s <= 0 or end_s < declared_s - 0.5:
            message = f"{path.name} ends after {end_s:.1f} of {declared_s:.1f} s."
            raise errors.MediaError(message, hint="It is truncated; download or export it again.")
        kind = container.format.name
        if "mp4" in kind or "webm" in kind:
            form = "mp4" if "mp4" in kind else "webm"
            media_type = f"{'video' if container.streams.video else 'audio'}/{form}"
        else:
            media_type = _MEDIA_TYPES.get(kind, f"audio/{kind}")
        return AudioFacts(media_type, round(end_s, 3), stream.codec_context.sample_rate, stream.codec_context.channels)


def read_sound(path: Path, *, start_s: float = 0.0, end_s: float | None = None) -> Iterator[NDArray[np.float32]]:
    """The audio of a file as blocks of stereo samples (n, 2) at 48 kHz, -1..1, trimmed to the sample.

    Raises:
        MediaError: the file has no audio, is hostile or damaged.
        MissingExtraError: PyAV is not installed.
    """
    av = load_av("Reading audio")
    first = round(start_s * SOUND_RATE)
    last = None if end_s is None else round(end_s * SOUND_RATE)
    position = 0
    with open_media(path) as container:
        stream = _sound_stream(container, path)
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=SOUND_RATE)
        for block in _resampled(container, stream, resampler):
            samples = block[max(0, first - position) : None if last is None else max(0, last - position)]
            position += len(block)
            if len(samples):
                yield samples
            if last is not None and position >= last:
                return


def _resampled(container: Any, stream: Any, resampler: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401 - av objects
    """The decoded and resampled frames of a stream, then the resampler's rest."""
    for frame in container.decode(stream):
        # Blocks are joined without gaps: small gaps between packet times are rounding.
        frame.pts = None
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().reshape(-1, 2)
    for piece in resampler.resample(None):
        yield piece.to_ndarray().reshape(-1, 2)


def waveform(path: Path, buckets: int = 256) -> list[float]:
    """The peaks of `buckets` equal parts of an audio file, 0 (silent) to 1 (full scale), of the loudest channel.

    Raises:
        MediaError: the file has no audio, is hostile or damaged.
        MissingExtraError: the file is not a PCM WAV and PyAV is not installed.
    """
    facts = audio_facts(path)
    with _plain_wav(path) as plain:
        if plain is not None:
            return _peaks(_wav_blocks(plain), plain.getnframes(), buckets)
    return _peaks(read_sound(path), round(facts.duration_s * SOUND_RATE), buckets)


def _peaks(blocks: Iterator[NDArray[np.float32]], total: int, buckets: int) -> list[float]:
    """The peak of each bucket over blocks of samples (n, channels), `total` samples in all."""
    peaks = np.zeros(buckets, np.float64)
    position = 0
    for block in blocks:
        loudest = np.abs(block).max(axis=1)
        where = np.minimum((position + np.arange(len(loudest))) * buckets // max(1, total), buckets - 1)
        np.maximum.at(peaks, where, loudest)
        position += len(loudest)
    return [round(float(peak), 4) for peak in np.minimum(peaks, 1.0)]


def _sound_stream(container: Any, path: Path) -> Any:  # noqa: ANN401 - av objects
    streams = playable(container.streams.audio)
    if not streams:
        message = f"{path.name} has no audio."
        raise errors.MediaError(message, hint="Use an audio file, or a video with audio.")
    return streams[0]


@contextmanager
def _plain_wav(path: Path) -> Iterator[wave.Wave_read | None]:
    """Open a 16-bit PCM WAV file; None for other files, which PyAV reads.

    Raises:
        MediaError: the file cannot be read, or is a truncated WAV.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        message = f"{path.name} cannot be read ({error.strerror})."
        raise errors.MediaError(message, hint="Check the path and its permissions.") from error
    with file:
        head = file.read(12)
        file.seek(0)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            yield None
            return
        try:
            plain = wave.open(file, "rb")  # noqa: SIM115 - it wraps the file that is closed above
        except wave.Error:
            # Floats, a-law and others are not supported by the standard library.
            yield None
            return
        except (EOFError, RuntimeError) as error:
            # `wave` raises RuntimeError without a message for chunks that end beyond the file.
            raise _cut_short(path) from error
        if plain.getsampwidth() != 2 or plain.getframerate() < 1:  # noqa: PLR2004 - 16 bits
            yield None
            return
        needed = plain.getnframes() * plain.getnchannels() * 2
        if not needed or needed > path.stat().st_size:
            raise _cut_short(path)
        yield plain


def _cut_short(path: Path) -> errors.MediaError:
    return errors.MediaError(
        f"{path.name} contains no audio, or less than its header declares.", hint="It is truncated."
    )


def _wav_blocks(plain: wave.Wave_read) -> Iterator[NDArray[np.float32]]:
    """The samples of an open WAV file in blocks (n, channels), -1..1."""
    while data := plain.readframes(_BLOCK_SAMPLES):
        whole = len(data) // (2 * plain.getnchannels()) * plain.getnchannels()
        samples = np.frombuffer(data, "<i2", count=whole).reshape(-1, plain.getnchannels())
        yield samples.astype(np.float32) / np.float32(32768)
