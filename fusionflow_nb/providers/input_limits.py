"""Limits of a model's input media as documented by its service: count, size and types."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class InputLimits(BaseModel):
    """Limits of one kind of media (`image`, `mask`, `video`, `audio`); None where undocumented.

    Args:
        count: assets per call, over all ports of the kind.
        size_bytes: maximum per asset.
        pixels: maximum width times height per asset.
        media_types: accepted types; empty if undocumented.
        source: where the limits are documented.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int | None = None
    size_bytes: int | None = None
    pixels: int | None = None
    media_types: tuple[str, ...] = ()
    source: str = ""

    def describe(self) -> str:
        """The limits as text.

        >>> InputLimits(size_bytes=50_000_000, media_types=("image/png", "image/jpeg")).describe()
        'png or jpeg, 50 MB'
        """
        types = " or ".join(media_type.partition("/")[2] for media_type in self.media_types)
        size = f"{self.size_bytes / 1e6:g} MB" if self.size_bytes is not None else ""
        pixels = f"{self.pixels / 1e6:g} megapixels" if self.pixels is not None else ""
        return ", ".join(filter(None, (types, size, pixels)))


def kind_of(port: str) -> str:
    """The kind of media of a port.

    >>> kind_of("references"), kind_of("mask")
    ('image', 'mask')
    """
    return port if port in {"mask", "video", "audio"} else "image"
