"""One JupyterLab for all tests that need one, and a page of it. Used as a plugin: `pytest_plugins`."""

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
    """The JupyterLab of this test run; each test has a notebook of its own in it."""
    place = tmp_path_factory.mktemp("jupyterlab")
    shutil.copytree(ROOT / "jupyter-config", place / "config")  # the extension is switched on, however we are installed
    variables = {HOME_VARIABLE: str(place / "home"), FOLDER_VARIABLE: str(place / "fake")}
    with jupyterlab(place, **variables) as running:
        yield running


@pytest.fixture
def service(lab: Lab) -> Service:
    """The paid service of its kernels."""
    return Service(lab.folder.parent / "fake")


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """A browser per module, whose pages share what was fetched once.

    Not per session: while Playwright lives, nothing else can have an event loop in this thread.
    """
    with browser_context() as running:
        yield running


@pytest.fixture
def page(browser: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page; an error in it fails the test. `LAB_PICTURES`: where to keep pictures of failures."""
    with watched_page(browser) as made:
        yield made
        if request.node.stash.get(_FAILED, False):
            folder = Path(os.environ.get("LAB_PICTURES") or tmp_path)
            folder.mkdir(parents=True, exist_ok=True)
            # What was seen says more than the line that waited in vain.
            made.screenshot(path=folder / f"{request.node.name}.png")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember for the page's end that a test failed; and say what its page showed, for nobody sees it afterwards."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
        page = getattr(item, "funcargs", {}).get("page")
        if report.failed and page is not None and not page.is_closed():
            report.sections.append(("What the page showed", "\n".join(page.locator("body").all_inner_texts())))
    return report
