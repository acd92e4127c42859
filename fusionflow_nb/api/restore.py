"""Restore the nodes that generated a result: the node with its former settings, and its inputs.

If the tape has the flow that ran, the node and its ancestors are restored from it. Otherwise, and for one cell of a
batch (whose flow would generate all cells), only the node is restored: values as they were, media inputs as file nodes.
In both cases the node has the key of the generation, so that running it is a cache hit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.api import recipe_files
from fusionflow_nb.catalog.node_type import Collects, Kind
from fusionflow_nb.flow import edits, file
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.variables import escape_braces, substitute_params, variables_used
from fusionflow_nb.media.values import Asset, assets_of
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.journal.records import Generation

_COLUMN_PX, _ROW_PX = 340.0, 280.0
_STATES = 50
"""How many logged states of the flow are searched for the state that ran; it is among the latest."""


@dataclass(slots=True)
class Part:
    """A small flow to place, and the id of its restored node."""

    document: FlowDocument
    node_id: str


def part_of(generation_id: str) -> Part:
    """The small flow that generated a result.

    Raises:
        TapeError: there is no such generation.
        UnknownNodeTypeError: its node type is not declared here, and its flow is not on the tape.
        LostAssetError: an input is lost.
    """
    session = current_session()
    generation = session.generations([generation_id]).get(generation_id)
    if generation is None:
        raise errors.TapeError(
            f"There is no generation {generation_id}.",
            hint="Ids are in the column generations.id of this machine's tape.",
        )
    node_type = session.catalog.find(generation.node_type)
    is_cell = bool(generation.coordinate) and not (node_type is not None and _takes_batches(node_type))
    part = None if is_cell else _from_logged_flow(generation)
    return part if part is not None else _from_generation(generation)


def edits_for(document: FlowDocument, part: Part, position: tuple[float, float] | None) -> tuple[list[Any], str]:
    """The edits that place a part in a document, and the new id of its node.

    Ids in use are replaced. Variables are added; where the document has another value, they are substituted.
    """
    ids: dict[str, str] = {}
    for node in part.document.nodes.values():
        new = node.id if node.id not in document.nodes else edits.new_node_id(document, node.type)
        document.index.id_counter(document.nodes)
        document.index.record_id(new)
        ids[node.id] = new
    variables, existing = part.document.variables, document.variables
    changed = {name for name, value in variables.items() if name in existing and existing[name] != value}
    changes: list[Any] = [
        edits.SetVariable(name=name, value=value) for name, value in variables.items() if name not in existing
    ]
    layouts = part.document.layout.nodes
    anchor = layouts.get(part.node_id, NodeLayout())
    x, y = position if position is not None else _free_position(document, layouts.values(), anchor)
    for node in part.document.nodes.values():
        params = node.params
        if variables_used(params) & changed:
            params = {name: substitute_params(value, variables, where=node.id) for name, value in params.items()}
        layout = layouts.get(node.id, NodeLayout())
        moved = layout.model_copy(update={"x": layout.x - anchor.x + x, "y": layout.y - anchor.y + y})
        changes.append(edits.AddNode(node=node.model_copy(update={"id": ids[node.id], "params": params}), layout=moved))
    changes += [
        edits.AddEdge(edge=edge.model_copy(update={"source": ids[edge.source], "target": ids[edge.target]}))
        for edge in part.document.edges
    ]
    return changes, ids[part.node_id]


def _takes_batches(node_type: NodeType) -> bool:
    return any(port.collects is Collects.CELLS for port in node_type.inputs)


def _from_logged_flow(generation: Generation) -> Part | None:
    """The node and its ancestors, from the logged flow with its flow hash; None if the tape lacks it."""
    session = current_session()
    for project in session.projects_before(generation.id, most=_STATES):
        try:
            document = file.from_wire(
                project.graph_state, id=project.id, name=project.name, variables=project.variables
            )
        except errors.FlowFileError:
            continue
        if file.flow_hash(document) == generation.flow_hash and generation.node_id in document.nodes:
            part = recipe_files.upstream_part(document, generation.node_id)
            _store_derived_params(part)
            has_fixed_model = not any(
                edge.target == generation.node_id and edge.target_port == "model" for edge in part.edges
            )
            if generation.model is not None and has_fixed_model:
                part.nodes[generation.node_id].params["model"] = generation.model
            return Part(part, generation.node_id)
    return None


def _store_derived_params(part: FlowDocument) -> None:
    """Store models and seeds that derive from node ids and defaults, because the restored nodes get new ids."""
    session = current_session()
    for node_id, planned in Plan(part, session.catalog, session.registry).nodes.items():
        prepared = planned.prepared
        if prepared is None or planned.type is None or planned.type.kind is not Kind.PROVIDER:
            continue
        params = part.nodes[node_id].params
        for name in ("model", "seed"):
            is_set = params.get(name) is not None or name in (params.get("settings") or {})
            if not is_set and name in prepared.params and name in planned.type.by_name:
                params[name] = prepared.params[name]


def _from_generation(generation: Generation) -> Part:
    """The node with its recorded values; media inputs become file nodes."""
    session = current_session()
    node_type = session.catalog.get(generation.node_type)
    sources = session.generations(
        [link.source_generation_id for link in generation.inputs if link.source_generation_id]
    )
    document = FlowDocument()
    params: dict[str, Any] = dict((generation.ingredients or {}).get("params") or {})
    if not params:
        params = dict(generation.settings_snapshot)
        if generation.prompt_snapshot is not None:
            params["prompt"] = generation.prompt_snapshot
    if params.pop("reduced", None) or "reduced" in generation.settings_snapshot:
        params["reduce"] = True
    # Settings of the model have no input port of the node.
    settings = {name: params.pop(name) for name in list(params) if _is_setting(name, node_type)}
    if generation.model is not None:
        params["model"] = generation.model
    if settings:
        params["settings"] = settings
    node = Node(id=generation.node_id, type=generation.node_type, params=_literal(params), take=generation.take)
    if node_type.source_digest is not None:
        node.__pydantic_extra__ = {"source": node_type.source_digest}
    media_inputs = [link for link in generation.inputs if node_type.input(link.port).type.is_media]
    for place, link in enumerate(media_inputs):
        asset = _asset(link.digest, sources.values())
        kind = asset.media_type.partition("/")[0]
        loaded = Node(
            id=edits.new_node_id(document, f"load_{kind}"),
            type=f"load_{kind}",
            params={"asset": asset.to_json(), "name": f"{kind} {asset.sha256[:8]}"},
        )
        edits.apply(document, edits.AddNode(node=loaded, layout=NodeLayout(x=-_COLUMN_PX, y=_ROW_PX * place)))
        edge = Edge(source=loaded.id, source_port=kind, target=node.id, target_port=link.port)
        document.edges.append(edge)
    edits.apply(document, edits.AddNode(node=node, layout=NodeLayout()))
    return Part(document, node.id)


def _is_setting(name: str, node_type: NodeType) -> bool:
    return node_type.kind is Kind.PROVIDER and name not in node_type.by_name


def _literal(params: dict[str, Any]) -> dict[str, Any]:
    """Escape braces: variables were already substituted in these values."""
    return {name: escape_braces(value) for name, value in params.items()}


def _asset(digest: str, generations: Iterable[Generation]) -> Asset:
    """The asset of a digest, from the outputs of generations, else from the store."""
    sha256 = digest.partition(":")[2]
    for generation in generations:
        for asset in assets_of(generation.outputs or {}):
            if asset.sha256 == sha256:
                return asset
    store = current_session().store
    return store.put(store.path(sha256))  # writes nothing for known bytes, but reads the media type


def _free_position(document: FlowDocument, layouts: Iterable[NodeLayout], anchor: NodeLayout) -> tuple[float, float]:
    """A position below all nodes, aligned with their left edge."""
    layouts = list(layouts) or [anchor]
    existing = document.layout.nodes.values()
    x = min((layout.x for layout in existing), default=0.0)
    y = max((layout.y for layout in existing), default=-_ROW_PX) + _ROW_PX
    return x + anchor.x - min(layout.x for layout in layouts), y + anchor.y - min(layout.y for layout in layouts)
