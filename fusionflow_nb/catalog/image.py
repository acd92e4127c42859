"""Node types that generate or edit images with a model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind, NodeType, OutputPort
from fusionflow_nb.media.handles import Image, Mask
from fusionflow_nb.media.ports import PortType

Pixels = Annotated[int, Field(ge=16, le=16384, description="pixels")]
Count = Annotated[int, Field(ge=1, le=64, description="pictures per call")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, description="the same seed and settings give the same picture")]
Reduce = Annotated[bool, Field(description="shrink pictures that are too large for the service")]


def generate_image(
    prompt: str,
    model: str = "",
    references: list[Image] | None = None,
    width: Pixels | None = None,
    height: Pixels | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    seed: Seed | None = None,
    negative_prompt: str | None = None,
    steps: Annotated[int, Field(ge=1, le=500)] | None = None,
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None,
    count: Count = 1,
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
    reduce: Reduce = False,
) -> Image:
    """A picture from a prompt."""
    raise NotImplementedError


def edit_image(
    image: Image,
    prompt: str,
    mask: Mask | None = None,
    references: list[Image] | None = None,
    model: str = "",
    strength: Annotated[float, Field(ge=0, le=1)] | None = None,
    seed: Seed | None = None,
    negative_prompt: str | None = None,
    steps: Annotated[int, Field(ge=1, le=500)] | None = None,
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None,
    count: Count = 1,
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
    reduce: Reduce = False,
) -> Image:
    """A picture edited by a prompt; a mask limits the edited area."""
    raise NotImplementedError


def upscale(
    image: Image,
    model: str = "",
    factor: Annotated[float, Field(gt=1, le=16)] | None = None,
    prompt: str | None = None,
    seed: Seed | None = None,
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
    reduce: Reduce = False,
) -> Image:
    """The same picture with more pixels."""
    raise NotImplementedError


def remove_background(
    image: Image,
    model: str = "",
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
    reduce: Reduce = False,
) -> Image:
    """The subject on a transparent background, and its mask."""
    raise NotImplementedError


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    image = OutputPort("image", PortType.IMAGE)
    depth = OutputPort("depth", PortType.IMAGE)
    mask = OutputPort("mask", PortType.MASK)
    provider: dict[str, Any] = {
        "kind": Kind.PROVIDER,
        "category": "Image",
        "not_in_key": frozenset({"fallback", "reduce"}),
    }
    return [
        declare(generate_image, task="text-to-image", outputs=(image, depth), **provider),
        declare(edit_image, task="edit-image", **provider),
        declare(upscale, task="upscale", **provider),
        declare(remove_background, task="remove-background", outputs=(image, mask), **provider),
    ]
