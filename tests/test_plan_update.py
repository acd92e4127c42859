"""A plan that follows edits equals a plan made anew, whatever the edits and whatever came back meanwhile."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from plan_kit import CATALOG, MODELS, document, edge, finish, keys_of, node, plan_of, standing

from fusionflow_nb import errors
from fusionflow_nb.flow import edits
from fusionflow_nb.flow.document import NodeLayout
from fusionflow_nb.flow.history import History
from fusionflow_nb.plan.plan import Plan

IDS = [f"n{at}" for at in range(7)]
TYPES = ["text", "prompts", "seeds", "generate_image", "upscale", "contact_sheet", "join"]
PORTS = {"text": "text", "prompts": "text", "seeds": "seed", "join": "text", "contact_sheet": "image"}
INPUTS = ["prompt", "image", "images", "parts", "seed", "text"]
VALUES = ["dawn", "noon", 3, ["a", "b"], ["a", "b", "c"], [1, 2], "{{time}}", "fake/image", "fake/edit", None]
PARAMS = ["prompt", "text", "values", "count", "model", "separator", "title", "no_such"]


class KeptUp(RuleBasedStateMachine):
    """Random edits, and results by key in between; after each step the kept-up plan equals a new one."""

    @initialize()
    def start(self):
        self.document = document([], time="midnight")
        self.history = History(self.document)
        self.touched = set()
        self.is_structural = False
        self.history.subscribe(self.hear)
        self.plan = plan_of(self.document)
        self.known = {}
        self.is_broken = False

    def hear(self, _rev, _origin, changes, replanned):
        self.touched |= replanned
        self.is_structural = self.is_structural or any(map(edits.is_structural, changes))

    def do(self, edit):
        try:
            self.history.do([edit], origin="test")
        except errors.EditError:
            return
        self.follow()

    def follow(self):
        touched = set(self.document.nodes) if edits.VARIABLES in self.touched else self.touched
        self.touched, is_structural, self.is_structural = set(), self.is_structural, False
        try:
            if self.is_broken:
                self.plan = Plan(self.document, CATALOG, MODELS)
            else:
                self.plan.update(self.document, touched, is_structural=is_structural)
            self.is_broken = False
        except errors.CycleError:
            self.is_broken = True
            return
        self.look_up(self.plan)

    def look_up(self, plan):
        """Answer jobs whose key was answered before."""
        while ready := plan.take_ready():
            for job in ready:
                if job.key in self.known:
                    plan.succeed(job, *self.known[job.key])

    @rule(node_id=st.sampled_from(IDS), node_type=st.sampled_from(TYPES))
    def add_node(self, node_id, node_type):
        params = {"values": ["x", "y"]} if node_type == "prompts" else {}
        if node_type in ("generate_image", "upscale"):
            params["model"] = "fake/image" if node_type == "generate_image" else "fake/edit"
        self.do(edits.AddNode(node=node(node_id, node_type, **params), layout=NodeLayout()))

    @rule(node_id=st.sampled_from(IDS))
    def remove_node(self, node_id):
        self.do(edits.RemoveNode(node_id=node_id))

    @rule(old=st.sampled_from(IDS), new=st.sampled_from(IDS))
    def rename_node(self, old, new):
        self.do(edits.RenameNode(old=old, new=new))

    @rule(source=st.sampled_from(IDS), below=st.sampled_from(IDS), port=st.sampled_from(INPUTS))
    def add_edge(self, source, below, port):
        placed = self.document.nodes.get(source)
        given = PORTS.get(placed.type, "image") if placed else "image"
        self.do(edits.AddEdge(edge=edge(source, given, below, port)))

    @rule(data=st.data())
    def remove_edge(self, data):
        if self.document.edges:
            self.do(edits.RemoveEdge(edge=data.draw(st.sampled_from(self.document.edges))))

    @rule(node_id=st.sampled_from(IDS), name=st.sampled_from(PARAMS), value=st.sampled_from(VALUES))
    def set_param(self, node_id, name, value):
        self.do(edits.SetParam(node_id=node_id, name=name, value=value))

    @rule(node_id=st.sampled_from(IDS), muted=st.booleans())
    def mute(self, node_id, muted):
        self.do(edits.SetNode(node_id=node_id, field="is_muted", value=muted))

    @rule(node_id=st.sampled_from(IDS), take=st.integers(0, 2))
    def take(self, node_id, take):
        self.do(edits.SetNode(node_id=node_id, field="take", value=take))

    @rule(node_id=st.sampled_from(IDS), node_type=st.sampled_from(TYPES))
    def change_type(self, node_id, node_type):
        self.do(edits.SetNode(node_id=node_id, field="type", value=node_type))

    @rule(value=st.sampled_from(["dawn", "dusk"]))
    def set_variable(self, value):
        self.do(edits.SetVariable(name="time", value=value))

    @rule()
    def undo(self):
        self.history.undo()
        self.follow()

    @precondition(lambda self: not self.is_broken)
    @rule()
    def results_arrive(self):
        """Everything that can run does; the results are remembered by key, as a journal would."""
        for job in list(finish(self.plan)):
            if job.outputs is not None:
                self.known[job.key] = (job.outputs, job.generation_id)
        ready = [j for p in self.plan.nodes.values() for j in p.jobs.values() if j.state.name == "READY"]
        for job in ready:
            from plan_kit import outputs_for

            self.known[job.key] = (outputs_for(job), f"g-{job.key.hex()[:8]}")
            self.plan.succeed(job, *self.known[job.key])
        self.look_up(self.plan)

    @invariant()
    def equals_a_new_plan(self):
        if self.is_broken or not hasattr(self, "plan"):
            return
        new = Plan(self.document, CATALOG, MODELS)
        self.look_up(new)
        assert standing(self.plan) == standing(new)
        assert self.plan.unfresh == new.unfresh
        assert keys_of(self.plan) == keys_of(new)


KeptUp.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_a_plan_that_follows_edits_equals_a_new_one = KeptUp.TestCase
