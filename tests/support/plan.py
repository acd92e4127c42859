"""Flows and plans without a session: build a document, complete jobs with derived outputs, compare plans."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Node
from fusionflow_nb.media.handles import Image  # noqa: TC001 - read at run time
from fusionflow_nb.media.ports import PortType
from fusionflow_nb.media.values import Asset, Series, Value
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusionflow_nb.journal.records import Coordinate
    from fusionflow_nb.media.values import Outputs

FAILED = errors.ProviderError("It failed.")


def grain(image: Image, amount: float = 0.5) -> Image:
    return image


def split(image: Image) -> list[Image]:
    return [image]


def words(text: str) -> str:
    return text


def models() -> Registry:
    """A registry with the fake service."""
    return Registry([FakeProvider()])


def catalog() -> Catalog:
    """The built-in node types and three Python functions."""
    result = Catalog()
    for function in (grain, split, words):
        result.declare(python_node_type(function))
    return result


CATALOG, MODELS = Catalog(), models()


def node(node_id: str, node_type: str, **params: Any) -> Node:
    """A node with parameters."""
    return Node(id=node_id, type=node_type, params=params)


def edge(source: str, target: str) -> Edge:
    """An edge from `node.port` to `node.port`."""
    source_id, source_port = source.split(".")
    target_id, target_port = target.split(".")
    return Edge(source=source_id, source_port=source_port, target=target_id, target_port=target_port)


def document(nodes: Iterable[Node], edges: Iterable[Edge] = (), **variables: Any) -> FlowDocument:
    """A document of nodes, edges and variables."""
    return FlowDocument(id="p", nodes={node.id: node for node in nodes}, edges=list(edges), variables=variables)


def plan_of(flow: FlowDocument, catalog: Catalog = CATALOG, models: Registry = MODELS) -> Plan:
    """A plan of a document."""
    return Plan(flow, catalog, models)


class Sketch:
    """A document that is changed by edits, and plans of it."""

    def __init__(self, *, node_types: Catalog | None = None, providers: Registry | None = None) -> None:
        self.document = FlowDocument(id="test")
        self.catalog = node_types or catalog()
        self.models = providers or models()

    def add(self, node_type: str, node_id: str | None = None, *, take: int = 0, **inputs: Any) -> str:
        """Add a node; a value `@node.port` is an edge, a list of such values several edges."""
        node_id = node_id or edits.new_node_id(self.document, node_type)
        lists = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
        connected = {name: value for name, value in lists.items() if str(value[0] if value else "").startswith("@")}
        params = {name: value for name, value in inputs.items() if name not in connected}
        self.edit(edits.AddNode(node=Node(id=node_id, type=node_type, params=params, take=take)))
        for name, sources in connected.items():
            for source in sources:
                self.connect(source[1:], f"{node_id}.{name}")
        return node_id

    def connect(self, source: str, target: str) -> None:
        """Add an edge from `node.port` to `node.port`."""
        self.edit(edits.AddEdge(edge=edge(source, target)))

    def edit(self, *changes: edits.Edit) -> None:
        """Apply edits to the document."""
        for change in changes:
            edits.apply(self.document, change)

    def set(self, node_id: str, **params: Any) -> None:
        """Set parameters of a node."""
        self.edit(*(edits.SetParam(node_id=node_id, name=name, value=value) for name, value in params.items()))

    def plan(self) -> Plan:
        """A plan of the current document."""
        return Plan(self.document, self.catalog, self.models)

    def key(self, node_id: str) -> bytes | None:
        """The content key of a node without axes, after all upstream jobs are done."""
        plan = self.plan()
        complete(plan)
        return only(plan, node_id).key

    def problem(self, node_id: str) -> errors.FusionFlowError:
        """The problem of a node, after all upstream jobs are done."""
        plan = self.plan()
        complete(plan)
        problem = plan.nodes[node_id].problem
        assert problem is not None
        return problem


def only(plan: Plan, node_id: str) -> Job:
    """The job of a node with a single job."""
    (job,) = plan.nodes[node_id].jobs.values()
    return job


def cells(plan: Plan, node_id: str) -> dict[tuple[str, ...], Job]:
    """The jobs of a node by labels."""
    return plan.nodes[node_id].jobs


def picture(text: str) -> Asset:
    """An asset whose digest is derived from a text."""
    return Asset(hashlib.sha256(text.encode()).hexdigest(), "image/png", 1, 8, 8)


def outputs_of(job: Job) -> Outputs:
    """Outputs for every declared port, derived from the job's key alone."""
    assert job.key is not None
    assert job.node.type is not None
    count = int((job.bound.values.get("count") if job.bound else None) or 1)
    outputs: Outputs = {}
    for port in job.node.type.outputs:
        digest = hashlib.sha256(job.key + port.name.encode())

        def item(index: int, digest: Any = digest, port: Any = port) -> Asset | Value:
            text = hashlib.sha256(digest.digest() + bytes([index])).hexdigest()
            if port.type.is_media:
                return Asset(text, "image/png", 9, 8, 8)
            return Value.of(1.0 if port.type is PortType.NUMBER else text[:6])

        if port.is_series:
            labels = tuple(str(index + 1) for index in range(digest.digest()[0] % 4))
            outputs[port.name] = Series("item", labels, tuple(item(index) for index in range(len(labels))))
        elif count > 1 and job.node.type.kind is Kind.PROVIDER:
            labels = tuple(str(index + 1) for index in range(count))
            outputs[port.name] = Series("variant", labels, tuple(item(index) for index in range(count)))
        else:
            outputs[port.name] = item(0)
    return outputs


def complete(plan: Plan, result_of: Callable[[Job], Outputs | errors.FusionFlowError | None] = outputs_of) -> list[Job]:
    """Complete all jobs of a plan; returns them in the order in which they became ready. None leaves a job ready."""
    jobs: list[Job] = []
    while ready := plan.take_ready():
        for job in ready:
            if job.state is not JobState.READY:
                continue
            jobs.append(job)
            result = result_of(job)
            if isinstance(result, errors.FusionFlowError):
                plan.fail(job, result)
            elif result is not None:
                plan.succeed(job, result, f"generation of {job.key.hex() if job.key else ''}")
    return jobs


def complete_except(plan: Plan, fails: Callable[[Job], bool]) -> list[Job]:
    """Complete all jobs of a plan, and let some fail."""
    return complete(plan, lambda job: FAILED if fails(job) else outputs_of(job))


def keys_of(plan: Plan) -> dict[tuple[str, Coordinate], bytes]:
    """(node id, coordinate) -> key of the jobs that have a key."""
    return {
        (name, job.coordinate): job.key
        for name, planned in plan.nodes.items()
        for job in planned.jobs.values()
        if job.key is not None
    }


def jobs_of(plan: Plan) -> list[Job]:
    """All jobs."""
    return [job for planned in plan.nodes.values() for job in planned.jobs.values()]


def ready_jobs(plan: Plan) -> list[Job]:
    """The jobs that a run would execute."""
    return [job for job in jobs_of(plan) if job.state is JobState.READY]


def apply_results(plan: Plan, results: Mapping[bytes, Outputs | errors.FusionFlowError]) -> None:
    """Complete every job whose key has a result, until there are no more."""
    has_progress = True
    while has_progress:
        plan.take_ready()
        has_progress = False
        for job in ready_jobs(plan):
            result = results.get(job.key or b"")
            if job.state is not JobState.READY or result is None:
                continue
            has_progress = True
            if isinstance(result, errors.FusionFlowError):
                plan.fail(job, result)
            else:
                plan.succeed(job, result)


def snapshot(plan: Plan) -> dict[str, Any]:
    """The whole state of a plan as data, to compare two plans."""
    return {
        "nodes": {
            node_id: {
                "state": planned.state,
                "problem": None if planned.problem is None else planned.problem.code,
                "own problem": str(planned.wiring_error or planned.param_error),
                "axes": planned.axes,
                "out_axes": planned.out_axes,
                "sources": {source.id for source in planned.sources},
                "children": {child.id for child in planned.children},
                "links": [(link.source.id, link.source_port, link.port.name) for link in planned.links],
                "open_jobs": planned.open_jobs,
                "open_sources": planned.open_sources,
                "jobs": {
                    job.coordinate: (
                        job.state.name,
                        job.key.hex() if job.key and job.state in (JobState.READY, JobState.DONE) else None,
                        None if job.error is None else job.error.code,
                        job.outputs,
                        job.estimate,
                        sum(1 for other in jobs_of(plan) if job in other.dependents),
                    )
                    for job in planned.jobs.values()
                },
            }
            for node_id, planned in plan.nodes.items()
        },
        "not_fresh": plan.not_fresh,
        "dropped dependents": [
            (job, other) for job in jobs_of(plan) for other in job.dependents if other.state is JobState.DROPPED
        ],
    }
