"""Fixtures: a JupyterLab for the whole test run, and a browser page. Use it with `pytest_plugins`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.jupyterlab import jupyterlab
from support.notebook import Service, browser_context, watched_page

from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page
    from support.jupyterlab import Lab


ROOT = Path(__file__).resolve().parents[2]
_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The JupyterLab of this test run; each test opens its own notebook."""
    place = tmp_path_factory.mktemp("jupyterlab")
    shutil.copytree(ROOT / "jupyter-config", place / "config")  # enables the server extension for any kind of install
    variables = {HOME_VARIABLE: str(place / "home"), FOLDER_VARIABLE: str(place / "fake")}
    with jupyterlab(place, **variables) as running:
        yield running


@pytest.fixture
def service(lab: Lab) -> Service:
    """The fake paid service of the kernels."""
    return Service(lab.folder.parent / "fake")


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """A browser per module with a shared cache.

    Not per session: while Playwright runs, no other code can use an event loop in this thread.
    """
    with browser_context() as running:
        yield running


@pytest.fixture
def page(browser: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page that fails the test on errors. `LAB_PICTURES` is the folder for screenshots of failures."""
    with watched_page(browser) as browser_page:
        yield browser_page
        if request.node.stash.get(_FAILED, False):
            folder = Path(os.environ.get("LAB_PICTURES") or tmp_path)
            folder.mkdir(parents=True, exist_ok=True)
            browser_page.screenshot(path=folder / f"{request.node.name}.png")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Record for the `page` fixture that a test failed, and add the text of the page to the report."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
        page = getattr(item, "funcargs", {}).get("page")
        if report.failed and page is not None and not page.is_closed():
            report.sections.append(("Text of the page", "\n".join(page.locator("body").all_inner_texts())))
    return report
