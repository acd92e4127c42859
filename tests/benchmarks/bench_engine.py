"""The engine's overhead, relative to graphlib and a TaskGroup in the same process.

The baseline runs the same graph of no-op coroutines without keys, cache, events and cancellation. CPU time includes all
threads, the journal's too; rows marked wall are wall time. Engine and baseline take turns.

    python tests/benchmarks/bench_engine.py [--quick] [--json FILE]
"""

from __future__ import annotations

import asyncio
import functools
import graphlib
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Report, options

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.node_type import Kind
from fusionflow_nb.catalog.python import python_node_type
from fusionflow_nb.engine.cache_lookup import look_up
from fusionflow_nb.flow.document import Edge, FlowDocument, Node
from fusionflow_nb.journal.records import ProjectRecord
from fusionflow_nb.plan.plan import Plan
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, use_session
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

Edges = dict[int, list[int]]
NAP_S = 0.05


def chain(count: int) -> Edges:
    return {0: []} | {node: [node - 1] for node in range(1, count)}


def fan(count: int) -> Edges:
    middle = {node: [0] for node in range(1, count + 1)}
    return {0: []} | middle | {count + 1: list(range(1, count + 1))}


def dag(nodes: int, edges: int, layers: int = 50) -> Edges:
    """A random layered graph with three inputs per node on average."""
    chance = random.Random(1)  # noqa: S311 - not a secret
    wide = nodes // layers
    graph: Edges = {node: [] for node in range(nodes)}
    per_node = edges / (nodes - wide)
    for node in range(wide, nodes):
        first = (node // wide - 1) * wide
        count = int(per_node) + (chance.random() < per_node % 1)
        graph[node] = sorted({first + chance.randrange(wide) for _ in range(count)})
    return graph


def wide(count: int) -> Edges:
    return {node: [] for node in range(count)}


async def no_op_structural(inputs: list[float] | None = None, tag: int = 0) -> float:
    return float(tag)


async def no_op_recorded(inputs: list[float] | None = None, tag: int = 0) -> float:
    return float(tag)


async def nap(inputs: list[float] | None = None, tag: int = 0) -> float:
    await asyncio.sleep(NAP_S)
    return float(tag)


def document(graph: Edges, node_type: str) -> FlowDocument:
    nodes = {f"n{node}": Node(id=f"n{node}", type=node_type, params={"tag": node}) for node in graph}
    edges = [
        Edge(source=f"n{source}", source_port="number", target=f"n{node}", target_port="inputs")
        for node, sources in graph.items()
        for source in sources
    ]
    return FlowDocument(id="bench", nodes=nodes, edges=edges)


async def floor(graph: Edges, work: Callable[[], Any]) -> None:
    """Run a graph with graphlib and a TaskGroup alone."""
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    done: asyncio.Queue[int] = asyncio.Queue()

    async def job(node: int) -> None:
        await work()
        done.put_nowait(node)

    async with asyncio.TaskGroup() as group:
        while sorter.is_active():
            for node in sorter.get_ready():
                group.create_task(job(node))
            sorter.done(await done.get())


def cpu_of(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def wall_of(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Bench:
    """A session with three no-op node types that runs graphs of them."""

    def __init__(self, home: Path) -> None:
        self.session = Session(home, Registry([FakeProvider()]))
        use_session(self.session)
        self.project = ProjectRecord("bench", "bench", {}, {})
        catalog = self.session.catalog
        catalog.declare(declare(no_op_structural, kind=Kind.STRUCTURAL, run=no_op_structural))
        catalog.declare(python_node_type(no_op_recorded))
        catalog.declare(python_node_type(nap, record=False, cache=False))

    def planned(self, graph: Edges, node_type: str) -> tuple[Plan, FlowDocument]:
        flow = document(graph, node_type)
        plan = Plan(flow, self.session.catalog, self.session.registry)
        self.session.call(look_up(plan, self.session.engine))
        return plan, flow

    def run(self, plan: Plan, flow: FlowDocument) -> None:
        running = self.session.start(plan, self.project, tuple(flow.nodes))
        running.wait()
        if running.status != "succeeded":
            raise SystemExit(f"the run {running.status}: {running.errors()[:1]}")

    def fresh_cost(
        self, graph: Edges, node_type: str, clock: Callable[[Callable[[], Any]], float], repeats: int
    ) -> float:
        """Median cost of a run without any cached result."""
        costs = []
        for _ in range(repeats):
            self.session.engine.memo.clear()
            plan, flow = self.planned(graph, node_type)
            costs.append(clock(functools.partial(self.run, plan, flow)))
            self._forget()
        return statistics.median(costs)

    def cached_cost(self, graph: Edges, node_type: str, repeats: int) -> float:
        """Median cost of a run with every result cached in the plan."""
        plan, flow = self.planned(graph, node_type)
        self.run(plan, flow)
        return statistics.median(cpu_of(lambda: self.run(plan, flow)) for _ in range(repeats))

    def _forget(self) -> None:
        """Raise the version of the recorded node, so that the next round finds no cached result."""
        catalog = self.session.catalog
        catalog.declare(python_node_type(no_op_recorded, version=time.time_ns()))


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "smaller graphs, three rounds").parse_args()
    repeats = 3 if chosen.quick else 5
    big = dag(2_000, 6_000) if chosen.quick else dag(10_000, 30_000)
    graphs = {"chain 1,000": chain(1_000), "fan 1,000": fan(1_000), f"DAG {len(big):,}": big}

    report = Report("engine (CPU time, medians; x is relative to graphlib and a TaskGroup)")
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home))
        for name, graph in graphs.items():
            base = statistics.median(cpu_of(lambda g=graph: asyncio.run(floor(g, _nothing))) for _ in range(repeats))
            cost = bench.fresh_cost(graph, "no_op_structural", cpu_of, repeats)
            report.add(f"{name}, structural", cost / base, "x", "<= 2", _detail(cost, base, len(graph)))
            cost = bench.fresh_cost(graph, "no_op_recorded", cpu_of, repeats)
            report.add(f"{name}, recorded", cost / base, "x", "<= 5", _detail(cost, base, len(graph)))
            report.add(f"{name}, recorded, a node", cost / len(graph) * 1e6, "us/node", "<= 40")
        cached = bench.cached_cost(big, "no_op_structural", repeats) / len(big) * 1e6
        report.add("cached re-run", cached, "us/node", "<= 4")
        deep, shallow = chain(4_000), chain(100)
        per_deep = bench.fresh_cost(deep, "no_op_structural", cpu_of, repeats) / len(deep)
        per_shallow = bench.fresh_cost(shallow, "no_op_structural", cpu_of, repeats * 5) / len(shallow)
        detail = f"{per_deep * 1e6:.1f} us/node at 4,000, {per_shallow * 1e6:.1f} at 100"
        report.add("depth 4,000 / 100", per_deep / per_shallow, "x", "<= 1.2", detail)
        base = statistics.median(wall_of(lambda: asyncio.run(floor(wide(1_000), _nap))) for _ in range(repeats))
        cost = bench.fresh_cost(wide(1_000), "nap", wall_of, repeats)
        detail = f"{cost * 1e3:.0f} ms; baseline {base * 1e3:.0f} ms"
        report.add("1,000 jobs of 50 ms (wall)", cost / base, "x", "<= 1.3", detail)
        use_session(None)
    return report.finish(chosen.json)


async def _nothing() -> None:
    pass


async def _nap() -> None:
    await asyncio.sleep(NAP_S)


def _detail(cost: float, base: float, count: int) -> str:
    return f"{cost / count * 1e6:.1f} us/node; baseline {base / count * 1e6:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
