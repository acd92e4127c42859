"""Pictures of the canvas in JupyterLab, both themes: `make pictures`, or `python tests/screenshots.py [folder]`.

The README's picture is one of them (`notebooks/pictures/canvas.webp`), so it shows what anybody can make again: the
embedded styles draw by arithmetic, no key is needed.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_page import CanvasPage
from jupyterlab_kit import CHROMIUM, NO_CHROMIUM, command, jupyterlab
from notebook_kit import Notebook, browser_context, watched_page
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ROOT / "notebooks" / "pictures" / "canvas.webp"
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
LOADED = "() => [...document.querySelectorAll('.ff-holder img')].every(one => one.complete && one.naturalWidth > 0)"


def main() -> int:
    """Take them all into a folder, and the README's among them."""
    if CHROMIUM is None:
        print(NO_CHROMIUM)
        return 1
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        browser_context() as context,
        watched_page(context) as page,
        jupyterlab(Path(place), FUSIONFLOW_HOME=str(Path(place) / "home")) as lab,
    ):
        page.set_viewport_size({"width": 1500, "height": 1360})
        Notebook.of(page, lab, "empty", EMPTY).start(0)
        page.wait_for_selector(".ff-templates button")
        both(page, folder, "empty")
        city = Notebook.of(page, lab, "city", FLOW.strip(), DAWN)
        city.run(0)
        canvas = CanvasPage(page).ready()
        canvas.root.get_by_role("button", name="▶ Run").first.click()
        page.wait_for_function("() => /\\d+ %/.test(document.querySelector('.ff-holder').textContent)")
        both(page, folder, "running")
        canvas.await_fresh()
        canvas.root.focus()
        page.keyboard.press("f")  # the batch has made its node taller
        page.wait_for_function(LOADED)
        both(page, folder, "finished", shown=True)
        city.run(1)
        page.wait_for_selector(".ff-holder s")
        both(page, folder, "stale")
    print(f"The pictures are in {folder}; {SHOWN.relative_to(ROOT)} is for the README.")
    return 0


def both(page: Page, folder: Path, name: str, *, shown: bool = False) -> None:
    """The canvas in both themes; `shown` keeps the dark one for the README."""
    for theme in ("Light", "Dark"):
        command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        page.wait_for_timeout(400)  # colours fade over
        data = page.locator(".ff-holder").last.screenshot()
        (folder / f"{name}-{theme.lower()}.png").write_bytes(data)
    if shown:
        SHOWN.parent.mkdir(parents=True, exist_ok=True)
        Image.open(BytesIO(data)).convert("RGB").save(SHOWN, quality=88, method=6)


if __name__ == "__main__":
    raise SystemExit(main())
