"""Events from kernel to canvas: a hundred nodes report progress, 2,000 events/s in all, while a cell blocks the kernel.

JupyterLab, kernel, engine, widget and browser are real. `event` is the time from the node's call to the view, including
the wait of at most 33 ms for the batch; `message` is the time of the batch alone. Events of one job in one batch are
coalesced: the older event is neither delivered nor lost. Lost is a batch missing from the sequence, or a job whose end
the view has not received.

    python tests/benchmarks/bench_channel.py [--quick] [--json FILE]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from report import Report, options
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
        # Sleep until a deadline, so that the duration of a step does not slow the stream.
        await asyncio.sleep(max(0, began + (step + 1) / {per_node} - asyncio.get_running_loop().time()))
    return number

flow = ff.Flow("Busy")
for number in range({nodes}):
    flow.add(busy, number=number, seconds={seconds})
ff.Canvas(flow)
"""
RUN = """\
run = flow.run()
kinds = []
run.subscribe(lambda event: kinds.append(event.kind))
run.result()
print("SENT", kinds.count("job-progress"))
"""
LISTEN = """() => {
    const received = window.received = {messages: 0, batches: []};
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    // Emitted after the message was handled.
    kernel.iopubMessage.connect((_, message) => {
        if (message.header.msg_type !== 'comm_msg') return;
        const now = performance.timeOrigin + performance.now();
        received.messages += 1;
        const content = message.content.data.content;
        if (content?.type !== 'events') return;
        const events = content.events.map(event => [event.kind, now - event.at_us / 1000]);
        received.batches.push({seq: content.seq, now, took: now - Date.parse(message.header.date), events});
    });
}"""


def main() -> int:
    """Measure and print."""
    chosen = options(__doc__, "3 seconds instead of 10").parse_args()
    seconds = 3 if chosen.quick else 10
    report = Report(f"kernel to canvas: {NODES} nodes, {NODES * PER_NODE:,} events/s requested, for {seconds} s")
    if CHROMIUM is None:
        report.skip("message, p50", NO_CHROMIUM, "<= 5")
        return report.finish(chosen.json)
    with tempfile.TemporaryDirectory(prefix="fusionflow-bench-", ignore_cleanup_errors=True) as place:
        add_rows(report, *receive(Path(place), seconds))
    return report.finish(chosen.json)


def receive(place: Path, seconds: float) -> tuple[dict[str, Any], int]:
    """The messages that the view received, and how many progress events were sent."""
    (place / "notebooks").mkdir()
    cells = [BEGIN.format(nodes=NODES, per_node=PER_NODE, seconds=seconds), RUN]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    # Without a kernel spec JupyterLab asks which kernel to use.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, place / "notebooks" / "busy.ipynb")
    with jupyterlab(place, FUSIONFLOW_HOME=str(place / "home")) as lab, browser_page() as page:
        lab.open(page, "busy.ipynb")
        command(page, "notebook:run-cell-and-select-next")
        page.wait_for_selector(".ff-overview, .ff-card")
        page.evaluate(LISTEN)
        command(page, "notebook:run-cell")
        sent = page.wait_for_function(
            """() => /SENT (\\d+)/.exec(document.querySelector('.jp-Notebook').textContent)?.[1]"""
        )
        page.wait_for_timeout(1000)  # messages in flight
        return page.evaluate("() => window.received"), int(sent.json_value())


def add_rows(report: Report, received: dict[str, Any], sent: int) -> None:
    """Add the figures."""
    batches = [batch for batch in received["batches"] if batch["events"]]
    kinds = [kind for batch in batches for kind, _ in batch["events"]]
    latencies = sorted(late for batch in batches for kind, late in batch["events"] if kind == "job-progress")
    messages = sorted(batch["took"] for batch in batches)
    numbers = [batch["seq"] for batch in received["batches"]]
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    span_s = (batches[-1]["now"] - batches[0]["now"]) / 1000
    times = [batch["now"] for batch in batches if any(kind == "job-progress" for kind, _ in batch["events"])]

    def percentiles(values: list[float]) -> tuple[float, float]:
        cut = statistics.quantiles(values, n=100)
        return cut[49], cut[98]

    message, event = percentiles(messages), percentiles(latencies)
    delivered = kinds.count("job-progress")
    report.add("progress events sent", sent / ((times[-1] - times[0]) / 1000), "events/s", ">= 1900")
    report.add("message, p50", message[0], "ms", "<= 5", f"p99 {message[1]:.1f} ms")
    report.add("event, p50", event[0], "ms", "", f"p99 {event[1]:.1f} ms")
    report.add("progress delivered", 100 * delivered / sent, "%", "", f"{delivered:,} of {sent:,}; others coalesced")
    report.add("lost batches", missing, "", "<= 0")
    report.add("lost ends of jobs", NODES - kinds.count("job-end"), "", "<= 0")
    report.add("messages of the widget", received["messages"] / span_s, "messages/s", "<= 60")


if __name__ == "__main__":
    sys.exit(main())
