"""The canvas in its notebook: restarts, reopening, edits from Python, key events, its file, and cleanup."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.canvas_page import CanvasPage
from support.notebook import IMPORT, Notebook, begin

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.jupyterlab import Lab
    from support.notebook import Service

pytestmark = pytest.mark.lab
pytest_plugins = ["support.jupyterlab_fixtures"]

PAID = """\
import fusionflow_nb as ff
canvas = ff.Canvas("paid.flow.json")
canvas"""
COUNT_LISTENERS = """() => {
    // Listeners of the page that the canvas's module adds; those of elements are removed with their elements.
    const all = window.canvasListeners = new Map();
    for (const target of [window, document]) {
        const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype;
        const added = new Map();
        target.addEventListener = function (type, listener, ...more) {
            if (/blob:/.test(new Error().stack)) added.set(listener, type);
            return add.call(target, type, listener, ...more);
        };
        target.removeEventListener = function (type, listener, ...more) {
            added.delete(listener);
            return remove.call(target, type, listener, ...more);
        };
        all.set(target, added);
    }
}"""
LISTENERS = "() => [...window.canvasListeners.values()].map(added => [...added.values()].sort())"
TRACES = """() => ({
    holders: document.querySelectorAll('.ff-holder').length,
    // anywidget keeps one style sheet per widget class until the page is reloaded.
    styles: [...document.querySelectorAll('style:not([id])')].filter(style => /[.]ff-/.test(style.textContent)).length,
})"""


def flow_file(prompt: str, model: str = "fake/image") -> str:
    """A flow file with a single picture node."""
    node = {"id": "picture", "type": "generate_image", "params": {"prompt": prompt, "model": model, "seed": 5}}
    return json.dumps({"fusionflow": 1, "id": f"flow-{prompt}", "name": prompt, "variables": {}, "nodes": [node]})


def test_a_restarted_kernel_costs_nothing(page: Page, lab: Lab, service: Service) -> None:
    """The picture stays without the kernel, and running only the canvas cell restores all results for free."""
    prompt = "paid for once"
    notebook = Notebook.of(page, lab, "restart", PAID, files={"paid.flow.json": flow_file(prompt)})
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.run_all()
    canvas.await_fresh()
    picture = canvas.await_picture("picture")
    notebook.restart_kernel()
    assert canvas.await_picture("picture") == picture
    canvas.root.get_by_text("Run this cell to reconnect").wait_for()
    canvas.click("picture")
    canvas.press("ArrowRight")  # an edit without a kernel raises no error
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.await_fresh()
    canvas.await_picture("picture")
    assert service.times_paid(prompt) == 1


def test_a_cell_is_run_while_its_kernel_restarts(page: Page, lab: Lab, service: Service) -> None:
    """JupyterLab sends the cell early and closes a connection to the kernel: messages of the canvas still arrive."""
    prompt = "paid for before a restart"
    notebook = Notebook.of(page, lab, "hasty", PAID, files={"paid.flow.json": flow_file(prompt)})
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.run_all()
    canvas.await_fresh()
    notebook.begin_restart()
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.await_picture("picture")  # the kernel has answered a message of the canvas
    canvas.field("picture", "prompt").click()
    page.keyboard.type("once more: ")
    canvas.node("picture").locator(".ff-chip", has_text="stale").first.wait_for()
    assert service.times_paid(prompt) == 1


def test_a_notebook_without_kernel_shows_a_snapshot(page: Page, lab: Lab) -> None:
    """The snapshot is hidden while the canvas runs; without a kernel it is shown with the results."""
    notebook = Notebook.of(page, lab, "still", PAID, files={"paid.flow.json": flow_file("kept in the notebook")})
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    snapshot = page.locator("[class^=ff-snapshot-]")
    snapshot.wait_for(state="attached")
    assert not snapshot.is_visible()
    canvas.run_all()
    canvas.await_fresh()
    canvas.await_picture("picture")
    canvas.click("picture")
    canvas.press("ArrowRight")  # an edit, so that there is something to save
    snapshot.locator("img[alt^='Generate image'], img[alt^=picture]").wait_for(state="attached")
    notebook.save()
    notebook.shut_down()
    notebook.open(without_kernel=True)
    page.locator("[class^=ff-snapshot-]").wait_for()
    widths = page.locator("[class^=ff-snapshot-] img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) == 2
    assert min(widths) > 0
    assert page.locator(".ff-root").count() == 0
    assert "model not found" not in page.inner_text(".jp-Notebook")


def test_python_and_the_canvas_edit_one_flow(page: Page, lab: Lab) -> None:
    """The canvas shows edits of a cell immediately, and the next cell reads edits of the canvas."""
    notebook = Notebook.of(
        page,
        lab,
        "both",
        f'{IMPORT}\nflow = ff.Flow("Both")\nprompt = flow.text("dunes at noon", name="prompt")\nff.Canvas(flow)',
        'flow.set(prompt, text="dunes at dusk")\nmore = flow.seeds([1, 2], name="more")',
        "print(flow.to_python())",
    )
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.await_nodes("prompt")
    notebook.run(1)
    canvas.await_nodes("more", "prompt")
    canvas.await_value("prompt", "text", "dunes at dusk")
    canvas.field("prompt", "text").click()
    canvas.press("Control+a")
    page.keyboard.type("dunes at dawn")
    canvas.root.get_by_text("saving…").wait_for(state="detached")
    assert '"dunes at dawn"' in notebook.run(2)


def test_two_views_show_the_same_edits(page: Page, lab: Lab) -> None:
    """Two canvases of a file and two views of a canvas show the same edits; labels focus fields of their view."""
    cell = f'{IMPORT}\nff.Canvas("two.flow.json", height="320px")'
    notebook = Notebook.of(page, lab, "two", cell, cell)
    notebook.run(0)
    notebook.run(1)
    first, second = (CanvasPage(page, index).ready() for index in (0, 1))
    first.add("prompt")
    second.await_nodes("text_1")
    second.focus()
    second.press("f")
    second.field("text_1", "text").click()
    page.keyboard.type("typed in the second")
    first.await_value("text_1", "text", "typed in the second")
    second.add("seeds")
    first.node("seeds_1").wait_for(state="attached")
    second.node("seeds_1").locator("label", has_text="count").click()  # a label focuses the field of its view
    assert second.field("seeds_1", "count").evaluate("field => field === document.activeElement")
    notebook.activate(0)
    begin(page, "notebook:create-output-view")
    page.locator(".jp-LinkedOutputView .ff-root").wait_for()
    third = CanvasPage(page, 2)
    third.await_value("text_1", "text", "typed in the second")


def test_keys_on_the_canvas_do_not_reach_the_notebook(page: Page, lab: Lab) -> None:
    """Keys on the canvas and in its fields do not reach the notebook; elsewhere the notebook's keys work."""
    notebook = Notebook.of(page, lab, "keys", f'{IMPORT}\nff.Canvas("keys.flow.json")', "'a second cell'")
    notebook.run(0)
    before = notebook.sources()
    canvas = CanvasPage(page).ready()
    canvas.add("prompt")
    canvas.field("text_1", "text").click()
    for key in ("d", "d", "x", "a", "b", "m", "y", "Shift+Enter", "Control+Enter", "Backspace", "Escape"):
        page.keyboard.press(key)
    canvas.await_value("text_1", "text", "ddxabmy")
    canvas.focus()
    for key in ("d", "d", "x", "a", "b", "y", "z", "v", "Escape", "Backspace", "Enter", "Shift+Enter", "0", "0"):
        page.keyboard.press(key)
    assert notebook.sources() == before
    assert page.locator(".jp-Dialog").count() == 0
    notebook.activate(1)
    page.locator(".jp-Cell").nth(1).locator(".jp-InputPrompt").click()
    page.keyboard.press("b")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length === 3")


def test_a_file_changed_on_disk_is_not_overwritten(page: Page, lab: Lab) -> None:
    """The file is saved after an edit; if it changed on disk, a banner offers to save a copy."""
    notebook = Notebook.of(page, lab, "file", f'{IMPORT}\nff.Canvas("file.flow.json")')
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.add("prompt")
    canvas.field("text_1", "text").click()
    page.keyboard.type("mine")
    text = notebook.file("file.flow.json", lambda text: '"mine"' in text)
    (notebook.folder / "file.flow.json").write_text(text.replace('"mine"', '"other"'))
    page.keyboard.type(" too")
    conflict = canvas.root.get_by_role("alert")
    conflict.get_by_text("was changed on disk").wait_for()
    assert '"other"' in notebook.file("file.flow.json")
    conflict.get_by_role("button", name="Save a copy").click()
    conflict.wait_for(state="detached")
    assert '"mine too"' in notebook.file("file (2).flow.json")
    assert '"other"' in notebook.file("file.flow.json")


def test_deleting_the_cell_removes_the_canvas(page: Page, lab: Lab) -> None:
    """After its cell is deleted, no element, style or listener of the canvas remains."""
    page.add_init_script(f"({COUNT_LISTENERS})()")
    notebook = Notebook.of(page, lab, "traces", IMPORT, 'ff.Canvas("traces.flow.json")')
    notebook.run(0)
    before, listeners = page.evaluate(TRACES), page.evaluate(LISTENERS)
    notebook.run(1)
    canvas = CanvasPage(page).ready()
    canvas.add("prompt")
    canvas.node("text_1").wait_for()
    assert page.evaluate(TRACES) == {"holders": 1, "styles": 1}
    assert page.evaluate(LISTENERS) != listeners
    notebook.activate(1)
    begin(page, "notebook:delete-cell")
    page.locator(".ff-root").wait_for(state="detached")
    page.wait_for_function(f"before => JSON.stringify(({TRACES})()) === JSON.stringify(before)", arg=before)
    page.wait_for_function(f"before => JSON.stringify(({LISTENERS})()) === JSON.stringify(before)", arg=listeners)
