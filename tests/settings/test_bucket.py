"""Settings of the bucket: sources, storage, and the check by `ff.connect("r2")`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

import fusionflow_nb as ff
from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.session import Session, current_session
from fusionflow_nb.settings import bucket, credentials
from fusionflow_nb.settings.environment import HOME_VARIABLE, SIMULATOR_VARIABLE, home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from support.s3 import S3Server

pytest_plugins = ["support.s3_fixtures"]
R2 = {
    bucket.ACCOUNT_ID: "ab" * 16,
    bucket.BUCKET: "pictures",
    bucket.KEY_ID: "the-key-id",
    bucket.SECRET_KEY: "planted-secret-0123",
}


def test_without_settings_there_is_no_bucket(session: Session) -> None:
    """Results are then stored in the local folder only."""
    assert bucket.settings() is None
    assert isinstance(session.store, LocalFolderStore)


def test_the_environment_configures_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Account, bucket and key are enough for R2; an endpoint selects another S3 store."""
    for name, value in R2.items():
        monkeypatch.setenv(name, value)
    settings = bucket.settings()
    assert settings is not None
    assert (settings.endpoint, settings.region) == (f"https://{'ab' * 16}.r2.cloudflarestorage.com", "auto")
    assert R2[bucket.SECRET_KEY] not in repr(settings)
    monkeypatch.setenv(bucket.ENDPOINT, "https://s3.example.com")
    settings = bucket.settings()
    assert settings is not None
    assert settings.endpoint == "https://s3.example.com"


def test_missing_settings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the missing settings; a session starts on the local folder."""
    monkeypatch.setenv(bucket.BUCKET, "pictures")
    with pytest.raises(errors.SecretError, match="has no key"):
        bucket.settings()
    with pytest.warns(UserWarning, match="stay on this machine"):
        session = current_session()
    assert isinstance(session.store, LocalFolderStore)
    monkeypatch.setenv(bucket.KEY_ID, "k")
    monkeypatch.setenv(bucket.SECRET_KEY, "s")
    with pytest.raises(errors.SecretError, match=bucket.ACCOUNT_ID):
        bucket.settings()


def test_the_simulator_uses_no_real_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the simulator only a bucket on this machine is used."""
    for name, value in R2.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(SIMULATOR_VARIABLE, "http://127.0.0.1:1")
    assert bucket.settings() is None


def test_connect_checks_and_stores_a_bucket(s3: S3Server, session: Session) -> None:
    """Settings and secret are stored separately, and the current session uses the bucket immediately."""
    ff.connect("r2", s3.variables)
    plain = (home_folder() / "bucket.json").read_text()
    assert s3.settings.secret_access_key not in plain
    assert s3.settings.access_key_id not in plain
    assert credentials.where("r2") == "file"
    assert bucket.settings() == s3.settings
    assert isinstance(session.store, S3Store)
    assert session.engine.context.store is session.store


@pytest.mark.parametrize("wrong", [{bucket.BUCKET: "no-such-bucket"}, {bucket.SECRET_KEY: "wrong"}], ids=str)
def test_an_unusable_bucket_is_not_stored(s3: S3Server, wrong: dict[str, str]) -> None:
    """Nothing is stored if the check of the bucket fails."""
    with pytest.raises(errors.BucketError):
        ff.connect("r2", {**s3.variables, **wrong})
    assert not (home_folder() / "bucket.json").exists()
    assert bucket.settings() is None


def test_connect_prompts_for_the_settings(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret is read without echo."""
    inputs = iter([s3.settings.endpoint, s3.settings.bucket, ""])
    hidden = iter([s3.settings.access_key_id, s3.settings.secret_access_key])
    monkeypatch.setattr("builtins.input", lambda _: next(inputs))
    monkeypatch.setattr(bucket.getpass, "getpass", lambda _: next(hidden))
    ff.connect("r2")
    assert bucket.settings() == s3.settings


@pytest.mark.parametrize("key", ["just-a-key", {"R2_TOKEN": "x"}], ids=str)
def test_a_key_alone_is_not_a_bucket(key: Any) -> None:
    """A bucket needs several settings, by variable name."""
    with pytest.raises(errors.SecretError, match="bucket"):
        ff.connect("r2", key)


def test_a_damaged_settings_file_is_reported(tmp_path: Path) -> None:
    """The error names the file."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "bucket.json").write_text("{")
    assert os.environ[HOME_VARIABLE] == str(home)
    with pytest.raises(errors.SecretError, match=r"bucket\.json"):
        bucket.settings()
