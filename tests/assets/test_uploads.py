"""Background uploads: nothing waits for the bucket, nothing is lost, and interrupted uploads are resumed."""

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
from support.s3_proxy import Proxy

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


class RecordingProvider(FakeProvider):
    """A service that records the references it receives."""

    takes_references = "bytes_or_url"

    def __init__(self) -> None:
        super().__init__()
        self.references: list[tuple[str, str | None]] = []

    async def submit(self, request: Request, *, idempotency_key: str) -> Any:
        self.references += [(item.asset.sha256, item.url) for items in request.references.values() for item in items]
        return await super().submit(request, idempotency_key=idempotency_key)


@pytest.fixture
def provider() -> RecordingProvider:
    return RecordingProvider()


@pytest.fixture
def with_bucket(s3: S3Server, provider: RecordingProvider, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The current session with a bucket, whose URLs the service can open."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([provider]))
    use_session(session)
    store_of(session).is_reachable_by_services = True
    return session


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with Proxy(s3.settings) as proxy:
        yield proxy


def store_of(session: Session) -> S3Store:
    assert isinstance(session.store, S3Store)
    return session.store


def two_steps() -> Flow:
    """An image and an edit of it."""
    flow = Flow("Two steps")
    still = flow.generate_image("city", model="fake/image", name="still")
    flow.edit_image(still, "at night", model="fake/edit", name="edit")
    return flow


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_reference_is_passed_as_a_url(with_bucket: Session, provider: RecordingProvider) -> None:
    """A service that takes URLs gets a URL of exactly the bytes; the tape stores unsigned URIs."""
    run = two_steps().run()
    run.result()
    [(sha256, url)] = provider.references
    assert url is not None
    with urllib.request.urlopen(url) as response:  # noqa: S310 - a local server
        assert hashlib.sha256(response.read()).hexdigest() == sha256
    rows = with_bucket.tape.sql("SELECT output_url FROM generations ORDER BY finished_at").rows()
    name = with_bucket.store.bucket.settings.bucket  # type: ignore[attr-defined]
    assert [row[0].startswith(f"s3://{name}/assets/") for row in rows] == [True, True]
    assert not any(b"X-Amz-Signature" in path.read_bytes() for path in with_bucket.home.rglob("*") if path.is_file())


def test_a_service_that_takes_bytes_needs_no_upload(with_bucket: Session, provider: RecordingProvider) -> None:
    """It gets the file, and no URL is signed."""
    provider.takes_references = "bytes"
    two_steps().run().result()
    assert [url for _, url in provider.references] == [None]


def test_a_service_that_takes_only_urls_needs_a_bucket() -> None:
    """Without a bucket the error names the remedy, and nothing is submitted."""
    provider = RecordingProvider()
    provider.takes_references = "url"
    use_session(Session(Path(os.environ[HOME_VARIABLE]), Registry([provider])))
    run = two_steps().run().wait()
    assert any('ff.connect("r2")' in str(error) for error in run.errors)
    assert not provider.references


def test_a_local_bucket_is_not_used_for_services(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on the internet could not open its URLs: it gets the bytes."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    assert not store_of(current_session()).is_reachable_by_services


def test_a_result_has_a_url(with_bucket: Session) -> None:
    """`url()` of a result can be opened after its upload."""
    flow = Flow("One")
    flow.generate_image("city", model="fake/image", name="still")
    picture = flow.run().result()
    with urllib.request.urlopen(picture.url(expires_s=60)) as response:  # noqa: S310 - a local server
        assert response.read() == picture.bytes()
    assert store_of(with_bucket).bucket.find(picture.sha256) is not None


def test_a_run_needs_no_bucket(s3: S3Server, provider: RecordingProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wrong key a run succeeds on local files, doctor reports it, and a right key uploads them."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(bucket_settings.SECRET_KEY, "not-the-secret")
    session = Session(Path(os.environ[HOME_VARIABLE]), Registry([provider]))
    use_session(session)
    store_of(session).is_reachable_by_services = True
    run = two_steps().run()
    run.result()
    assert [url for _, url in provider.references] == [None]
    assert all(
        isinstance(upload.error, errors_module.BucketKeysError) for upload in store_of(session).uploads.waiting()
    )
    assert next(finding for finding in doctor.findings() if finding.name == "bucket").state == "warning"
    monkeypatch.setenv(bucket_settings.SECRET_KEY, s3.settings.secret_access_key)
    session.reopen_store()
    files = {item.sha256 for item in session.store.assets()}
    until(lambda: files <= {item.sha256 for item in store_of(session).bucket.objects()}, "the pending uploads")


# --- interrupted connections ------------------------------------------------------------------------------------------


def test_without_a_network_nothing_is_lost(proxy: Proxy, tmp_path: Path) -> None:
    """A put neither fails nor waits; the upload succeeds when the network is back."""
    proxy.cut()
    store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(proxy.settings))
    asset = store.put(png(seed=1))
    assert store.path(asset.sha256).read_bytes() == png(seed=1)
    with pytest.raises(errors_module.BucketUnavailableError) as caught:
        store.service_url(asset, expires_s=60, timeout_s=0.1)
    assert caught.value.is_retryable
    proxy.restore()
    store.uploads.retry_now()
    assert store.uploads.wait_all(timeout_s=PATIENCE_S)
    assert store.bucket.find(asset.sha256) is not None
    store.close()


def test_an_interrupted_upload_is_resumed(s3: S3Server, tmp_path: Path) -> None:
    """After an interruption only the missing parts are sent."""
    with Proxy(s3.settings, cut_after_bytes=3 * PART_BYTES) as proxy:
        store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(proxy.settings))
        asset = store.put(song(LONG_SONG_S))
        assert proxy.was_cut.wait(PATIENCE_S)
        proxy.restore()
        store.uploads.retry_now()
        assert store.uploads.wait_all(timeout_s=PATIENCE_S)
        stored = store.bucket.find(asset.sha256)
        assert stored is not None
        assert hashlib.sha256(b"".join(store.bucket.read(stored))).hexdigest() == asset.sha256
        # Only parts in flight at the interruption are sent twice.
        assert proxy.sent_bytes < asset.size_bytes + 4.5 * PART_BYTES
        store.close()


def test_an_interrupted_download_stores_nothing(s3: S3Server, tmp_path: Path) -> None:
    """Partial bytes are never published; the next read downloads all."""
    first = S3Store(LocalFolderStore(tmp_path / "one"), Bucket(s3.settings))
    asset = first.put(song(100))
    assert first.uploads.wait_all(timeout_s=PATIENCE_S)
    first.close()
    second = S3Store(LocalFolderStore(tmp_path / "two"), Bucket(s3.settings))
    stored = second.bucket.find(asset.sha256)
    assert stored is not None
    read = second.bucket.read

    def broken(*_: Any, **__: Any) -> Iterator[bytes]:
        yield next(read(stored))
        raise errors_module.unreachable(s3.settings, "cut")

    second.bucket.read = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(errors_module.BucketUnavailableError):
        second.path(asset.sha256)
    assert list(second.assets()) == []
    second.bucket.read = read  # type: ignore[method-assign]
    assert second.path(asset.sha256).stat().st_size == asset.size_bytes


# --- killed kernels ---------------------------------------------------------------------------------------------------

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
while not (pending := store.uploads.waiting()) or pending[0].sent_bytes < 3 * (8 << 20) or len(pending) > 1:
    threading.Event().wait(0.05)
print(asset.sha256, flush=True)
sys.stdin.read()
"""


def test_the_next_kernel_resumes_a_dead_kernels_uploads(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill during a large upload the next session sends the rest; the journal has it as done."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "long.wav").write_bytes(song(LONG_SONG_S))
    (tmp_path / "small.png").write_bytes(png(seed=2))
    command = [sys.executable, "-c", DIES, str(tmp_path / "long.wav"), str(tmp_path / "small.png")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        sha256 = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    home = Path(os.environ[HOME_VARIABLE])
    assert states(home) == {WAITING: 1, DONE: 1}
    with Proxy(s3.settings) as counted:
        monkeypatch.setattr(Bucket, "client", _through(Bucket, counted))
        session = current_session()
        store = store_of(session)
        until(lambda: states(home) == {DONE: 2}, "the end of both uploads")
        stored = store.bucket.find(sha256)
        assert stored is not None
        assert hashlib.sha256(b"".join(store.bucket.read(stored))).hexdigest() == sha256
        assert counted.sent_bytes < 4 * PART_BYTES


def test_a_running_kernels_uploads_are_not_adopted(with_bucket: Session, s3: S3Server) -> None:
    """Another session takes over no upload of a running kernel."""
    rows = with_bucket.journal.uploads(store_of(with_bucket).bucket.settings.place)
    rows.record([("ab" * 32, WAITING, {"asset": {}})])
    other = Session(with_bucket.home, Registry([RecordingProvider()]))
    try:
        assert other.journal.uploads(s3.settings.place).adopt() == []
    finally:
        other.close()


# --- contents ---------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_restored_from_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    """An intact object replaces the damaged file without an error."""
    store = S3Store(LocalFolderStore(tmp_path / "assets"), Bucket(s3.settings))
    asset = store.put(png(seed=3))
    assert store.uploads.wait_all(timeout_s=PATIENCE_S)
    path = store.path(asset.sha256)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert store.path(asset.sha256).read_bytes() == png(seed=3)
    store.close()


def test_a_full_disk_uploads_nothing(s3: S3Server, tmp_path: Path) -> None:
    """On a full disk a put fails as without a bucket, and nothing is sent."""
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


def test_a_browsers_upload_is_verified(s3: S3Server, tmp_path: Path) -> None:
    """Size and type are checked, the browser's preview is stored, and nothing is downloaded."""
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
    """The number of uploads by state."""
    with sqlite3.connect(home / "journal.sqlite") as connection:
        counts = dict(connection.execute("SELECT state, count(*) FROM uploads GROUP BY state").fetchall())
    connection.close()
    return counts


def _through(_: Any, proxy: Proxy) -> Any:
    """A client of every bucket that connects through the proxy."""
    from fusionflow_nb.assets.s3.client import make_client

    client = make_client(proxy.settings)
    return property(lambda _self: client)
