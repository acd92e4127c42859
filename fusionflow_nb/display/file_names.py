"""File names that people can read and every file system takes."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from fusionflow_nb.assets.sniff import extension as bare_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_STEM_BYTES = 180
"""File systems take 255 bytes (or UTF-16 units); this leaves room for an extension and a counter."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
# Windows takes these for devices, whatever extension follows.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINER = "\N{ZERO WIDTH JOINER}"  # holds families and flags together


def extension(media_type: str) -> str:
    """`.png` for `image/png`."""
    return "." + bare_extension(media_type).lstrip(".")


def file_stem(stem: str, labels: Sequence[tuple[str, str]]) -> str:
    """A file name, without extension, for a cell.

    >>> file_stem("generate_image_1", (("prompt", "a cat / a dog"), ("seed", "7")))
    'generate_image_1 prompt=a cat - a dog seed=7'
    >>> file_stem("../../etc/passwd", ()), file_stem("con", ())
    ('etc-passwd', '_con')
    """
    name = unicodedata.normalize("NFC", " ".join([stem, *(f"{axis}={label}" for axis, label in labels)]))
    seen = "".join(letter if _is_seen(letter) else " " for letter in name)
    safe = " ".join(_FORBIDDEN.sub("-", seen).split())
    # No option of a command, no hidden file, nothing relative; Windows drops blanks and dots at the end.
    trimmed = _shortened(safe.lstrip(" .-~"), MAX_STEM_BYTES).rstrip(" .")
    if not trimmed:
        return "unnamed"
    return f"_{trimmed}" if _DEVICES.match(trimmed) else trimmed


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names in their order, each given once: `a`, `a (2)`. Some file systems take `A` and `a` for one.

    >>> list(distinct(["a", "b", "A", "a"]))
    ['a', 'b', 'A (2)', 'a (3)']
    """
    taken: set[str] = set()
    for name in names:
        given, count = name, 1
        while (folded := unicodedata.normalize("NFKC", given).casefold()) in taken:
            count += 1
            given = f"{name} ({count})"
        taken.add(folded)
        yield given


def _is_seen(letter: str) -> bool:
    return letter == _JOINER or unicodedata.category(letter) not in _UNSEEN


def _shortened(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, cut between letters."""
    return text.encode()[:most].decode(errors="ignore").rstrip(_JOINER)
