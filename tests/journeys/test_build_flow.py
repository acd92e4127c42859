"""The canvas in JupyterLab: build, run, cancel and undo a flow by mouse and keyboard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.canvas_page import CanvasPage, middle
from support.notebook import IMPORT, Notebook

from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from support.jupyterlab import Lab
    from support.notebook import Service

pytestmark = pytest.mark.lab
pytest_plugins = ["support.jupyterlab_fixtures"]


def test_a_flow_is_built_and_run_by_mouse_and_keyboard(page: Page, lab: Lab) -> None:
    """From an empty canvas to a video: palette, edges, prompt, progress, and media from the server."""
    Notebook.of(page, lab, "build", f'{IMPORT}\nff.Canvas("demo.flow.json")').run(0)
    canvas = CanvasPage(page).ready()
    canvas.add("prompt")
    canvas.field("text_1", "text").click()
    page.keyboard.type("a lighthouse above a calm sea, dawn")
    start = middle(canvas.port("text_1", "text", "source"))
    canvas.drag(start, {"x": start["x"] + 60, "y": start["y"] - 160})
    page.keyboard.type("generate image")  # filter of the palette for the open edge
    canvas.press("Enter")
    canvas.node("generate_image_1").wait_for()
    canvas.add("generate video")
    canvas.node("generate_video_1").wait_for()
    canvas.focus()
    canvas.press("f")
    canvas.connect(("generate_image_1", "image"), ("generate_video_1", "image"))
    canvas.choose_model("generate_video_1", "burns")

    canvas.watch_progress()
    canvas.run_all()
    canvas.await_fresh()
    assert canvas.await_picture("generate_image_1").startswith(f"{lab.url}/fusionflow/")
    canvas.node("generate_video_1").locator(".ff-film, video, img").first.wait_for()
    progress = canvas.progress_seen()["generate_video_1"]
    assert progress == sorted(progress)  # the last step and the end arrive in one message: 100 may not be drawn
    assert len(progress) > 3
    assert progress[-1] >= 90


@contextmanager
def simulated_services() -> Iterator[str]:
    """Run `fusionflow simulate` in another process; yields its address."""
    words = [sys.executable, "-u", "-m", "fusionflow_nb", "simulate", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")
        try:
            yield next(line.split("=")[1].split()[0] for line in lines if f"{SIMULATOR_VARIABLE}=" in line)
        finally:
            running.terminate()


def test_partial_pictures_are_shown_during_a_call(page: Page, lab: Lab) -> None:
    """Partial pictures from OpenAI's stream are shown on the node, then the result."""
    cell = 'flow = ff.Flow("Partial")\nflow.generate_image("a lighthouse", model="gpt-image-2", name="picture")'
    with simulated_services() as base:
        notebook = Notebook.of(
            page, lab, "partial", f"%env {SIMULATOR_VARIABLE}={base}\n{IMPORT}\n{cell}\nff.Canvas(flow)"
        )
        notebook.run(0)
        canvas = CanvasPage(page).ready()
        canvas.node("picture").wait_for()
        canvas.watch_partial_pictures()
        canvas.run_all()
        canvas.await_fresh()
        result = canvas.await_picture("picture")
    partial = canvas.partial_pictures_seen()
    assert partial
    assert all(address.startswith("blob:") for address in partial)
    assert result not in partial
    assert canvas.node("picture").locator(".is-partial").count() == 0


def test_a_run_is_cancelled_while_a_cell_blocks_the_kernel(page: Page, lab: Lab, service: Service) -> None:
    """Run and Cancel work while a cell sleeps, and the call is cancelled at the service."""
    prompt = "a job that never ends"
    service.behave(prompt, end="never")
    cell = f'{IMPORT}\nflow = ff.Flow("Cancel")\nflow.generate_image("{prompt}", model="fake/image", name="slow")'
    notebook = Notebook.of(page, lab, "cancel", f"{cell}\nff.Canvas(flow)", "import time\ntime.sleep(600)")
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    notebook.start(1)
    canvas.root.scroll_into_view_if_needed()
    canvas.run_all()
    canvas.node("slow").locator("[role=progressbar][aria-valuenow]").wait_for()  # the service has accepted the job
    canvas.click("slow")
    canvas.node("slow").locator("[title='Cancel this node (.)']").click()
    canvas.await_chip("slow", "cancelled")
    assert notebook.is_running(1)
    assert service.times_paid(prompt) == 1


def test_ten_steps_are_undone_and_redone(page: Page, lab: Lab) -> None:
    """Undo reverts edits of every kind one by one, also in the file, and redo applies them again."""
    notebook = Notebook.of(page, lab, "undo", f'{IMPORT}\ncanvas = ff.Canvas("undo.flow.json")\ncanvas')
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    for _ in range(4):
        canvas.add("seeds")
    canvas.focus()
    canvas.press("f")
    canvas.await_nodes(*(f"seeds_{number}" for number in range(1, 5)))
    canvas.press("F2")
    page.keyboard.type("Many")
    canvas.press("Enter")
    canvas.node("seeds_4").locator(".ff-title", has_text="Many").wait_for()
    canvas.focus()
    canvas.press("m", "Shift+ArrowRight", "Control+d")
    canvas.await_nodes(*(f"seeds_{number}" for number in range(1, 6)))
    canvas.press("Delete")
    canvas.await_nodes(*(f"seeds_{number}" for number in range(1, 5)))
    node_ids = canvas.nodes()
    before = notebook.file("undo.flow.json", lambda text: "Many" in text)
    for _ in range(10):
        canvas.press("Control+z")
    canvas.root.get_by_role("heading", name="An empty canvas").wait_for()
    for _ in range(10):
        canvas.press("Control+Shift+z")
    canvas.press("f")
    canvas.await_nodes(*node_ids)
    canvas.node("seeds_4").locator(".ff-title", has_text="Many").wait_for()
    after = notebook.file("undo.flow.json", lambda text: "Many" in text)
    assert json.loads(after)["nodes"] == json.loads(before)["nodes"]


def test_a_template_is_placed_and_runs(page: Page, lab: Lab) -> None:
    """The empty canvas offers templates; a click places a template, it runs without a key, and undo removes it."""
    Notebook.of(page, lab, "template", f'{IMPORT}\nff.Canvas("template.flow.json")').run(0)
    canvas = CanvasPage(page).ready()
    assert canvas.root.locator(".ff-templates button").count() == 4
    canvas.root.locator(".ff-templates button", has_text="A still").click()
    canvas.await_nodes("graded", "picture", "prompt")
    canvas.run_all()
    canvas.await_fresh()
    canvas.await_picture("picture")
    canvas.await_picture("graded")
    canvas.root.locator(".ff-tape .ff-frame").nth(1).wait_for()  # the tape is updated after the last result
    assert canvas.root.locator(".ff-tape .ff-frame").count() == 2
    canvas.focus()
    canvas.press("Control+z")
    canvas.root.get_by_role("heading", name="An empty canvas").wait_for()
