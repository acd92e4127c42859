"""A whole flow over services that take addresses, with a bucket: media goes by address or stream, never inside text."""

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
from support.canvas import talk

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
# A run of base64 as long as the smallest picture would need; digests, ids and signatures are shorter.
BASE64 = re.compile(rb"base64,|[A-Za-z0-9+/]{400,}")


@pytest.fixture
def services(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulated services on a thread of their own, and the bucket beside them on the same machine."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Simulator()
    asyncio.run_coroutine_threadsafe(made.__aenter__(), loop).result()
    monkeypatch.setenv(SIMULATOR_VARIABLE, made.base)
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    yield made
    use_session(None)
    asyncio.run_coroutine_threadsafe(made.__aexit__(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def city() -> Flow:
    """The demo's scene, made by services: a still, edited, upscaled and filmed, and an edit elsewhere."""
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


def test_media_travels_by_address_or_stream(services: Simulator, s3: S3Server) -> None:
    """Services get addresses that open exactly the inputs; messages, rows and requests hold no base64."""
    flow = city()
    view = talk(flow)
    conversation = view.conversation
    assert conversation is not None
    begun = len(view.heard)
    ff.budget(run=20, day=20, unpriced=0.5)
    view.say("run", targets=[], is_confirmed=True)
    view.run_ended()
    living = current_session()
    conversation.close()
    assert not living.tape.sql("SELECT node_id, error_message FROM generations WHERE status != 'succeeded'").rows()
    assert isinstance(living.store, S3Store)
    assert living.store.uploads.settle(timeout_s=60)
    stored = {one.sha256: one.size_bytes for one in living.store.assets()}
    assert len(stored) == 5

    handed = set()
    for request in services.world.asked:
        assert not BASE64.search(request.body), request.path
        for url in re.findall(rf'"({re.escape(s3.settings.endpoint)}/[^"]+)"', request.body.decode("utf-8", "replace")):
            with urllib.request.urlopen(url) as said:  # noqa: S310 - our own server
                handed.add(hashlib.sha256(said.read()).hexdigest())
    inputs = {row[0] for row in living.tape.sql("SELECT DISTINCT sha256 FROM inputs WHERE sha256 IS NOT NULL").rows()}
    assert handed == inputs
    assert len(handed) == 3

    told = [json.dumps(message).encode() for message in view.heard]
    assert not any(BASE64.search(message) for message in told)
    carried = sum(map(len, told[begun:])) + sum(len(one) for found in view.buffers[begun:] for one in found)
    assert carried < COMM_BYTES < sum(stored.values())

    found = [(table, cell[:80]) for table, cell in every_row(living.journal.path) if BASE64.search(cell)]
    assert not found
    assert not any(b"X-Amz-Signature" in cell for _, cell in every_row(living.journal.path))
    urls = [row[0] for row in living.tape.sql("SELECT output_url FROM generations").rows()]
    assert all(url.startswith(f"s3://{s3.settings.bucket}/assets/") for url in urls)
    assert {one.sha256 for one in living.store.bucket.objects()} >= stored.keys()
