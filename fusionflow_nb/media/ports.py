"""The types a port can have, and which output may flow into which input."""

from __future__ import annotations

from enum import StrEnum


class PortType(StrEnum):
    """What flows through a port."""

    IMAGE = "image"
    MASK = "mask"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    NUMBER = "number"
    JSON = "json"

    @property
    def is_media(self) -> bool:
        """Whether it is bytes in a store rather than a value."""
        return self in _MEDIA


_MEDIA = {PortType.IMAGE, PortType.MASK, PortType.VIDEO, PortType.AUDIO}
_ALSO_ACCEPTS: dict[PortType, set[PortType]] = {
    # A mask is a grey picture, and any picture can serve as one through its luminance.
    PortType.IMAGE: {PortType.MASK},
    PortType.MASK: {PortType.IMAGE},
    # Numbers have one text form; texts have no one number. What JSON holds is checked when the value is there.
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
