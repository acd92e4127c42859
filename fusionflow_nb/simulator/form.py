"""Parse multipart forms with the standard library, independently of the code that writes them."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aiohttp import web


class FormPart(NamedTuple):
    """One part of a form; a field has no `file_name`."""

    name: str
    file_name: str | None
    media_type: str
    content: bytes


async def parts_of(request: web.Request) -> list[FormPart]:
    """Return the parts of a multipart request, in order."""
    head = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + await request.read())
    parts = []
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        parts.append(
            FormPart(
                str(name), part.get_filename(), part.get_content_type(), content if isinstance(content, bytes) else b""
            )
        )
    return parts
