"""Kernel to canvas: a hundred nodes say their progress, 2,000 events/s in all, while a cell blocks the kernel.

JupyterLab, kernel, engine, widget and browser are real. `event` is from the node's word to the view's ear, with the
wait of at most 33 ms for its bundle; `message` is the way of the bundle alone. Events of one job that meet in a bundle
are one: the older is overtaken, and counts as neither told nor lost. Lost is a bundle missing from the sequence, or a
job whose end the view has not heard of.

    python tests/benchmarks/bench_channel.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support.jupyterlab import CHROMIUM, NO_CHROMIUM, browser_page, command, jupyterlab

NODES, PER_NODE = 100, 20
BEGIN = """\
import asyncio, time
import fusionflow_nb as ff

@ff.node
async def busy(ctx: ff.Context, number: int = 0, seconds: float = 1.0) -> int:
    began = asyncio.get_running_loop().time()
    steps = int(seconds * {per_node})
    for step in range(steps):
        ctx.progress(step / steps)
        # By the clock, not by sleeping: what a step takes does not slow the stream.
        await asyncio.sleep(max(0, began + (step + 1) / {per_node} - asyncio.get_running_loop().time()))
    return number

flow = ff.Flow("Busy")
for number in range({nodes}):
    flow.add(busy, number=number, seconds={seconds})
ff.Canvas(flow)
"""
RUN = """\
run = flow.run()
said = []
run.subscribe(lambda event: said.append(event.kind))
run.result()
print("SAID", said.count("job-progress"))
"""
LISTEN = """() => {
    const heard = window.heard = {messages: 0, bundles: []};
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    // Emitted when whoever it is for has had it.
    kernel.iopubMessage.connect((_, message) => {
        if (message.header.msg_type !== 'comm_msg') return;
        const now = performance.timeOrigin + performance.now();
        heard.messages += 1;
        const told = message.content.data.content;
        if (told?.type !== 'events') return;
        const events = told.events.map(event => [event.kind, now - event.at_us / 1000]);
        heard.bundles.push({seq: told.seq, now, took: now - Date.parse(message.header.date), events});
    });
}"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 seconds instead of 15")
    seconds = 3 if parser.parse_args().quick else 15
    if CHROMIUM is None:
        print(NO_CHROMIUM)
        return 0
    with tempfile.TemporaryDirectory(prefix="fusionflow-bench-", ignore_cleanup_errors=True) as place:
        show(*heard(Path(place), seconds), seconds)
    return 0


def heard(place: Path, seconds: float) -> tuple[dict[str, Any], int]:
    """What the view heard, and how many words of progress there were."""
    (place / "notebooks").mkdir()
    cells = [BEGIN.format(nodes=NODES, per_node=PER_NODE, seconds=seconds), RUN]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    # Else JupyterLab asks which kernel.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, place / "notebooks" / "busy.ipynb")
    with jupyterlab(place, FUSIONFLOW_HOME=str(place / "home")) as lab, browser_page() as page:
        lab.open(page, "busy.ipynb")
        command(page, "notebook:run-cell-and-select-next")
        page.wait_for_selector(".ff-overview, .ff-card")
        page.evaluate(LISTEN)
        command(page, "notebook:run-cell")
        said = page.wait_for_function(
            """() => /SAID (\\d+)/.exec(document.querySelector('.jp-Notebook').textContent)?.[1]"""
        )
        page.wait_for_timeout(1000)  # what is still under way
        return page.evaluate("() => window.heard"), int(said.json_value())


def show(found: dict[str, Any], said: int, seconds: float) -> None:
    """Print what came of it."""
    bundles = [bundle for bundle in found["bundles"] if bundle["events"]]
    kinds = [kind for bundle in bundles for kind, _ in bundle["events"]]
    ways = sorted(late for bundle in bundles for kind, late in bundle["events"] if kind == "job-progress")
    messages = sorted(bundle["took"] for bundle in bundles)
    numbers = [bundle["seq"] for bundle in found["bundles"]]
    gone = numbers[-1] - numbers[0] + 1 - len(numbers)
    span = (bundles[-1]["now"] - bundles[0]["now"]) / 1000
    lasted = [bundle["now"] for bundle in bundles if any(kind == "job-progress" for kind, _ in bundle["events"])]
    rate = said / ((lasted[-1] - lasted[0]) / 1000)

    def late(times: list[float]) -> str:
        cut = statistics.quantiles(times, n=100)
        return f"{cut[49]:.1f} ms / {cut[98]:.1f} ms"

    table = Table("", "figure", "target", title=f"{NODES} nodes, {NODES * PER_NODE:,} events/s wished, for {seconds} s")
    table.add_row("events/s said", f"{rate:,.0f}", "2,000")
    table.add_row("message, p50 / p99", late(messages), "p50 <= 5 ms")
    table.add_row("event, p50 / p99", late(ways), "")
    table.add_row("progress told", f"{kinds.count('job-progress'):,} of {said:,}, the others overtaken", "")
    table.add_row("lost: bundles, ends of jobs", f"{gone}, {NODES - kinds.count('job-end')}", "0")
    table.add_row("messages/s, all that the widget says", f"{found['messages'] / span:.0f}", "<= 60")
    Console(width=100).print(table)
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
