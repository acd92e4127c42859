"""A notebook in a real JupyterLab, worked as a person works it, and the paid service that its kernels talk to."""

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
PATIENCE_S = 60  # a bound for hanging, never for speed
NOT_OURS = re.compile(
    # JupyterLab asks for these and copes without: a workspace nobody saved yet, a session that has just ended.
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
_SAID = f"""index => {_CURRENT}.content.widgets[index].model.outputs.toJSON()
    .filter(output => output.output_type !== 'display_data')
    .map(output => output.text ?? output.data?.['text/plain'] ?? output.traceback?.join('\\n') ?? '').join('')"""


class Service:
    """The paid service of all kernels.

    Args:
        folder: where it keeps its jobs (`FUSIONFLOW_FAKE_FOLDER`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fake = FakeProvider(folder)

    def behave(self, prompt: str, **behaviour: Any) -> None:
        """What to do with a prompt from now on."""
        path = self._folder / "behaviours.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, prompt: behaviour}))

    def times_paid(self, prompt: str) -> int:
        """How often something was submitted."""
        return [one["prompt"] for one in self._fake.log()].count(prompt)


@contextmanager
def browser_context() -> Iterator[BrowserContext]:
    """A browser whose pages share what was fetched once; without Chromium the tests are skipped."""
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
    """A page; what goes wrong in it fails the test."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(error.stack or str(error)) if _is_ours(error) else None)
    page.on(
        "console",
        lambda said: (
            wrong.append(f"{said.text} ({said.location['url']})")
            if said.type == "error" and not NOT_OURS.search(f"{said.text} {said.location['url']}")
            else None
        ),
    )
    try:
        yield page
        assert not wrong, "\n".join(wrong)
    finally:
        page.close()


def _is_ours(error: Error) -> bool:
    """Whether an error passed through the canvas (a module from a blob); the widget manager has some of its own."""
    return "blob:" in (error.stack or "blob:") or "/@jupyter-widgets/" not in error.stack


def begin(page: Page, name: str, **arguments: Any) -> None:
    """Have JupyterLab begin something by its command's name; it may ask back."""
    page.evaluate("([name, given]) => void window.jupyterapp.commands.execute(name, given)", [name, arguments])


class Notebook:
    """A notebook that is open in a page of JupyterLab.

    Args:
        page: of the browser.
        lab: where the file is.
        name: of the file, with `.ipynb`; its folder is the kernel's.
    """

    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page = page
        self.lab = lab
        self.path = lab.folder / name

    @classmethod
    def of(cls, page: Page, lab: Lab, name: str, *cells: str, files: dict[str, str] | None = None) -> Notebook:
        """Make a notebook of code cells in a folder of its own, with files beside it, and open it."""
        notebook = cls(page, lab, f"{name}/{name}.ipynb")
        notebook.folder.mkdir()
        for file, text in (files or {}).items():
            (notebook.folder / file).write_text(text)
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, notebook.path)
        notebook.open()
        return notebook

    @property
    def folder(self) -> Path:
        return self.path.parent

    def open(self, *, without_kernel: bool = False) -> None:
        """Load the page anew with this notebook alone in it."""
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
        """Run a cell, and do not wait for it."""
        self.page.evaluate(_RUN_CELL, index)

    def run(self, index: int) -> str:
        """Run a cell to its end; returns what it printed, fails where it failed."""
        self.start(index)
        self.wait(index)
        said = self.said(index)
        assert "Traceback" not in said, said
        return said

    def wait(self, index: int) -> None:
        """Wait for the end of a cell."""
        self.page.wait_for_function(f"index => {_CURRENT}.content.widgets[index].fusionflowRan", arg=index)

    def is_running(self, index: int) -> bool:
        """Whether a cell that was started goes on."""
        return not self.page.evaluate(f"index => {_CURRENT}.content.widgets[index].fusionflowRan", index)

    def said(self, index: int) -> str:
        """What a cell printed or answered."""
        return str(self.page.evaluate(_SAID, index))

    def sources(self) -> list[str]:
        """The text of every cell."""
        return list(
            self.page.evaluate(f"() => [...{_CURRENT}.content.model.cells].map(cell => cell.sharedModel.source)")
        )

    def save(self) -> None:
        """Write the notebook."""
        begin(self.page, "docmanager:save")
        self.page.wait_for_function(f"() => !{_CURRENT}.context.model.dirty")

    def activate(self, index: int) -> None:
        """Make a cell the current one."""
        self.page.evaluate(f"index => {{ {_CURRENT}.content.activeCellIndex = index; }}", index)

    def file(self, name: str, fits: Callable[[str], bool] = bool) -> str:
        """The text of a file beside the notebook, once it is as it should be."""
        path, deadline = self.folder / name, time.monotonic() + PATIENCE_S
        while not path.exists() or not fits(path.read_text()):
            assert time.monotonic() < deadline, f"{name} never became what it should: {path.exists()}"
            self.page.evaluate("() => new Promise(requestAnimationFrame)")  # the page lives on meanwhile
        return path.read_text()

    def shut_down(self) -> None:
        """End the kernel."""
        self.page.evaluate(f"() => {_CURRENT}.sessionContext.shutdown()")

    def begin_restart(self) -> None:
        """Restart the kernel by the menu's command and its dialog, and do not wait for it."""
        self.page.evaluate(_RESTART)
        self.page.locator(".jp-Dialog .jp-mod-warn").click()

    def restart_kernel(self) -> None:
        """Restart it, to the end: until then the kernel that goes may seem idle."""
        self.begin_restart()
        self.page.wait_for_function(f"() => {_CURRENT}.fusionflowRestarted")
        self.page.wait_for_function(f"() => {_CURRENT}.sessionContext.session.kernel.status === 'idle'")
