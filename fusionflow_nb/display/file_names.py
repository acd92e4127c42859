"""File names that are readable and valid on every file system."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from fusionflow_nb.assets.sniff import extension as bare_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_STEM_BYTES = 180
"""File systems allow 255 bytes (or UTF-16 units); the rest is for an extension and a counter."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
# Windows reserves these names for devices, with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINER = "\N{ZERO WIDTH JOINER}"  # joins compound emoji


def extension(media_type: str) -> str:
    """`.png` for `image/png`."""
    return "." + bare_extension(media_type).lstrip(".")


def file_stem(stem: str, labels: Sequence[tuple[str, str]]) -> str:
    """A file name without extension, from a node's name and the labels of a cell.

    >>> file_stem("generate_image_1", (("prompt", "a cat / a dog"), ("seed", "7")))
    'generate_image_1 prompt=a cat - a dog seed=7'
    >>> file_stem("../../etc/passwd", ()), file_stem("con", ())
    ('etc-passwd', '_con')
    """
    name = unicodedata.normalize("NFC", " ".join([stem, *(f"{axis}={label}" for axis, label in labels)]))
    visible = "".join(letter if _is_visible(letter) else " " for letter in name)
    safe = " ".join(_FORBIDDEN.sub("-", visible).split())
    # Not a command option, a hidden file or a relative path; Windows drops trailing spaces and dots.
    trimmed = _shortened(safe.lstrip(" .-~"), MAX_STEM_BYTES).rstrip(" .")
    if not trimmed:
        return "unnamed"
    return f"_{trimmed}" if _DEVICES.match(trimmed) else trimmed


def distinct(names: Iterable[str]) -> Iterator[str]:
    """Number repeated names: `a`, `a (2)`. Case is ignored, as on some file systems.

    >>> list(distinct(["a", "b", "A", "a"]))
    ['a', 'b', 'A (2)', 'a (3)']
    """
    used: set[str] = set()
    for name in names:
        unique, count = name, 1
        while (folded := unicodedata.normalize("NFKC", unique).casefold()) in used:
            count += 1
            unique = f"{name} ({count})"
        used.add(folded)
        yield unique


def _is_visible(letter: str) -> bool:
    return letter == _JOINER or unicodedata.category(letter) not in _INVISIBLE


def _shortened(text: str, most: int) -> str:
    """Truncate to at most `most` bytes of UTF-8, between characters."""
    return text.encode()[:most].decode(errors="ignore").rstrip(_JOINER)
