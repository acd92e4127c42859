"""In a real kernel: runs update their cards, cells may wait for them, and mistakes are shown in one line."""

from __future__ import annotations

import importlib.util
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from fusionflow_nb.settings.credentials import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_client.blocking import BlockingKernelClient

PATIENCE_S = 60.0  # detects hanging, does not measure speed

PRELUDE = """
import os, pathlib, time
import fusionflow_nb as ff

def is_open(gate):
    return pathlib.Path(os.environ["GATES"], gate).exists()

@ff.node
def patient(gate: str, ctx: ff.Context) -> str:
    count = 0
    while not is_open(gate):
        count += 1
        ctx.progress(count % 100 / 100)
        time.sleep(0.01)
    return gate.upper()

def flow_for(gate):
    flow = ff.Flow("Patience " + gate)
    patient(flow.text(gate, name="word"), name="waits")
    return flow
"""


class Kernel:
    """A running ipykernel and a client like a front end's."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager, gates: Path) -> None:
        self.client = client
        self.manager = manager
        self._gates = gates

    def open(self, gate: str) -> None:
        """Unblock the node or cell that waits at this gate."""
        (self._gates / gate).touch()

    def send(self, code: str) -> str:
        """Start a cell; returns the id of the request."""
        return self.client.execute(code)

    def until(self, is_last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Messages on IOPub up to and including the first that matches."""
        messages: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=PATIENCE_S)
            messages.append(message)
            if is_last(message):
                return messages
        pytest.fail(f"No match among {[message['msg_type'] for message in messages[-20:]]}.")

    def finish(self, request: str) -> list[dict[str, Any]]:
        """Messages until the kernel is idle again after a request."""
        return self.until(
            lambda message: (
                message["msg_type"] == "status"
                and message["content"]["execution_state"] == "idle"
                and message["parent_header"].get("msg_id") == request
            )
        )

    def run(self, code: str) -> list[dict[str, Any]]:
        """Execute a cell to its end."""
        return self.finish(self.send(code))

    def value(self, code: str) -> str:
        """The result of a cell as text."""
        messages = self.run(code)
        shown = [message["content"]["data"] for message in messages if message["msg_type"] == "execute_result"]
        assert len(shown) == 1, [message["content"] for message in messages if message["msg_type"] == "error"]
        return str(shown[0]["text/plain"])

    def error(self, code: str) -> dict[str, Any]:
        """The error of a cell that fails."""
        return next(message["content"] for message in self.run(code) if message["msg_type"] == "error")


def begin(folder: Path, prelude: str = "") -> Iterator[Kernel]:
    gates = folder / "gates"
    gates.mkdir()
    keys = {name for names in ENVIRONMENT.values() for name in names}
    environment = {name: value for name, value in os.environ.items() if name not in keys}
    environment |= {"FUSIONFLOW_HOME": str(folder / "home"), "GATES": str(gates)}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment, cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        kernel = Kernel(client, manager, gates)
        assert not [message for message in kernel.run(prelude + PRELUDE) if message["msg_type"] == "error"]
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    yield from begin(tmp_path_factory.mktemp("kernel"))


def card_of(messages: list[dict[str, Any]]) -> str:
    """The id under which a cell's card is updated."""
    shown = next(message for message in messages if message["msg_type"] == "display_data")
    return str(shown["content"]["transient"]["display_id"])


def is_update(message: dict[str, Any], card: str, text: str = "") -> bool:
    """Whether a message updates this card, with this text on it."""
    return (
        message["msg_type"] == "update_display_data"
        and message["content"]["transient"]["display_id"] == card
        and text in message["content"]["data"]["text/html"]
    )


def test_the_card_of_a_run_updates_while_a_cell_blocks(kernel: Kernel) -> None:
    """`run` returns immediately, and background threads update its card while the kernel's main thread is blocked."""
    card = card_of(kernel.run("run = flow_for('first').run()\nrun"))  # returns while the gate is closed
    blocking = kernel.send("while not is_open('cell'):\n    time.sleep(0.01)")
    kernel.until(lambda message: message["msg_type"] == "execute_input")

    updates = [kernel.until(lambda message: is_update(message, card, "running"))[-1] for _ in range(3)]
    kernel.open("first")
    ended = kernel.until(lambda message: is_update(message, card, "succeeded"))[-1]

    # The cell is still blocked: nothing above needed the kernel's main thread.
    kernel.open("cell")
    kernel.finish(blocking)
    assert len({update["content"]["data"]["text/html"] for update in updates}) > 1
    assert "Patience first" in ended["content"]["data"]["text/html"]
    assert ended["content"]["data"]["text/plain"].startswith("<Run of 'Patience first': succeeded")


@pytest.mark.parametrize("waiting", ["await run", "run.result()"])
def test_a_waiting_cell_gets_the_result_and_final_card(kernel: Kernel, waiting: str) -> None:
    """Both ways to wait return the result, and draw the final card during that cell."""
    gate = f"gate {waiting[:5]}"
    card = card_of(kernel.run(f"run = flow_for({gate!r}).run('waits')\nrun"))
    cell = kernel.send(waiting)
    kernel.open(gate)
    messages = [message for message in kernel.finish(cell) if message["parent_header"]["msg_id"] == cell]
    results = [
        message["content"]["data"]["text/plain"] for message in messages if message["msg_type"] == "execute_result"
    ]
    assert results == [repr(gate.upper())]
    assert is_update(
        [message for message in messages if message["msg_type"] == "update_display_data"][-1], card, "succeeded"
    )


@pytest.mark.parametrize("waiting", ["await run", "run.result()", "run.wait()"])
def test_interrupting_a_cell_stops_the_waiting_not_the_run(kernel: Kernel, waiting: str) -> None:
    """After an interrupt the run continues, and its result is available later."""
    gate = f"stop {waiting}"
    kernel.run(f"run = flow_for({gate!r}).run('waits')\nwhile run.status != 'running':\n    time.sleep(0.01)")
    cell = kernel.send(f"print('waiting', flush=True)\n{waiting}")
    kernel.until(lambda message: message["msg_type"] == "stream")
    kernel.manager.interrupt_kernel()
    names = [message["content"]["ename"] for message in kernel.finish(cell) if message["msg_type"] == "error"]
    assert names in (["KeyboardInterrupt"], ["CancelledError"])

    assert kernel.value("run.is_done") == "False"
    kernel.open(gate)
    assert kernel.value("run.result()") == repr(gate.upper())


def test_a_finished_run_is_an_ordinary_result(kernel: Kernel) -> None:
    """Its card is static."""
    kernel.open("done")
    messages = kernel.run("flow_for('done').run().wait()")
    shown = [message for message in messages if message["msg_type"] in {"execute_result", "display_data"}]
    assert [message["msg_type"] for message in shown] == ["execute_result"]
    assert "succeeded" in shown[0]["content"]["data"]["text/html"]


def test_a_bare_call_shows_its_card_then_its_image(kernel: Kernel) -> None:
    """`ff.generate_image(...)` alone shows progress; awaited, an image small enough for a saved notebook."""
    call = "ff.generate_image('dawn over hills', width=96, height=64)"
    # Such a small call may end before it is shown; then its card is an ordinary result.
    kinds = {"display_data", "execute_result"}
    bundles = [message["content"]["data"] for message in kernel.run(call) if message["msg_type"] in kinds]
    assert len(bundles) == 1
    assert "scratch" in bundles[0]["text/html"]
    messages = kernel.run(f"await {call}")
    data = next(message["content"]["data"] for message in messages if message["msg_type"] == "execute_result")
    assert data.keys() == {"image/jpeg", "text/plain"}
    assert "96x64" in data["text/plain"]


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        ("ff.generate_image('x', model='local/landskape')", "UnknownModelError", "local/landscape"),
        ("ff.Flow('x').upscale(3)", "PortError", "image"),
        ("ff.recipe('nowhere.png')", "MediaError", "nowhere.png"),
        ("ff.tape.sql('SELECT * FROM nothing')", "TapeError", "nothing"),
        (
            (
                "flow = ff.Flow('x')\n"
                "@ff.node\n"
                "def broken(text: str) -> str:\n    raise ValueError('no luck')\n"
                "broken(flow.text('a', name='a'), name='bad')\n"
                "await flow.run()"
            ),
            "RunFailedError",
            "no luck",
        ),
    ],
    ids=["model", "port", "file", "sql", "node"],
)
def test_a_mistake_is_shown_in_one_line(kernel: Kernel, code: str, name: str, text: str) -> None:
    """Errors of the package show message and hint, without the package's stack."""
    error = kernel.error(code)
    assert error["ename"] == name
    shown = "\n".join(error["traceback"])
    assert shown.startswith(f"{name}: ")
    assert text in shown
    assert "Traceback" not in shown
    assert "fusionflow_nb/" not in shown


def test_the_extension_defines_the_tape_magic(kernel: Kernel) -> None:
    """After `%load_ext fusionflow_nb`, `%%tape` shows a table, `name <<` stores it, and `$name` is a variable."""
    kernel.open("tape")
    kernel.run("await flow_for('tape').run()\n%load_ext fusionflow_nb\nnode = 'waits'")
    query = "%%tape\nSELECT node_id, status FROM generations WHERE node_id = $node AND run_id IS NOT NULL LIMIT 1"
    messages = kernel.run(query)
    shown = [message for message in messages if message["msg_type"] in {"execute_result", "display_data", "stream"}]
    assert [message["msg_type"] for message in shown] == ["execute_result"]
    assert ">waits</td>" in shown[0]["content"]["data"]["text/html"]
    kernel.run(query.replace("%%tape", "%%tape stored <<"))
    assert kernel.value("stored.rows()") == "[('waits', 'succeeded')]"
    assert kernel.error("%%tape\nDELETE FROM generations")["ename"] == "TapeError"


def test_nest_asyncio_changes_nothing(tmp_path: Path) -> None:
    """With nest_asyncio applied, running, waiting, awaiting and live cards work as without it."""
    modules = [name for name in ("nest_asyncio", "nest_asyncio2") if importlib.util.find_spec(name)]
    if not modules:
        pytest.skip("Neither nest_asyncio nor nest_asyncio2 is installed.")
    for kernel in begin(tmp_path, f"import {modules[0]}\n{modules[0]}.apply()\n"):
        card = card_of(kernel.run("run = flow_for('nested').run('waits')\nrun"))
        kernel.until(lambda message, card=card: is_update(message, card, "running"))
        kernel.open("nested")
        assert kernel.value("await run") == "'NESTED'"
        assert kernel.value("run.result()") == "'NESTED'"
        assert (
            kernel.value("import asyncio\nasync def inner():\n    return await run\nasyncio.run(inner())") == "'NESTED'"
        )
