"""A plan that is updated by edits and results equals a new plan of the same document."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.plan import apply_results, catalog, models, outputs_of, ready_jobs, snapshot

from fusionflow_nb import errors
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import Edge, FlowDocument, Node
from fusionflow_nb.flow.variables import variables_used
from fusionflow_nb.plan.plan import Plan

CATALOG, MODELS = catalog(), models()
IDS = [f"n{number}" for number in range(9)]
FORMS: dict[str, dict[str, list[Any]]] = {
    "text": {"text": ["dawn", "dusk", "{{city}}"]},
    "number": {"value": [1, 2.5]},
    "prompts": {
        "values": [["a"], ["a", "b"], ["b", "c", "a"], []],
        "axis": [None, "x"],
        "labels": [None, ["p", "q"], ["q", "p"]],
    },
    "seeds": {"count": [1, 2, 3], "axis": [None, "x"], "start": [0, 5]},
    "template": {"template": ["{a}", "{a} {b}", "plain"], "a": ["red", 3]},
    "join": {"parts": [["x", "y"]], "separator": [" ", ","]},
    "generate_image": {
        "prompt": ["dawn", "{{city}}"],
        "model": ["fake/image", "fake-image", "fake/free", "fake/edit", "unknown/model"],
        "seed": [1, 2],
        "count": [1, 2, 3],
        "settings": [{"width": 64}, {"height": 99999}],
        "wrong": [1],
    },
    "generate_video": {"prompt": ["move"], "duration_s": [1, 3.0], "model": ["fake/video"]},
    "blend": {"opacity": [0.5, 7]},
    "contact_sheet": {"title": ["one", "two"]},
    "grain": {"amount": [0.1, 1]},
    "split": {},
    "words": {"text": ["hi"]},
    "undeclared_type": {"what": [1]},
}
PORTS = sorted({port.name for name in FORMS if (node_type := CATALOG.find(name)) for port in node_type.inputs} | {"b"})
SOURCES = sorted({port.name for name in FORMS if (node_type := CATALOG.find(name)) for port in node_type.outputs})
REFUSED = errors.RefusedError("No.", hint="Ask for something else.")


class Planning(RuleBasedStateMachine):
    """Edits, results and failures in any order on an updated plan, which is compared with a new plan."""

    @initialize()
    def begin(self) -> None:
        self.document = FlowDocument(id="test", variables={"city": "Rome"})
        self.results: dict[bytes, Any] = {}
        self.has_cycle = False
        self.plan = Plan(self.document, CATALOG, MODELS)
        for at, name in enumerate(("prompts", "seeds", "generate_image", "split", "contact_sheet")):
            self._do(edits.AddNode(node=_node(IDS[at], name)))
        for ends in (
            ("n0", "text", "n2", "prompt"),
            ("n1", "seed", "n2", "seed"),
            ("n2", "image", "n3", "image"),
            ("n3", "image", "n4", "images"),
        ):
            self._do(edits.AddEdge(edge=_edge(ends)))

    @rule(node_id=st.sampled_from(IDS), name=st.sampled_from(sorted(FORMS)))
    def add(self, node_id: str, name: str) -> None:
        self._do(edits.AddNode(node=_node(node_id, name)))

    @rule(ends=st.tuples(st.sampled_from(IDS), st.sampled_from(SOURCES), st.sampled_from(IDS), st.sampled_from(PORTS)))
    def connect_blindly(self, ends: tuple[str, str, str, str]) -> None:
        self._do(edits.AddEdge(edge=_edge(ends)))

    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        nodes = [node for node in self.document.nodes.values() if CATALOG.find(node.type) is not None]
        if nodes:
            source, target = data.draw(st.sampled_from(nodes)), data.draw(st.sampled_from(nodes))
            gives = [port.name for port in CATALOG.get(source.type).outputs]
            takes = [port.name for port in CATALOG.get(target.type).inputs]
            ends = (source.id, data.draw(st.sampled_from(gives)), target.id, data.draw(st.sampled_from(takes)))
            self._do(edits.AddEdge(edge=_edge(ends)))

    @precondition(lambda self: self.document.edges)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        self._do(edits.RemoveEdge(edge=data.draw(st.sampled_from(self.document.edges))))

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        if not self.document.nodes:
            return
        node = data.draw(st.sampled_from(list(self.document.nodes.values())))
        names = list(FORMS[node.type])
        if names:
            name = data.draw(st.sampled_from(names))
            value = data.draw(st.none() | st.sampled_from(FORMS[node.type][name]))
            self._do(edits.SetParam(node_id=node.id, name=name, value=value, is_unset=value is None))

    @rule(node_id=st.sampled_from(IDS), field=st.sampled_from(["take", "is_muted", "type"]), data=st.data())
    def set_field(self, node_id: str, field: str, data: st.DataObject) -> None:
        choices = {"take": [0, 1], "is_muted": [True, False], "type": sorted(FORMS)}
        self._do(edits.SetNode(node_id=node_id, field=field, value=data.draw(st.sampled_from(choices[field]))))

    @rule(node_id=st.sampled_from(IDS))
    def remove(self, node_id: str) -> None:
        self._do(edits.RemoveNode(node_id=node_id))

    @rule(old=st.sampled_from(IDS), new=st.sampled_from(IDS))
    def rename(self, old: str, new: str) -> None:
        self._do(edits.RenameNode(old=old, new=new))

    @rule(value=st.sampled_from(["Rome", "Oslo", 3]), is_unset=st.booleans())
    def set_variable(self, value: Any, is_unset: bool) -> None:  # noqa: FBT001
        self._do(edits.SetVariable(name="city", value=value, is_unset=is_unset))

    @rule()
    def undo(self) -> None:
        if self.inverses:
            self._do(self.inverses.pop())
            self.inverses.pop()

    @precondition(lambda self: not self.has_cycle and ready_jobs(self.plan))
    @rule(data=st.data(), is_refused=st.sampled_from([False, False, False, True]))
    def result(self, data: st.DataObject, is_refused: bool) -> None:  # noqa: FBT001
        job = data.draw(st.sampled_from(ready_jobs(self.plan)))
        assert job.key is not None
        self.results[job.key] = REFUSED if is_refused else outputs_of(job)

    @precondition(lambda self: not self.has_cycle and ready_jobs(self.plan))
    @rule()
    def all_results(self) -> None:
        for job in ready_jobs(self.plan):
            assert job.key is not None
            self.results[job.key] = outputs_of(job)

    @precondition(lambda self: not self.has_cycle and ready_jobs(self.plan))
    @rule(data=st.data())
    def all_results_but_one(self, data: st.DataObject) -> None:
        refused = data.draw(st.sampled_from(ready_jobs(self.plan))).key
        assert refused is not None
        self.results[refused] = REFUSED
        while jobs := ready_jobs(self.plan):
            self.results |= {job.key: outputs_of(job) for job in jobs if job.key and job.key not in self.results}
            apply_results(self.plan, self.results)

    @precondition(lambda self: not self.has_cycle)
    @rule()
    def retry(self) -> None:
        self.results = {key: result for key, result in self.results.items() if result is not REFUSED}
        self.plan.retry([job for node in self.plan.nodes.values() for job in node.jobs.values() if job.error])

    @invariant()
    def equals_a_new_plan(self) -> None:
        try:
            new_plan = Plan(self.document, CATALOG, MODELS)
        except errors.CycleError as error:
            assert self.has_cycle, "the updated plan missed a cycle"
            assert all(  # noqa: PT017
                any(edge.source == source and edge.target == target for edge in self.document.edges)
                for source, target in zip(error.nodes, [*error.nodes[1:], error.nodes[0]], strict=True)
            )
            return
        assert not self.has_cycle, "the updated plan reported a cycle that does not exist"
        apply_results(new_plan, self.results)
        apply_results(self.plan, self.results)
        assert snapshot(self.plan) == snapshot(new_plan)

    def _do(self, edit: edits.Edit) -> None:
        try:
            inverse = edits.apply(self.document, edit)
        except errors.EditError:
            return
        self.inverses.append(inverse)
        # The nodes named by the edit suffice: the plan knows the children of a removed node.
        touched = set(edits.touched(edit))
        if edits.VARIABLES in touched:
            touched |= {node.id for node in self.document.nodes.values() if variables_used(node.params)}
            touched.discard(edits.VARIABLES)
        try:
            self.plan.update(self.document, touched, is_structural=edits.is_structural(edit))
            self.has_cycle = False
        except errors.CycleError:
            self.has_cycle = True

    def __init__(self) -> None:
        super().__init__()
        self.inverses: list[edits.Edit] = []


def _node(node_id: str, name: str) -> Node:
    return Node(id=node_id, type=name, params={key: values[0] for key, values in FORMS[name].items() if key != "wrong"})


def _edge(ends: tuple[str, str, str, str]) -> Edge:
    return Edge(source=ends[0], source_port=ends[1], target=ends[2], target_port=ends[3])


TestPlanning = Planning.TestCase
TestPlanning.settings = settings(
    max_examples=int(os.environ.get("FUSIONFLOW_EXAMPLES", "60")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
