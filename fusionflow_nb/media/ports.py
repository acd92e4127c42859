"""The types of ports, and which output may be connected to which input."""

from __future__ import annotations

from enum import StrEnum


class PortType(StrEnum):
    """The type of a port."""

    IMAGE = "image"
    MASK = "mask"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    NUMBER = "number"
    JSON = "json"

    @property
    def is_media(self) -> bool:
        """Whether its values are assets."""
        return self in _MEDIA


_MEDIA = {PortType.IMAGE, PortType.MASK, PortType.VIDEO, PortType.AUDIO}
_ALSO_ACCEPTS: dict[PortType, set[PortType]] = {
    # A mask is a grey image, and any image can be used as a mask by its luminance.
    PortType.IMAGE: {PortType.MASK},
    PortType.MASK: {PortType.IMAGE},
    # A number converts to text, but text not to a number. JSON values are checked at run time.
    PortType.TEXT: {PortType.NUMBER, PortType.JSON},
    PortType.NUMBER: {PortType.JSON},
    PortType.JSON: {PortType.TEXT, PortType.NUMBER},
    PortType.VIDEO: set(),
    PortType.AUDIO: set(),
}


def accepts(target: PortType, source: PortType) -> bool:
    """Whether an output of type `source` may be connected to an input of type `target`.

    >>> accepts(PortType.IMAGE, PortType.MASK), accepts(PortType.IMAGE, PortType.TEXT)
    (True, False)
    """
    return source == target or source in _ALSO_ACCEPTS[target]
