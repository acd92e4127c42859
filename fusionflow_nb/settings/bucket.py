"""The bucket of this person: where its settings come from, and how they are stored and tried.

The environment comes first, then the home folder: what is no secret in `bucket.json`, the key as every other key.

    FUSIONFLOW_R2_ACCOUNT_ID          of the Cloudflare account; or FUSIONFLOW_R2_ENDPOINT for any other S3 store
    FUSIONFLOW_R2_BUCKET              the bucket's name; without one there is no bucket
    FUSIONFLOW_R2_ACCESS_KEY_ID       the key of an API token with the right "Object Read & Write"
    FUSIONFLOW_R2_SECRET_ACCESS_KEY   its secret
    FUSIONFLOW_R2_REGION              `auto` where it is not said
    FUSIONFLOW_R2_PUBLIC_URL          where anybody may read the bucket, if there is such a place
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
    """The bucket that is set up, or None.

    Where services are simulated, only a bucket on this machine counts: nobody's bucket fills with made-up results.

    Raises:
        SecretError: half of the settings are missing, or one of them cannot be right.
    """
    found = {**_from_file(home), **{name: value for name in PLAIN if (value := os.environ.get(name, "").strip())}}
    if not found.get(BUCKET):
        return None
    keys = credentials.key_of(SERVICE)
    if keys is None:
        raise errors.SecretError(
            f"The bucket {ascii(found[BUCKET])[1:-1][:80]} has no key.",
            hint=f'ff.connect("r2") stores one, or set {KEY_ID} and {SECRET_KEY}.',
        )
    made = _made({**found, **keys})
    return None if os.environ.get(SIMULATOR_VARIABLE) and not made.is_on_this_machine else made


def connect(given: Mapping[str, str] | None = None, *, is_tried: bool = True) -> BucketSettings:
    """Store where the bucket is and its key, once it has taken, given back and removed a few bytes.

    Args:
        given: settings by their variable's name; what is missing is asked for, the secret without showing it.
        is_tried: False stores them unseen.

    Raises:
        SecretError: they cannot be right, or nowhere to keep them.
        BucketError: the bucket does not do what it should; nothing was stored.
    """
    said = dict(given) if given is not None else _asked()
    unknown = ", ".join(said.keys() - set(VARIABLES))
    if unknown:
        raise errors.SecretError(f"A bucket has no setting {unknown}.", hint=f"It has: {', '.join(VARIABLES)}.")
    made = _made(said)
    if is_tried:
        from fusionflow_nb.assets.s3.bucket import Bucket  # noqa: PLC0415 - boto3 only when it is wanted
        from fusionflow_nb.assets.s3.check import try_out  # noqa: PLC0415

        try_out(Bucket(made))
    credentials.connect(SERVICE, {KEY_ID: made.access_key_id, SECRET_KEY: made.secret_access_key})
    _keep({name: said[name] for name in PLAIN if said.get(name)})
    return made


def variables_of(made: BucketSettings) -> dict[str, str]:
    """The environment that leads another process to the same bucket; holds the secret."""
    found = {
        ENDPOINT: made.endpoint,
        BUCKET: made.bucket,
        REGION: made.region,
        PUBLIC_URL: made.public_url or "",
        KEY_ID: made.access_key_id,
        SECRET_KEY: made.secret_access_key,
    }
    return {name: value for name, value in found.items() if value}


def _made(said: Mapping[str, str]) -> BucketSettings:
    """Settings from variables. Raises SecretError."""
    missing = [name for name in (BUCKET, KEY_ID, SECRET_KEY) if not said.get(name)]
    if not said.get(ACCOUNT_ID) and not said.get(ENDPOINT):
        missing.append(f"{ACCOUNT_ID} (or {ENDPOINT})")
    if missing:
        raise errors.SecretError(f"The bucket lacks {', '.join(missing)}.", hint='ff.connect("r2") asks for all of it.')
    return BucketSettings(
        bucket=said[BUCKET],
        endpoint=said.get(ENDPOINT) or r2_endpoint(said[ACCOUNT_ID]),
        access_key_id=str(said[KEY_ID]),
        secret_access_key=str(said[SECRET_KEY]),
        region=said.get(REGION) or AUTO_REGION,
        public_url=said.get(PUBLIC_URL) or None,
    )


def _asked() -> dict[str, str]:
    """Ask a person."""
    try:
        account = input("Cloudflare account id, or the address of another S3 store: ").strip()
        said = {ENDPOINT if account.startswith("http") else ACCOUNT_ID: account}
        said[BUCKET] = input("Bucket: ").strip()
        said[PUBLIC_URL] = input("Public address of the bucket (empty if it is private): ").strip()
        said[KEY_ID] = getpass.getpass("Access key id: ").strip()
        said[SECRET_KEY] = getpass.getpass("Secret access key: ").strip()
    except EOFError as error:
        raise errors.SecretError(
            "There is no terminal that can ask for the bucket.", hint=f"Set {', '.join(VARIABLES)} instead."
        ) from error
    return said


# --- the file --------------------------------------------------------------------------------------------------------


def _path(home: Path | None = None) -> Path:
    return (home or home_folder()) / "bucket.json"


def _from_file(home: Path | None = None) -> dict[str, str]:
    try:
        found = json.loads(_path(home).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.SecretError(f"{_path(home)} cannot be read.", hint='Remove it, then ff.connect("r2") again.')
    return {name: value for name, value in found.items() if name in PLAIN and isinstance(value, str)}


def _keep(plain: dict[str, str]) -> None:
    from fusionflow_nb.assets.atomic_write import part_file  # noqa: PLC0415 - only to write

    with part_file(_path().parent) as part:
        part.write(json.dumps(plain, indent=2).encode())
        part.finish()
        part.publish(_path(), mode=0o600)
