"""Node types that generate audio."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.image import Seed
from fusionflow_nb.catalog.node_type import Kind, NodeType
from fusionflow_nb.media.handles import Audio


def generate_audio(
    prompt: str,
    model: str = "",
    duration_s: Annotated[float, Field(gt=0, le=600, description="seconds")] | None = None,
    voice: str | None = None,
    seed: Seed | None = None,
    settings: dict[str, Any] | None = None,
    fallback: list[str] | None = None,
) -> Audio:
    """Speech, music or a sound from a text."""
    raise NotImplementedError


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    return [
        declare(
            generate_audio,
            kind=Kind.PROVIDER,
            category="Audio",
            task="text-to-audio",
            not_in_key=frozenset({"fallback"}),
        )
    ]
