"""Placing again how a generation was made: its node as it was, and what that needs above it.

Two ways. The flow as it was when the generation ran, if the tape still has it: the node with everything above it. Else,
and for one cell of a batch (whose flow would make all the others too): the node alone, with every value as it was at
that moment, and what came over edges as file nodes. Either way the node asks for exactly what was made: a cache hit.
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
"""Logged states of the flow among which the one that ran is looked for: it is the last, or a few before."""


@dataclass(slots=True)
class Part:
    """What is to be placed: a small flow, and the node of it that everything else is there for."""

    document: FlowDocument
    node_id: str


def part_of(generation_id: str) -> Part:
    """How a generation was made, as a small flow.

    Raises:
        TapeError: there is no such generation.
        UnknownNodeTypeError: nothing here declares what made it, and its flow is not on the tape.
        LostAssetError: nobody knows any more what went into it.
    """
    living = current_session()
    generation = living.generations([generation_id]).get(generation_id)
    if generation is None:
        raise errors.TapeError(
            f"There is no generation {generation_id}.",
            hint="Ids are in the column generations.id of this machine's tape.",
        )
    node_type = living.catalog.find(generation.node_type)
    is_cell = bool(generation.coordinate) and not (node_type is not None and _takes_batches(node_type))
    whole = None if is_cell else _flow_that_ran(generation)
    return whole if whole is not None else _alone(generation)


def edits_for(document: FlowDocument, part: Part, position: tuple[float, float] | None) -> tuple[list[Any], str]:
    """The edits that place a part on a document, and the id its node gets there.

    Ids that are taken are given anew; variables are added, or, where the document's own differ, filled in.
    """
    ids: dict[str, str] = {}
    for node in part.document.nodes.values():
        new = node.id if node.id not in document.nodes else edits.new_node_id(document, node.type)
        document.index.id_counter(document.nodes)
        document.index.record_id(new)
        ids[node.id] = new
    theirs, ours = part.document.variables, document.variables
    changed = {name for name, value in theirs.items() if name in ours and ours[name] != value}
    made: list[Any] = [edits.SetVariable(name=name, value=value) for name, value in theirs.items() if name not in ours]
    looks = part.document.layout.nodes
    anchor = looks.get(part.node_id, NodeLayout())
    x, y = position if position is not None else _free_spot(document, looks.values(), anchor)
    for node in part.document.nodes.values():
        params = node.params
        if variables_used(params) & changed:
            params = {name: substitute_params(value, theirs, where=node.id) for name, value in params.items()}
        look = looks.get(node.id, NodeLayout())
        moved = look.model_copy(update={"x": look.x - anchor.x + x, "y": look.y - anchor.y + y})
        made.append(edits.AddNode(node=node.model_copy(update={"id": ids[node.id], "params": params}), layout=moved))
    made += [
        edits.AddEdge(edge=edge.model_copy(update={"source": ids[edge.source], "target": ids[edge.target]}))
        for edge in part.document.edges
    ]
    return made, ids[part.node_id]


def _takes_batches(node_type: NodeType) -> bool:
    return any(port.collects is Collects.CELLS for port in node_type.inputs)


def _flow_that_ran(generation: Generation) -> Part | None:
    """The node and everything above it, from the logged flow whose hash the generation carries; None: there is none."""
    living = current_session()
    for project in living.projects_before(generation.id, most=_STATES):
        try:
            document = file.from_wire(
                project.graph_state, id=project.id, name=project.name, variables=project.variables
            )
        except errors.FlowFileError:
            continue
        if file.flow_hash(document) == generation.flow_hash and generation.node_id in document.nodes:
            part = recipe_files.part_above(document, generation.node_id)
            _settle(part)
            is_open = not any(edge.target == generation.node_id and edge.target_port == "model" for edge in part.edges)
            if generation.model is not None and is_open:
                part.nodes[generation.node_id].params["model"] = generation.model
            return Part(part, generation.node_id)
    return None


def _settle(part: FlowDocument) -> None:
    """Write models and seeds that follow from ids and defaults into the nodes: they get other ids, at another time."""
    living = current_session()
    for node_id, planned in Plan(part, living.catalog, living.registry).nodes.items():
        prepared = planned.prepared
        if prepared is None or planned.type is None or planned.type.kind is not Kind.PROVIDER:
            continue
        params = part.nodes[node_id].params
        for name in ("model", "seed"):
            is_set = params.get(name) is not None or name in (params.get("settings") or {})
            if not is_set and name in prepared.params and name in planned.type.by_name:
                params[name] = prepared.params[name]


def _alone(generation: Generation) -> Part:
    """The node with every value as it was; what came over edges as media are file nodes."""
    living = current_session()
    node_type = living.catalog.get(generation.node_type)
    known = living.generations([one.source_generation_id for one in generation.inputs if one.source_generation_id])
    document = FlowDocument()
    given: dict[str, Any] = dict((generation.ingredients or {}).get("params") or {})
    if not given:
        given = dict(generation.settings_snapshot)
        if generation.prompt_snapshot is not None:
            given["prompt"] = generation.prompt_snapshot
    if given.pop("reduced", None) or "reduced" in generation.settings_snapshot:
        given["reduce"] = True
    # A form has no field for what is a setting of the model alone.
    of_model = {name: given.pop(name) for name in list(given) if _is_setting(name, node_type)}
    if generation.model is not None:
        given["model"] = generation.model
    if of_model:
        given["settings"] = of_model
    node = Node(id=generation.node_id, type=generation.node_type, params=_literal(given), take=generation.take)
    if node_type.source_digest is not None:
        node.__pydantic_extra__ = {"source": node_type.source_digest}
    for place, one in enumerate(one for one in generation.inputs if node_type.input(one.port).type.is_media):
        asset = _asset(one.digest, known.values())
        kind = asset.media_type.partition("/")[0]
        loaded = Node(
            id=edits.new_node_id(document, f"load_{kind}"),
            type=f"load_{kind}",
            params={"asset": asset.to_json(), "name": f"{kind} {asset.sha256[:8]}"},
        )
        edits.apply(document, edits.AddNode(node=loaded, layout=NodeLayout(x=-_COLUMN_PX, y=_ROW_PX * place)))
        edge = Edge(source=loaded.id, source_port=kind, target=node.id, target_port=one.port)
        document.edges.append(edge)
    edits.apply(document, edits.AddNode(node=node, layout=NodeLayout()))
    return Part(document, node.id)


def _is_setting(name: str, node_type: NodeType) -> bool:
    return node_type.kind is Kind.PROVIDER and name not in node_type.by_name


def _literal(params: dict[str, Any]) -> dict[str, Any]:
    """Values that were filled in already: braces in them are text."""
    return {name: escape_braces(value) for name, value in params.items()}


def _asset(digest: str, generations: Iterable[Generation]) -> Asset:
    """The asset of a digest: as a generation gave it, else as the store knows it."""
    sha256 = digest.partition(":")[2]
    for generation in generations:
        for asset in assets_of(generation.outputs or {}):
            if asset.sha256 == sha256:
                return asset
    store = current_session().store
    return store.put(store.path(sha256))  # the same bytes again: nothing is written, and they are described


def _free_spot(document: FlowDocument, looks: Iterable[NodeLayout], anchor: NodeLayout) -> tuple[float, float]:
    """Below everything that is there, the left edges in line."""
    looks = list(looks) or [anchor]
    there = document.layout.nodes.values()
    left = min((look.x for look in there), default=0.0)
    top = max((look.y for look in there), default=-_ROW_PX) + _ROW_PX
    return left + anchor.x - min(look.x for look in looks), top + anchor.y - min(look.y for look in looks)
