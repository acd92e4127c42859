"""Local first: nothing waits for the bucket, nothing is lost on the way to it, and what was begun is finished."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.lab import png, song, until
from support.s3_proxy import Line

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3 import errors as errors_module
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.multipart import PART_BYTES
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.assets.uploads import DONE, WAITING, MemoryLog
from fusionflow_nb.maintenance import doctor
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings import bucket as bucket_settings
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.s3 import S3Server

    from fusionflow_nb.providers.protocol import Request

pytest_plugins = ["support.s3_fixtures"]
PATIENCE_S = 60.0
LONG_SONG_S = 500
"""48 MB: six parts."""


class Asked(FakeProvider):
    """A service that writes down what it was handed."""

    takes_references = "bytes_or_url"

    def __init__(self) -> None:
        super().__init__()
        self.handed: list[tuple[str, str | None]] = []

    async def submit(self, request: Request, *, idempotency_key: str) -> Any:
        self.handed += [(one.asset.sha256, one.url) for found in request.references.values() for one in found]
        return await super().submit(request, idempotency_key=idempotency_key)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def with_bucket(s3: S3Server, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The current session, its results kept in the bucket too; the service shares its loopback."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([asked]))
    use_session(session)
    store_of(session).is_reachable_by_services = True
    return session


@pytest.fixture
def line(s3: S3Server) -> Iterator[Line]:
    with Line(s3.settings) as made:
        yield made


def store_of(session: Session) -> S3Store:
    assert isinstance(session.store, S3Store)
    return session.store


def two_steps() -> Flow:
    """A picture, and an edit of it."""
    flow = Flow("Two steps")
    still = flow.generate_image("city", model="fake/image", name="still")
    flow.edit_image(still, "at night", model="fake/edit", name="edit")
    return flow


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_reference_is_handed_over_as_an_address(with_bucket: Session, asked: Asked) -> None:
    """A service that takes addresses gets one that opens exactly the bytes, and the tape keeps the unsigned ones."""
    run = two_steps().run()
    run.result()
    [(sha256, url)] = asked.handed
    assert url is not None
    with urllib.request.urlopen(url) as said:  # noqa: S310 - our own server
        assert hashlib.sha256(said.read()).hexdigest() == sha256
    rows = with_bucket.tape.sql("SELECT output_url FROM generations ORDER BY finished_at").rows()
    name = with_bucket.store.bucket.settings.bucket  # type: ignore[attr-defined]
    assert [row[0].startswith(f"s3://{name}/assets/") for row in rows] == [True, True]
    assert not any(b"X-Amz-Signature" in path.read_bytes() for path in with_bucket.home.rglob("*") if path.is_file())


def test_a_service_that_takes_bytes_waits_for_no_upload(with_bucket: Session, asked: Asked) -> None:
    """It gets the file, and no address is made."""
    asked.takes_references = "bytes"
    two_steps().run().result()
    assert [url for _, url in asked.handed] == [None]


def test_a_service_that_takes_only_addresses_needs_a_bucket() -> None:
    """Without one the error says how to get one; nothing was submitted to it."""
    asked = Asked()
    asked.takes_references = "url"
    use_session(Session(Path(os.environ[HOME_VARIABLE]), Registry([asked])))
    run = two_steps().run().wait()
    assert any('ff.connect("r2")' in str(error) for error in run.errors)
    assert not asked.handed


def test_a_bucket_on_this_machine_is_no_address_for_services(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on the internet could not open it: it gets the bytes."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    assert not store_of(current_session()).is_reachable_by_services


def test_results_are_addressed_by_handles(with_bucket: Session) -> None:
    """`url()` of a result opens it anywhere, once its upload is there."""
    flow = Flow("One")
    flow.generate_image("city", model="fake/image", name="still")
    picture = flow.run().result()
    with urllib.request.urlopen(picture.url(expires_s=60)) as said:  # noqa: S310 - our own server
        assert said.read() == picture.bytes()
    assert store_of(with_bucket).bucket.find(picture.sha256) is not None


def test_a_run_does_not_need_the_bucket(s3: S3Server, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wrong key a run ends well on local files, doctor tells, and a right key brings everything there."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(bucket_settings.SECRET_KEY, "not-the-secret")
    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([asked]))
    use_session(session)
    store_of(session).is_reachable_by_services = True
    run = two_steps().run()
    run.result()
    assert [url for _, url in asked.handed] == [None]
    assert all(isinstance(one.error, errors_module.BucketKeysError) for one in store_of(session).uploads.waiting())
    assert next(finding for finding in doctor.findings() if finding.name == "bucket").state == "warning"
    monkeypatch.setenv(bucket_settings.SECRET_KEY, s3.settings.secret_access_key)
    session.reopen_store()
    mine = {one.sha256 for one in session.store.assets()}
    until(lambda: mine <= {one.sha256 for one in store_of(session).bucket.objects()}, "the upload of what waited")


# --- the line is cut --------------------------------------------------------------------------------------------------


def test_without_a_network_nothing_is_lost(line: Line, tmp_path: Path) -> None:
    """A put neither fails nor waits; the upload is done when the network is back."""
    line.cut()
    store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(line.settings))
    asset = store.put(png(seed=1))
    assert store.path(asset.sha256).read_bytes() == png(seed=1)
    with pytest.raises(errors_module.BucketUnavailableError) as caught:
        store.service_url(asset, expires_s=60, timeout_s=0.1)
    assert caught.value.is_retryable
    line.restore()
    store.uploads.retry_now()
    assert store.uploads.wait_all(timeout_s=PATIENCE_S)
    assert store.bucket.find(asset.sha256) is not None
    store.close()


def test_a_large_upload_goes_on_where_the_line_was_cut(s3: S3Server, tmp_path: Path) -> None:
    """Cut in the middle, it sends only what had not arrived."""
    with Line(s3.settings, cut_after_bytes=3 * PART_BYTES) as line:
        store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(line.settings))
        asset = store.put(song(LONG_SONG_S))
        assert line.was_cut.wait(PATIENCE_S)
        line.restore()
        store.uploads.retry_now()
        assert store.uploads.wait_all(timeout_s=PATIENCE_S)
        there = store.bucket.find(asset.sha256)
        assert there is not None
        assert hashlib.sha256(b"".join(store.bucket.read(there))).hexdigest() == asset.sha256
        # Parts that were under way at the cut go twice; more would mean that it began anew.
        assert line.sent_bytes < asset.size_bytes + 4.5 * PART_BYTES
        store.close()


def test_a_read_that_breaks_off_leaves_nothing(s3: S3Server, tmp_path: Path) -> None:
    """Bytes that come only in part never get a name; the next read gets them all."""
    first = S3Store(LocalFolderStore(tmp_path / "one"), Bucket(s3.settings))
    asset = first.put(song(100))
    assert first.uploads.wait_all(timeout_s=PATIENCE_S)
    first.close()
    second = S3Store(LocalFolderStore(tmp_path / "two"), Bucket(s3.settings))
    there = second.bucket.find(asset.sha256)
    assert there is not None
    whole = second.bucket.read

    def broken(*_: Any, **__: Any) -> Iterator[bytes]:
        yield next(whole(there))
        raise errors_module.unreachable(s3.settings, "cut")

    second.bucket.read = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(errors_module.BucketUnavailableError):
        second.path(asset.sha256)
    assert list(second.assets()) == []
    second.bucket.read = whole  # type: ignore[method-assign]
    assert second.path(asset.sha256).stat().st_size == asset.size_bytes


# --- the kernel dies --------------------------------------------------------------------------------------------------

DIES = """
import sys, threading
from pathlib import Path
from fusionflow_nb.session import current_session
session = current_session()
store = session.store
store.bucket.client.meta.events.register(
    "before-send.s3.UploadPart",
    lambda request, **_: threading.Event().wait() if "partNumber=5" in request.url else None,
)
asset = store.put(Path(sys.argv[1]))
store.put(Path(sys.argv[2]))
while not (found := store.uploads.waiting()) or found[0].sent_bytes < 3 * (8 << 20) or len(found) > 1:
    threading.Event().wait(0.05)
print(asset.sha256, flush=True)
sys.stdin.read()
"""


def test_the_next_kernel_finishes_what_a_dead_one_began(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of a large upload: the next session sends the rest by itself; the list says it is done."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "long.wav").write_bytes(song(LONG_SONG_S))
    (tmp_path / "small.png").write_bytes(png(seed=2))
    words = [sys.executable, "-c", DIES, str(tmp_path / "long.wav"), str(tmp_path / "small.png")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        sha256 = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    home = Path(os.environ[HOME_VARIABLE])
    assert states(home) == {WAITING: 1, DONE: 1}
    with Line(s3.settings) as counted:
        monkeypatch.setattr(Bucket, "client", _through(Bucket, counted))
        session = current_session()
        store = store_of(session)
        until(lambda: states(home) == {DONE: 2}, "the end of both uploads")
        there = store.bucket.find(sha256)
        assert there is not None
        assert hashlib.sha256(b"".join(store.bucket.read(there))).hexdigest() == sha256
        assert counted.sent_bytes < 4 * PART_BYTES


def test_a_living_kernels_uploads_are_left_to_it(with_bucket: Session, s3: S3Server) -> None:
    """Another session takes over nothing that a living one is at."""
    rows = with_bucket.journal.uploads(store_of(with_bucket).bucket.settings.place)
    rows.record([("ab" * 32, WAITING, {"asset": {}})])
    other = Session(with_bucket.home, Registry([Asked()]))
    try:
        assert other.journal.uploads(s3.settings.place).adopt() == []
    finally:
        other.close()


# --- the bytes --------------------------------------------------------------------------------------------------------


def test_a_damaged_local_file_is_healed_from_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """Where one of the two is whole, nobody notices."""
    store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(s3.settings))
    asset = store.put(png(seed=3))
    assert store.uploads.wait_all(timeout_s=PATIENCE_S)
    path = store.path(asset.sha256)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert store.path(asset.sha256).read_bytes() == png(seed=3)
    store.close()


def test_no_room_here_stores_nothing_there(s3: S3Server, tmp_path: Path) -> None:
    """On a full disk a put fails as it does without a bucket, and nothing is sent."""
    code = f"""
import resource, signal, sys
from pathlib import Path
from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.settings import BucketSettings
from fusionflow_nb.assets.s3.store import S3Store
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.lab import song
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
store = S3Store(LocalFolderStore(Path({str(tmp_path)!r}) / "assets"), Bucket(BucketSettings(*sys.argv[1:])))
try:
    store.put(song(60))
except errors.DiskFullError as error:
    print("full", bool(error.hint), len(store.uploads.waiting()), len(list(store.assets())))
"""
    settings = dataclasses.astuple(s3.settings)[:4]
    done = subprocess.run([sys.executable, "-c", code, *settings], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["full", "True", "0", "0"]


def test_a_browsers_upload_is_confirmed_by_what_is_there(s3: S3Server, tmp_path: Path) -> None:
    """Length and kind are looked at; the preview it made is kept; nothing is fetched."""
    from urllib.request import Request, urlopen

    store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(s3.settings), MemoryLog())
    data = png(seed=5)
    digest = hashlib.sha256(data).hexdigest()
    asset = LocalFolderStore(tmp_path / "elsewhere").put(data)
    with pytest.raises(errors.LostAssetError, match="has not arrived"):
        store.confirm(asset)
    signed = store.put_url(asset, expires_s=60)
    with urlopen(Request(signed.url, data, signed.headers, method="PUT")):  # noqa: S310 - our own server
        pass
    with pytest.raises(errors.CorruptAssetError):
        store.confirm(dataclasses.replace(asset, size_bytes=3))
    preview = LocalFolderStore(tmp_path / "elsewhere").preview(asset)
    assert store.confirm(asset, preview) == asset
    assert store.stored_preview(digest) == preview
    assert list(store.assets()) == []
    assert store.remote_url(asset, expires_s=60)
    assert store.path(digest).read_bytes() == data
    assert store.remote_url(asset, expires_s=60) is None


def states(home: Path) -> dict[str, int]:
    """How many uploads are in which state."""
    with sqlite3.connect(home / "journal.sqlite") as connection:
        found = dict(connection.execute("SELECT state, count(*) FROM uploads GROUP BY state").fetchall())
    connection.close()
    return found


def _through(_: Any, line: Line) -> Any:
    """A client of every bucket that leads through a line."""
    from fusionflow_nb.assets.s3.client import make_client

    made = make_client(line.settings)
    return property(lambda _self: made)
