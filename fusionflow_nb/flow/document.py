"""The graph document: nodes, edges, variables, layout. Data only; it executes nothing and is independent of node types.

Logic (nodes, edges, variables) is separate from layout (positions, sizes, colours, titles, viewport, comments), so that
moving a node does not change what a flow computes. Unknown fields survive a round trip at every level. Edges point from
an output port to an input port. Their order matters if several edges end in a collecting port.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_VERSION = 1

EdgeKey: TypeAlias = tuple[str, str, str, str]

_NUMBERED_ID = re.compile(r"(.+)_([0-9]{1,15})", re.ASCII | re.DOTALL)


class Node(BaseModel):
    """A placed instance of a node type, without its layout."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    type: str
    params: dict[str, Any] = Field(default_factory=dict)
    take: int = Field(default=0, ge=0, strict=True)
    """Part of the content key; another take repeats a call for a different result."""
    is_muted: bool = Field(default=False, strict=True)
    """Left out of runs, together with its descendants."""
    locked: str | None = None
    """Id of a generation whose outputs the node keeps, whatever changes upstream."""


class Edge(BaseModel):
    """Output port -> input port. The port fields are serialized under React Flow's names."""

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
    def _without_id(cls, data: Any) -> Any:  # noqa: ANN401 - any input
        """Drop React Flow's edge id: the id is derived from the ends and must not become an unknown field."""
        if isinstance(data, dict) and "id" in data:
            return {name: value for name, value in data.items() if name != "id"}
        return data

    @property
    def id(self) -> str:
        """The id of the edge on the canvas and in messages."""
        return f"{self.source}.{self.source_port}->{self.target}.{self.target_port}"

    @property
    def key(self) -> EdgeKey:
        """The two ends, which identify the edge within a document."""
        return self.source, self.source_port, self.target, self.target_port


class NodeLayout(BaseModel):
    """Position and appearance of a node, in canvas pixels."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)

    x: float = 0.0
    y: float = 0.0
    width: float | None = None
    height: float | None = None
    title: str | None = None
    color: str | None = None


class Layout(BaseModel):
    """Everything that does not affect results. `nodes` has entries for existing nodes only, in any order."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    nodes: dict[str, NodeLayout] = Field(default_factory=dict)
    groups: list[dict[str, Any]] = Field(default_factory=list)
    comments: list[dict[str, Any]] = Field(default_factory=list)
    viewport: dict[str, float] = Field(default_factory=dict)


class NodeIdCounter:
    """The highest number used in a node id, per node type."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._highest: dict[str, int] = {}
        for node_id in ids:
            self.record(node_id)

    def record(self, node_id: str) -> None:
        """Count an id as used."""
        match = _NUMBERED_ID.fullmatch(node_id)
        if match is not None:
            stem, number = match[1], int(match[2])
            self._highest[stem] = max(number, self._highest.get(stem, 0))

    def next_id(self, node_type: str) -> str:
        """Return `<type>_<n>`, where n is the highest recorded number plus one.

        >>> NodeIdCounter(["text_2", "cut_9"]).next_id("text")
        'text_3'
        """
        stem = re.sub(r"\W", "_", node_type, flags=re.ASCII)
        stem = stem if stem and not stem[0].isdigit() else f"_{stem}"
        return f"{stem}_{self._highest.get(stem, 0) + 1}"


class EditIndex:
    """The id counter and the edge keys of one document, built on first use and updated by edits.

    It is derived data: never saved, and ignored when two documents are compared.
    """

    def __init__(self) -> None:
        self._id_counter: NodeIdCounter | None = None
        self._edge_keys: set[EdgeKey] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EditIndex)

    __hash__ = None  # type: ignore[assignment]

    def id_counter(self, ids: Iterable[str]) -> NodeIdCounter:
        """The counter of a document with these node ids; ids removed since the first call stay counted."""
        if self._id_counter is None:
            self._id_counter = NodeIdCounter(ids)
        return self._id_counter

    def record_id(self, node_id: str) -> None:
        """Count the id of a node that was just added."""
        if self._id_counter is not None:
            self._id_counter.record(node_id)

    def edge_keys(self, edges: list[Edge]) -> set[EdgeKey]:
        """The keys of a document's edges; the caller adds and discards keys as it edits."""
        if self._edge_keys is None or len(self._edge_keys) != len(edges):
            self._edge_keys = {edge.key for edge in edges}
        return self._edge_keys

    def reset_edge_keys(self) -> None:
        """Drop the edge keys after an edit that changed many edges; the next call builds them again."""
        self._edge_keys = None


class FlowDocument(BaseModel):
    """A flow as data. Change it through `flow.edits`, as canvas, Python and undo do."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(default_factory=lambda: str(uuid4()))
    name: str = "Untitled"
    nodes: dict[str, Node] = Field(default_factory=dict)
    edges: list[Edge] = Field(default_factory=list)
    variables: dict[str, Any] = Field(default_factory=dict)
    layout: Layout = Field(default_factory=Layout)

    _index: EditIndex = PrivateAttr(default_factory=EditIndex)

    @property
    def index(self) -> EditIndex:
        """Lookup tables that edits keep up to date, so that an edit does not scan the document."""
        return self._index
