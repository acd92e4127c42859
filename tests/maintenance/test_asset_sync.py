"""`fusionflow assets` and `doctor --r2`: in step, whole, and nothing deleted that anybody needs."""

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
    """Emptied: these tests speak of everything in it."""
    made = Bucket(s3.settings)
    made.delete(list(made.objects()))
    return made


@pytest.fixture
def with_bucket(s3: S3Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    use_session(Session(Path(os.environ[HOME_VARIABLE]), Registry([FakeProvider()])))
    return current_session()


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def age(session: Session, asset: Asset) -> Path:
    """Make a stored file two days old."""
    path = session.store.path(asset.sha256)
    old = time.time() - 2 * asset_sync.GRACE_S
    os.utime(path, (old, old))
    return path


def test_sync_and_pull_bring_both_in_step(with_bucket: Session, bucket: Bucket) -> None:
    """What was made before there was a bucket goes there; what only the bucket has comes here, verified."""
    folder = LocalFolderStore(with_bucket.home / "assets")
    made = [folder.put(png(seed=number)) for number in range(3)]
    assert "Uploaded 3 files" in said("assets", "sync")
    assert {one.sha256 for one in bucket.objects()} == {one.sha256 for one in made}
    assert "Uploaded 0 files" in said("assets", "sync")
    for one in made[:2]:
        folder.path(one.sha256).unlink()
    assert "Downloaded 2 files" in said("assets", "pull")
    assert all(folder.path(one.sha256) for one in made)


def test_without_a_bucket_it_says_how_to_get_one(session: Session) -> None:
    """`sync` and `pull` have nowhere to go; the error names the next step."""
    assert session.store.has_bucket is False
    assert 'ff.connect("r2")' in said("assets", "sync", code=2)


def test_verify_names_what_is_damaged(with_bucket: Session, bucket: Bucket) -> None:
    """Local files by their hash, objects by their length, with --fetch by their hash; each is named."""
    one, other, third = (with_bucket.store.put(png(seed=number)) for number in (11, 12, 13))
    asset_sync.sync()
    assert "No damaged files" in said("assets", "verify", "--fetch")
    path = with_bucket.store.path(one.sha256)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key=other.store_key, Body=b"cut")
    whole = with_bucket.store.path(third.sha256).read_bytes()
    bucket.client.put_object(Bucket=bucket.settings.bucket, Key=third.store_key, Body=whole[::-1])
    assert "2 damaged" in said("assets", "verify", code=1)
    found = sorted((where.startswith("s3:"), Path(where).stem) for where, _ in asset_sync.verify(fetch=True))
    assert found == sorted([(False, one.sha256), (True, other.sha256), (True, third.sha256)])
    # The damaged file was healed from the bucket by nobody: verifying changes nothing.
    assert path.read_bytes() == b"damaged"


def test_gc_deletes_what_nothing_names(
    with_bucket: Session, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results, inputs of projects and files named by flows stay, whatever their age; orphans go, after a dry run."""
    flow = Flow("Kept")
    picture = flow.generate_image("city", model="fake/image", name="still")
    flow.edit_image(picture, "night", model="fake/edit", name="edit")
    flow.run().result()
    results = {one.sha256 for one in with_bucket.store.assets()}
    assert len(results) == 2
    in_flow = with_bucket.store.put(png(seed=21))
    (tmp_path / "flows" / "deep").mkdir(parents=True)
    (tmp_path / "flows" / "deep" / "a.flow.json").write_text(json.dumps({"asset": in_flow.sha256}))
    orphan, young = with_bucket.store.put(png(seed=22)), with_bucket.store.put(png(seed=23))
    for one in [*with_bucket.store.assets()]:
        if one.sha256 != young.sha256:
            age(with_bucket, with_bucket.store.look_up(one.sha256))
    words = ["assets", "gc", "--flows", str(tmp_path / "flows")]
    shown = said(*words)
    assert orphan.sha256 in shown
    assert all(digest not in shown for digest in (*results, in_flow.sha256, young.sha256))
    assert with_bucket.store.look_up(orphan.sha256)
    said(*words, "--delete")
    left = {one.sha256 for one in with_bucket.store.assets()}
    assert left == {*results, in_flow.sha256, young.sha256}
    asset_sync.sync()
    # Objects of the bucket are young in every test: the grace is what is moved.
    monkeypatch.setattr(asset_sync, "GRACE_S", 0)
    found = asset_sync.garbage([tmp_path / "flows"], in_bucket=True)
    assert {one.sha256 for one in found.objects} == {orphan.sha256, young.sha256}
    asset_sync.collect(found)
    assert {one.sha256 for one in bucket.objects()} == {*results, in_flow.sha256}


def test_gc_stops_where_it_cannot_read(session: Session, tmp_path: Path) -> None:
    """A folder that is not there could have named anything: nothing is garbage then."""
    session.store.put(png(seed=31))
    with pytest.raises(errors.FlowFileError, match="Nothing was deleted"):
        asset_sync.garbage([tmp_path / "no-such-folder"])


def test_doctor_tries_the_bucket_and_pages(with_bucket: Session, bucket: Bucket) -> None:
    """It writes, reads and removes; a page that may not upload gets the rule to paste, or --set-cors sets it."""
    assert with_bucket.store.has_bucket
    bucket.client.put_bucket_cors(
        Bucket=bucket.settings.bucket,
        CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}]},
    )
    shown = said("doctor", "--r2", "--origin", PAGE)
    rule = json.loads(shown[shown.index("[\n") :])
    assert rule[0]["AllowedOrigins"] == [PAGE]
    assert {"GET", "HEAD", "PUT"} == set(rule[0]["AllowedMethods"])
    bucket.client.put_bucket_cors(Bucket=bucket.settings.bucket, CORSConfiguration={"CORSRules": rule})
    assert "pages there show and upload" in said("doctor", "--r2", "--origin", PAGE)
    said("doctor", "--r2", "--set-cors", "--origin", "http://lab.example")
    assert "pages there" in said("doctor", "--r2", "--origin", "http://lab.example")
    assert list(bucket.objects()) == []


def test_doctor_says_that_there_is_no_bucket() -> None:
    """`--r2` without one is broken, and says what sets one up."""
    assert 'ff.connect("r2")' in said("doctor", "--r2", code=1)
