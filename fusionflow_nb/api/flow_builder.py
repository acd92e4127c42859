"""Build a flow in Python: calls place nodes, arguments draw edges. The canvas shows the same document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.api.arguments import by_name, new_node, pin, plain
from fusionflow_nb.api.placed_node import Output, PlacedNode, id_of
from fusionflow_nb.api.table_rows import rows_of
from fusionflow_nb.catalog.edges import check_edge
from fusionflow_nb.catalog.node_type import Kind, NodeType
from fusionflow_nb.catalog.python import PythonNode, python_node_type
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.history import History
from fusionflow_nb.flow.variables import variables_used
from fusionflow_nb.media.handles import Media
from fusionflow_nb.plan.keys import derived_seed
from fusionflow_nb.plan.prepare import prepare
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMN_PX, _ROW_PX = 340.0, 280.0


class FlowBuilder:
    """A document, its history, and the methods that edit it."""

    def __init__(self, document: FlowDocument) -> None:
        self.document = document
        self.history = History(document)
        self._rows: dict[int, int] = {}
        """Number of nodes per column, for the position of the next node."""
        for layout in document.layout.nodes.values():
            self._count(layout)

    def add(
        self,
        node_type: str | PythonNode | Callable[..., Any],
        *args: Any,  # noqa: ANN401 - outputs, handles or values
        name: str | None = None,
        take: int = 0,
        muted: bool = False,
        locked: str | None = None,
        params: dict[str, Any] | None = None,
        **named: Any,  # noqa: ANN401
    ) -> PlacedNode:
        """Place a node. Outputs of other nodes become edges, all other arguments become parameters.

        Args:
            node_type: the name of a node type, or a function (with or without `@ff.node`).
            args: inputs in the order of the declaration.
            name: the node's id; by default `<type>_<n>`.
            take: another number requests another result of the same settings.
            muted: exclude the node from runs.
            locked: id of a generation that the node keeps as its result.
            params: parameters stored unchanged: nothing is validated, resolved or loaded. For stored flows, for
                parameters with the name of a keyword above, and for node types that are not declared here.
            named: inputs and parameters by name.

        Raises:
            UnknownNodeTypeError, PortError, ParameterError, ModelError: invalid argument; the hint lists the choices.
        """
        if isinstance(node_type, str) and params is not None and current_session().catalog.find(node_type) is None:
            placeholder = new_node(
                id=name or edits.new_node_id(self.document, node_type),
                type=node_type,
                params={**named, **params},
                take=take,
                is_muted=muted,
                locked=locked,
            )
            self._put(placeholder, [])
            return PlacedNode(self, placeholder.id, "")
        declared = self._declared(node_type)
        inputs = by_name(declared, args, named)
        node_id = name or edits.new_node_id(self.document, declared.name)
        edges: list[Edge] = []
        values: dict[str, Any] = {}
        for port, value in inputs.items():
            port_edges = self._edges(value, node_id, declared, port)
            if port_edges is not None:
                edges.extend(port_edges)
            elif value is not None:
                values[port] = plain(value)
        connected = frozenset(edge.target_port for edge in edges)
        if declared.kind is Kind.PROVIDER and params is None:
            pin(declared, values, node_id, connected, take)
        values.update(params or {})
        node = new_node(id=node_id, type=declared.name, params=values, take=take, is_muted=muted, locked=locked)
        if declared.source_digest is not None:
            node.__pydantic_extra__ = {"source": declared.source_digest}
        for edge in edges:
            check_edge(edge, self.node_type(edge.source), declared)
        if params is None:
            self._check(node, declared, connected)
        self._put(node, edges)
        return PlacedNode(self, node_id, declared.first_output)

    def __getattr__(self, name: str) -> Callable[..., PlacedNode]:
        if name.startswith("_"):
            raise AttributeError(name)
        current_session().catalog.get(name)

        def place(*args: Any, **params: Any) -> PlacedNode:  # noqa: ANN401
            return self.add(name, *args, **params)

        place.__name__ = name
        return place

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *current_session().catalog]

    def __getitem__(self, node_id: str) -> PlacedNode:
        return PlacedNode(self, node_id, self.node_type(node_id).first_output)

    def set(self, node: Output | str, **params: Any) -> None:  # noqa: ANN401
        """Change parameters of a placed node as one undoable edit; None removes a parameter.

        Raises:
            ParameterError, ModelError: unknown parameter or invalid value; nothing was changed.
        """
        node_id = id_of(node)
        declared, placed = self.node_type(node_id), self.document.nodes[node_id]
        changed = {name: plain(value) for name, value in params.items()}
        updated = placed.model_copy(update={"params": {**placed.params, **changed}})
        connected = frozenset(edge.target_port for edge in self.document.edges if edge.target == node_id)
        self._check(updated, declared, connected)
        self._do(
            *(
                edits.SetParam(node_id=node_id, name=name, value=value, is_unset=value is None)
                for name, value in changed.items()
            )
        )

    def set_variable(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set the value of `{{name}}`."""
        self._do(edits.SetVariable(name=name, value=value))

    def connect(self, source: Output | str, target: Output | str, port: str, *, as_is: bool = False) -> None:
        """Draw an edge to an input port of a placed node; the source may be a text `"node.port"`.

        With `as_is=True` the types are not checked, as in a flow from a file; the plan then reports a mismatch.

        Raises:
            PortError: the types do not match; the hint lists matching ports.
        """
        node_id, source_port = source.partition(".")[::2] if isinstance(source, str) else (source.node_id, source.port)
        edge = Edge(source=node_id, source_port=source_port, target=id_of(target), target_port=port)
        if not as_is:
            self._check_drawn(edge)
        self._do(edits.AddEdge(edge=edge))

    def remove(self, node: Output | str) -> None:
        """Remove a node and its edges."""
        self._do(edits.RemoveNode(node_id=id_of(node)))

    def again(self, node: Output | str) -> None:
        """Request another result of the same settings: increments the take."""
        node_id = id_of(node)
        self.node_type(node_id)
        take = self.document.nodes[node_id].take + 1
        changes: list[Any] = [edits.SetNode(node_id=node_id, field="take", value=take)]
        if "seed" in self.document.nodes[node_id].params:
            changes.append(edits.SetParam(node_id=node_id, name="seed", value=derived_seed(node_id, take)))
        self._do(*changes)

    def place(self, node: Output | str, x: float, y: float, **fields: Any) -> None:  # noqa: ANN401
        """Set the position of a node on the canvas (pixels), and its width, height, title or color."""
        self._do(edits.SetLayout(node_id=id_of(node), fields={"x": x, "y": y, **fields}))

    def undo(self) -> None:
        """Undo the last edit."""
        self.history.undo()

    def redo(self) -> None:
        """Redo the edit that was undone last."""
        self.history.redo()

    def load_image(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """Place a picture file as a node; its bytes are stored immediately."""
        return self._load("load_image", source, name)

    def load_video(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """Place a video file as a node; its bytes are stored immediately."""
        return self._load("load_video", source, name)

    def load_audio(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """Place a sound file as a node; its bytes are stored immediately."""
        return self._load("load_audio", source, name)

    def table(self, rows: Any, *, name: str | None = None, **params: Any) -> PlacedNode:  # noqa: ANN401
        """Place a table (list of dicts, DataFrame or result of `ff.tape.sql`): columns are outputs, rows are cells."""
        return self.add("table", rows=rows_of(rows), name=name, **params)

    def node_type(self, node_id: str) -> NodeType:
        """The declaration of a placed node.

        Raises:
            GoneError: there is no such node.
            UnknownNodeTypeError: its type is not declared.
        """
        placed = self.document.nodes.get(node_id)
        if placed is None:
            names = ", ".join(self.document.nodes) or "none"
            raise errors.GoneError(f"There is no node {node_id!r}.", hint=f"Nodes: {names}.")
        return current_session().catalog.get(placed.type, node_id=node_id)

    def _do(self, *changes: Any) -> None:  # noqa: ANN401 - edits
        if changes:
            self.history.do(list(changes), origin="python")

    def _declared(self, node_type: str | PythonNode | Callable[..., Any]) -> NodeType:
        catalog = current_session().catalog
        if isinstance(node_type, str):
            return catalog.get(node_type)
        declared = node_type.node_type if isinstance(node_type, PythonNode) else python_node_type(node_type)
        if catalog.find(declared.name) is not declared:
            catalog.declare(declared)
        return declared

    def _edges(self, value: Any, node_id: str, declared: NodeType, port: str) -> list[Edge] | None:  # noqa: ANN401
        """The edges for an argument; None if it is a plain parameter."""
        is_media = declared.input(port).type.is_media
        if isinstance(value, Output):
            if value.flow is not self:
                raise errors.PortError(f"{value} belongs to another flow.", hint="Place the node on this flow.")
            return [Edge(source=value.node_id, source_port=value.port, target=node_id, target_port=port)]
        if isinstance(value, list | tuple) and value and any(isinstance(item, Output | Media) for item in value):
            return [edge for item in value for edge in self._edges(item, node_id, declared, port) or []]
        if is_media and isinstance(value, str | Path | Media):
            loaded = self._load(
                f"load_{'image' if declared.input(port).type == 'mask' else declared.input(port).type}", value, None
            )
            return self._edges(loaded, node_id, declared, port)
        if is_media and value is not None:
            raise errors.PortError(
                f"{declared.name}: {port!r} takes {declared.input(port).type.value}, got {type(value).__name__}.",
                hint="Pass an output of a node, a media handle, or a path.",
            )
        return None

    def _load(self, node_type: str, source: str | Path | Media, name: str | None) -> PlacedNode:
        if isinstance(source, Media):
            asset, label = source.asset, repr(source)
        else:
            path = Path(source).expanduser()
            if not path.is_file():
                raise errors.MediaError(f"The file {str(path)!r} does not exist.", hint="Check the path.")
            asset, label = current_session().store.put(path), path.name
        return (
            self.add(node_type, asset=asset.to_json(), name=name)
            if name
            else self._place_asset(node_type, asset.to_json(), label)
        )

    def _place_asset(self, node_type: str, asset: dict[str, Any], label: str) -> PlacedNode:
        node_id = edits.new_node_id(self.document, node_type)
        node = Node(id=node_id, type=node_type, params={"asset": asset, "name": label})
        self._put(node, [])
        return self[node_id]

    def _put(self, node: Node, edges: list[Edge]) -> None:
        layout = self._free_position(edges)
        self._do(edits.AddNode(node=node, layout=layout), *(edits.AddEdge(edge=edge) for edge in edges))
        self._count(layout)

    def _check(self, node: Node, declared: NodeType, connected: frozenset[str]) -> None:
        """Validate a node as a run would, except for inputs that are not connected yet."""
        variables = self.document.variables
        if variables_used(node.params) <= variables.keys():
            registry = current_session().registry
            prepare(node, declared, connected=connected, variables=variables, models=registry, require_inputs=False)

    def _check_drawn(self, edge: Edge) -> None:
        """Raise if the types of an edge do not match; the plan reports undeclared node types."""
        catalog, nodes = current_session().catalog, self.document.nodes
        if edge.source in nodes and edge.target in nodes:
            source, target = catalog.find(nodes[edge.source].type), catalog.find(nodes[edge.target].type)
            if source is not None and target is not None:
                check_edge(edge, source, target)

    def _free_position(self, edges: list[Edge]) -> NodeLayout:
        """The first free row in the column right of the rightmost source."""
        placed = self.document.layout.nodes
        columns = [_column(placed[edge.source]) + 1 for edge in edges if edge.source in placed]
        column = max(columns, default=0)
        return NodeLayout(x=_COLUMN_PX * column, y=_ROW_PX * self._rows.get(column, 0))

    def _count(self, layout: NodeLayout) -> None:
        self._rows[_column(layout)] = self._rows.get(_column(layout), 0) + 1


def _column(layout: NodeLayout) -> int:
    return round(layout.x / _COLUMN_PX)
