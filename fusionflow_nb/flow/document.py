"""The graph document: nodes, edges, variables, layout. Pure data; it executes nothing and knows no node types.

Logic (nodes, edges, variables) and layout (positions, sizes, colours, titles, viewport, comments) are kept apart, so
that moving a node never changes what a flow computes. Unknown fields survive a round trip at every level.
Edges point from an output port to an input port. Their order matters where several end in one collecting port.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from fusionflow_nb.flow.index import Index

FILE_VERSION = 1


class Node(BaseModel):
    """A placed instance of a node type: the part that decides what is computed."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    type: str
    params: dict[str, Any] = Field(default_factory=dict)
    take: int = Field(default=0, ge=0, strict=True)
    """`again, differently`: a number in the content key."""
    is_muted: bool = Field(default=False, strict=True)
    """Left out of runs, with everything below it."""
    locked: str | None = None
    """Id of a generation whose outputs this node keeps showing, whatever changes above it."""


class Edge(BaseModel):
    """Output port -> input port. The port fields carry React Flow's names wherever they are written."""

    model_config = ConfigDict(extra="allow", serialize_by_alias=True)

    source: str
    source_port: str = Field(
        validation_alias=AliasChoices("sourceHandle", "source_port"), serialization_alias="sourceHandle"
    )
    target: str
    target_port: str = Field(
        validation_alias=AliasChoices("targetHandle", "target_port"), serialization_alias="targetHandle"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_id(cls, data: Any) -> Any:  # noqa: ANN401 - whatever was given
        """React Flow names its edges; here the name follows from the ends, so a given one is no unknown field."""
        if isinstance(data, dict) and "id" in data:
            return {name: value for name, value in data.items() if name != "id"}
        return data

    @property
    def id(self) -> str:
        """The name of the edge on the canvas and in sentences."""
        return f"{self.source}.{self.source_port}->{self.target}.{self.target_port}"


class NodeLayout(BaseModel):
    """How a node looks on the canvas, in canvas pixels."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)

    x: float = 0.0
    y: float = 0.0
    width: float | None = None
    height: float | None = None
    title: str | None = None
    color: str | None = None


class Layout(BaseModel):
    """Everything that may change without changing a result; only nodes that exist have a look, in no order."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    nodes: dict[str, NodeLayout] = Field(default_factory=dict)
    groups: list[dict[str, Any]] = Field(default_factory=list)
    comments: list[dict[str, Any]] = Field(default_factory=list)
    viewport: dict[str, float] = Field(default_factory=dict)


class FlowDocument(BaseModel):
    """A flow as data. Change it through `flow.edits`, so that canvas, Python and undo share one way."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(default_factory=lambda: str(uuid4()))
    name: str = "Untitled"
    nodes: dict[str, Node] = Field(default_factory=dict)
    edges: list[Edge] = Field(default_factory=list)
    variables: dict[str, Any] = Field(default_factory=dict)
    layout: Layout = Field(default_factory=Layout)

    _index: Index = PrivateAttr(default_factory=Index)

    @property
    def index(self) -> Index:
        """What edits keep beside the document so that they need not walk it."""
        return self._index
