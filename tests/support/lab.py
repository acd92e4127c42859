"""A Jupyter server on a local socket with its own home folder, and sample media."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.lab.secret import ensure_secret
from fusionflow_nb.lab.signing import upload_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-the-tests"  # noqa: S105 - valid for test servers only
# As on JupyterHub, with characters that are special in regular expressions.
BASE = "/user/me@some.where/"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Server:
    """A running server: its URL, and the home folder that it shares with a kernel."""

    url: str
    home: Path
    pid: int
    secret: bytes

    @property
    def store(self) -> LocalFolderStore:
        return LocalFolderStore(self.home / "assets")

    @property
    def incoming(self) -> list[Path]:
        return list((self.home / "assets" / "incoming").glob("*"))

    def client(self, **options: object) -> httpx.Client:
        """A client authenticated by the token."""
        headers = {"Authorization": f"token {TOKEN}"}
        return httpx.Client(**{"base_url": self.url, "headers": headers, "timeout": PATIENCE_S} | options)

    def signed(self, data: bytes, media_type: str = "image/png", **options: object) -> str:
        """A signed upload URL for these bytes."""
        settings = {"media_type": media_type, "size_bytes": len(data)} | options
        return upload_url(self.secret, hashlib.sha256(data).hexdigest(), **settings)

    def stored(self) -> set[str]:
        return {stored.sha256 for stored in self.store.assets()}


@contextmanager
def serving(folder: Path, *, before: str = "") -> Iterator[Server]:
    """Start a server in a folder, configured by the file that the package installs; stop it afterwards.

    Args:
        folder: for home, configuration and log.
        before: Python code to run in the server's process first.
    """
    home = folder / "home"
    shutil.copytree(ROOT / "jupyter-config", folder / "config")
    environment = {
        **os.environ,
        "FUSIONFLOW_HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONPATH": str(ROOT),
    }
    arguments = [
        "--no-browser",
        "--allow-root",  # containers of build servers often have no other user
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--ServerApp.base_url={BASE}",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.terminals_enabled=False",
        # Far below the uploads' sizes: the signature decides, not the limit for notebooks.
        f"--ServerApp.max_body_size={32 << 20}",
    ]
    code = f"{before}\nimport sys\nfrom jupyter_server.serverapp import main\nmain(sys.argv[1:])"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env=environment, stdout=log, stderr=log, cwd=folder
        )
        try:
            port = _port(process, folder)
            yield Server(f"http://127.0.0.1:{port}{BASE}", home, process.pid, ensure_secret(home))
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()


def begin(server: Server, data: bytes, sent: int, *, credentials: str | None = None) -> socket.socket:
    """Begin an upload on a bare socket, sending only the first bytes; with the token, or other header lines."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=PATIENCE_S)
    header = f"Authorization: token {TOKEN}\r\n" if credentials is None else credentials
    host = urlsplit(server.url).netloc
    head = f"PUT {BASE}{server.signed(data)} HTTP/1.1\r\nHost: {host}\r\n{header}Content-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data[:sent])
    return connection


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; fail with its name after the timeout."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE_S:g} s"
        time.sleep(0.02)


def png(seed: int = 0, side: int = 64) -> bytes:
    """A PNG of noise; the seed selects the image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "png", compress_level=1)
    return stream.getvalue()


@contextmanager
def little_growth(pid: int, *, limit_bytes: int = 16 << 20) -> Iterator[None]:
    """Assert that the block raises the peak memory of a process by less than the limit (Linux)."""

    def peak_bytes() -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10

    Path(f"/proc/{pid}/clear_refs").write_text("5")  # reset the peak
    before = peak_bytes()
    yield
    assert peak_bytes() - before < limit_bytes


def song(seconds: int) -> bytes:
    """A WAV file of 1 kHz, 16 bit, mono, 48 kHz."""
    body = struct.pack("<48h", *(20_000 * (-1) ** (at // 24) for at in range(48))) * 1000 * seconds
    layout = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 48_000, 96_000, 2, 16, b"data", len(body))
    return b"RIFF" + struct.pack("<I", 4 + len(layout) + len(body)) + b"WAVE" + layout + body


def error_code(answer: httpx.Response) -> str:
    """The code of an error response, after checking its JSON shape."""
    assert answer.headers["content-type"].startswith("application/json")
    error = answer.json()["error"]
    assert set(error) == {"code", "node_id", "message"}
    assert error["message"]
    return error["code"]


def _port(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Wait until a server responds; return its port."""
    info = folder / "runtime" / f"jpserver-{process.pid}.json"
    port = 0

    def answers() -> bool:
        nonlocal port
        assert process.poll() is None, (folder / "server.log").read_text()
        if not info.exists():
            return False
        try:
            port = json.loads(info.read_text())["port"]
            return httpx.get(f"http://127.0.0.1:{port}{BASE}api").is_success
        except (ValueError, httpx.TransportError):
            return False  # the file is being written, or the server is not listening yet

    until(answers, "the start of the server")
    return port
