"""Flows for planning: drawing them by edits, answering jobs by their keys, and looking at a plan as plain data."""

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
from fusionflow_nb.media.values import Asset, Series, Value
from fusionflow_nb.plan.job import Job, JobState
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusionflow_nb.media.values import Outputs


def grain(image: Image, amount: float = 0.5) -> Image:
    return image


def split(image: Image) -> list[Image]:
    return [image]


def words(text: str) -> str:
    return text


def models() -> Registry:
    """The fake service alone."""
    return Registry([FakeProvider()])


def catalog() -> Catalog:
    """The built-in nodes, and three Python functions."""
    made = Catalog()
    for function in (grain, split, words):
        made.declare(python_node_type(function))
    return made


class Sketch:
    """A document, drawn by edits, and a plan of it."""

    def __init__(self, *, known: Catalog | None = None, providers: Registry | None = None) -> None:
        self.document = FlowDocument(id="test")
        self.catalog = known or catalog()
        self.models = providers or models()

    def add(self, node_type: str, node_id: str | None = None, *, take: int = 0, **inputs: Any) -> str:
        """Place a node; a value written `@node.port` is an edge, a list of them several."""
        node_id = node_id or edits.new_node_id(self.document, node_type)
        several = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
        wired = {name: value for name, value in several.items() if str(value[0] if value else "").startswith("@")}
        params = {name: value for name, value in inputs.items() if name not in wired}
        self.edit(edits.AddNode(node=Node(id=node_id, type=node_type, params=params, take=take)))
        for name, sources in wired.items():
            for source in sources:
                self.connect(source[1:], f"{node_id}.{name}")
        return node_id

    def connect(self, source: str, target: str) -> None:
        """Draw an edge from `node.port` to `node.port`."""
        self.edit(edits.AddEdge(edge=edge(source, target)))

    def edit(self, *changes: edits.Edit) -> None:
        """Change the document."""
        for change in changes:
            edits.apply(self.document, change)

    def set(self, node_id: str, **params: Any) -> None:
        """Change parameters."""
        self.edit(*(edits.SetParam(node_id=node_id, name=name, value=value) for name, value in params.items()))

    def plan(self) -> Plan:
        """A plan of the document as it is."""
        return Plan(self.document, self.catalog, self.models)

    def key(self, node_id: str) -> bytes | None:
        """The content key of a node without axes, once everything above it is done."""
        plan = self.plan()
        answer(plan)
        return only(plan, node_id).key

    def problem(self, node_id: str) -> errors.FusionFlowError:
        """What is wrong with a node, once everything above it is done."""
        plan = self.plan()
        answer(plan)
        found = plan.nodes[node_id].problem
        assert found is not None
        return found


def edge(source: str, target: str) -> Edge:
    """An edge from `node.port` to `node.port`."""
    source_id, source_port = source.split(".")
    target_id, target_port = target.split(".")
    return Edge(source=source_id, source_port=source_port, target=target_id, target_port=target_port)


def only(plan: Plan, node_id: str) -> Job:
    """The job of a node that has one."""
    (job,) = plan.nodes[node_id].jobs.values()
    return job


def cells(plan: Plan, node_id: str) -> dict[tuple[str, ...], Job]:
    """The jobs of a node by labels."""
    return plan.nodes[node_id].jobs


def outputs_of(job: Job) -> Outputs:
    """What a job gives in these tests: something that its key alone decides."""
    assert job.key is not None
    assert job.node.type is not None
    count = int((job.bound.values.get("count") if job.bound else None) or 1)
    made: Outputs = {}
    for port in job.node.type.outputs:
        digest = hashlib.sha256(job.key + port.name.encode())

        def item(place: int, digest: Any = digest, port: Any = port) -> Asset | Value:
            text = hashlib.sha256(digest.digest() + bytes([place])).hexdigest()
            return Asset(text, "image/png", 9) if port.type.is_media else Value.of(text[:6])

        if port.is_series:
            labels = tuple(str(place + 1) for place in range(digest.digest()[0] % 4))
            made[port.name] = Series("item", labels, tuple(item(place) for place in range(len(labels))))
        elif count > 1 and job.node.type.kind is Kind.PROVIDER:
            labels = tuple(str(place + 1) for place in range(count))
            made[port.name] = Series("variant", labels, tuple(item(place) for place in range(count)))
        else:
            made[port.name] = item(0)
    return made


def open_jobs(plan: Plan) -> list[Job]:
    """Jobs that would run."""
    return [job for node in plan.nodes.values() for job in node.jobs.values() if job.state is JobState.READY]


def answer(plan: Plan, give: Callable[[Job], Outputs | errors.FusionFlowError | None] = outputs_of) -> list[Job]:
    """Work a plan off; returns the jobs that were asked for, in order. None leaves a job as it is."""
    asked: list[Job] = []
    while ready := plan.take_ready():
        for job in ready:
            if job.state is not JobState.READY:
                continue
            asked.append(job)
            given = give(job)
            if isinstance(given, errors.FusionFlowError):
                plan.fail(job, given)
            elif given is not None:
                plan.succeed(job, given, f"generation of {job.key.hex() if job.key else ''}")
    return asked


def catch_up(plan: Plan, known: Mapping[bytes, Outputs | errors.FusionFlowError]) -> None:
    """Answer every job whose result is known, whenever it became ready."""
    is_moving = True
    while is_moving:
        plan.take_ready()
        is_moving = False
        for job in open_jobs(plan):
            result = known.get(job.key or b"")
            if job.state is not JobState.READY or result is None:
                continue
            is_moving = True
            if isinstance(result, errors.FusionFlowError):
                plan.fail(job, result)
            else:
                plan.succeed(job, result)


def look(plan: Plan) -> dict[str, Any]:
    """All that a plan says, as data that two plans can be compared by."""
    return {
        "nodes": {
            node_id: {
                "state": node.state,
                "problem": None if node.problem is None else node.problem.code,
                "own problem": str(node.misfit or node.fault),
                "axes": node.axes,
                "out_axes": node.out_axes,
                "above": {source.id for source in node.sources},
                "below": {child.id for child in node.children},
                "links": [(link.source.id, link.source_port, link.port.name) for link in node.links],
                "unended": node.unended,
                "unshaped": node.unshaped,
                "jobs": {
                    job.coordinate: (
                        job.state.name,
                        job.key.hex() if job.key and job.state in (JobState.READY, JobState.DONE) else None,
                        None if job.error is None else job.error.code,
                        job.outputs,
                        job.estimate,
                        sum(1 for other in jobs_of(plan) if job in other.dependents),
                    )
                    for job in node.jobs.values()
                },
            }
            for node_id, node in plan.nodes.items()
        },
        "unfresh": plan.unfresh,
        "waiters that are gone": [
            (job, other) for job in jobs_of(plan) for other in job.dependents if other.state is JobState.DROPPED
        ],
    }


def jobs_of(plan: Plan) -> list[Job]:
    """Every job."""
    return [job for node in plan.nodes.values() for job in node.jobs.values()]
