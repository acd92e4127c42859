"""Screenshots of the canvas in JupyterLab in both themes: `make pictures`, or `python tests/screenshots.py [folder]`.

One of them is the README's picture (`notebooks/pictures/canvas.webp`). No key is needed: the local models are
procedural.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from support.canvas_page import CanvasPage, middle
from support.jupyterlab import CHROMIUM, NO_CHROMIUM, command, jupyterlab
from support.notebook import Notebook, Service, browser_context, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
README_PICTURE = ROOT / "notebooks" / "pictures" / "canvas.webp"
FLOW = """
import fusionflow_nb as ff

flow = ff.Flow("Neon city", variables={"time": "midnight"})
prompt = flow.text("neon city at {{time}}, stars", name="prompt")
still = flow.generate_image(prompt, model="local/landscape", width=768, height=512, seed=23, name="still")
grade = flow.grade(still, contrast=0.15, saturation=0.25, temperature=-0.1, name="grade")
film = flow.generate_video(image=grade, duration_s=3, name="film")
places = flow.prompts(["aurora over a pine forest", "desert dunes at sunset", "misty mountains at dawn"], name="places")
seeds = flow.seeds([7, 21, 42], name="seeds")
many = flow.generate_image(places, model="local/landscape", width=480, height=320, seed=seeds, name="many")
sheet = flow.contact_sheet(images=many, title="Three places, three seeds", name="sheet")
for node, title, x, y in [
    ("prompt", "Prompt", 0, 0), ("still", "Hero", 320, 0), ("grade", "Grade", 650, 0), ("film", "Film", 980, 0),
    ("places", "Places", 0, 560), ("seeds", "Seeds", 0, 790), ("many", "Variations", 320, 560),
    ("sheet", "Contact sheet", 650, 560),
]:
    flow.place(node, x, y, title=title)
canvas = ff.Canvas(flow, height="1010px")
canvas
"""
EMPTY = 'import fusionflow_nb as ff\n\nff.Canvas("new.flow.json", height="760px")'
DAWN = 'flow.set_variable("time", "dawn")'
OTHERS = """
import fusionflow_nb as ff

flow = ff.Flow("Dusk")
still = flow.generate_image("misty mountains at dawn", model="local/landscape", width=768, height=512, seed=42,
                            name="still")
flow.edit_image(still, "warm dusk", model="local/recolor", strength=0.6, seed=4, name="edit")
paid = flow.generate_image("a famous face", model="fake/image", seed=1, name="paid")
flow.upscale(paid, name="large")
for node, title, x, y in [
    ("still", "Hero", 0, 0), ("edit", "Warmer", 330, 0), ("paid", "Portrait", 0, 620), ("large", "Large", 330, 620),
]:
    flow.place(node, x, y, title=title)
ff.Canvas(flow, height="1010px")
"""
MANY = """
import fusionflow_nb as ff

flow = ff.Flow("Five hundred")
for row in range(25):
    last = flow.text(f"take {row}", name=f"text_{row}")
    flow.place(last, 0, row * 420)
    last = flow.generate_image(last, model="local/landscape", seed=row, name=f"image_{row}")
    flow.place(last, 340, row * 420)
    for column in range(18):
        last = flow.grade(last, exposure=column / 20, name=f"grade_{row}_{column}")
        flow.place(last, 680 + column * 340, row * 420)
ff.Canvas(flow, height="1010px")
"""
LOADED = (
    "() => [...document.querySelectorAll('.ff-holder img')].every(image => image.complete && image.naturalWidth > 0)"
)


def main() -> int:
    """Save all screenshots in a folder, and the README's picture."""
    if CHROMIUM is None:
        print(NO_CHROMIUM)
        return 1
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        browser_context() as context,
        watched_page(context) as page,
        jupyterlab(Path(place), FUSIONFLOW_HOME=f"{place}/home", FUSIONFLOW_FAKE_FOLDER=f"{place}/fake") as lab,
    ):
        fakes = Path(place) / "fake"
        page.set_viewport_size({"width": 1500, "height": 1360})
        Notebook.of(page, lab, "empty", EMPTY).start(0)
        page.wait_for_selector(".ff-templates button")
        take_both(page, folder, "empty")
        city = Notebook.of(page, lab, "city", FLOW.strip(), DAWN)
        city.run(0)
        canvas = CanvasPage(page).ready()
        canvas.root.get_by_role("button", name="▶ Run").first.click()
        page.wait_for_function("() => /\\d+ %/.test(document.querySelector('.ff-holder').textContent)")
        take_both(page, folder, "running")
        canvas.await_fresh()
        canvas.root.focus()
        page.keyboard.press("f")  # fit again: the batch has made its node taller
        page.wait_for_function(LOADED)
        take_both(page, folder, "finished", in_readme=True)
        finished_views(page, canvas, folder)
        city.run(1)
        page.wait_for_selector(".ff-holder s")
        take_both(page, folder, "stale")
        Service(fakes).behave("a famous face", end="refused")
        Notebook.of(page, lab, "others", OTHERS.strip()).run(0)
        edit_views(page, CanvasPage(page).ready(), folder)
        Notebook.of(page, lab, "many", MANY.strip()).run(0)
        CanvasPage(page).ready().root.locator(".ff-overview").wait_for()
        take_both(page, folder, "500")
    print(f"The pictures are in {folder}; {README_PICTURE.relative_to(ROOT)} is the README's picture.")
    return 0


def finished_views(page: Page, canvas: CanvasPage, folder: Path) -> None:
    """Screenshots of the finished flow: palette, model picker, a batch, and two compared results."""
    canvas.focus()
    canvas.press("Tab")
    page.keyboard.type("im")
    take_both(page, folder, "palette")
    canvas.root.locator(".ff-palette .ff-search").press("Escape")  # changing the theme may move the focus
    canvas.root.locator(".ff-palette").wait_for(state="detached")
    canvas.node("still").locator(".ff-select").click()
    take_both(page, folder, "models")
    canvas.press("Escape")
    cells = canvas.node("many").locator(".ff-look")
    cells.nth(0).click(modifiers=["Shift"])
    cells.nth(4).click(modifiers=["Shift"])
    canvas.root.locator(".ff-marks .is-primary").click()
    canvas.root.locator(".ff-viewer .ff-tag").nth(1).wait_for()
    take_both(page, folder, "compare")
    canvas.press("Escape")
    canvas.root.locator(".ff-viewer").wait_for(state="detached")
    canvas.focus()
    canvas.press("Escape", "Control+f")
    page.keyboard.type("Variations")
    canvas.press("Enter")
    take_both(page, folder, "batch")
    canvas.focus()
    canvas.press("Escape", "f")


def edit_views(page: Page, canvas: CanvasPage, folder: Path) -> None:
    """Screenshots of a refused node and of the mask painter."""
    canvas.run_all()
    canvas.node("paid").get_by_role("alert").wait_for()
    canvas.await_picture("edit")
    take_both(page, folder, "error")
    canvas.click("edit")
    canvas.root.get_by_role("button", name="Paint mask").click()
    stage = canvas.root.locator(".ff-mask .ff-stage")
    stage.locator("canvas").wait_for()
    at = middle(stage)
    canvas.drag({"x": at["x"] - 200, "y": at["y"] + 60}, {"x": at["x"] + 220, "y": at["y"] - 40})
    take_both(page, folder, "mask")


def take_both(page: Page, folder: Path, name: str, *, in_readme: bool = False) -> None:
    """Take the canvas in both themes; with `in_readme`, store the dark picture for the README."""
    for theme in ("Light", "Dark"):
        command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        page.wait_for_timeout(400)  # colour transition
        data = page.locator(".ff-holder").last.screenshot()
        (folder / f"{name}-{theme.lower()}.png").write_bytes(data)
    if in_readme:
        README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
        Image.open(BytesIO(data)).convert("RGB").save(README_PICTURE, quality=88, method=6)


if __name__ == "__main__":
    raise SystemExit(main())
