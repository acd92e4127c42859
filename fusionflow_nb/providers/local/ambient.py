"""local/ambient: text to sound: a calm synthesised pad. Procedural, no AI: it recognises a few mood words.

The mood words select a chord. Each tone is a sum of detuned harmonic oscillators under a slow filter, with soft noise
(wind, rain or sea, if named). The sound fades in and out. Samples are equal for equal seeds on one machine; sines may
round differently on another.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RATE = 44_100

_BLOCK = RATE // 2
_DETUNES = (-0.0021, 0.0004, 0.0017)
_HARMONICS = 10
# RMS of both channels: measured as -15 to -17 LUFS (EBU R128) over five prompts of 8 s.
_TARGET_RMS = 0.114
_PEAK = 0.89


@dataclass(frozen=True, slots=True)
class _Mood:
    """A chord in semitones above its root, its brightness (0..1) and the words that select it."""

    chord: tuple[int, ...]
    root_hz: float
    brightness: float
    words: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MOODS = (
    _Mood((0, 7, 12, 14, 19), 110.0, 0.35, _words("calm quiet soft peaceful gentle lake snow mist fog still")),
    _Mood((0, 7, 12, 15, 22), 98.0, 0.2, _words("night midnight dark moon stars space cave deep ink shadow")),
    _Mood((0, 7, 11, 16, 23), 130.8, 0.6, _words("dawn sunrise morning spring happy bright hope meadow gold")),
    _Mood((0, 7, 10, 15, 17), 87.3, 0.3, _words("sad rain autumn lonely lost melancholy grey winter ruin")),
    _Mood((0, 7, 14, 16, 21), 123.5, 0.5, _words("sunset dusk evening warm summer desert fire amber beach")),
    _Mood((0, 6, 12, 13, 18), 73.4, 0.25, _words("storm danger tension fear war horror ghost haunted volcano")),
    _Mood((0, 7, 12, 17, 21), 103.8, 0.7, _words("neon city cyber future robot machine electric glass")),
)
_NOISES = {
    "sea": _words("sea ocean beach waves wave coast shore lake river water"),
    "wind": _words("wind storm desert mountain mountains snow space mist fog forest"),
    "rain": _words("rain storm neon monsoon waterfall"),
}


def ambient(
    prompt: str,
    *,
    seed: int,
    tick: Callable[[float], None],
    duration_s: float = 8.0,
) -> NDArray[np.float32]:
    """Return a pad for the mood that a text names: float32 (n, 2) at RATE, within -1..1.

    Args:
        prompt: known words select chord and noise; without any, the seed selects the chord.
        seed: determines everything else: the swelling of the tones and the noise.
        tick: called after each half second of sound with the fraction done; an exception it raises stops the work.
        duration_s: 2 to 60.

    Raises:
        SettingError: duration_s is out of range.
    """
    count = round(settings.number("duration_s", duration_s, 2, 60) * RATE)
    words = set(re.findall(r"\w+", prompt.lower()))
    draws = np.random.Generator(
        np.random.PCG64(int.from_bytes(hashlib.sha256(f"ambient {seed}".encode()).digest()[:8]))
    )
    mood = _mood(words, seed)
    voices = _voices(mood, draws)
    noise = _Noise(words, draws)
    sound = np.empty((count, 2), np.float32)
    for start in range(0, count, _BLOCK):
        seconds = np.arange(start, min(start + _BLOCK, count), dtype=np.float64) / RATE
        block = np.zeros((len(seconds), 2))
        for voice in voices:
            block += voice.play(seconds)
        sound[start : start + len(seconds)] = block + noise.play(seconds)
        tick(0.95 * (start + len(seconds)) / count)
    sound = _leveled(_faded(sound))
    tick(1.0)
    return sound


def _mood(words: set[str], seed: int) -> _Mood:
    """Return the mood with the most matching words, the first of equals; without a match, selected by seed."""
    hits = [len(mood.words & words) for mood in _MOODS]
    return _MOODS[hits.index(max(hits))] if max(hits) else _MOODS[seed % len(_MOODS)]


@dataclass(frozen=True, slots=True)
class _Voice:
    """One tone of the chord: its oscillators, stereo position and swell."""

    frequency_hz: float
    gain: float
    pan: float
    brightness: float
    swell_hz: float
    phases: NDArray[np.float64]

    def play(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the samples at these times: (n, 2)."""
        turn = 2 * np.pi * seconds
        swell = 0.62 + 0.38 * np.sin(turn * self.swell_hz + self.phases[0])
        # The filter: each harmonic is weaker than the previous harmonic by a slowly varying factor.
        opening = self.brightness * (0.55 + 0.3 * np.sin(turn * self.swell_hz * 0.61 + self.phases[1]))
        sides = np.zeros((len(seconds), 2))
        for string, detune in enumerate(_DETUNES):
            angle = turn * self.frequency_hz * (1 + detune) + self.phases[2 + string]
            # The sum of opening**k sin((k+1) angle), k < _HARMONICS, by doubling the cosine: one sine and one cosine.
            double, now, before = 2 * np.cos(angle), np.sin(angle), np.zeros_like(angle)
            tone, weight = now.copy(), opening.copy()
            for _ in range(_HARMONICS - 1):
                now, before = double * now - before, now
                tone += weight * now
                weight *= opening
            side = min(max(self.pan + (string - 1) * 0.22, 0.0), 1.0)
            sides[:, 0] += tone * np.sqrt(1 - side)
            sides[:, 1] += tone * np.sqrt(side)
        played: NDArray[np.float64] = sides * (swell * self.gain)[:, None]
        return played


def _voices(mood: _Mood, draws: np.random.Generator) -> list[_Voice]:
    voices = []
    for index, semitones in enumerate((-12, *mood.chord)):
        frequency_hz = mood.root_hz * 2 ** (semitones / 12)
        voices.append(
            _Voice(
                frequency_hz=frequency_hz,
                gain=(100 / frequency_hz) ** 0.45,
                pan=0.5 if index <= 1 else float(draws.uniform(0.2, 0.8)),
                brightness=mood.brightness * (0.7 if index <= 1 else 1.0) + 0.15,
                swell_hz=float(draws.uniform(0.04, 0.13)),
                phases=draws.uniform(0, 2 * np.pi, 2 + len(_DETUNES)),
            )
        )
    return voices


class _Noise:
    """Soft stereo noise; the filter keeps its state between blocks, so there is no audible seam."""

    def __init__(self, words: set[str], draws: np.random.Generator) -> None:
        self._draws = draws
        self._gains = {name: 0.55 if triggers & words else 0.0 for name, triggers in _NOISES.items()}
        self._phase = float(draws.uniform(0, 2 * np.pi))
        self._tail = draws.standard_normal((_LONGEST_KERNEL - 1, 2))
        # (gain, kernel); the first is always audible, at a low gain.
        self._bands = (
            (0.10, _kernel(500, 3000)),
            (self._gains["wind"] * 1.6, _kernel(150, 600)),
            (self._gains["rain"], _kernel(1800, 7000)),
            (self._gains["sea"] * 1.5, _kernel(200, 1400)),
        )

    def play(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the next block of noise, as long as these times: (n, 2)."""
        fresh = self._draws.standard_normal((len(seconds), 2))
        raw = np.concatenate([self._tail, fresh])
        self._tail = raw[-(_LONGEST_KERNEL - 1) :]
        slow = 2 * np.pi * seconds
        waves = 0.5 - 0.5 * np.sin(slow * 0.11 + self._phase)
        gusts = 0.6 + 0.4 * np.sin(slow * 0.07 + 1.7 * self._phase) * np.sin(slow * 0.19)
        shapes = (np.ones_like(seconds), gusts, np.ones_like(seconds), waves * waves + 0.08)
        size = 1 << (len(raw) + _LONGEST_KERNEL - 1).bit_length()
        spectrum = np.fft.rfft(raw, size, axis=0)
        total = np.zeros((len(seconds), 2))
        for (gain, kernel), shape in zip(self._bands, shapes, strict=True):
            if gain:
                filtered = np.fft.irfft(spectrum * np.fft.rfft(kernel, size)[:, None], size, axis=0)
                total += filtered[_LONGEST_KERNEL - 1 : len(raw)] * (gain * shape)[:, None]
        return total


_LONGEST_KERNEL = 511


def _kernel(low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return a band-pass kernel of _LONGEST_KERNEL samples with unit power for white noise."""
    at = (np.arange(_LONGEST_KERNEL) - _LONGEST_KERNEL // 2) / RATE
    window = np.hanning(_LONGEST_KERNEL)
    kernel: NDArray[np.float64] = (high_hz * np.sinc(2 * high_hz * at) - low_hz * np.sinc(2 * low_hz * at)) * window
    kernel /= np.sqrt(np.square(kernel).sum())
    return kernel


def _faded(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade the sound in and out smoothly; the first and last samples are 0."""
    rise, fall = (min(seconds, 0.4 * len(sound) / RATE) for seconds in (1.5, 2.5))
    for length_s, part in ((rise, sound), (fall, sound[::-1])):
        slope = np.linspace(0, 1, round(length_s * RATE), dtype=np.float32)[:, None]
        part[: len(slope)] *= slope * slope * (3 - 2 * slope)
    return sound


def _leveled(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the sound to the target loudness, or as close as its peaks allow."""
    loud = np.sqrt(np.square(sound, dtype=np.float64).mean())
    peak = float(np.abs(sound).max())
    leveled: NDArray[np.float32] = sound * np.float32(min(_TARGET_RMS / loud, _PEAK / peak))
    return leveled
