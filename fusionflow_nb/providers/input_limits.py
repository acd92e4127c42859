"""What media a model's service reads, as far as its documentation says: how many, how large, of which types."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class InputLimits(BaseModel):
    """The limits of one kind of media (`image`, `mask`, `video`, `audio`); None where no page states one.

    Args:
        count: how many in one call, over all ports of the kind.
        size_bytes: of each.
        pixels: width times height of each.
        media_types: accepted ones; empty where no page lists them.
        source: who says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | None = None
    size_bytes: int | None = None
    pixels: int | None = None
    media_types: tuple[str, ...] = ()
    source: str = ""

    def describe(self) -> str:
        """The limits in words.

        >>> Reads(size_bytes=50_000_000, media_types=("image/png", "image/jpeg")).describe()
        'png or jpeg, 50 MB'
        """
        types = " or ".join(one.partition("/")[2] for one in self.media_types)
        size = f"{self.size_bytes / 1e6:g} MB" if self.size_bytes is not None else ""
        pixels = f"{self.pixels / 1e6:g} megapixels" if self.pixels is not None else ""
        return ", ".join(filter(None, (types, size, pixels)))


def kind_of(port: str) -> str:
    """The kind of media that goes in at a port.

    >>> kind_of("references"), kind_of("mask")
    ('image', 'mask')
    """
    return port if port in {"mask", "video", "audio"} else "image"
