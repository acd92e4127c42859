"""A large film from the canvas in a real JupyterLab: straight into a bucket, or by Jupyter; never by the kernel."""

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
made = flow.run().result()
print(made.frame(0.5).shape)"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that plays, made long by an element of the container that says nothing (EBML Void)."""
    path = tmp_path_factory.mktemp("film") / "long.webm"
    frames = [np.full((HEIGHT, WIDTH, 3), 20 + 8 * index, np.uint8) for index in range(24)]
    video.write_video(path, frames, fps=12, width=WIDTH, height=HEIGHT, codec="vp9")
    silence = FILM_BYTES - path.stat().st_size
    with path.open("ab") as stream:
        stream.write(b"\xec\x01" + silence.to_bytes(7, "big"))
        for _ in range(-(-silence // (1 << 20))):
            stream.write(os.urandom(1 << 20))
        stream.truncate(FILM_BYTES)
    return path


@pytest.fixture(scope="module")
def bucket_lab(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab whose kernels have a bucket, which takes uploads from its pages."""
    place = tmp_path_factory.mktemp("bucket-lab")
    shutil.copytree(ROOT / "jupyter-config", place / "config")
    with jupyterlab(place, **{HOME_VARIABLE: str(place / "home")}, **s3.variables) as running:
        check.set_cors(Bucket(s3.settings), [running.url])
        yield running


class Traffic:
    """What goes between a page and its kernels, and where files are put."""

    def __init__(self, page: Page) -> None:
        self.kernel_bytes = 0
        self.puts: list[str] = []
        page.on("websocket", self._watch)
        page.on("request", self._asked)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._count)
        socket.on("framereceived", self._count)

    def _count(self, frame: str | bytes) -> None:
        self.kernel_bytes += len(frame)

    def _asked(self, request: Request) -> None:
        if request.method == "PUT" and "/api/" not in request.url and "/lab/" not in request.url:
            self.puts.append(request.url)


def put_on_canvas(page: Page, lab: Lab, name: str, film: Path) -> tuple[Notebook, CanvasPage, Traffic]:
    """Choose a film for a node that loads one, and wait until the kernel has it."""
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


def test_a_film_goes_straight_to_the_bucket(page: Page, bucket_lab: Lab, s3: S3Server, film: Path) -> None:
    """60 MB reach the bucket in one signed PUT; the kernel hears some kilobytes; a local node then reads it through."""
    notebook, canvas, traffic = put_on_canvas(page, bucket_lab, "straight", film)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    asset = Asset(digest, "video/webm", FILM_BYTES)
    assert notebook.run(1).split() == [digest, str(WIDTH), str(FILM_BYTES)]
    there = Bucket(s3.settings).head(asset)
    assert there is not None
    assert (there.size_bytes, there.media_type) == (FILM_BYTES, "video/webm")
    assert [url.partition("?")[0] for url in traffic.puts] == [
        f"{s3.settings.endpoint}/{s3.settings.bucket}/{asset.store_key}"
    ]
    home = bucket_lab.folder.parent / "home" / "assets"
    assert not (home / digest[:2] / f"{digest}.webm").exists()
    assert (home / "previews" / digest[:2] / f"{digest}.webp").exists()
    assert notebook.run(2).strip() == str((HEIGHT, WIDTH, 3))
    assert (home / digest[:2] / f"{digest}.webm").stat().st_size == FILM_BYTES
    canvas.node("load_video_1").wait_for()


def test_a_film_goes_to_the_local_store_in_the_same_words(page: Page, lab: Lab, film: Path) -> None:
    """Without a bucket the same canvas puts it through Jupyter's server; the kernel hears no more of it."""
    notebook, _, traffic = put_on_canvas(page, lab, "local", film)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    assert notebook.run(1).split() == [digest, str(WIDTH), str(FILM_BYTES)]
    assert [url.partition("?")[0] for url in traffic.puts] == [f"{lab.url}/fusionflow/uploads/{digest}"]
    stored = lab.folder.parent / "home" / "assets" / digest[:2] / f"{digest}.webm"
    assert stored.stat().st_size == FILM_BYTES


def test_a_bucket_that_refuses_the_page_is_gone_around(
    browser: BrowserContext, s3: S3Server, tmp_path: Path, film: Path
) -> None:
    """Without a CORS rule for it the page says so, sends through Jupyter, and the kernel brings it to the bucket."""
    shutil.copytree(ROOT / "jupyter-config", tmp_path / "config")
    Bucket(s3.settings).client.put_bucket_cors(
        Bucket=s3.settings.bucket,
        CORSConfiguration={"CORSRules": check.cors_rule(["https://elsewhere.example"])},
    )
    place = jupyterlab(tmp_path, **{HOME_VARIABLE: str(tmp_path / "home")}, **s3.variables)
    page = browser.new_page()  # not a watched one: the browser itself says what it was refused
    with place as running:
        _, canvas, traffic = put_on_canvas(page, running, "around", film)
        assert "doctor --r2" in canvas.root.inner_text()
        assert traffic.puts[-1].startswith(f"{running.url}/fusionflow/uploads/")
        page.close()
