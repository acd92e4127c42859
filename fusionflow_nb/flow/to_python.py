"""A flow written as Python: code that a person would have typed, and that rebuilds the flow with the same hash.

Nodes are calls and edges are arguments, as long as a call can say it. What no call can say (an edge that closes a
circle, a port that no type declares, a type that nobody knows here) is written out plainly, with `params={...}` and
`flow.connect`.
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
_TAKEN_VARIABLES = frozenset({"ff", "flow"})
_PLACE_WORDS = frozenset({"self", "node", "x", "y"})


class NodeForm(Protocol):
    """What must be known of a node type to write a call to it."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the inputs, in the order in which a person gives them."""

    @property
    def first_output(self) -> str:
        """The output that the node itself stands for."""

    def collects(self, name: str) -> bool:
        """Whether several edges may end in this input."""

    def takes(self, name: str) -> bool:
        """Whether a call may give this input or parameter by keyword."""

    def gives(self, name: str) -> bool:
        """Whether `node.<name>` is this output."""

    def joins(self, name: str, source: Any, output: str) -> bool:  # noqa: ANN401 - another NodeForm
        """Whether what an output of another node type gives may go into this input."""

    def keeps(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        """Whether a call leaves these parameters as they are: pins no other model, draws no seed, loads no file."""


def to_python(
    document: FlowDocument,
    forms: Mapping[str, NodeForm],
    *,
    reserved: Collection[str] = (),
    layout: bool = False,
) -> str:
    """Python that rebuilds the flow; executed, it gives a flow of the same `flow_hash`.

    Unknown fields, groups, comments and the viewport are not in it; those live in the file form.

    Args:
        document: the flow.
        forms: node types that are declared here, by name; a node of any other type is written as it is.
        reserved: attributes of the flow object, so that no node type of such a name is called as a method.
        layout: say where the nodes stand, too.
    """
    return _Writer(document, forms, reserved).text(is_with_layout=layout)


class _Writer:
    """One document on its way to text."""

    def __init__(self, document: FlowDocument, forms: Mapping[str, NodeForm], reserved: Collection[str]) -> None:
        self._document = document
        self._forms = forms
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
        for node in _forward(document):
            lines.append(self._placed(node, counter, placed, later))
            counter.record(node.id)
            placed.add(node.id)
        lines += [_connected(edge) for edge in later]
        if is_with_layout:
            lines += self._layout()
        return "\n".join(lines) + "\n"

    def _placed(self, node: Node, counter: NodeIdCounter, placed: set[str], later: list[Edge]) -> str:
        """The call that places a node; edges that it cannot say are added to `later`."""
        form = self._forms.get(node.type)
        ports = self._ports.get(node.id, {})
        said: dict[str, str] = {}
        for port, edges in ports.items():
            if form is not None and form.takes(port) and all(self._is_sayable(edge, placed, form) for edge in edges):
                sources = [self._output(edge) for edge in edges]
                is_list = len(sources) > 1 or form.collects(port)
                said[port] = f"[{', '.join(sources)}]" if is_list else sources[0]
            else:
                later.extend(edges)
        verbatim = {}
        is_kept = form is not None and form.keeps(node.params, frozenset(said))
        for name, value in node.params.items():
            if form is not None and is_kept and form.takes(name) and name not in ports and value is not None:
                said[name] = _literal(value)
            else:
                verbatim[name] = value
        order = {name: place for place, name in enumerate(form.inputs)} if form is not None else {}
        arguments = [_keyword(name, said[name]) for name in sorted(said, key=lambda name: order.get(name, len(order)))]
        # An empty `params={}` says that nothing is to be filled in.
        if verbatim or not is_kept:
            arguments.append(f"params={_literal(verbatim)}")
        arguments += self._fields(node)
        if node.id != counter.next_id(node.type):
            arguments.append(f'name="{node.id}"')
        return self._line(node, arguments)

    def _line(self, node: Node, arguments: list[str]) -> str:
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
        return is_free and node_type in self._forms and _is_word(node_type)

    def _is_sayable(self, edge: Edge, placed: set[str], target: NodeForm) -> bool:
        form = self._forms.get(self._document.nodes[edge.source].type)
        if form is None or edge.source not in placed or not target.joins(edge.target_port, form, edge.source_port):
            return False
        return edge.source_port == form.first_output or (_is_word(edge.source_port) and form.gives(edge.source_port))

    def _output(self, edge: Edge) -> str:
        variable = self._variables[edge.source]
        first = self._forms[self._document.nodes[edge.source].type].first_output
        return variable if edge.source_port == first else f"{variable}.{edge.source_port}"

    def _layout(self) -> list[str]:
        lines = []
        for node_id in self._document.nodes:
            look = self._document.layout.nodes.get(node_id)
            if look is None:
                continue
            rest = look.model_dump(exclude_defaults=True, exclude={"x", "y"})
            said = [_keyword(name, _literal(value)) for name, value in rest.items() if name not in _PLACE_WORDS]
            lines.append(_call("flow.place", [f'"{node_id}"', _literal(look.x), _literal(look.y), *said]))
        return lines


def _forward(document: FlowDocument) -> list[Node]:
    """The nodes so that edges point forward, else in order of creation; a circle is entered at its oldest node."""
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
    """A Python variable for each node: its id, unless Python or the code itself needs that word."""
    names: dict[str, str] = {}
    for node_id in document.nodes:
        name = node_id
        while not _is_word(name) or name in _TAKEN_VARIABLES or (name != node_id and name in document.nodes):
            name += "_"
        names[node_id] = name
    return names


def _call(head: str, arguments: Sequence[str]) -> str:
    """A call on one line where it fits, else one argument a line."""
    line = f"{head}({', '.join(arguments)})"
    if len(line) <= _WIDTH or len(arguments) < 2:  # noqa: PLR2004 - one argument gains nothing by its own line
        return line
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def _keyword(name: str, code: str) -> str:
    return f"{name}={code}" if _is_word(name) else f"**{{{_literal(name)}: {code}}}"


def _connected(edge: Edge) -> str:
    ends = [f"{edge.source}.{edge.source_port}", edge.target, edge.target_port]
    return _call("flow.connect", [*(_literal(end) for end in ends), "as_is=True"])


def _is_word(name: str) -> bool:
    """Whether code may use a name bare; ASCII only, because Python folds other letters in identifiers."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"


def _literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Code for a JSON value; strings in double quotes, as the formatters like them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        # A double quote in front makes repr choose single quotes, whatever the text holds; then they are swapped.
        body = repr('"' + str.__str__(value))[2:-1]
        return '"' + body.replace("\\'", "'").replace('"', '\\"') + '"'
    return repr(value)
