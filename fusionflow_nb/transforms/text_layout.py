"""Text layout: choose a font that has the letters, measure, wrap, and truncate with an ellipsis.

No font is shipped. Pillow includes a small font (Aileron, basic Latin), which looks the same everywhere; text with
other letters uses a system font that has all of them.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont

Face: TypeAlias = "ImageFont.FreeTypeFont"

ELLIPSIS: Final = "…"

# Tried in this order if the built-in font lacks a letter; the first font with all letters is used.
_SYSTEM_FACES: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Helvetica.ttc",
    "Arial.ttf",
    "arial.ttf",
    "segoeui.ttf",
    "NotoSansCJK-Regular.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "malgun.ttf",
)
_PROBE_SIZE: Final = 20
_NO_LETTER: Final = "\U0010ffff"  # never assigned: shows how a font draws a missing letter
# Letters with an equivalent in basic Latin.
_PLAIN_LETTERS: Final = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{EN DASH}": "-",
        "—": "-",
        "\N{MINUS SIGN}": "-",
        "→": "->",
        "←": "<-",
        "•": "·",
    }
    | {
        "€": "EUR",
        "£": "GBP",
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
    }
)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """A font at a size, with measuring and drawing; all measures are in px of the image.

    With an `oversampling` above 1, letters are drawn larger and downscaled, so that the spacing of small letters is
    not rounded to whole pixels.
    """

    face: Face
    oversampling: int = 1

    def length(self, text: str) -> float:
        """The width of a line."""
        return self.face.getlength(text) / self.oversampling

    @property
    def height(self) -> int:
        """From the top of the highest letter to the bottom of the lowest."""
        return math.ceil(sum(self.face.getmetrics()) / self.oversampling)

    @property
    def line_height(self) -> int:
        """The line spacing: 1.1 times the font's height."""
        return round(sum(self.face.getmetrics()) / self.oversampling * 1.1)

    def draw(self, image: Image.Image, at: tuple[float, float], text: str, fill: str, align: float = 0.0) -> None:
        """Draw a line onto an RGB image; `at` is its top, at its left end, middle (0.5) or right end (1)."""
        times, pad = self.oversampling, 2
        width = math.ceil(self.length(text)) + 2 * pad
        letters = Image.new("L", (width * times, (self.height + 2 * pad) * times))
        ImageDraw.Draw(letters).text((pad * times, pad * times), text, 255, self.face, anchor="la")
        left, top = round(at[0] - align * self.length(text)) - pad, round(at[1]) - pad
        image.paste(Image.new("RGB", (width, self.height + 2 * pad), fill), (left, top), letters.reduce(times))


def text_style(text: str, size: float, oversampling: int = 1) -> TextStyle:
    """A style of `size` px: the built-in font if it has every letter of the text, else the best font found."""
    if not missing_letters(text):
        return TextStyle(_built_in(size * oversampling), oversampling)
    available = [name for name in _SYSTEM_FACES if _system(name, _PROBE_SIZE) is not None]
    best = min(["", *available], key=lambda name: len(_lacks(text, name)))  # the first of equally good fonts
    face = _system(best, size * oversampling) if best else None
    return TextStyle(face or _built_in(size * oversampling), oversampling)


def missing_letters(text: str) -> str:
    """The letters of a text that the built-in font lacks, each once.

    >>> missing_letters("Neon city, 42")
    ''
    """
    return _lacks(text, "")


def readable_text(text: str, style: TextStyle) -> str:
    """The text with missing letters replaced by their equivalents in basic Latin, or by question marks."""
    name = style.face.path if isinstance(style.face.path, str) else ""  # the built-in font has no path
    # Control characters are removed: some make the layout engine fail. Line breaks are handled by `wrap`.
    text = "".join(letter for letter in text if letter.isspace() or unicodedata.category(letter) not in {"Cc", "Cs"})
    lacking = _lacks(text, name)
    if not lacking:
        return text
    plain = {letter: _plain_letter(letter) for letter in lacking}
    return "".join("?" if _lacks(latin := plain.get(letter, letter), name) else latin for letter in text)


def wrap(text: str, style: TextStyle, width: float, max_lines: int | None = None) -> list[str]:
    """Wrap a text into lines of at most `width` px, at spaces; within a word only if it is too long.

    Line breaks of the text are kept. With `max_lines`, the rest is truncated with an ellipsis.
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}" if line else word
            if style.length(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            *full, line = _pieces(word, style, width)
            lines.extend(full)
        lines.append(line)
    if max_lines is not None and len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], _with_ellipsis(lines[max_lines - 1], style, width)]
    return lines


def cut(text: str, style: TextStyle, width: float) -> str:
    """The text if it fits into `width` px, else truncated with an ellipsis."""
    line = " ".join(text.split())
    return line if style.length(line) <= width else _with_ellipsis(line, style, width)


def _with_ellipsis(text: str, style: TextStyle, width: float) -> str:
    while text and style.length(text + ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip(f" ,;:·-{ELLIPSIS}") + ELLIPSIS


def _plain_letter(letter: str) -> str:
    """The equivalent of a letter in basic Latin, if any."""
    simple = unicodedata.normalize("NFKD", letter.translate(_PLAIN_LETTERS))
    return "".join(part for part in simple if not unicodedata.combining(part)) or letter


@lru_cache(maxsize=64)
def _built_in(size: float) -> Face:
    face = ImageFont.load_default(size)
    if not isinstance(face, ImageFont.FreeTypeFont):  # Pillow built without FreeType; all wheels have it
        message = "Pillow was built without FreeType, so it cannot draw text."
        raise TypeError(message)
    return face


@lru_cache(maxsize=64)
def _system(name: str, size: float) -> Face | None:
    """A system font by file name; Pillow searches the platform's font folders."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _lacks(text: str, name: str) -> str:
    return "".join(letter for letter in dict.fromkeys(text) if not letter.isspace() and not _has(letter, name))


@lru_cache(maxsize=4096)
def _has(letter: str, name: str) -> bool:
    """Whether a font ("" is the built-in font) has a letter: it draws it unlike a missing letter."""
    face = _system(name, _PROBE_SIZE) if name else _built_in(_PROBE_SIZE)
    if face is None:
        return False
    return bytes(face.getmask(letter)) != bytes(face.getmask(_NO_LETTER))


def _pieces(word: str, style: TextStyle, width: float) -> list[str]:
    """Split a word into parts of at most `width` px, at least one letter each; more words may follow the last part.

    Splits after a hyphen, slash, dot or underscore in the second half of a part, for names of models.
    """
    pieces = [""]
    for letter in word:
        piece = pieces[-1]
        if piece and style.length(piece + letter) > width:
            at = max(piece.rfind(mark) for mark in "-/._") + 1
            at = at if at > len(piece) / 3 else len(piece)
            pieces[-1:] = [piece[:at], piece[at:] + letter]
        else:
            pieces[-1] += letter
    return pieces
