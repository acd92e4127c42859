"""Pseudo-random numbers and noise, bit for bit equal on every machine.

Only operations that IEEE 754 rounds exactly are used on arrays (+ - * / sqrt floor min max, compare) and 32-bit integer
hashing. `np.sin`, `np.exp`, `np.power` and dot products differ between processors in the last bit, so they are absent:
a picture must be the same picture wherever its recipe is run again. Everything is float32.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

# float32 at run time; the stubs of numpy lose that as soon as a Python float takes part.
F32: TypeAlias = NDArray[np.floating[Any]]
_Choice = TypeVar("_Choice")

_CELLS = 256  # the noise lattice repeats after this many cells


def normalise(prompt: str) -> str:
    """Normalise a prompt for seeds: case, punctuation and spacing are ignored.

    >>> normalise("  Neon City, at MIDNIGHT! ")
    'neon city at midnight'
    """
    text = unicodedata.normalize("NFKC", prompt).casefold()
    return " ".join(re.findall(r"\w+", text))


def seed_of(seed: int, prompt: str) -> int:
    """Return a 64-bit hash of a seed and a prompt."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{normalise(prompt)}".encode()).digest()[:8], "big")


def hash_array(counter: NDArray[np.uint32], salt: int) -> NDArray[np.uint32]:
    """Return a 32-bit hash of each counter (any shape) and a salt."""
    mixed = counter ^ np.uint32(salt & 0xFFFFFFFF)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x7FEB352D)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x846CA68B)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def unit_array(counter: NDArray[np.uint32], salt: int) -> F32:
    """A uniform number in [0, 1) per counter."""
    return (hash_array(counter, salt) >> np.uint32(8)).astype(np.float32) * np.float32(1 / 16777216)


@dataclass(slots=True)
class Stream:
    """A named random number stream, so that a new element does not change the numbers of other elements."""

    key: int
    position: int = 0

    def child(self, name: str) -> Stream:
        """Return the named child stream; independent of the numbers already drawn."""
        digest = hashlib.sha256(f"{self.key}/{name}".encode()).digest()
        return Stream(int.from_bytes(digest[:8], "big"))

    @property
    def salt(self) -> int:
        """A 32-bit salt for array hashes."""
        return (self.key ^ (self.key >> 32)) & 0xFFFFFFFF

    def array(self, count: int) -> F32:
        """The next `count` uniform numbers in [0, 1)."""
        counter = np.arange(self.position, self.position + count, dtype=np.uint32)
        self.position += count
        return unit_array(counter, self.salt)

    def unit(self) -> float:
        """The next uniform number in [0, 1)."""
        return float(self.array(1)[0])

    def between(self, low: float, high: float) -> float:
        """The next number, uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """The next whole number, low and high included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of the choices."""
        return choices[self.whole(0, len(choices) - 1)]


def sine(turns: F32) -> F32:
    """Sine of an angle given in turns (1 is a full circle), to about 1e-6; any shape, any size of angle."""
    part = turns - np.floor(turns + np.float32(0.5))  # -0.5 .. 0.5
    # sin is odd and symmetric about a quarter turn: fold to -0.25 .. 0.25, where a short series suffices.
    folded = np.minimum(np.maximum(part, np.float32(-0.5) - part), np.float32(0.5) - part)
    angle = folded * np.float32(6.2831855)
    square = angle * angle
    series = square * np.float32(2.7557319e-6) - np.float32(1.984127e-4)
    series = series * square + np.float32(8.333333e-3)
    series = series * square - np.float32(0.16666667)
    result: F32 = (series * square + np.float32(1.0)) * angle
    return result


def sine_of(turns: float) -> float:
    """Sine of one angle in turns."""
    return float(sine(np.array([turns], np.float32))[0])


def cosine_of(turns: float) -> float:
    """Cosine of one angle in turns."""
    return sine_of(turns + 0.25)


def decay(distance: F32) -> F32:
    """A smooth fall from 1 at 0 towards 0 (close to exp(-distance)); distance >= 0."""
    result: F32 = 1.0 / (1.0 + distance * (1.0 + distance * (0.48 + distance * 0.235)))
    return result


def smoothstep(low: float, high: float, value: F32) -> F32:
    """0 below low, 1 above high, a soft S between; low may be above high (then it falls)."""
    part = np.clip((value - low) * (1.0 / (high - low)), 0.0, 1.0).astype(np.float32)
    result: F32 = part * part * (3.0 - 2.0 * part)
    return result


class Lattice:
    """Gradient noise over the plane from hashed lattice gradients; repeats after 256 cells."""

    __slots__ = ("_gradients",)

    def __init__(self, stream: Stream) -> None:
        counter = np.arange(_CELLS * _CELLS, dtype=np.uint32)
        turns = unit_array(counter, stream.salt)
        gradients = np.empty(_CELLS * _CELLS, np.complex64)
        gradients.real = sine(turns + np.float32(0.25))
        gradients.imag = sine(turns)
        self._gradients = gradients

    def at(self, x: F32, y: F32) -> F32:
        """Noise in about -0.7 .. 0.7 at points (in cells); the arrays share one shape."""
        left, top = np.floor(x), np.floor(y)
        right_of, below = x - left, y - top
        column = left.astype(np.int64) & (_CELLS - 1)
        row = (top.astype(np.int64) & (_CELLS - 1)) << 8
        next_column = (column + 1) & (_CELLS - 1)
        next_row = (row + _CELLS) & (_CELLS * _CELLS - 1)
        gradients = self._gradients
        corner = gradients.take(row | column)
        first = corner.real * right_of + corner.imag * below
        corner = gradients.take(row | next_column)
        second = corner.real * (right_of - 1.0) + corner.imag * below
        corner = gradients.take(next_row | column)
        third = corner.real * right_of + corner.imag * (below - 1.0)
        corner = gradients.take(next_row | next_column)
        fourth = corner.real * (right_of - 1.0) + corner.imag * (below - 1.0)
        blend = right_of * right_of * right_of * (right_of * (right_of * 6.0 - 15.0) + 10.0)
        first += (second - first) * blend
        third += (fourth - third) * blend
        blend = below * below * below * (below * (below * 6.0 - 15.0) + 10.0)
        result: F32 = first + (third - first) * blend
        return result

    def fractal(
        self,
        x: F32,
        y: F32,
        octaves: int,
        *,
        gain: float = 0.5,
        phase: float | None = None,
        sway: float = 0.3,
    ) -> F32:
        """Noise summed over octaves, each turned against the last; about -1 .. 1.

        With `phase` (0..1) every octave moves on its own small circle: the field changes as clouds do and is back
        where it was at phase 1.
        """
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
        amplitude, norm = 1.0, 0.0
        for octave in range(octaves):
            if phase is None:
                total += self.at(x, y) * amplitude
            else:
                turn = phase + octave * 0.381966
                total += self.at(x + sway * cosine_of(turn), y + sway * sine_of(turn)) * amplitude
            norm += amplitude
            amplitude *= gain
            x, y = (x * 1.616 - y * 1.212) + 17.31, (x * 1.212 + y * 1.616) + 5.93
        total *= 1.5 / norm
        return total


def line_noise(x: F32, stream: Stream, *, octaves: int = 1, gain: float = 0.5) -> F32:
    """Smooth noise along a line (x in cells), about -1 .. 1."""
    total = np.zeros_like(x)
    amplitude, norm = 1.0, 0.0
    for octave in range(octaves):
        floor = np.floor(x)
        part = x - floor
        cell = floor.astype(np.int64).astype(np.uint32)
        salt = stream.salt + octave * 7919
        low = unit_array(cell, salt)
        high = unit_array(cell + np.uint32(1), salt)
        blend = part * part * (3.0 - 2.0 * part)
        total += (low + (high - low) * blend - 0.5) * (2.0 * amplitude)
        norm += amplitude
        amplitude *= gain
        x = x * 2.03 + 11.7
    total *= 1.0 / norm
    return total
