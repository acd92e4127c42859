"""Drive a notebook in a real JupyterLab in a browser, and script the fake service of its kernels."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from support.jupyterlab import CHROMIUM, FLAGS, NO_CHROMIUM

from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Error, Page
    from support.jupyterlab import Lab

IMPORT = "import fusionflow_nb as ff"
WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # without a graphics card
PATIENCE_S = 60  # time-out for hangs
IGNORED = re.compile(
    # JupyterLab handles errors of these requests: unsaved workspaces, sessions that have just ended.
    r"/api/(workspaces|sessions|kernels|contents)\b|/lab/api/"
)
_CURRENT = "window.jupyterapp.shell.currentWidget"
_RUN_CELL = f"""index => {{
    const notebook = {_CURRENT}.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    notebook.mode = 'command';
    const cell = notebook.widgets[index];
    cell.fusionflowRan = false;
    window.jupyterapp.commands.execute('notebook:run-cell').then(() => {{ cell.fusionflowRan = true; }});
}}"""
_RESTART = f"""() => {{
    const panel = {_CURRENT};
    panel.fusionflowRestarted = false;
    window.jupyterapp.commands.execute('notebook:restart-kernel').then(() => {{ panel.fusionflowRestarted = true; }});
}}"""
_OUTPUT_TEXT = f"""index => {_CURRENT}.content.widgets[index].model.outputs.toJSON()
    .filter(output => output.output_type !== 'display_data')
    .map(output => output.text ?? output.data?.['text/plain'] ?? output.traceback?.join('\\n') ?? '').join('')"""


class Service:
    """The fake paid service of all kernels.

    Args:
        folder: the folder of its jobs (`FUSIONFLOW_FAKE_FOLDER`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fake = FakeProvider(folder)

    def behave(self, prompt: str, **behaviour: Any) -> None:
        """Script the behaviour for a prompt."""
        path = self._folder / "behaviours.json"
        behaviours = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**behaviours, prompt: behaviour}))

    def times_paid(self, prompt: str) -> int:
        """Number of submissions of a prompt."""
        return [entry["prompt"] for entry in self._fake.log()].count(prompt)


@contextmanager
def browser_context() -> Iterator[BrowserContext]:
    """A browser context with a shared cache; skips the test without Chromium."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *WEBGL])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE_S * 1000)
        yield context
        browser.close()


@contextmanager
def watched_page(context: BrowserContext) -> Iterator[Page]:
    """A page that fails the test on errors and console errors."""
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(error.stack or str(error)) if _is_canvas_error(error) else None)
    page.on(
        "console",
        lambda message: (
            failures.append(f"{message.text} ({message.location['url']})")
            if message.type == "error" and not IGNORED.search(f"{message.text} {message.location['url']}")
            else None
        ),
    )
    try:
        yield page
        assert not failures, "\n".join(failures)
    finally:
        page.close()


def _is_canvas_error(error: Error) -> bool:
    """Whether an error involves the canvas (a module from a blob) and not only the widget manager."""
    return "blob:" in (error.stack or "blob:") or "/@jupyter-widgets/" not in error.stack


def begin(page: Page, name: str, **arguments: Any) -> None:
    """Start a command of JupyterLab without waiting for it; it may open a dialog."""
    page.evaluate("([name, args]) => void window.jupyterapp.commands.execute(name, args)", [name, arguments])


class Notebook:
    """A notebook that is open in a page of JupyterLab.

    Args:
        page: the browser page.
        lab: the JupyterLab.
        name: the file name with `.ipynb`; its folder is the kernel's working folder.
    """

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page = page
        self.lab = lab
        self.path = lab.folder / name

    @classmethod
    def of(cls, page: Page, lab: Lab, name: str, *cells: str, files: dict[str, str] | None = None) -> Notebook:
        """Create a notebook of code cells in a new folder, with other files in it, and open it."""
        notebook = cls(page, lab, f"{name}/{name}.ipynb")
        notebook.folder.mkdir()
        for file, text in (files or {}).items():
            (notebook.folder / file).write_text(text)
        content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(content, notebook.path)
        notebook.open()
        return notebook

    @property
    def folder(self) -> Path:
        return self.path.parent

    def open(self, *, without_kernel: bool = False) -> None:
        """Reload the page with only this notebook open."""
        at = self.path.relative_to(self.lab.folder)
        self.page.goto(f"{self.lab.url}/lab/workspaces/{self.path.stem}?token={self.lab.token}&reset")
        self.page.wait_for_function("() => window.jupyterapp?.started")
        self.page.evaluate("() => window.jupyterapp.restored")
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        preferences = {"kernelPreference": {"autoStartDefault": not without_kernel, "shouldStart": not without_kernel}}
        begin(self.page, "docmanager:open", path=str(at), **preferences)
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        if not without_kernel:
            self.page.wait_for_function(f"() => {_CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'")

    def start(self, index: int) -> None:
        """Run a cell without waiting for it."""
        self.page.evaluate(_RUN_CELL, index)

    def run(self, index: int) -> str:
        """Run a cell to its end and return its text output; fails if the cell raised."""
        self.start(index)
        self.wait(index)
        text = self.output_text(index)
        assert "Traceback" not in text, text
        return text

    def wait(self, index: int) -> None:
        """Wait for the end of a cell."""
        self.page.wait_for_function(f"index => {_CURRENT}.content.widgets[index].fusionflowRan", arg=index)

    def is_running(self, index: int) -> bool:
        """Whether a started cell is still running."""
        return not self.page.evaluate(f"index => {_CURRENT}.content.widgets[index].fusionflowRan", index)

    def output_text(self, index: int) -> str:
        """The text outputs of a cell."""
        return str(self.page.evaluate(_OUTPUT_TEXT, index))

    def sources(self) -> list[str]:
        """The source of every cell."""
        return list(
            self.page.evaluate(f"() => [...{_CURRENT}.content.model.cells].map(cell => cell.sharedModel.source)")
        )

    def save(self) -> None:
        """Save the notebook."""
        begin(self.page, "docmanager:save")
        self.page.wait_for_function(f"() => !{_CURRENT}.context.model.dirty")

    def activate(self, index: int) -> None:
        """Select a cell."""
        self.page.evaluate(f"index => {{ {_CURRENT}.content.activeCellIndex = index; }}", index)

    def file(self, name: str, matches: Callable[[str], bool] = bool) -> str:
        """The text of a file in the notebook's folder; waits until it matches."""
        path, deadline = self.folder / name, time.monotonic() + PATIENCE_S
        while not path.exists() or not matches(path.read_text()):
            assert time.monotonic() < deadline, f"{name} does not match; it exists: {path.exists()}"
            self.page.evaluate("() => new Promise(requestAnimationFrame)")  # keep the page running
        return path.read_text()

    def shut_down(self) -> None:
        """Shut down the kernel."""
        self.page.evaluate(f"() => {_CURRENT}.sessionContext.shutdown()")

    def begin_restart(self) -> None:
        """Restart the kernel by its command and dialog, without waiting for it."""
        self.page.evaluate(_RESTART)
        self.page.locator(".jp-Dialog .jp-mod-warn").click()

    def restart_kernel(self) -> None:
        """Restart the kernel and wait for the command: before its end the former kernel may seem idle."""
        self.begin_restart()
        self.page.wait_for_function(f"() => {_CURRENT}.fusionflowRestarted")
        self.page.wait_for_function(f"() => {_CURRENT}.sessionContext.session.kernel.status === 'idle'")
