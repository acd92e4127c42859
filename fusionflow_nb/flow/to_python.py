"""Write a flow as idiomatic Python code that rebuilds it with the same hash.

Nodes become calls and edges become arguments where possible. Anything else (an edge that closes a cycle, an undeclared
port, an unknown node type) is written with `params={...}` and `flow.connect`.
"""

from __future__ import annotations

import heapq
import keyword
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from fusionflow_nb.flow.document import NodeIdCounter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fusionflow_nb.flow.document import Edge, FlowDocument, Node

_WIDTH = 100
_RESERVED_VARIABLES = frozenset({"ff", "flow"})
_PLACE_PARAMETERS = frozenset({"self", "node", "x", "y"})


class NodeSignature(Protocol):
    """What the writer needs about a node type to write a call."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the inputs in the order of the call's arguments."""

    @property
    def first_output(self) -> str:
        """The output that is used if no port is named."""

    def collects(self, name: str) -> bool:
        """Whether an input takes several edges."""

    def takes_keyword(self, name: str) -> bool:
        """Whether a call can pass an input or parameter by keyword."""

    def has_output(self, name: str) -> bool:
        """Whether `node.<name>` is an output."""

    def accepts_output(self, name: str, source: Any, output: str) -> bool:  # noqa: ANN401 - another NodeSignature
        """Whether an output of another node type can be connected to an input."""

    def keeps_params(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        """Whether a call keeps these parameters: it does not pin a model, draw a seed or load a file."""


def to_python(
    document: FlowDocument,
    signatures: Mapping[str, NodeSignature],
    *,
    reserved: Collection[str] = (),
    layout: bool = False,
) -> str:
    """Python code that rebuilds the flow with the same `flow_hash`.

    Unknown fields, groups, comments and the viewport are not included; only flow files have them.

    Args:
        document: the flow.
        signatures: declared node types by name; a node of another type is written with `flow.add` and `params`.
        reserved: attributes of the flow object; a node type with such a name is not called as a method.
        layout: include the positions of the nodes.
    """
    return _Writer(document, signatures, reserved).text(is_with_layout=layout)


class _Writer:
    """Writes a document as Python code."""

    def __init__(
        self, document: FlowDocument, signatures: Mapping[str, NodeSignature], reserved: Collection[str]
    ) -> None:
        self._document = document
        self._signatures = signatures
        self._reserved = frozenset(reserved) | {"add", "connect", "place"}
        self._variables = _variable_names(document)
        self._ports: dict[str, dict[str, list[Edge]]] = defaultdict(lambda: defaultdict(list))
        for edge in document.edges:
            self._ports[edge.target][edge.target_port].append(edge)

    def text(self, *, is_with_layout: bool) -> str:
        document = self._document
        header = [_literal(document.name), f"id={_literal(document.id)}"]
        if document.variables:
            header.append(f"variables={_literal(document.variables)}")
        lines = ["import fusionflow_nb as ff", "", _call("flow = ff.Flow", header)]
        counter = NodeIdCounter()
        placed: set[str] = set()
        later: list[Edge] = []
        for node in _topological(document):
            lines.append(self._place_call(node, counter, placed, later))
            counter.record(node.id)
            placed.add(node.id)
        lines += [_connect_call(edge) for edge in later]
        if is_with_layout:
            lines += self._layout()
        return "\n".join(lines) + "\n"

    def _place_call(self, node: Node, counter: NodeIdCounter, placed: set[str], later: list[Edge]) -> str:
        """The call that places a node. Adds edges that it cannot express to `later`."""
        signature = self._signatures.get(node.type)
        ports = self._ports.get(node.id, {})
        keywords: dict[str, str] = {}
        for port, edges in ports.items():
            if (
                signature is not None
                and signature.takes_keyword(port)
                and all(self._is_expressible(edge, placed, signature) for edge in edges)
            ):
                sources = [self._output(edge) for edge in edges]
                is_list = len(sources) > 1 or signature.collects(port)
                keywords[port] = f"[{', '.join(sources)}]" if is_list else sources[0]
            else:
                later.extend(edges)
        verbatim = {}
        is_kept = signature is not None and signature.keeps_params(node.params, frozenset(keywords))
        for name, value in node.params.items():
            if (
                signature is not None
                and is_kept
                and signature.takes_keyword(name)
                and name not in ports
                and value is not None
            ):
                keywords[name] = _literal(value)
            else:
                verbatim[name] = value
        order = {name: place for place, name in enumerate(signature.inputs)} if signature is not None else {}
        arguments = [
            _keyword(name, keywords[name]) for name in sorted(keywords, key=lambda name: order.get(name, len(order)))
        ]
        # An empty `params={}` prevents the call from filling in parameters.
        if verbatim or not is_kept:
            arguments.append(f"params={_literal(verbatim)}")
        arguments += self._fields(node)
        if node.id != counter.next_id(node.type):
            arguments.append(f'name="{node.id}"')
        return self._node_call(node, arguments)

    def _node_call(self, node: Node, arguments: list[str]) -> str:
        if self._is_method(node.type):
            return _call(f"{self._variables[node.id]} = flow.{node.type}", arguments)
        return _call(f"{self._variables[node.id]} = flow.add", [_literal(node.type), *arguments])

    def _fields(self, node: Node) -> list[str]:
        fields = []
        if node.take:
            fields.append(f"take={_literal(node.take)}")
        if node.is_muted:
            fields.append("muted=True")
        if node.locked is not None:
            fields.append(f"locked={_literal(node.locked)}")
        return fields

    def _is_method(self, node_type: str) -> bool:
        is_free = node_type not in self._reserved and not node_type.startswith("_")
        return is_free and node_type in self._signatures and _is_identifier(node_type)

    def _is_expressible(self, edge: Edge, placed: set[str], target: NodeSignature) -> bool:
        signature = self._signatures.get(self._document.nodes[edge.source].type)
        if (
            signature is None
            or edge.source not in placed
            or not target.accepts_output(edge.target_port, signature, edge.source_port)
        ):
            return False
        return edge.source_port == signature.first_output or (
            _is_identifier(edge.source_port) and signature.has_output(edge.source_port)
        )

    def _output(self, edge: Edge) -> str:
        variable = self._variables[edge.source]
        first = self._signatures[self._document.nodes[edge.source].type].first_output
        return variable if edge.source_port == first else f"{variable}.{edge.source_port}"

    def _layout(self) -> list[str]:
        lines = []
        for node_id in self._document.nodes:
            look = self._document.layout.nodes.get(node_id)
            if look is None:
                continue
            rest = look.model_dump(exclude_defaults=True, exclude={"x", "y"})
            keywords = [
                _keyword(name, _literal(value)) for name, value in rest.items() if name not in _PLACE_PARAMETERS
            ]
            lines.append(_call("flow.place", [f'"{node_id}"', _literal(look.x), _literal(look.y), *keywords]))
        return lines


def _topological(document: FlowDocument) -> list[Node]:
    """The nodes in topological order, ties in order of creation; a cycle is entered at its oldest node."""
    ranks = {node_id: rank for rank, node_id in enumerate(document.nodes)}
    order = list(document.nodes)
    waiting = dict.fromkeys(order, 0)
    below: dict[str, list[str]] = defaultdict(list)
    for edge in document.edges:
        waiting[edge.target] += 1
        below[edge.source].append(edge.target)
    free = [ranks[node_id] for node_id in order if waiting[node_id] == 0]
    oldest = iter(order)
    done: dict[str, None] = {}
    while len(done) < len(order):
        node_id = order[heapq.heappop(free)] if free else next(oldest)
        if node_id in done:
            continue
        done[node_id] = None
        for target in below[node_id]:
            waiting[target] -= 1
            if waiting[target] == 0 and target not in done:
                heapq.heappush(free, ranks[target])
    return [document.nodes[node_id] for node_id in done]


def _variable_names(document: FlowDocument) -> dict[str, str]:
    """A variable name for each node: its id, unless that is a keyword or used otherwise in the code."""
    names: dict[str, str] = {}
    for node_id in document.nodes:
        name = node_id
        while not _is_identifier(name) or name in _RESERVED_VARIABLES or (name != node_id and name in document.nodes):
            name += "_"
        names[node_id] = name
    return names


def _call(head: str, arguments: Sequence[str]) -> str:
    """A call on one line if it fits, else with one argument per line."""
    line = f"{head}({', '.join(arguments)})"
    if len(line) <= _WIDTH or len(arguments) < 2:  # noqa: PLR2004 - splitting a single argument gains nothing
        return line
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def _keyword(name: str, code: str) -> str:
    return f"{name}={code}" if _is_identifier(name) else f"**{{{_literal(name)}: {code}}}"


def _connect_call(edge: Edge) -> str:
    ends = [f"{edge.source}.{edge.source_port}", edge.target, edge.target_port]
    return _call("flow.connect", [*(_literal(end) for end in ends), "as_is=True"])


def _is_identifier(name: str) -> bool:
    """Whether a name is a valid identifier; ASCII only, because Python normalizes other letters in identifiers."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"


def _literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Code for a JSON value; strings in double quotes, as the formatters like them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        # A leading double quote makes repr use single quotes for any text; then the quotes are swapped.
        body = repr('"' + str.__str__(value))[2:-1]
        return '"' + body.replace("\\'", "'").replace('"', '\\"') + '"'
    return repr(value)
