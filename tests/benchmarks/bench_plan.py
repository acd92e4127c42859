"""Planning after one edit, relative to planning from scratch in the same process.

python tests/benchmarks/bench_plan.py [--quick] [--json FILE]
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx

sys.path.insert(0, str(Path(__file__).parent))

from bench_engine import dag, document, no_op_structural
from report import Report, options

from fusionflow_nb.catalog import Catalog
from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.flow import edits
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_AFFECTED, MOST_AFFECTED = 25, 100


def cpu_of(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def below(plan: Plan, node_id: str) -> int:
    """The number of nodes that an edit of a node affects, itself included."""
    affected = {node_id}
    stack = [plan.nodes[node_id]]
    while stack:
        for child in stack.pop().children:
            if child.id not in affected:
                affected.add(child.id)
                stack.append(child)
    return len(affected)


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "2,000 nodes instead of 10,000").parse_args()
    graph = dag(2_000, 6_000) if chosen.quick else dag(10_000, 30_000)
    repeats = 3 if chosen.quick else 5
    catalog, models = Catalog(), Registry([FakeProvider()])
    catalog.declare(declare(no_op_structural, kind=Kind.STRUCTURAL, run=no_op_structural))
    flow = document(graph, "no_op_structural")

    full = statistics.median(cpu_of(lambda: Plan(flow, catalog, models)) for _ in range(repeats))
    nx_graph = nx.DiGraph((edge.source, edge.target) for edge in flow.edges)
    order = statistics.median(cpu_of(lambda: list(nx.topological_sort(nx_graph))) for _ in range(repeats))
    plan = Plan(flow, catalog, models)
    plan.take_ready()
    small = [n for n in list(flow.nodes)[::-7] if LEAST_AFFECTED <= below(plan, n) <= MOST_AFFECTED][:40]
    affected = statistics.median(below(plan, node_id) for node_id in small)

    def edit(node_id: str) -> None:
        edits.apply(flow, edits.SetParam(node_id=node_id, name="tag", value=flow.nodes[node_id].params["tag"] + 1))
        plan.update(flow, [node_id], is_structural=False)
        plan.take_ready()

    costs = sorted(cpu_of(lambda node_id=node_id: edit(node_id)) for node_id in small * 3)
    once = statistics.median(costs)
    report = Report(f"plan of {len(graph):,} nodes (CPU time, medians)")
    report.add("from scratch", full / len(graph) * 1e6, "us/node", "<= 15", f"{full * 1e3:.0f} ms in all")
    report.add("networkx, topological order alone", order / len(graph) * 1e6, "us/node", "", f"{order * 1e3:.0f} ms")
    detail = f"{affected:.0f} nodes affected; {full / once:,.0f} times less than from scratch"
    report.add("after one edit", once * 1e3, "ms", "<= 1", detail)
    report.add("worst of those edits", costs[-1] * 1e3, "ms")
    return report.finish(chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
