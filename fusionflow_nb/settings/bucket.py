"""The user's bucket: where its settings are stored, and how they are checked.

The environment has priority over the home folder, where `bucket.json` holds all but the key. The key is stored like
every other key.

    FUSIONFLOW_R2_ACCOUNT_ID          the Cloudflare account; or FUSIONFLOW_R2_ENDPOINT for any other S3 store
    FUSIONFLOW_R2_BUCKET              the bucket's name; without one there is no bucket
    FUSIONFLOW_R2_ACCESS_KEY_ID       the key of an API token with the permission "Object Read & Write"
    FUSIONFLOW_R2_SECRET_ACCESS_KEY   its secret
    FUSIONFLOW_R2_REGION              `auto` by default
    FUSIONFLOW_R2_PUBLIC_URL          the public URL of the bucket, if it has one
"""

from __future__ import annotations

import getpass
import json
import os
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.settings import AUTO_REGION, BucketSettings, r2_endpoint
from fusionflow_nb.settings import credentials
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE, home_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


SERVICE = "r2"
ACCOUNT_ID = "FUSIONFLOW_R2_ACCOUNT_ID"
ENDPOINT = "FUSIONFLOW_R2_ENDPOINT"
BUCKET = "FUSIONFLOW_R2_BUCKET"
REGION = "FUSIONFLOW_R2_REGION"
PUBLIC_URL = "FUSIONFLOW_R2_PUBLIC_URL"
KEY_ID, SECRET_KEY = credentials.ENVIRONMENT[SERVICE]
PLAIN = (ACCOUNT_ID, ENDPOINT, BUCKET, REGION, PUBLIC_URL)
VARIABLES = (*PLAIN, KEY_ID, SECRET_KEY)


def settings(home: Path | None = None) -> BucketSettings | None:
    """The configured bucket, or None.

    With the simulator only a bucket on this machine is used, so that no real bucket gets simulated results.

    Raises:
        SecretError: settings are missing or invalid.
    """
    variables = {**_from_file(home), **{name: value for name in PLAIN if (value := os.environ.get(name, "").strip())}}
    if not variables.get(BUCKET):
        return None
    keys = credentials.key_of(SERVICE)
    if keys is None:
        raise errors.SecretError(
            f"The bucket {ascii(variables[BUCKET])[1:-1][:80]} has no key.",
            hint=f'ff.connect("r2") stores one, or set {KEY_ID} and {SECRET_KEY}.',
        )
    bucket = _from_variables({**variables, **keys})
    return None if os.environ.get(SIMULATOR_VARIABLE) and not bucket.is_on_this_machine else bucket


def connect(variables: Mapping[str, str] | None = None, *, check: bool = True) -> BucketSettings:
    """Store the settings and the key of a bucket after a test object was written, read and deleted.

    Args:
        variables: settings by variable name; by default they are prompted for, the key without echo.
        check: False stores them without the test.

    Raises:
        SecretError: the settings are invalid or cannot be stored.
        BucketError: the test failed; nothing was stored.
    """
    chosen = dict(variables) if variables is not None else _prompt()
    unknown = ", ".join(chosen.keys() - set(VARIABLES))
    if unknown:
        raise errors.SecretError(f"A bucket has no setting {unknown}.", hint=f"Its settings: {', '.join(VARIABLES)}.")
    bucket = _from_variables(chosen)
    if check:
        from fusionflow_nb.assets.s3.bucket import Bucket  # noqa: PLC0415 - boto3 only when it is needed
        from fusionflow_nb.assets.s3.check import check_round_trip  # noqa: PLC0415

        check_round_trip(Bucket(bucket))
    credentials.connect(SERVICE, {KEY_ID: bucket.access_key_id, SECRET_KEY: bucket.secret_access_key})
    _store({name: chosen[name] for name in PLAIN if chosen.get(name)})
    return bucket


def _from_variables(variables: Mapping[str, str]) -> BucketSettings:
    """Settings from variables. Raises SecretError."""
    missing = [name for name in (BUCKET, KEY_ID, SECRET_KEY) if not variables.get(name)]
    if not variables.get(ACCOUNT_ID) and not variables.get(ENDPOINT):
        missing.append(f"{ACCOUNT_ID} (or {ENDPOINT})")
    if missing:
        raise errors.SecretError(
            f"The bucket lacks {', '.join(missing)}.", hint='ff.connect("r2") prompts for all settings.'
        )
    return BucketSettings(
        bucket=variables[BUCKET],
        endpoint=variables.get(ENDPOINT) or r2_endpoint(variables[ACCOUNT_ID]),
        access_key_id=str(variables[KEY_ID]),
        secret_access_key=str(variables[SECRET_KEY]),
        region=variables.get(REGION) or AUTO_REGION,
        public_url=variables.get(PUBLIC_URL) or None,
    )


def _prompt() -> dict[str, str]:
    """Prompt for all settings."""
    try:
        account = input("Cloudflare account id, or the address of another S3 store: ").strip()
        variables = {ENDPOINT if account.startswith("http") else ACCOUNT_ID: account}
        variables[BUCKET] = input("Bucket: ").strip()
        variables[PUBLIC_URL] = input("Public address of the bucket (empty if it is private): ").strip()
        variables[KEY_ID] = getpass.getpass("Access key id: ").strip()
        variables[SECRET_KEY] = getpass.getpass("Secret access key: ").strip()
    except EOFError as error:
        raise errors.SecretError(
            "This terminal cannot prompt for the bucket settings.", hint=f"Set {', '.join(VARIABLES)} instead."
        ) from error
    return variables


# --- the file --------------------------------------------------------------------------------------------------------


def _path(home: Path | None = None) -> Path:
    return (home or home_folder()) / "bucket.json"


def _from_file(home: Path | None = None) -> dict[str, str]:
    try:
        stored = json.loads(_path(home).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):
        stored = None
    if not isinstance(stored, dict):
        raise errors.SecretError(f"{_path(home)} cannot be read.", hint='Remove it, then call ff.connect("r2") again.')
    return {name: value for name, value in stored.items() if name in PLAIN and isinstance(value, str)}


def _store(plain: dict[str, str]) -> None:
    from fusionflow_nb.assets.atomic_write import part_file  # noqa: PLC0415 - only to write

    with part_file(_path().parent) as part:
        part.write(json.dumps(plain, indent=2).encode())
        part.finish()
        part.publish(_path(), mode=0o600)
