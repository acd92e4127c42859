"""Start a separate JupyterLab without this machine's settings and keys, and open it in a browser."""

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
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fusionflow_nb.settings.credentials import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

PATIENCE_S = 120  # time-out for hangs
WIDTH_PX = 1180
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "Chromium is not installed: `make browser` as root, or `sudo apt-get install chromium`."
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
    "notebook-extension/tracker": {"windowingMode": "none"},  # otherwise cells outside the viewport are not in the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab(NamedTuple):
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path

    def open(self, page: Page, name: str) -> None:
        """Open a notebook of the folder and wait for its kernel."""
        page.goto(f"{self.url}/lab/tree/{name}?token={self.token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext?.isReady")
        command(page, "application:toggle-left-area")


@contextmanager
def jupyterlab(place: Path, **variables: str) -> Iterator[Lab]:
    """Run JupyterLab on the folder `notebooks` of `place`, without this machine's settings.

    Args:
        place: also contains settings and the log.
        variables: environment variables.
    """
    folder = place / "notebooks"
    folder.mkdir(exist_ok=True)
    for name, settings in SETTINGS.items():
        path = place / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    keys = {name for names in ENVIRONMENT.values() for name in names}
    environment = {name: value for name, value in os.environ.items() if name not in keys}
    environment |= {f"JUPYTER_{kind}_DIR": str(place / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    token, port = secrets.token_hex(16), _free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
        *(f"--LabApp.user_settings_dir={place / 'settings'}", f"--LabApp.workspaces_dir={place / 'workspaces'}"),
    ]
    with (
        (place / "lab.log").open("w") as log,
        subprocess.Popen(command, env=environment | variables, stdout=log, stderr=log) as server,
    ):
        try:
            yield Lab(_wait_until_ready(f"http://127.0.0.1:{port}", token, server, place / "lab.log"), token, folder)
        finally:
            server.terminate()


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a new browser; requires `CHROMIUM`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page
        browser.close()


def command(page: Page, name: str, **arguments: Any) -> None:
    """Execute a command of JupyterLab and wait for it."""
    page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/status?token={token}", timeout=5):  # noqa: S310 - local server
                return url
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
