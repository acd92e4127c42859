"""Sound: write WAV, read samples, inspect files, compute waveforms.

WAV needs nothing but Python; every other format needs PyAV (extra `video`).
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
    """What a sound file holds; rate in samples per second."""

    media_type: str
    duration_s: float
    rate: int
    channels: int


def write_wav(path: Path, samples: NDArray[np.float32], rate: int) -> AudioFacts:
    """Write samples (n, channels) of -1..1 as 16-bit WAV, atomically; values outside are clipped.

    Raises:
        MediaError: not float samples (n, channels), or none, or not finite.
        StoreError: the file cannot be written.

    >>> import tempfile, pathlib
    >>> write_wav(pathlib.Path(tempfile.mkdtemp()) / "a.wav", np.zeros((8000, 2), np.float32), 8000).duration_s
    1.0
    """
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= _MAX_CHANNELS or not len(samples):  # noqa: PLR2004 - (n, channels)
        message = f"Sound of shape {samples.shape} cannot be written."
        raise errors.MediaError(message, hint="Give float32 samples of shape (n, channels).")
    if samples.dtype.kind != "f" or not np.isfinite(samples).all():
        message = f"Sound of {samples.dtype} with values that are no finite fractions cannot be written."
        raise errors.MediaError(message, hint="Give finite float32 samples between -1 and 1.")
    with whole_file(path) as part, write_errors(path), wave.open(str(part), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            block = np.clip(samples[start : start + _BLOCK_SAMPLES], -1, 1) * np.float32(32767)
            file.writeframesraw(np.rint(block).astype("<i2").tobytes())
    return AudioFacts("audio/wav", round(len(samples) / rate, 6), rate, samples.shape[1])


def audio_facts(path: Path) -> AudioFacts:
    """What a sound file (or the sound of a video) holds. All of it is walked, so a truncated file is found out.

    Raises:
        MediaError: no sound, hostile, or truncated.
        MissingExtraError: it is no plain WAV and PyAV is not installed.
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
    """The sound of a file as blocks of stereo samples (n, 2) at 48 kHz, -1..1, cut to the sample.

    Raises:
        MediaError: no sound, hostile or damaged.
        MissingExtraError: PyAV is not installed.
    """
    av = load_av("Reading sound")
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
    """What a stream decodes to, in the resampler's form, then what it held back."""
    for frame in container.decode(stream):
        # Sound is laid end to end: small gaps between packet times are rounding.
        frame.pts = None
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().reshape(-1, 2)
    for piece in resampler.resample(None):
        yield piece.to_ndarray().reshape(-1, 2)


def waveform(path: Path, buckets: int = 256) -> list[float]:
    """The peak of each of `buckets` equal stretches of a sound, 0 (silent) to 1 (full scale), loudest channel.

    Raises:
        MediaError: no sound, hostile or damaged.
        MissingExtraError: it is no plain WAV and PyAV is not installed.
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
        message = f"{path.name} holds no sound."
        raise errors.MediaError(message, hint="Give a sound file, or a video that has sound.")
    return streams[0]


@contextmanager
def _plain_wav(path: Path) -> Iterator[wave.Wave_read | None]:
    """A 16-bit PCM WAV file, or None for anything else: that is PyAV's.

    Raises:
        MediaError: it cannot be read, or is a WAV cut short.
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
            # Floats, a-law and the like: no case for the standard library.
            yield None
            return
        except (EOFError, RuntimeError) as error:
            # RuntimeError, without a word, is how chunks that reach beyond the file are reported.
            raise _cut_short(path) from error
        if plain.getsampwidth() != 2 or plain.getframerate() < 1:  # noqa: PLR2004 - 16 bits
            yield None
            return
        needed = plain.getnframes() * plain.getnchannels() * 2
        if not needed or needed > path.stat().st_size:
            raise _cut_short(path)
        yield plain


def _cut_short(path: Path) -> errors.MediaError:
    return errors.MediaError(f"{path.name} contains no sound, or less than its header states.", hint="It is truncated.")


def _wav_blocks(plain: wave.Wave_read) -> Iterator[NDArray[np.float32]]:
    """The samples of an open WAV file, block by block: (n, channels), -1..1."""
    while data := plain.readframes(_BLOCK_SAMPLES):
        whole = len(data) // (2 * plain.getnchannels()) * plain.getnchannels()
        samples = np.frombuffer(data, "<i2", count=whole).reshape(-1, plain.getnchannels())
        yield samples.astype(np.float32) / np.float32(32768)
