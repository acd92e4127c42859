"""A multipart body: fields as text, files as bytes, in the order the service expects them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """One part: text, or a file with a name and a media type."""

    name: str
    content: str | bytes | Path
    file_name: str | None = None
    media_type: str | None = None


def form_fields(body: Mapping[str, Any]) -> list[Part]:
    """The fields of a form, as text.

    >>> [part.content for part in as_fields({"seed": 7, "raw": True})]
    ['7', 'true']
    """
    return [Part(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in body.items()]


def encode(parts: Sequence[Part], boundary: str) -> bytes:
    r"""The body. Blocking where a part is a file.

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
    """A name as HTML forms send it: a quote or a line break in it must not begin another header."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
