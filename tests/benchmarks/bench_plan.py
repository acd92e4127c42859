"""Planning after one edit against planning anew, in one process. CPU time, medians, ratios. `--quick` for a look."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from bench_engine import dag, document, no_op_structural

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
    """How many nodes an edit of this one touches, itself included."""
    seen = {node_id}
    stack = [plan.nodes[node_id]]
    while stack:
        for child in stack.pop().children:
            if child.id not in seen:
                seen.add(child.id)
                stack.append(child)
    return len(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    graph = dag(2_000, 6_000) if quick else dag(10_000, 30_000)
    catalog, models = Catalog(), Registry([FakeProvider()])
    catalog.declare(declare(no_op_structural, kind=Kind.STRUCTURAL, run=no_op_structural))
    made = document(graph, "no_op_structural")

    anew = statistics.median(cpu_of(lambda: Plan(made, catalog, models)) for _ in range(3 if quick else 5))
    drawn = nx.DiGraph((edge.source, edge.target) for edge in made.edges)
    walk = statistics.median(cpu_of(lambda: list(nx.topological_sort(drawn))) for _ in range(3 if quick else 5))
    plan = Plan(made, catalog, models)
    plan.take_ready()
    small = [n for n in list(made.nodes)[::-7] if LEAST_AFFECTED <= below(plan, n) <= MOST_AFFECTED][:40]
    affected = statistics.median(below(plan, node_id) for node_id in small)

    def edit(node_id: str) -> None:
        edits.apply(made, edits.SetParam(node_id=node_id, name="tag", value=made.nodes[node_id].params["tag"] + 1))
        plan.update(made, [node_id], is_structural=False)
        plan.take_ready()

    costs = sorted(cpu_of(lambda node_id=node_id: edit(node_id)) for node_id in small * 3)
    once = statistics.median(costs)
    table = Table("what", "figure", "target", title=f"plan of {len(graph):,} nodes (CPU time, medians)")
    table.add_row("made anew", f"{anew * 1e3:.0f} ms, {anew / len(graph) * 1e6:.1f} us/node", "")
    table.add_row(
        "networkx, the order of the nodes alone", f"{walk * 1e3:.0f} ms, {walk / len(graph) * 1e6:.1f} us/node", ""
    )
    table.add_row(
        f"after one edit ({affected:.0f} nodes touched, at most {MOST_AFFECTED})", f"{once * 1e3:.3f} ms", "<= 1 ms"
    )
    table.add_row("worst of those edits", f"{costs[-1] * 1e3:.3f} ms", "")
    table.add_row("ratio", f"{anew / once:,.0f}x less", "")
    Console(width=100).print(table)
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
