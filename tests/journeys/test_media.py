"""Pictures in JupyterLab: dropped files, painted masks, and comparison of results."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
from support.canvas_page import CanvasPage, middle
from support.lab import png
from support.notebook import IMPORT, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.jupyterlab import Lab

pytestmark = pytest.mark.lab
pytest_plugins = ["support.jupyterlab_fixtures"]

DROP = """([text, x, y]) => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
    const options = {bubbles: true, cancelable: true, clientX: x, clientY: y, dataTransfer: transfer};
    const target = document.elementFromPoint(x, y);
    target.dispatchEvent(new DragEvent('dragover', options));
    target.dispatchEvent(new DragEvent('drop', options));
}"""
TWO = """\
import fusionflow_nb as ff
flow = ff.Flow("Two looks")
seeds = flow.seeds([31, 32], name="seeds")
flow.generate_image("fog over hills", model="local/landscape", width=240, height=160, seed=seeds, name="looks")
ff.Canvas(flow)"""
PAINTED = """\
import fusionflow_nb as ff
flow = ff.Flow("Painted")
still = flow.generate_image("bare hills", model="local/landscape", width=240, height=160, seed=3, name="still")
flow.edit_image(still, "red dusk", model="local/recolor", seed=3, name="edit")
ff.Canvas(flow)"""
MASK_MEAN = """\
import numpy as np
results = flow.run().result()
mask = next(node for node in flow.states() if node.startswith("load_image"))
print(float(np.asarray(results[mask].pil().convert("L")).mean()))"""


def test_a_dropped_picture_is_uploaded_to_the_server(page: Page, lab: Lab) -> None:
    """The bytes go to the store without the kernel, and the node shows the picture from the server."""
    data = png(seed=77, side=96)
    puts: list[str] = []
    page.on("request", lambda request: puts.append(request.url) if request.method == "PUT" else None)
    Notebook.of(page, lab, "drop", f'{IMPORT}\nff.Canvas("drop.flow.json")').run(0)
    canvas = CanvasPage(page).ready()
    at = middle(canvas.root)
    page.evaluate(DROP, [base64.b64encode(data).decode(), at["x"], at["y"] - 150])
    canvas.await_nodes("load_image_1")
    assert canvas.await_picture("load_image_1").startswith(f"{lab.url}/fusionflow/")
    digest = hashlib.sha256(data).hexdigest()
    assert [url for url in puts if f"/fusionflow/uploads/{digest}" in url]
    assert (lab.folder.parent / "home" / "assets" / digest[:2] / f"{digest}.png").read_bytes() == data


def test_a_mask_is_painted_and_used(page: Page, lab: Lab) -> None:
    """Strokes become a stored mask that is connected to the port and used by the kernel."""
    notebook = Notebook.of(page, lab, "mask", PAINTED, MASK_MEAN)
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.run_all()
    canvas.await_fresh()
    canvas.await_picture("edit")
    canvas.click("edit")
    canvas.root.get_by_role("button", name="Paint mask").click()
    stage = canvas.root.locator(".ff-mask .ff-stage")
    stage.locator("canvas").wait_for()
    at = middle(stage)
    canvas.drag({"x": at["x"] - 90, "y": at["y"]}, {"x": at["x"] + 90, "y": at["y"]})
    canvas.root.get_by_role("button", name="Use mask").click()
    canvas.focus()
    canvas.press("f")
    canvas.await_nodes("edit", "load_image_1", "still")
    canvas.await_picture("load_image_1")
    assert canvas.edges() == 2
    assert 1 < float(notebook.run(1)) < 200
    canvas.await_fresh()


def test_two_results_are_compared(page: Page, lab: Lab) -> None:
    """The viewer compares two cells of a batch with WebGL2, and the divider moves."""
    Notebook.of(page, lab, "compare", TWO).run(0)
    canvas = CanvasPage(page).ready()
    canvas.run_all()
    canvas.await_fresh()
    canvas.await_picture("looks")
    cells = canvas.node("looks").locator(".ff-look")
    cells.nth(0).click(modifiers=["Shift"])
    cells.nth(1).focus()
    canvas.press("c")
    canvas.root.locator(".ff-marks .is-primary").click()
    viewer = canvas.root.get_by_role("dialog", name="Compare 2 pictures")
    viewer.locator(".ff-tag").nth(1).wait_for()
    divider = viewer.locator(".ff-divider")
    assert divider.get_attribute("aria-valuenow") == "50"
    at = middle(divider)
    canvas.drag(at, {"x": at["x"] - 120, "y": at["y"]})
    assert int(divider.get_attribute("aria-valuenow") or 50) < 50
    canvas.press("d")
    viewer.get_by_text("Strength ×1").wait_for()
    canvas.press("Escape")
    viewer.wait_for(state="detached")
