"""The recipe as one property of an XMP packet, inserted and extracted as text.

Packets may be hostile: they are searched for fixed markers, never parsed as XML, so entities are not expanded.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, unescape

from fusionflow_nb import errors
from fusionflow_nb.assets.recipe.text import MAX_RECIPE_BYTES, damaged, too_large

# An escaped character has at most five bytes ("&amp;"); the packet is a little larger than the recipe.
MAX_PACKET_BYTES = 5 * MAX_RECIPE_BYTES + (1 << 18)

_NAMESPACE = "urn:fusionflow-nb:recipe:1"
_OPEN = b"<fusionflow:Recipe>"
_CLOSE = b"</fusionflow:Recipe>"
_BLOCK_OPEN = f'<rdf:Description rdf:about="" xmlns:fusionflow="{_NAMESPACE}">'.encode()
_BLOCK_CLOSE = b"</rdf:Description>"
_RDF_CLOSE = b"</rdf:RDF>"
_HEAD = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
_TAIL = b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
# Allowed in JSON text, forbidden in XML 1.0: written as JSON escapes instead.
_NO_XML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff", 0x7F: "\\u007f"}


def packet_with(text: str, packet: bytes | None = None) -> bytes:
    """A packet with a recipe: `packet` with the recipe added and the rest kept, or a new packet.

    Raises:
        MediaError: the packet is XMP in a form that cannot be extended as text.
    """
    return packet_with_block(recipe_block(text), packet)


def recipe_block(text: str) -> bytes:
    """The RDF description with a recipe."""
    safe = escape(text.translate(_NO_XML)).encode()
    return _BLOCK_OPEN + _OPEN + safe + _CLOSE + _BLOCK_CLOSE


def packet_with_block(block: bytes, packet: bytes | None = None) -> bytes:
    """A packet with an RDF description added to the content of `packet`."""
    rest = without_recipe(packet) if packet else b""
    if b"rdf:RDF" not in rest:
        # No packet, or not XMP.
        return _HEAD + block + _TAIL
    at = rest.rfind(_RDF_CLOSE)
    if at < 0:
        message = "The recipe cannot be added to the XMP packet of this file."
        raise errors.MediaError(message, hint="Save it as PNG, or remove its XMP first.")
    return rest[:at] + block + rest[at:]


def without_recipe(packet: bytes) -> bytes:
    """The packet without an earlier recipe."""
    start = packet.find(_BLOCK_OPEN + _OPEN)
    end = packet.find(_CLOSE + _BLOCK_CLOSE, start)
    return packet[:start] + packet[end + len(_CLOSE + _BLOCK_CLOSE) :] if 0 <= start < end else packet


def text_in(packet: bytes) -> str | None:
    """The recipe text of a packet, or None; also read from an attribute, because other programs rewrite packets so.

    Raises:
        MediaError: the recipe is truncated, too large or not UTF-8.
    """
    if len(packet) > MAX_PACKET_BYTES:
        raise too_large()
    raw = _between(packet, _OPEN, _CLOSE)
    if raw is None:
        raw = _between(packet, b' fusionflow:Recipe="', b'"')
    if raw is None:
        raw = _between(packet, b" fusionflow:Recipe='", b"'")
    if raw is None:
        return None
    try:
        return unescape(raw.decode(), {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'", "&#xA;": "\n"})
    except UnicodeDecodeError as error:
        raise damaged() from error


def _between(packet: bytes, before: bytes, after: bytes) -> bytes | None:
    # The last recipe is used: recipes are appended, so a damaged earlier recipe is ignored.
    start = packet.rfind(before)
    if start < 0:
        return None
    end = packet.find(after, start + len(before))
    if end < 0:
        raise damaged()
    return packet[start + len(before) : end]
