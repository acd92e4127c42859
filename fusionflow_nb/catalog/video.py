"""Node types that generate video."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.image import Pixels, Reduce, Seed
from fusionflow_nb.catalog.node_type import Kind, NodeType
from fusionflow_nb.media.handles import Audio, Image, Video


def generate_video(
    prompt: str | None = None,
    image: Image | None = None,
    depth: Image | None = None,
    last_image: Image | None = None,
    video: Video | None = None,
    audio: Audio | None = None,
    references: list[Image] | None = None,
    model: str = "",
    duration_s: Annotated[float, Field(gt=0, le=600, description="seconds")] | None = None,
    fps: Annotated[float, Field(gt=0, le=120, description="frames per second")] | None = None,
    width: Pixels | None = None,
    height: Pixels | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    seed: Seed | None = None,
    negative_prompt: str | None = None,
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
    reduce: Reduce = False,
) -> Video:
    """A video from a text, a picture, or both."""
    raise NotImplementedError


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    return [
        declare(
            generate_video,
            kind=Kind.PROVIDER,
            category="Video",
            task="text-to-video",
            not_in_key=frozenset({"fallback", "reduce"}),
        )
    ]
