"""The bucket against a local S3 server, and the form of every request, because R2 is stricter."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3 import check
from fusionflow_nb.assets.s3 import errors as errors_module
from fusionflow_nb.assets.s3.bucket import CACHE_CONTROL, Bucket
from fusionflow_nb.assets.s3.client import make_client
from fusionflow_nb.assets.s3.multipart import PART_BYTES, SINGLE_PUT_BYTES, Progress, part_length
from fusionflow_nb.assets.s3.settings import BucketSettings, r2_endpoint
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from pathlib import Path

    from support.s3 import S3Server

pytest_plugins = ["support.s3_fixtures"]
PATIENCE_S = 60.0
RECIPE = "cd" * 32
PAGE = "http://localhost:8888"


def a_file(folder: Path, size_bytes: int = 5000) -> tuple[Asset, Path]:
    """A file of random bytes, and its asset."""
    folder.mkdir(exist_ok=True)
    data = os.urandom(size_bytes)
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return Asset(path.name, "video/mp4", size_bytes), path


def fetch(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    """Status, body and headers of a plain HTTP request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, method=method, headers=named)  # noqa: S310 - a local server
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310 - as above
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    return Bucket(s3.settings)


@pytest.fixture
def sent(bucket: Bucket) -> list[Any]:
    """Every request that botocore sends."""
    requests: list[Any] = []
    bucket.client.meta.events.register("before-send.s3", lambda request, **_: requests.append(request))
    return requests


# --- operations -------------------------------------------------------------------------------------------------------


def test_an_object_has_type_caching_and_recipe(bucket: Bucket, tmp_path: Path) -> None:
    """Key, Content-Type, Cache-Control and the recipe's hash are as documented, in one or several parts."""
    for size_bytes in (5000, SINGLE_PUT_BYTES + 1):
        asset, path = a_file(tmp_path, size_bytes)
        bucket.upload(asset, path, recipe=RECIPE)
        response = bucket.client.head_object(
            Bucket=bucket.settings.bucket, Key=f"assets/{asset.sha256[:2]}/{asset.sha256}.mp4"
        )
        assert (response["ContentType"], response["CacheControl"]) == ("video/mp4", CACHE_CONTROL)
        assert response["Metadata"] == {"recipe": RECIPE}
        assert response["ContentLength"] == size_bytes


@pytest.mark.parametrize("size_bytes", [5000, SINGLE_PUT_BYTES + 1], ids=["whole", "parts"])
def test_an_existing_object_is_not_overwritten(bucket: Bucket, tmp_path: Path, size_bytes: int) -> None:
    """A second put gets 412, which is success: the object is unchanged, and no parts remain."""
    asset, path = a_file(tmp_path, size_bytes)
    bucket.upload(asset, path, recipe=RECIPE)
    first = bucket.client.head_object(Bucket=bucket.settings.bucket, Key=asset.store_key)
    bucket.upload(asset, path, recipe="ef" * 32)
    again = bucket.client.head_object(Bucket=bucket.settings.bucket, Key=asset.store_key)
    assert again["Metadata"] == {"recipe": RECIPE}
    assert again["LastModified"] == first["LastModified"]
    unfinished = bucket.client.list_multipart_uploads(Bucket=bucket.settings.bucket, Prefix=asset.store_key)
    assert not unfinished.get("Uploads")


def test_a_wrong_checksum_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    """Bytes that do not match the digest are never stored under its key."""
    asset, path = a_file(tmp_path)
    path.write_bytes(os.urandom(asset.size_bytes))
    with pytest.raises(errors_module.CorruptTransferError) as caught:
        bucket.upload(asset, path)
    assert caught.value.is_retryable
    assert bucket.head(asset) is None


def test_a_truncated_object_is_overwritten(bucket: Bucket, tmp_path: Path) -> None:
    """412 is a success only if the object has the right size."""
    asset, path = a_file(tmp_path)
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key=asset.store_key, Body=b"cut")
    bucket.upload(asset, path)
    stored = bucket.find(asset.sha256)
    assert stored is not None
    assert b"".join(bucket.read(stored)) == path.read_bytes()


def test_signed_urls_serve_one_object_until_expiry(bucket: Bucket, tmp_path: Path) -> None:
    """A signed URL serves the bytes and ranges; expired, altered or unsigned it is refused."""
    asset, path = a_file(tmp_path)
    other, other_path = a_file(tmp_path)
    bucket.upload(asset, path)
    bucket.upload(other, other_path)
    url = bucket.get_url(asset, expires_s=60)
    assert fetch(url)[1] == path.read_bytes()
    assert fetch(url, Range="bytes=10-19")[:2] == (206, path.read_bytes()[10:20])
    short = bucket.get_url(asset, expires_s=1)
    deadline = time.monotonic() + PATIENCE_S
    while fetch(short)[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert fetch(short)[0] == 403
    assert fetch(url.replace(asset.sha256, other.sha256))[0] == 403
    assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))[0] == 403
    assert fetch(url.partition("?")[0])[0] == 403
    with pytest.raises(errors.MediaError, match="signed"):
        bucket.get_url(asset, expires_s=8 * 24 * 3600)


def test_a_public_bucket_needs_no_signature(s3: S3Server) -> None:
    """With a public base URL, URLs are short and permanent."""
    public = Bucket(dataclasses.replace(s3.settings, public_url="https://media.example.com/"))
    asset = Asset("ab" * 32, "image/png", 3)
    assert public.get_url(asset, expires_s=60) == f"https://media.example.com/{asset.store_key}"


def test_a_signed_put_accepts_only_the_declared_bytes(bucket: Bucket, tmp_path: Path) -> None:
    """Type, length, checksum and caching are signed: other requests are refused; a repeated put gets 412."""
    asset, path = a_file(tmp_path)
    data = path.read_bytes()
    signed = bucket.put_url(asset, expires_s=60)

    def put(body: bytes, **instead: str | None) -> int:
        headers = {**signed.headers, **{name.replace("_", "-"): value for name, value in instead.items()}}
        return fetch(signed.url, "PUT", body, **{name: value for name, value in headers.items() if value})[0]

    assert put(data, Content_Type="text/html") == 403
    assert put(data, Content_Type=None) == 403
    assert put(data + b"x") == 403
    assert put(data, Cache_Control="no-store") == 403
    assert put(os.urandom(len(data))) == 400
    assert bucket.head(asset) is None
    assert put(data) == 200
    assert put(data) == 412
    stored = bucket.client.head_object(Bucket=bucket.settings.bucket, Key=asset.store_key)
    assert (stored["ContentType"], stored["CacheControl"]) == ("video/mp4", CACHE_CONTROL)


def test_cors_allows_only_the_listed_origins(bucket: Bucket) -> None:
    """The rule that `doctor` sets allows uploads from its origin, and from no other."""
    check.set_cors(bucket, [PAGE])
    assert check.allows_uploads_from(bucket, PAGE)
    assert not check.allows_uploads_from(bucket, "https://evil.example")
    states = [(item.state, item.message) for item in check.run_checks(bucket, [PAGE, "https://evil.example"])]
    assert [state for state, _ in states] == ["ok", "ok", "warning"]
    assert '"https://evil.example"' in states[-1][1]


def test_objects_are_deleted_in_batches(bucket: Bucket, tmp_path: Path) -> None:
    """Deleted objects are gone; other objects are neither listed nor deleted."""
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key="assets/readme.md", Body=b"other")
    files = [a_file(tmp_path) for _ in range(3)]
    for asset, path in files:
        bucket.upload(asset, path)
    digests = {asset.sha256 for asset, _ in files}
    stored = [item for item in bucket.objects() if item.sha256 in digests]
    assert len(stored) == 3
    bucket.delete(stored)
    assert not [item for item in bucket.objects() if item.sha256 in digests]
    assert bucket.client.get_object(Bucket=bucket.settings.bucket, Key="assets/readme.md")["Body"].read() == b"other"


# --- requirements of R2 that the local server does not check ---------------------------------------------------------


def test_requests_are_compatible_with_r2(bucket: Bucket, sent: list[Any], tmp_path: Path) -> None:
    """No aws-chunked bodies, trailers, streaming signatures or POST forms; checksums are plain headers."""
    for size_bytes in (5000, SINGLE_PUT_BYTES + 1):
        asset, path = a_file(tmp_path, size_bytes)
        bucket.upload(asset, path, recipe=RECIPE)
        bucket.head(asset)
        stored = bucket.find(asset.sha256)
        assert stored is not None
        assert b"".join(bucket.read(stored, first_bytes=10)) == path.read_bytes()[:10]
        bucket.delete([stored])
    assert {request.method for request in sent} == {"PUT", "HEAD", "GET", "POST"}
    for request in sent:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        assert "x-amz-trailer" not in headers
        assert "aws-chunked" not in headers.get("content-encoding", "")
        assert "x-amz-decoded-content-length" not in headers
        assert "STREAMING" not in headers["x-amz-content-sha256"]
        assert headers.get("transfer-encoding") is None
        assert "multipart/form-data" not in headers.get("content-type", "")
        assert "/auto/s3/" in headers["authorization"]
        if request.method == "POST":
            # POST is used for commands (uploads, ?delete), never for files.
            assert any(word in request.url for word in ("uploads", "uploadId", "delete"))
        if request.method == "PUT" and "partNumber" in request.url:
            assert "content-md5" in headers
        elif request.method == "PUT":
            assert headers["x-amz-checksum-sha256"]
            assert headers["if-none-match"] == "*"


@pytest.mark.parametrize("size_bytes", [2 * PART_BYTES + 1, 4 * PART_BYTES, 5 * PART_BYTES - 1])
def test_parts_have_equal_length(bucket: Bucket, sent: list[Any], tmp_path: Path, size_bytes: int) -> None:
    """R2 refuses parts of unequal length; the last part may be shorter, but not empty."""
    asset, path = a_file(tmp_path, size_bytes)
    bucket.upload(asset, path)
    lengths = {
        int(request.url.partition("partNumber=")[2].partition("&")[0]): int(_text(request.headers["Content-Length"]))
        for request in sent
        if "partNumber=" in request.url
    }
    *whole, last = [lengths[number] for number in sorted(lengths)]
    assert set(whole) == {PART_BYTES}
    assert 0 < last <= PART_BYTES
    assert sum(lengths.values()) == size_bytes


@pytest.mark.parametrize("size_bytes", [1, 8 << 20, 80 << 30, 4 << 40])
def test_the_number_of_parts_is_bounded(size_bytes: int) -> None:
    """Part lengths are whole mebibytes within S3's bounds, for at most 10,000 parts."""
    length = part_length(size_bytes)
    assert length % (1 << 20) == 0
    assert 5 << 20 <= length <= 5 << 30
    assert -(-size_bytes // length) <= 10_000


# --- resumed uploads ------------------------------------------------------------------------------------------------

DIES = """
import sys
from pathlib import Path
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.multipart import Progress
from fusionflow_nb.assets.s3.settings import BucketSettings
from fusionflow_nb.media.values import Asset

place, size, path, endpoint, key, secret = sys.argv[1:]
on_sent = lambda count: print("sent", count, flush=True)
on_start = lambda upload_id, part_bytes: print("started", upload_id, part_bytes, flush=True)
bucket = Bucket(BucketSettings(place, endpoint, key, secret))
bucket.client.meta.events.register(
    "before-send.s3.UploadPart",
    lambda request, **_: sys.stdin.read() if "partNumber=5" in request.url else None,
)
asset = Asset(Path(path).name, "video/mp4", int(size))
bucket.upload(asset, Path(path), progress=Progress(on_start=on_start, on_sent=on_sent))
"""


def test_an_upload_is_resumed_after_sigkill(bucket: Bucket, sent: list[Any], tmp_path: Path) -> None:
    """Parts uploaded before the kill are not sent again; the object is complete."""
    asset, path = a_file(tmp_path, 6 * PART_BYTES - 100)
    settings = bucket.settings
    arguments = [settings.bucket, str(asset.size_bytes), str(path), settings.endpoint]
    arguments += [settings.access_key_id, settings.secret_access_key]
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[0] == "started"
        sent_bytes = 0
        while sent_bytes < 3 * PART_BYTES:
            sent_bytes = int(process.stdout.readline().split()[1])
        process.send_signal(signal.SIGKILL)
    progress = Progress(words[1], int(words[2]))
    bucket.upload(asset, path, progress=progress)
    stored = bucket.find(asset.sha256)
    assert stored is not None
    assert hashlib.sha256(b"".join(bucket.read(stored))).hexdigest() == asset.sha256
    again = [request for request in sent if "partNumber=" in request.url]
    assert 0 < len(again) <= 3


def test_an_expired_upload_is_started_again(bucket: Bucket, tmp_path: Path) -> None:
    """R2 deletes unfinished uploads after a week: then a new upload is started."""
    asset, path = a_file(tmp_path, SINGLE_PUT_BYTES + 1)
    upload_ids: list[str] = []
    progress = Progress("no-such-upload", PART_BYTES, on_start=lambda upload_id, _: upload_ids.append(upload_id))
    bucket.upload(asset, path, progress=progress)
    assert upload_ids
    assert bucket.head(asset) is not None


def test_a_large_upload_needs_little_memory(bucket: Bucket, tmp_path: Path) -> None:
    """Sending 192 MB needs far less memory (Linux)."""
    lab_kit = pytest.importorskip("support.lab")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads the peak memory from /proc")
    warm, warm_path = a_file(tmp_path, SINGLE_PUT_BYTES + 1)
    bucket.upload(warm, warm_path)
    path = tmp_path / "large"
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for _ in range(24):
            chunk = os.urandom(8 << 20)
            digest.update(chunk)
            stream.write(chunk)
    del chunk
    asset = Asset(digest.hexdigest(), "video/mp4", path.stat().st_size)
    with lab_kit.little_growth(os.getpid(), limit_bytes=24 << 20):
        bucket.upload(asset, path)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_errors_are_classified(s3: S3Server, tmp_path: Path) -> None:
    """A wrong key, a missing bucket and an unreachable server are distinct errors with hints, without the secret."""
    asset, path = a_file(tmp_path)
    unreachable = dataclasses.replace(s3.settings, endpoint="http://127.0.0.1:9")
    cases = {
        errors_module.BucketKeysError: dataclasses.replace(s3.settings, secret_access_key="not-the-secret"),  # noqa: S106
        errors_module.NoBucketError: s3.bucket("no-such-bucket"),
        errors_module.BucketUnavailableError: unreachable,
    }
    for kind, settings in cases.items():
        with pytest.raises(kind) as caught:
            Bucket(settings).upload(asset, path)
        assert caught.value.hint
        assert settings.secret_access_key not in f"{caught.value} {caught.value!r} {settings!r}"
    with pytest.raises(errors_module.BucketKeysError):
        Bucket(dataclasses.replace(s3.settings, access_key_id="no-such-key")).find("ab" * 32)


@pytest.mark.parametrize("hours", [-26, 26])
def test_a_wrong_clock_is_reported(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """With a clock off by a day the error names the clock and the difference."""
    import botocore.auth

    asset, path = a_file(tmp_path)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", _shifted(botocore.auth.get_current_datetime, hours))
    monkeypatch.setattr(errors_module, "now", _shifted(errors_module.now, hours))
    with pytest.raises(errors_module.ClockSkewError, match=f"{abs(hours) * 60} minutes") as caught:
        Bucket(s3.settings).upload(asset, path)
    assert caught.value.is_retryable


def test_invalid_settings_are_refused() -> None:
    """Names, URLs and account ids are validated before a request is sent."""
    good = {"bucket": "pictures", "endpoint": "https://s3.example.com", "access_key_id": "k"}
    for wrong in ({"bucket": "No Such"}, {"endpoint": "s3.example.com"}, {"endpoint": "https://a:b@c"}):
        with pytest.raises(errors.SecretError):
            BucketSettings(**{**good, **wrong}, secret_access_key="s")  # noqa: S106
    with pytest.raises(errors.SecretError, match="account"):
        r2_endpoint("my account")


def test_the_machines_aws_settings_are_ignored(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile, region, endpoint or checksum rule of an AWS account has no effect."""
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_ACCESS_KEY_ID": "other",
    }.items():
        monkeypatch.setenv(name, value)
    client = make_client(s3.settings)
    assert client.meta.region_name == "auto"
    assert client.meta.endpoint_url == s3.settings.endpoint
    assert client.meta.config.request_checksum_calculation == "when_required"


def test_a_stopped_upload_can_be_resumed(bucket: Bucket, tmp_path: Path) -> None:
    """A shutdown stops between two parts, and uploaded parts are kept for the next try."""
    asset, path = a_file(tmp_path, 6 * PART_BYTES)
    stop = threading.Event()
    progress = Progress(is_stopped=stop, on_sent=lambda count: stop.set() if count else None)
    with pytest.raises(errors.StoreError, match="stopped"):
        bucket.upload(asset, path, progress=progress)
    uploaded = bucket.client.list_parts(Bucket=bucket.settings.bucket, Key=asset.store_key, UploadId=progress.upload_id)
    assert uploaded["Parts"]
    bucket.upload(asset, path, progress=Progress(progress.upload_id, progress.part_bytes))
    assert bucket.head(asset) is not None


def test_concurrent_reads_download_once(bucket: Bucket, sent: list[Any], tmp_path: Path) -> None:
    """Eight threads that read one asset of the bucket download it once and get the same file."""
    from concurrent.futures import ThreadPoolExecutor

    from support.lab import png

    first = S3Store(LocalFolderStore(tmp_path / "one"), bucket)
    asset = first.put(png(seed=4711))
    assert first.uploads.wait_all(timeout_s=PATIENCE_S)
    first.close()
    sent.clear()
    second = S3Store(LocalFolderStore(tmp_path / "two"), bucket)
    with ThreadPoolExecutor(8) as threads:
        paths = set(threads.map(second.path, [asset.sha256] * 8))
    assert [path.read_bytes() for path in paths] == [png(seed=4711)]
    assert sum(request.method == "GET" and asset.sha256 in request.url.partition("?")[0] for request in sent) == 1


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _shifted(real: Any, hours: int) -> Any:
    import datetime as dt

    return lambda *args, **named: real(*args, **named) + dt.timedelta(hours=hours)
