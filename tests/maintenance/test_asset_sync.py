"""`fusionflow assets` and `doctor --r2`: synchronised, verified, and no referenced file deleted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from support.lab import png

from fusionflow_nb import errors
from fusionflow_nb.api.flow import Flow
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.cli import main
from fusionflow_nb.maintenance import asset_sync
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.session import Session, current_session, use_session
from fusionflow_nb.settings.environment import HOME_VARIABLE
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from support.s3 import S3Server

    from fusionflow_nb.media.values import Asset

pytest_plugins = ["support.s3_fixtures"]
PAGE = "http://localhost:8888"


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """Return an empty bucket: these tests compare all its objects."""
    bucket = Bucket(s3.settings)
    bucket.delete(list(bucket.objects()))
    return bucket


@pytest.fixture
def with_bucket(s3: S3Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    use_session(Session(Path(os.environ[HOME_VARIABLE]), Registry([FakeProvider()])))
    return current_session()


def output_of(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def age(session: Session, asset: Asset) -> Path:
    """Make a stored file two days old."""
    path = session.store.path(asset.sha256)
    old = time.time() - 2 * asset_sync.GRACE_S
    os.utime(path, (old, old))
    return path


def test_sync_uploads_and_pull_downloads_missing_files(with_bucket: Session, bucket: Bucket) -> None:
    """Files from before the bucket are uploaded; files only in the bucket are downloaded and verified."""
    folder = LocalFolderStore(with_bucket.home / "assets")
    stored = [folder.put(png(seed=number)) for number in range(3)]
    assert "Uploaded 3 files" in output_of("assets", "sync")
    assert {item.sha256 for item in bucket.objects()} == {asset.sha256 for asset in stored}
    assert "Uploaded 0 files" in output_of("assets", "sync")
    for asset in stored[:2]:
        folder.path(asset.sha256).unlink()
    assert "Downloaded 2 files" in output_of("assets", "pull")
    assert all(folder.path(asset.sha256) for asset in stored)


def test_sync_without_a_bucket_names_the_next_step(session: Session) -> None:
    """The error names ff.connect."""
    assert session.store.has_bucket is False
    assert 'ff.connect("r2")' in output_of("assets", "sync", code=2)


def test_verify_names_damaged_files(with_bucket: Session, bucket: Bucket) -> None:
    """Local files by hash, objects by size, and with --fetch by hash."""
    first, second, third = (with_bucket.store.put(png(seed=number)) for number in (11, 12, 13))
    asset_sync.sync()
    assert "No damaged files" in output_of("assets", "verify", "--fetch")
    path = with_bucket.store.path(first.sha256)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key=second.store_key, Body=b"cut")
    whole = with_bucket.store.path(third.sha256).read_bytes()
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key=third.store_key, Body=whole[::-1])
    assert "2 damaged" in output_of("assets", "verify", code=1)
    damaged = sorted((where.startswith("s3:"), Path(where).stem) for where, _ in asset_sync.verify(fetch=True))
    assert damaged == sorted([(False, first.sha256), (True, second.sha256), (True, third.sha256)])
    # Verifying does not restore the damaged file from the bucket.
    assert path.read_bytes() == b"damaged"


def test_gc_deletes_unreferenced_files(
    with_bucket: Session, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results, inputs of projects and files named by flows are kept at any age; other old files are deleted."""
    flow = Flow("Kept")
    picture = flow.generate_image("city", model="fake/image", name="still")
    flow.edit_image(picture, "night", model="fake/edit", name="edit")
    flow.run().result()
    results = {file.sha256 for file in with_bucket.store.assets()}
    assert len(results) == 2
    in_flow = with_bucket.store.put(png(seed=21))
    (tmp_path / "flows" / "deep").mkdir(parents=True)
    (tmp_path / "flows" / "deep" / "a.flow.json").write_text(json.dumps({"asset": in_flow.sha256}))
    orphan, young = with_bucket.store.put(png(seed=22)), with_bucket.store.put(png(seed=23))
    for file in [*with_bucket.store.assets()]:
        if file.sha256 != young.sha256:
            age(with_bucket, with_bucket.store.look_up(file.sha256))
    words = ["assets", "gc", "--flows", str(tmp_path / "flows")]
    shown = output_of(*words)
    assert orphan.sha256 in shown
    assert all(digest not in shown for digest in (*results, in_flow.sha256, young.sha256))
    assert with_bucket.store.look_up(orphan.sha256)
    output_of(*words, "--delete")
    left = {file.sha256 for file in with_bucket.store.assets()}
    assert left == {*results, in_flow.sha256, young.sha256}
    asset_sync.sync()
    # Objects of the bucket are young in every test, so change the grace period.
    monkeypatch.setattr(asset_sync, "GRACE_S", 0)
    unused = asset_sync.garbage([tmp_path / "flows"], in_bucket=True)
    assert {item.sha256 for item in unused.objects} == {orphan.sha256, young.sha256}
    asset_sync.collect(unused)
    assert {item.sha256 for item in bucket.objects()} == {*results, in_flow.sha256}


def test_gc_stops_if_a_folder_is_missing(session: Session, tmp_path: Path) -> None:
    """A missing folder could reference any file, so nothing is garbage."""
    session.store.put(png(seed=31))
    with pytest.raises(errors.FlowFileError, match="Nothing was deleted"):
        asset_sync.garbage([tmp_path / "no-such-folder"])


def test_doctor_checks_the_bucket_and_cors(with_bucket: Session, bucket: Bucket) -> None:
    """It writes, reads and deletes an object; a missing CORS rule is printed, or set by --set-cors."""
    assert with_bucket.store.has_bucket
    bucket.client.put_bucket_cors(
        Bucket=bucket.settings.bucket,
        CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}]},
    )
    shown = output_of("doctor", "--r2", "--origin", PAGE)
    rule = json.loads(shown[shown.index("[\n") :])
    assert rule[0]["AllowedOrigins"] == [PAGE]
    assert {"GET", "HEAD", "PUT"} == set(rule[0]["AllowedMethods"])
    bucket.client.put_bucket_cors(Bucket=bucket.settings.bucket, CORSConfiguration={"CORSRules": rule})
    assert "downloads and uploads are allowed" in output_of("doctor", "--r2", "--origin", PAGE)
    output_of("doctor", "--r2", "--set-cors", "--origin", "http://lab.example")
    assert "downloads and uploads are allowed" in output_of("doctor", "--r2", "--origin", "http://lab.example")
    assert list(bucket.objects()) == []


def test_doctor_reports_a_missing_bucket() -> None:
    """`--r2` without a bucket is an error that names ff.connect."""
    assert 'ff.connect("r2")' in output_of("doctor", "--r2", code=1)
