"""Upload a large video from the canvas in JupyterLab: to the bucket or the server, never through the kernel."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.canvas_page import CanvasPage
from support.jupyterlab import jupyterlab
from support.notebook import IMPORT, Notebook

from fusionflow_nb.assets.s3 import check
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.media import video
from fusionflow_nb.media.values import Asset
from fusionflow_nb.settings.environment import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page, Request, WebSocket
    from support.jupyterlab import Lab
    from support.s3 import S3Server

pytestmark = pytest.mark.lab
pytest_plugins = ["support.jupyterlab_fixtures", "support.s3_fixtures"]

ROOT = Path(__file__).resolve().parents[2]
FILM_BYTES = 60 << 20
KERNEL_BYTES = 100_000
WIDTH, HEIGHT = 160, 96
LENGTH = """\
film = flow.document.nodes["load_video_1"]
print(film.params["asset"]["sha256"], film.params["asset"]["width"], film.params["asset"]["size_bytes"])"""
FRAME = """\
result = flow.run().result()
print(result.frame(0.5).shape)"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid video, padded to a large size by an EBML Void element."""
    path = tmp_path_factory.mktemp("film") / "long.webm"
    frames = [np.full((HEIGHT, WIDTH, 3), 20 + 8 * index, np.uint8) for index in range(24)]
    video.write_video(path, frames, fps=12, width=WIDTH, height=HEIGHT, codec="vp9")
    padding = FILM_BYTES - path.stat().st_size
    with path.open("ab") as stream:
        stream.write(b"\xec\x01" + padding.to_bytes(7, "big"))
        for _ in range(-(-padding // (1 << 20))):
            stream.write(os.urandom(1 << 20))
        stream.truncate(FILM_BYTES)
    return path


@pytest.fixture(scope="module")
def bucket_lab(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab whose kernels have a bucket that allows uploads from its pages."""
    place = tmp_path_factory.mktemp("bucket-lab")
    shutil.copytree(ROOT / "jupyter-config", place / "config")
    with jupyterlab(place, **{HOME_VARIABLE: str(place / "home")}, **s3.variables) as running:
        check.set_cors(Bucket(s3.settings), [running.url])
        yield running


class Traffic:
    """Counts the bytes between a page and its kernels, and records PUT requests."""

    def __init__(self, page: Page) -> None:
        self.kernel_bytes = 0
        self.puts: list[str] = []
        page.on("websocket", self._watch)
        page.on("request", self._on_request)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._count)
        socket.on("framereceived", self._count)

    def _count(self, frame: str | bytes) -> None:
        self.kernel_bytes += len(frame)

    def _on_request(self, request: Request) -> None:
        if request.method == "PUT" and "/api/" not in request.url and "/lab/" not in request.url:
            self.puts.append(request.url)


def upload_on_canvas(page: Page, lab: Lab, name: str, film: Path) -> tuple[Notebook, CanvasPage, Traffic]:
    """Choose a file for a load node, and wait until the kernel has it."""
    traffic = Traffic(page)
    notebook = Notebook.of(page, lab, name, f'{IMPORT}\nflow = ff.Flow("Film")\nff.Canvas(flow)', LENGTH, FRAME)
    notebook.run(0)
    canvas = CanvasPage(page).ready()
    canvas.add("load video")
    canvas.await_nodes("load_video_1")
    before = traffic.kernel_bytes
    canvas.node("load_video_1").locator("input[type=file]").first.set_input_files(film)
    canvas.node("load_video_1").locator("video, img").first.wait_for(state="attached")
    assert traffic.kernel_bytes - before < KERNEL_BYTES
    return notebook, canvas, traffic


def test_a_video_is_uploaded_directly_to_the_bucket(page: Page, bucket_lab: Lab, s3: S3Server, film: Path) -> None:
    """60 MB are sent in one signed PUT, the kernel receives a few kilobytes, and a local node reads the video."""
    notebook, canvas, traffic = upload_on_canvas(page, bucket_lab, "direct", film)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    asset = Asset(digest, "video/webm", FILM_BYTES)
    assert notebook.run(1).split() == [digest, str(WIDTH), str(FILM_BYTES)]
    head = Bucket(s3.settings).head(asset)
    assert head is not None
    assert (head.size_bytes, head.media_type) == (FILM_BYTES, "video/webm")
    assert [url.partition("?")[0] for url in traffic.puts] == [
        f"{s3.settings.endpoint}/{s3.settings.bucket}/{asset.store_key}"
    ]
    home = bucket_lab.folder.parent / "home" / "assets"
    assert not (home / digest[:2] / f"{digest}.webm").exists()
    assert (home / "previews" / digest[:2] / f"{digest}.webp").exists()
    assert notebook.run(2).strip() == str((HEIGHT, WIDTH, 3))
    assert (home / digest[:2] / f"{digest}.webm").stat().st_size == FILM_BYTES
    canvas.node("load_video_1").wait_for()


def test_without_a_bucket_a_video_goes_through_jupyter(page: Page, lab: Lab, film: Path) -> None:
    """The canvas uploads to Jupyter's server, and the kernel receives as little as with a bucket."""
    notebook, _, traffic = upload_on_canvas(page, lab, "local", film)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    assert notebook.run(1).split() == [digest, str(WIDTH), str(FILM_BYTES)]
    assert [url.partition("?")[0] for url in traffic.puts] == [f"{lab.url}/fusionflow/uploads/{digest}"]
    stored = lab.folder.parent / "home" / "assets" / digest[:2] / f"{digest}.webm"
    assert stored.stat().st_size == FILM_BYTES


def test_without_a_cors_rule_uploads_go_through_jupyter(
    browser: BrowserContext, s3: S3Server, tmp_path: Path, film: Path
) -> None:
    """If the bucket refuses the page, the canvas warns and uploads through Jupyter, and the kernel to the bucket."""
    shutil.copytree(ROOT / "jupyter-config", tmp_path / "config")
    Bucket(s3.settings).client.put_bucket_cors(
        Bucket=s3.settings.bucket,
        CORSConfiguration={"CORSRules": check.cors_rule(["https://elsewhere.example"])},
    )
    place = jupyterlab(tmp_path, **{HOME_VARIABLE: str(tmp_path / "home")}, **s3.variables)
    page = browser.new_page()  # not a watched page: the browser logs the refused request
    with place as running:
        _, canvas, traffic = upload_on_canvas(page, running, "fallback", film)
        assert "doctor --r2" in canvas.root.inner_text()
        assert traffic.puts[-1].startswith(f"{running.url}/fusionflow/uploads/")
        page.close()
