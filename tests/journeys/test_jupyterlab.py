"""The quickstart notebook in JupyterLab in a browser: as stored, and after a run, in both themes.

Screenshots are stored in the folder `LAB_PICTURES`, by default in the temporary folder of the test.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from support.jupyterlab import CHROMIUM, NO_CHROMIUM, WIDTH_PX, browser_page, command, jupyterlab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from support.jupyterlab import Lab

pytestmark = pytest.mark.lab

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
WATCH_CARDS = """() => {
    const states = window.cardStates = new Set();
    new MutationObserver(() => {
        for (const card of document.querySelectorAll('.jp-OutputArea-output')) {
            const match = /^\\s*Neon city\\s*(running|succeeded|failed)/.exec(card.textContent);
            if (match) states.add(match[1]);
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
FAILED_CELLS = """() => [...document.querySelectorAll('.jp-OutputArea [data-mime-type$="stderr"], .jp-RenderedError')]
    .map(output => output.textContent.slice(0, 500))"""
ALL_RAN = """() => {
    if (document.querySelector('.jp-OutputArea [data-mime-type$="stderr"], .jp-RenderedError')) return true;
    const notebook = window.jupyterapp.shell.currentWidget;
    const cells = [...notebook.content.model.cells].filter(cell => cell.type === 'code');
    return cells.every(cell => cell.executionState === 'idle' && cell.executionCount > 0)
        && notebook.sessionContext.session.kernel.status === 'idle';
}"""
FAILED_PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea img')]
    .filter(image => !image.complete || image.naturalWidth === 0).map(image => image.outerHTML.slice(0, 200))"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab with a copy of the notebook, without this machine's settings."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, tmp_path / "notebooks")
    with jupyterlab(tmp_path) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a new browser."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with browser_page() as opened:
        yield opened


def picture(page: Page, folder: Path, name: str) -> None:
    """Save a screenshot of the whole notebook."""
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-viewport').scrollHeight")
    page.set_viewport_size({"width": WIDTH_PX, "height": int(height) + 140})
    page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; }")
    page.wait_for_timeout(500)  # only for the screenshot
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size({"width": WIDTH_PX, "height": 900})


def test_the_quickstart_runs_in_jupyterlab(page: Page, lab: Lab, tmp_path: Path) -> None:
    """The stored notebook shows pictures and finished cards; after a run nothing failed and the cards are updated."""
    pictures = Path(os.environ.get("LAB_PICTURES") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    page_errors: list[str] = []
    page.on("pageerror", lambda error: page_errors.append(str(error)))

    lab.open(page, NOTEBOOK.name)
    assert page.locator(".jp-OutputArea img").count() > 20
    assert page.evaluate(FAILED_PICTURES) == []
    assert "model not found" not in page.inner_text(".jp-Notebook")
    picture(page, pictures, "stored")

    command(page, "notebook:clear-all-cell-outputs")
    page.evaluate(WATCH_CARDS)
    command(page, "notebook:run-all-cells")
    page.wait_for_function(ALL_RAN)
    assert page.evaluate(FAILED_CELLS) == []
    assert {"running", "succeeded"} <= set(page.evaluate("() => [...window.cardStates]"))
    assert page.locator(".ff-tape img").count() >= 5
    assert page.evaluate(FAILED_PICTURES) == []
    assert page.evaluate("() => document.querySelector('.jp-OutputArea video').readyState") > 0
    for theme in ("Light", "Dark"):
        command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        picture(page, pictures, theme.lower())

    command(page, "docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    outputs = [
        output
        for cell in nbformat.read(lab.folder / NOTEBOOK.name, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    assert not [output for output in outputs if output.output_type == "error"]
    cards = [
        output.data["text/plain"] for output in outputs if "<Run of" in output.get("data", {}).get("text/plain", "")
    ]
    assert len(cards) >= 3
    assert all(": succeeded," in card for card in cards)
    assert page_errors == []
