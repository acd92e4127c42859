"""The quickstart in JupyterLab, in a real browser: as it is stored, and as it runs, in both themes.

Pictures of what was seen are kept in the folder that `LAB_PICTURES` names, else in the test's own.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nbformat
import pytest

from fusionflow_nb.credentials import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.lab

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "quickstart.ipynb"
PATIENCE_S = 120  # a bound for hanging, never for speed
WIDTH_PX = 1180
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight are not in the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
WATCH_CARDS = """() => {
    const seen = window.cardsSeen = new Set();
    new MutationObserver(() => {
        for (const card of document.querySelectorAll('.jp-OutputArea-output')) {
            const found = /^\\s*Neon city\\s*(running|succeeded|failed)/.exec(card.textContent);
            if (found) seen.add(found[1]);
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
FAILED_CELLS = """() => [...document.querySelectorAll('.jp-OutputArea [data-mime-type$="stderr"], .jp-RenderedError')]
    .map(said => said.textContent.slice(0, 500))"""
ALL_RAN = """() => {
    if (document.querySelector('.jp-OutputArea [data-mime-type$="stderr"], .jp-RenderedError')) return true;
    const notebook = window.jupyterapp.shell.currentWidget;
    const cells = [...notebook.content.model.cells].filter(cell => cell.type === 'code');
    return cells.every(cell => cell.executionState === 'idle' && cell.executionCount > 0)
        && notebook.sessionContext.session.kernel.status === 'idle';
}"""
FAILED_PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea img')]
    .filter(image => !image.complete || image.naturalWidth === 0).map(image => image.outerHTML.slice(0, 200))"""


class Lab(NamedTuple):
    """A JupyterLab of our own."""

    url: str
    token: str
    folder: Path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab on a copy of the notebook, with nothing of this machine's settings."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(NOTEBOOK, folder)
    for name, settings in SETTINGS.items():
        path = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    keys = {name for names in ENVIRONMENT.values() for name in names}
    environment = {name: value for name, value in os.environ.items() if name not in keys}
    environment |= {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    token, port = secrets.token_hex(16), free_port()
    said = (tmp_path / "lab.log").open("w")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
        *(f"--LabApp.user_settings_dir={tmp_path / 'settings'}", f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}"),
    ]
    with subprocess.Popen(command, env=environment, stdout=said, stderr=said) as server:
        try:
            yield Lab(await_server(f"http://127.0.0.1:{port}", token, server, tmp_path / "lab.log"), token, folder)
        finally:
            server.terminate()
    said.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_server(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/status?token={token}", timeout=5):  # noqa: S310 - our own server
                return url
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a fresh browser, with a list of what went wrong in it."""
    if CHROMIUM is None:
        pytest.skip("There is no Chromium: `make browser` as root, or `sudo apt-get install chromium`.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page
        browser.close()


def open_notebook(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/lab/tree/quickstart.ipynb?token={lab.token}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.isReady")
    command(page, "application:toggle-left-area")


def command(page: Page, name: str, **arguments: Any) -> None:
    page.evaluate("([name, given]) => window.jupyterapp.commands.execute(name, given)", [name, arguments])


def picture(page: Page, folder: Path, name: str) -> None:
    """Keep what the whole notebook looks like."""
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-viewport').scrollHeight")
    page.set_viewport_size({"width": WIDTH_PX, "height": int(height) + 140})
    page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; }")
    page.wait_for_timeout(500)  # only the picture depends on it
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size({"width": WIDTH_PX, "height": 900})


def test_the_quickstart_in_jupyterlab(page: Page, lab: Lab, tmp_path: Path) -> None:
    """Stored, it shows pictures and finished cards; run, nothing fails and the cards live to their end."""
    kept = Path(os.environ.get("LAB_PICTURES") or tmp_path)
    kept.mkdir(parents=True, exist_ok=True)
    went_wrong: list[str] = []
    page.on("pageerror", lambda error: went_wrong.append(str(error)))

    open_notebook(page, lab)
    assert page.locator(".jp-OutputArea img").count() > 20
    assert page.evaluate(FAILED_PICTURES) == []
    assert "model not found" not in page.inner_text(".jp-Notebook")
    picture(page, kept, "stored")

    command(page, "notebook:clear-all-cell-outputs")
    page.evaluate(WATCH_CARDS)
    command(page, "notebook:run-all-cells")
    page.wait_for_function(ALL_RAN)
    assert page.evaluate(FAILED_CELLS) == []
    assert {"running", "succeeded"} <= set(page.evaluate("() => [...window.cardsSeen]"))
    assert page.locator(".ff-tape img").count() >= 5
    assert page.evaluate(FAILED_PICTURES) == []
    assert page.evaluate("() => document.querySelector('.jp-OutputArea video').readyState") > 0
    for theme in ("Light", "Dark"):
        command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        picture(page, kept, theme.lower())

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
    assert went_wrong == []
