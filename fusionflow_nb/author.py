"""Writing a flow in Python: nodes are calls, edges are arguments, and the flow runs where it stands.

    flow = ff.Flow("Neon city")
    still = flow.generate_image("neon city at midnight", seed=7)
    clip = flow.generate_video(image=flow.upscale(still))
    run = flow.run()

Everything here is an edit of the one document that the canvas shows too.
"""

from __future__ import annotations

import inspect
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from fusionflow_nb import errors, recipes, session
from fusionflow_nb.catalog.node_type import Kind, NodeType
from fusionflow_nb.catalog.python import DEFAULT_TIMEOUT_S, PythonNode, python_node_type
from fusionflow_nb.engine.run import scope_of
from fusionflow_nb.flow import checks, edits, file, python_form
from fusionflow_nb.flow.document import Edge, FlowDocument, Node, NodeLayout
from fusionflow_nb.flow.history import History
from fusionflow_nb.journal.records import ProjectRecord
from fusionflow_nb.live_run import LiveRun
from fusionflow_nb.media.handles import Media
from fusionflow_nb.plan.keys import derived_seed
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.plan.prepare import task_of
from fusionflow_nb.plan.price import Price, price, stale_reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

_SEED_BITS = 31
_COLUMN_PX, _ROW_PX = 340.0, 280.0


class _Random:
    """`seed=ff.random`: draw a seed now, and keep it in the flow."""

    def __repr__(self) -> str:
        return "ff.random"


random = _Random()


class _Snapshot(NamedTuple):
    """A flow at one revision."""

    rev: int
    document: FlowDocument
    hash: str
    project: ProjectRecord


class Output:
    """An output port of a placed node: pass it to another node to draw an edge."""

    def __init__(self, flow: Flow, node_id: str, port: str) -> None:
        self.flow = flow
        self.node_id = node_id
        self.port = port

    def __repr__(self) -> str:
        return f"<{self.node_id}.{self.port}>"


class PlacedNode(Output):
    """A placed node; stands for its first output. Its other outputs are attributes: `still.depth`."""

    def __getattr__(self, port: str) -> Output:
        if port.startswith("_"):
            raise AttributeError(port)
        node_type = self.flow.node_type(self.node_id)
        return Output(self.flow, self.node_id, node_type.output(port, node_id=self.node_id).name)

    def __repr__(self) -> str:
        return f"<{self.flow.document.nodes[self.node_id].type} {self.node_id}>"


class Flow:
    """A graph of generative media that can be run.

    Args:
        name: shown as title; also the first part of file names.
        id: the project on the tape; a new one by default, so give it to continue one.
        variables: read by `{{name}}` in any parameter.

    >>> flow = Flow("Doc")
    >>> still = flow.generate_image("dawn", model="local/landscape", seed=1)
    >>> still
    <generate_image generate_image_1>
    """

    def __init__(
        self,
        name: str = "Untitled",
        *,
        id: str | None = None,  # noqa: A002 - the document's own word
        variables: dict[str, Any] | None = None,
    ) -> None:
        document = FlowDocument(name=name, variables=dict(variables or {}))
        if id is not None:
            document.id = id
        self._hold(document)

    def _hold(self, document: FlowDocument) -> None:
        self.document = document
        self.history = History(document)
        self.path: Path | None = None
        self._plan: Plan | None = None
        self._touched: set[str] = set()
        self._catalog_rev = -1
        self._snapshot: _Snapshot | None = None
        self.history.subscribe(self._follow)

    @classmethod
    def from_document(cls, document: FlowDocument) -> Flow:
        """A flow around a document that was read from somewhere."""
        flow = cls()
        flow._hold(document)  # noqa: SLF001 - its own
        return flow

    @classmethod
    def load(cls, path: str | Path) -> Flow:
        """Read a `.flow.json`. Nothing in it is executed.

        Raises:
            FlowFileError: unreadable, corrupt or from a newer version.
        """
        flow = cls.from_document(file.load(Path(path)))
        flow.path = Path(path)
        return flow

    # --- writing -------------------------------------------------------------------------------------------------

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
        """Place a node. Outputs of other nodes passed as arguments become edges, everything else parameters.

        Args:
            node_type: its name, or a function (declared with `@ff.node` or not).
            args: inputs in the order of the declaration.
            name: the node's id; `<type>_<n>` by default.
            take: asks for another result than take 0 of the same settings.
            muted: left out of runs.
            locked: id of a generation that the node keeps showing.
            params: parameters to write as they are: nothing is checked, pinned or loaded. For what was settled before,
                for parameters called like a keyword above, and for types that are not declared here.
            named: inputs and parameters by name.

        Raises:
            UnknownNodeTypeError, PortError, ParameterError, ModelError: what is wrong and what there is instead.
        """
        if isinstance(node_type, str) and params is not None and session.current().catalog.find(node_type) is None:
            placeholder = Node(
                id=name or edits.new_node_id(self.document, node_type),
                type=node_type,
                params={**named, **params},
                take=take,
                is_muted=muted,
                locked=locked,
            )
            self._do(edits.AddNode(node=placeholder, layout=NodeLayout(y=_ROW_PX * self._row([]))))
            return PlacedNode(self, placeholder.id, "")
        declared = self._declared(node_type)
        given = self._named(declared, args, named)
        node_id = name or edits.new_node_id(self.document, declared.name)
        edges: list[Edge] = []
        values: dict[str, Any] = {}
        for port, value in given.items():
            made = self._edges(value, node_id, declared, port)
            if made is not None:
                edges.extend(made)
            elif value is not None:
                values[port] = _plain(value)
        connected = frozenset(edge.target_port for edge in edges)
        if declared.kind is Kind.PROVIDER and params is None:
            self._pin(declared, values, node_id, connected, take)
        values.update(params or {})
        node = Node(id=node_id, type=declared.name, params=values, take=take, is_muted=muted, locked=locked)
        if declared.source_digest is not None:
            node.__pydantic_extra__ = {"source": declared.source_digest}
        layout = NodeLayout(x=_COLUMN_PX * self._depth(edges), y=_ROW_PX * self._row(edges))
        self._do(edits.AddNode(node=node, layout=layout), *(edits.AddEdge(edge=edge) for edge in edges))
        return PlacedNode(self, node_id, declared.first_output)

    def __getattr__(self, name: str) -> Callable[..., PlacedNode]:
        if name.startswith("_"):
            raise AttributeError(name)
        session.current().catalog.get(name)

        def place(*args: Any, **params: Any) -> PlacedNode:  # noqa: ANN401
            return self.add(name, *args, **params)

        place.__name__ = name
        return place

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *session.current().catalog]

    def __getitem__(self, node_id: str) -> PlacedNode:
        return PlacedNode(self, node_id, self.node_type(node_id).first_output)

    def set(self, node: Output | str, **params: Any) -> None:  # noqa: ANN401
        """Change parameters of a placed node, as one undoable edit; None takes a parameter away."""
        node_id = _id(node)
        changed = [
            edits.SetParam(node_id=node_id, name=name, value=_plain(value), is_unset=value is None)
            for name, value in params.items()
        ]
        self._do(*changed)

    def set_variable(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Change what `{{name}}` stands for."""
        self._do(edits.SetVariable(name=name, value=value))

    def connect(self, source: Output | str, target: Output | str, port: str) -> None:
        """Draw an edge into an input port of a placed node; the source may be written `"node.port"`."""
        node_id, source_port = source.partition(".")[::2] if isinstance(source, str) else (source.node_id, source.port)
        edge = Edge(source=node_id, source_port=source_port, target=_id(target), target_port=port)
        self._do(edits.AddEdge(edge=edge))

    def remove(self, node: Output | str) -> None:
        """Take a node and its edges away."""
        self._do(edits.RemoveNode(node_id=_id(node)))

    def rename(self, node: Output | str, name: str) -> None:
        """Give a node another id. A seed derived from the old id is kept, so that its result stays its result."""
        node_id = _id(node)
        changes: list[Any] = []
        placed = self.document.nodes.get(node_id)
        if placed is not None and self.node_type(node_id).kind is Kind.PROVIDER and "seed" not in placed.params:
            planned = self.plan().nodes[node_id].prepared
            if planned is not None and "seed" in planned.params:
                changes.append(edits.SetParam(node_id=node_id, name="seed", value=planned.params["seed"]))
        self._do(*changes, edits.RenameNode(old=node_id, new=name))

    def again(self, node: Output | str) -> None:
        """Ask for another result of the same settings: the next take."""
        node_id = _id(node)
        take = self.document.nodes[node_id].take + 1
        changes: list[Any] = [edits.SetNode(node_id=node_id, field="take", value=take)]
        if "seed" in self.document.nodes[node_id].params:
            changes.append(edits.SetParam(node_id=node_id, name="seed", value=derived_seed(node_id, take)))
        self._do(*changes)

    def place(self, node: Output | str, x: float, y: float, **look: Any) -> None:  # noqa: ANN401
        """Set where a node stands on the canvas (pixels) and how it looks (width, height, title, color)."""
        self._do(edits.SetLayout(node_id=_id(node), fields={"x": x, "y": y, **look}))

    def undo(self) -> None:
        """Take the last edit back."""
        self.history.undo()

    def redo(self) -> None:
        """Do the edit that was taken back again."""
        self.history.redo()

    # --- files in ------------------------------------------------------------------------------------------------

    def load_image(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """A picture file as a node; its bytes are put into the store now."""
        return self._load("load_image", source, name)

    def load_video(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """A video file as a node; its bytes are put into the store now."""
        return self._load("load_video", source, name)

    def load_audio(self, source: str | Path | Media, *, name: str | None = None) -> PlacedNode:
        """A sound file as a node; its bytes are put into the store now."""
        return self._load("load_audio", source, name)

    def table(self, rows: Any, *, name: str | None = None, **params: Any) -> PlacedNode:  # noqa: ANN401
        """A table (list of dicts, DataFrame, or result of `ff.tape.sql`) whose rows fan out; columns are outputs."""
        return self.add("table", rows=_rows(rows), name=name, **params)

    # --- looking -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its title."""
        return self.document.name

    @property
    def id(self) -> str:
        """The project on the tape."""
        return self.document.id

    @property
    def hash(self) -> str:
        """Hex sha256 of the logic: nodes, edges, variables; not names or layout."""
        return self._now().hash

    def node_type(self, node_id: str) -> NodeType:
        """The declaration of a placed node.

        Raises:
            EditError: there is no such node.
            UnknownNodeTypeError: nothing declares its type.
        """
        placed = self.document.nodes.get(node_id)
        if placed is None:
            known = ", ".join(self.document.nodes) or "none"
            raise errors.EditError(f"There is no node {node_id!r}.", hint=f"Nodes: {known}.")
        return session.current().catalog.get(placed.type, node_id=node_id)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the flow to `name.flow.json` (atomically) and return the path."""
        target = Path(path) if path is not None else self.path or Path(f"{_file_name(self.name)}.flow.json")
        file.save(self.document, target)
        self.path = target
        return target

    def to_python(self, *, layout: bool = False) -> str:
        """Python that rebuilds this flow, with the same hash."""
        catalog = session.current().catalog
        forms = {node.type: _Form(found) for node in self.document.nodes.values() if (found := catalog.find(node.type))}
        return python_form.to_python(self.document, forms, reserved={*dir(Flow), *vars(self)}, layout=layout)

    def plan(self) -> Plan:
        """What would run, with everything already known looked up.

        Raises:
            CycleError: names the nodes of a circle.
        """
        living = session.current()
        if self._plan is None or self._catalog_rev != living.catalog.rev:
            self._plan, self._catalog_rev = None, living.catalog.rev
            self._plan = Plan(self.document, living.catalog, living.registry)
            self._touched.clear()
        elif self._touched:
            touched, self._touched = self._touched, set()
            try:
                self._plan.update(self.document, touched)
            except errors.FlowError:
                self._plan = None
                raise
        living.look_up(self._plan)
        return self._plan

    def estimate(self, *targets: Output | str) -> Price:
        """Low and high price of exactly what a run to these targets (all by default) would do."""
        plan = self.plan()
        return price(plan, scope_of(plan, self._targets(targets)))

    def stale(self) -> dict[str, list[str]]:
        """Why each node that is not fresh would run: what changed, old → new."""
        plan = self.plan()
        return stale_reasons(plan, session.current().shown(self.id))

    def states(self) -> dict[str, str]:
        """Each node's state: fresh, stale, pending, lost or invalid."""
        return {node_id: node.state for node_id, node in self.plan().nodes.items()}

    # --- running -------------------------------------------------------------------------------------------------

    def run(
        self,
        *targets: Output | str,
        unpriced: float | None = None,
        confirmed: bool = False,
    ) -> LiveRun:
        """Run the targets (all nodes by default) and what they need; return at once.

        Results that are known are not made again; a node that failed is tried again, alone.

        Args:
            targets: nodes to run to.
            unpriced: dollars that one call to a model without a known price may cost.
            confirmed: go ahead with more than 100 paid calls or $10.

        Raises:
            FlowError, ModelError: a node cannot run; nothing was started and nothing spent.
            OverBudgetError: a large run that was not confirmed.
        """
        living = session.current()
        wanted = self._targets(targets)
        plan = self.plan()
        plan.retry(
            job for node_id in plan.unfresh for job in plan.nodes[node_id].jobs.values() if job.error is not None
        )
        living.look_up(plan)
        # The run owns this plan: edits made meanwhile are planned anew.
        self._plan = None
        now = self._now()
        run = living.start(plan, now.project, wanted, flow_hash=now.hash, unpriced_usd=unpriced, confirmed=confirmed)
        return LiveRun(run, now.document, living)

    def _targets(self, targets: Iterable[Output | str]) -> tuple[str, ...]:
        chosen = tuple(_id(target) for target in targets)
        for node_id in chosen:
            self.node_type(node_id)
        return chosen or tuple(node_id for node_id, node in self.document.nodes.items() if not node.is_muted)

    def _repr_html_(self) -> str:
        from fusionflow_nb.display import flow_html  # noqa: PLC0415

        return flow_html(self)

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}: {len(self.document.nodes)} nodes, {len(self.document.edges)} edges>"

    def _now(self) -> _Snapshot:
        """The flow as it stands, taken once per revision: runs and recipes tell what was run, not what came later."""
        if self._snapshot is None or self._snapshot.rev != self.history.rev:
            document = self.document.model_copy(deep=True)
            project = ProjectRecord(document.id, document.name, file.to_wire(document), dict(document.variables))
            self._snapshot = _Snapshot(self.history.rev, document, file.flow_hash(document), project)
        return self._snapshot

    # --- parts ---------------------------------------------------------------------------------------------------

    def _do(self, *changes: Any) -> None:  # noqa: ANN401 - edits
        if changes:
            self.history.do(list(changes), origin="python")

    def _follow(self, _rev: int, _origin: str, _changes: list[Any], replanned: frozenset[str]) -> None:
        if edits.VARIABLES in replanned:
            used = [node_id for node_id, node in self.document.nodes.items() if checks.variables_used(node.params)]
            self._touched.update(used)
        self._touched.update(replanned - {edits.VARIABLES})

    def _declared(self, node_type: str | PythonNode | Callable[..., Any]) -> NodeType:
        catalog = session.current().catalog
        if isinstance(node_type, str):
            return catalog.get(node_type)
        declared = node_type.node_type if isinstance(node_type, PythonNode) else python_node_type(node_type)
        if catalog.find(declared.name) is not declared:
            catalog.declare(declared)
        return declared

    def _named(self, declared: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> dict[str, Any]:
        names = [port.name for port in declared.inputs]
        if len(args) > len(names):
            raise errors.PortError(
                f"{declared.name} takes {len(names)} inputs, not {len(args)}.", hint=f"They are: {', '.join(names)}."
            )
        given = dict(zip(names, args, strict=False))
        twice = sorted(given.keys() & params.keys())
        if twice:
            raise errors.PortError(f"{declared.name} got {', '.join(twice)} twice.", hint="Give it once.")
        given.update(params)
        settings = {}
        for name in list(given):
            if name not in declared.by_name and declared.extra_inputs is None:
                if declared.kind is not Kind.PROVIDER:
                    declared.input(name)  # raises, and lists what there is
                settings[name] = given.pop(name)  # a setting of the model, checked against it
        if settings:
            given["settings"] = {**(given.get("settings") or {}), **settings}
        return given

    def _edges(self, value: Any, node_id: str, declared: NodeType, port: str) -> list[Edge] | None:  # noqa: ANN401
        """The edges a value stands for; None where it is a plain parameter."""
        is_media = declared.input(port).type.is_media
        if isinstance(value, Output):
            if value.flow is not self:
                raise errors.PortError(f"{value} belongs to another flow.", hint="Place its node on this flow first.")
            return [Edge(source=value.node_id, source_port=value.port, target=node_id, target_port=port)]
        if isinstance(value, list | tuple) and value and any(isinstance(one, Output | Media) for one in value):
            return [edge for one in value for edge in self._edges(one, node_id, declared, port) or []]
        if is_media and isinstance(value, str | Path | Media):
            loaded = self._load(
                f"load_{'image' if declared.input(port).type == 'mask' else declared.input(port).type}", value, None
            )
            return self._edges(loaded, node_id, declared, port)
        if is_media and value is not None:
            raise errors.PortError(
                f"{declared.name} takes {declared.input(port).type.value} as {port!r}, not {type(value).__name__}.",
                hint="Pass an output of a node, a handle, or a path.",
            )
        return None

    def _pin(
        self, declared: NodeType, values: dict[str, Any], node_id: str, connected: frozenset[str], take: int
    ) -> None:
        """Resolve the model once and write it into the node; settle its seed where it takes one."""
        if values.get("seed") is random:
            values["seed"] = secrets.randbits(_SEED_BITS)
        if "model" in connected:
            return
        registry = session.current().registry
        entry = registry.resolve(values.get("model") or registry.default_for(task_of(declared, connected)))
        values["model"] = entry.id
        seed = entry.parameters.get("seed")
        is_set = "seed" in connected or values.get("seed") is not None or "seed" in (values.get("settings") or {})
        if seed is not None and not is_set:
            values["seed"] = derived_seed(node_id, *([take] if take else []), maximum=seed.maximum)

    def _load(self, node_type: str, source: str | Path | Media, name: str | None) -> PlacedNode:
        if isinstance(source, Media):
            asset, label = source.asset, repr(source)
        else:
            path = Path(source).expanduser()
            if not path.is_file():
                raise errors.MediaError(f"There is no file {str(path)!r}.", hint="Check the path.")
            asset, label = session.current().store.put(path), path.name
        return (
            self.add(node_type, asset=asset.to_json(), name=name)
            if name
            else self._loaded(node_type, asset.to_json(), label)
        )

    def _loaded(self, node_type: str, asset: dict[str, Any], label: str) -> PlacedNode:
        node_id = edits.new_node_id(self.document, node_type)
        node = Node(id=node_id, type=node_type, params={"asset": asset, "name": label})
        self._do(edits.AddNode(node=node, layout=NodeLayout(y=_ROW_PX * self._row([]))))
        return self[node_id]

    def _depth(self, edges: list[Edge]) -> float:
        """One column right of the rightmost source."""
        placed = self.document.layout.nodes
        return max((placed[edge.source].x / _COLUMN_PX + 1 for edge in edges if edge.source in placed), default=0.0)

    def _row(self, edges: list[Edge]) -> float:
        """The first free row of the column."""
        column = self._depth(edges) * _COLUMN_PX
        return float(sum(1 for look in self.document.layout.nodes.values() if abs(look.x - column) < _COLUMN_PX / 2))


@overload
def node(function: Callable[..., Any], /) -> PythonNode: ...


@overload
def node(
    *,
    name: str | None = None,
    version: int | str | None = None,
    cache: bool = True,
    record: bool = True,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    title: str | None = None,
) -> Callable[[Callable[..., Any]], PythonNode]: ...


def node(function: Callable[..., Any] | None = None, /, **facts: Any) -> Any:
    """Make a Python function a node type; redefining it updates the nodes placed already.

    Type hints say what it takes and gives: `ff.Image`, `ff.Mask`, `ff.Video`, `ff.Audio`, str, numbers, lists, dicts;
    `list[...]` collects a batch. It may return a handle, a PIL image, a uint8 array (height, width, 3 or 4), a path or
    bytes where the hint is a medium, plain values otherwise. A parameter of type `ff.Context` reports progress.

    Args:
        function: sync (runs in a worker thread) or async.
        name: the node type's name; the function's own by default.
        version: stands for the source in the content key: results change when it does.
        cache: False: always run.
        record: False: no generation is logged.
        timeout_s: seconds after which a job counts as failed.
        title: shown on the node.
        facts: these, where it is used with parentheses.

    Raises:
        PortError: a hint that no port can carry.
        ParameterError: the name belongs to a built-in node.

    >>> @node
    ... def shout(text: str) -> str:
    ...     return text.upper() + "!"
    >>> shout("dawn")
    'DAWN!'
    """

    def declared(function: Callable[..., Any]) -> PythonNode:
        made = PythonNode(function, python_node_type(function, **facts), _place)
        session.current().catalog.declare(made.node_type)
        return made

    return declared if function is None else declared(function)


def _place(node_type: NodeType, args: tuple[Any, ...], params: dict[str, Any]) -> PlacedNode | None:
    """Place a node on the flow that one of the arguments belongs to; None where none of them does."""
    for value in (*args, *params.values()):
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Output):
                return one.flow.add(node_type.name, *args, **params)
    return None


def recipe(path: str | Path) -> Flow:
    """The flow that made a saved picture, video or sound. Nothing is executed by reading it.

    Raises:
        MediaError: the file carries no recipe.
    """
    return Flow.from_document(recipes.read(path))


class _Form:
    """What `to_python` needs to know of a node type."""

    def __init__(self, node_type: NodeType) -> None:
        self._node_type = node_type
        self.inputs = tuple(port.name for port in node_type.inputs)
        self.first_output = node_type.first_output

    def collects(self, name: str) -> bool:
        return self._node_type.collects(name)

    def takes(self, name: str) -> bool:
        is_declared = name in self._node_type.by_name or self._node_type.extra_inputs is not None
        return is_declared and name not in _ADD_WORDS

    def gives(self, name: str) -> bool:
        node_type = self._node_type
        is_declared = node_type.extra_outputs is not None or name in {port.name for port in node_type.outputs}
        return is_declared and not name.startswith("_") and name not in _OUTPUT_WORDS

    def keeps(self, params: Mapping[str, Any], connected: Collection[str]) -> bool:
        if any(self._node_type.by_name[name].type.is_media for name in params if name in self._node_type.by_name):
            return False  # a path would be loaded
        if self._node_type.kind is not Kind.PROVIDER or "model" in connected:
            return True
        try:
            entry = session.current().registry.resolve(params.get("model") or "")
        except errors.ModelError:
            return False
        is_seeded = "seed" in connected or params.get("seed") is not None or "seed" in (params.get("settings") or {})
        return entry.id == params["model"] and (is_seeded or "seed" not in entry.parameters)


_ADD_WORDS = frozenset(inspect.signature(Flow.add).parameters)
_OUTPUT_WORDS = frozenset({*dir(PlacedNode), "flow", "node_id", "port"})


def _id(node: Output | str) -> str:
    return node.node_id if isinstance(node, Output) else node


def _plain(value: Any) -> Any:  # noqa: ANN401 - a parameter as a person gives it
    return list(value) if isinstance(value, tuple | range) else value


def _rows(rows: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - anything table-like
    """A table as a list of dicts, with plain values."""
    if isinstance(rows, list):
        return rows
    if hasattr(rows, "rows") and hasattr(rows, "columns"):
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows()]
    if hasattr(rows, "to_dict"):
        return [{str(name): _scalar(value) for name, value in row.items()} for row in rows.to_dict(orient="records")]
    if hasattr(rows, "to_dicts"):
        return list(rows.to_dicts())
    raise errors.ParameterError(
        f"{type(rows).__name__} is no table.", hint="Give a list of dicts, a DataFrame, or a result of ff.tape.sql."
    )


def _scalar(value: Any) -> Any:  # noqa: ANN401 - numpy scalars know their plain form
    return value.item() if hasattr(value, "item") else value


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    kept = "".join(letter if letter.isalnum() or letter in " -_" else "-" for letter in name).strip()
    return "-".join(kept.lower().split()) or "flow"
