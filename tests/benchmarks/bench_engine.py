"""The engine against a floor in the same process: graphlib + TaskGroup. Medians and ratios; `--quick` for a look.

The floor runs the same graph of no-op coroutines with nothing else: no keys, no cache, no events, no cancel. CPU time
is that of all threads, the journal's too; a row that says wall is wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import graphlib
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

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
    """Layered and random, three inputs a node on average."""
    chance = random.Random(1)  # noqa: S311 - a graph, no secret
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
    """Graphlib hands out what is ready; a TaskGroup runs it."""
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    done: asyncio.Queue[int] = asyncio.Queue()

    async def one(node: int) -> None:
        await work()
        done.put_nowait(node)

    async with asyncio.TaskGroup() as group:
        while sorter.is_active():
            for node in sorter.get_ready():
                group.create_task(one(node))
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
    """A session with the three no-op node types, and how to run graphs of them."""

    def __init__(self, home: Path) -> None:
        self.living = Session(home, Registry([FakeProvider()]))
        use_session(self.living)
        self.project = ProjectRecord("bench", "bench", {}, {})
        catalog = self.living.catalog
        catalog.declare(declare(no_op_structural, kind=Kind.STRUCTURAL, run=no_op_structural))
        catalog.declare(python_node_type(no_op_recorded))
        catalog.declare(python_node_type(nap, record=False, cache=False))

    def planned(self, graph: Edges, node_type: str) -> tuple[Plan, FlowDocument]:
        made = document(graph, node_type)
        plan = Plan(made, self.living.catalog, self.living.registry)
        self.living.call(look_up(plan, self.living.services))
        return plan, made

    def run(self, plan: Plan, made: FlowDocument) -> None:
        running = self.living.start(plan, self.project, tuple(made.nodes))
        running.wait()
        if running.status != "succeeded":
            raise SystemExit(f"the run {running.status}: {running.errors()[:1]}")

    def fresh_cost(
        self, graph: Edges, node_type: str, clock: Callable[[Callable[[], Any]], float], repeats: int
    ) -> float:
        """Median cost of a run that finds nothing known."""
        costs = []
        for _ in range(repeats):
            self.living.services.memo.clear()
            plan, made = self.planned(graph, node_type)
            costs.append(clock(functools.partial(self.run, plan, made)))
            self._forget()
        return statistics.median(costs)

    def cached_cost(self, graph: Edges, node_type: str, repeats: int) -> float:
        """Median cost of a run in which everything is known to the plan it holds."""
        plan, made = self.planned(graph, node_type)
        self.run(plan, made)
        return statistics.median(cpu_of(lambda: self.run(plan, made)) for _ in range(repeats))

    def _forget(self) -> None:
        """Results of recorded nodes would be found by the next round: raise the version, so that keys differ."""
        catalog = self.living.catalog
        catalog.declare(python_node_type(no_op_recorded, version=time.time_ns()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    repeats = 3 if quick else 5
    big = dag(2_000, 6_000) if quick else dag(10_000, 30_000)
    graphs = {"chain 1,000": chain(1_000), "fan 1,000": fan(1_000), f"DAG {len(big):,}": big}

    table = Table("what", "ours", "floor", "ratio", "target", title="engine (CPU time, medians)")
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home))
        for name, graph in graphs.items():
            base = statistics.median(cpu_of(lambda g=graph: asyncio.run(floor(g, _nothing))) for _ in range(repeats))
            ours = bench.fresh_cost(graph, "no_op_structural", cpu_of, repeats)
            table.add_row(f"{name}, structural", *_figures(ours, base, len(graph)), "<= 2x")
            ours = bench.fresh_cost(graph, "no_op_recorded", cpu_of, repeats)
            table.add_row(f"{name}, recorded", *_figures(ours, base, len(graph)), "<= 5x, <= 40 us")
        cached = bench.cached_cost(big, "no_op_structural", repeats) / len(big) * 1e6
        table.add_row("cached re-run", f"{cached:.1f} us/node", "", "", "<= 5 us/node")
        deep, shallow = chain(4_000), chain(100)
        per_deep = bench.fresh_cost(deep, "no_op_structural", cpu_of, repeats) / len(deep)
        per_shallow = bench.fresh_cost(shallow, "no_op_structural", cpu_of, repeats * 5) / len(shallow)
        table.add_row(
            "depth 4,000 / 100",
            f"{per_deep * 1e6:.1f} us/node",
            f"{per_shallow * 1e6:.1f} us/node",
            f"{per_deep / per_shallow:.2f}x",
            "<= 1.2x",
        )
        base = statistics.median(wall_of(lambda: asyncio.run(floor(wide(1_000), _nap))) for _ in range(repeats))
        ours = bench.fresh_cost(wide(1_000), "nap", wall_of, repeats)
        table.add_row(
            "1,000 jobs of 50 ms (wall)",
            f"{ours * 1e3:.0f} ms",
            f"{base * 1e3:.0f} ms",
            f"{ours / base:.2f}x",
            "<= 1.3x",
        )
        use_session(None)
    Console(width=110).print(table)
    print(f"python {os.sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


async def _nothing() -> None:
    pass


async def _nap() -> None:
    await asyncio.sleep(NAP_S)


def _figures(ours: float, base: float, count: int) -> tuple[str, str, str]:
    return f"{ours / count * 1e6:.1f} us/node", f"{base / count * 1e6:.1f} us/node", f"{ours / base:.2f}x"


if __name__ == "__main__":
    main()
