"""Small flows and plans of them, for tests of the plan: no session, no journal, no service."""

from __future__ import annotations

from fusionflow_nb.catalog import Catalog
from fusionflow_nb.flow.document import Edge, FlowDocument, Node
from fusionflow_nb.media.values import Asset, Series, Value
from fusionflow_nb.plan.job import JobState
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

CATALOG = Catalog()
MODELS = Registry([FakeProvider()])


def node(node_id, node_type, **params):
    return Node(id=node_id, type=node_type, params=params)


def edge(source, source_port, target, target_port):
    return Edge(source=source, source_port=source_port, target=target, target_port=target_port)


def document(nodes, edges=(), **variables):
    return FlowDocument(id="p", nodes={one.id: one for one in nodes}, edges=list(edges), variables=variables)


def plan_of(made, catalog=CATALOG, models=MODELS):
    return Plan(made, catalog, models)


def picture(text):
    """An asset that stands for what a job with this key would give."""
    from hashlib import sha256

    return Asset(sha256(text.encode()).hexdigest(), "image/png", 1, 8, 8)


def outputs_for(job):
    """Outputs that depend on the key alone, on every port the node type declares."""
    from fusionflow_nb.media.ports import PortType

    made = {}
    for port in job.node.type.outputs:
        seed = f"{job.key.hex()} {port.name}"
        item = picture(seed) if port.type.is_media else Value.of(1.0 if port.type is PortType.NUMBER else seed)
        count = int(job.bound.values.get("count") or 1)
        if count > 1:
            labels = tuple(str(at + 1) for at in range(count))
            item = Series("variant", labels, tuple(picture(f"{seed} {label}") for label in labels))
        made[port.name] = item
    return made


def never(_job):
    """No job fails."""
    return False


def finish(plan, *, fail=never):
    """Give every job that becomes ready its outputs, or let it fail; returns the jobs in the order they were ready."""
    from fusionflow_nb import errors

    order = []
    while ready := plan.take_ready():
        for job in ready:
            order.append(job)
            if fail(job):
                plan.fail(job, errors.ProviderError("It failed.", node_id=job.node.id))
            elif job.state is JobState.READY:
                plan.succeed(job, outputs_for(job), f"g-{job.key.hex()[:8]}")
    return order


def keys_of(plan):
    """(node id, coordinate) -> key, for jobs that have one."""
    return {
        (name, job.coordinate): job.key
        for name, planned in plan.nodes.items()
        for job in planned.jobs.values()
        if job.key is not None
    }


def standing(plan):
    """Everything of a plan that a person can see: states, keys, axes and problems, by node."""
    return {
        name: (
            planned.state,
            planned.axes,
            planned.out_axes,
            str(planned.problem) if planned.problem else None,
            {job.coordinate: (job.state, job.key, job.outputs) for job in planned.jobs.values()},
        )
        for name, planned in plan.nodes.items()
    }
