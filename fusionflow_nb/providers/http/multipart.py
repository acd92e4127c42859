"""Encode multipart forms: text fields and files, in the given order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form: text, or a file with a name and a media type."""

    name: str
    content: str | bytes | Path
    file_name: str | None = None
    media_type: str | None = None


def form_fields(body: Mapping[str, Any]) -> list[Part]:
    """Convert fields to text parts of a form.

    >>> [part.content for part in form_fields({"seed": 7, "raw": True})]
    ['7', 'true']
    """
    return [Part(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in body.items()]


def encode(parts: Sequence[Part], boundary: str) -> bytes:
    r"""Encode the form. Reads files, so it blocks.

    >>> encode([Part("n", "1")], "b")
    b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--b--\r\n'
    """
    lines: list[bytes] = []
    for part in parts:
        disposition = f'form-data; name="{_quoted(part.name)}"'
        if part.file_name is not None:
            disposition += f'; filename="{_quoted(part.file_name)}"'
        lines += [f"--{boundary}".encode(), f"Content-Disposition: {disposition}".encode()]
        if part.media_type is not None:
            lines.append(f"Content-Type: {part.media_type}".encode())
        lines += [b"", _bytes(part.content)]
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])


def _bytes(content: str | bytes | Path) -> bytes:
    if isinstance(content, str):
        return content.encode()
    return content if isinstance(content, bytes) else content.read_bytes()


def _quoted(name: str) -> str:
    """Escape a name like HTML forms do: a quote or line break must not start another header."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
