"""A flow over services that take URLs, with a bucket: media travel as URLs or streams, never as text."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import threading
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.canvas import open_view

import fusionflow_nb as ff
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.session import current_session, use_session
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE
from fusionflow_nb.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.s3 import S3Server

pytest_plugins = ["support.s3_fixtures"]
COMM_BYTES = 100_000
# Base64 of the smallest possible image is longer than this; digests, ids and signatures are shorter.
BASE64 = re.compile(rb"base64,|[A-Za-z0-9+/]{400,}")


@pytest.fixture
def services(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulated services in a thread with its own event loop, beside the bucket server."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator()
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result()
    monkeypatch.setenv(SIMULATOR_VARIABLE, simulator.base)
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    yield simulator
    use_session(None)
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def city() -> Flow:
    """The demo's scene made by services: a still, an edit, an upscale, a video, and an edit at another service."""
    flow = Flow("Neon city")
    still = flow.generate_image("neon city at midnight", model="fal/fal-ai/flux/dev", name="still")
    moody = flow.edit_image(still, "violet night", model="fal/fal-ai/flux-pro/kontext", name="moody")
    large = flow.upscale(moody, model="fal/fal-ai/clarity-upscaler", name="large")
    flow.generate_video(
        "slowly forward", image=large, model="fal/fal-ai/kling-video/v3/pro/image-to-video", name="film"
    )
    flow.edit_image(still, "by day", model="replicate/black-forest-labs/flux-kontext-pro", name="day")
    return flow


def every_row(path: Path) -> Iterator[tuple[str, bytes]]:
    """Table and text of every cell of the journal."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own tables
                yield from ((table, str(cell).encode()) for cell in row if isinstance(cell, str))


def test_media_travel_as_urls_or_streams(services: Simulator, s3: S3Server) -> None:
    """Services get URLs of exactly the inputs; messages, rows and requests contain no base64."""
    flow = city()
    view = open_view(flow)
    conversation = view.controller
    assert conversation is not None
    message_count = len(view.received)
    ff.budget(run=20, day=20, unpriced=0.5)
    view.post("run", targets=[], is_confirmed=True)
    view.wait_for_run_end()
    session = current_session()
    conversation.close()
    assert not session.tape.sql("SELECT node_id, error_message FROM generations WHERE status != 'succeeded'").rows()
    assert isinstance(session.store, S3Store)
    assert session.store.uploads.wait_all(timeout_s=60)
    stored = {asset.sha256: asset.size_bytes for asset in session.store.assets()}
    assert len(stored) == 5

    sent_hashes = set()
    for request in services.world.requests:
        assert not BASE64.search(request.body), request.path
        for url in re.findall(rf'"({re.escape(s3.settings.endpoint)}/[^"]+)"', request.body.decode("utf-8", "replace")):
            with urllib.request.urlopen(url) as response:  # noqa: S310 - our own server
                sent_hashes.add(hashlib.sha256(response.read()).hexdigest())
    inputs = {row[0] for row in session.tape.sql("SELECT DISTINCT sha256 FROM inputs WHERE sha256 IS NOT NULL").rows()}
    assert sent_hashes == inputs
    assert len(sent_hashes) == 3

    messages = [json.dumps(message).encode() for message in view.received]
    assert not any(BASE64.search(message) for message in messages)
    comm_bytes = sum(map(len, messages[message_count:])) + sum(
        len(asset) for leaks in view.buffers[message_count:] for asset in leaks
    )
    assert comm_bytes < COMM_BYTES < sum(stored.values())

    leaks = [(table, cell[:80]) for table, cell in every_row(session.journal.path) if BASE64.search(cell)]
    assert not leaks
    assert not any(b"X-Amz-Signature" in cell for _, cell in every_row(session.journal.path))
    urls = [row[0] for row in session.tape.sql("SELECT output_url FROM generations").rows()]
    assert all(url.startswith(f"s3://{s3.settings.bucket}/assets/") for url in urls)
    assert {asset.sha256 for asset in session.store.bucket.objects()} >= stored.keys()
