"""Whether a bucket does all that this house needs of it: asked of the bucket itself, one thing after another."""

from __future__ import annotations

import hashlib
import json
import secrets
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fusionflow_nb import errors
from fusionflow_nb.assets.s3.errors import BucketKeysError, bucket_errors
from fusionflow_nb.media.values import Asset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusionflow_nb.assets.s3.bucket import Bucket

_TIMEOUT_S = 20
_HEADERS = ["Content-Type", "Cache-Control", "If-None-Match", "X-Amz-Checksum-Sha256", "Range"]
_EXPOSED = ["ETag", "Content-Length", "Content-Range", "Accept-Ranges"]


class Looked(NamedTuple):
    """One thing that was tried."""

    what: str
    state: Literal["ok", "warning", "error"]
    says: str


def try_out(bucket: Bucket) -> None:
    """Put a few bytes there, read them again, remove them.

    Raises:
        BucketError: one of that cannot be done.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tried.txt"
        path.write_text(f"fusionflow was here {secrets.token_hex(8)}")
        data = path.read_bytes()
        asset = Asset(hashlib.sha256(data).hexdigest(), "text/plain", len(data))
        bucket.upload(asset, path)
        there = bucket.find(asset.sha256)
        if there is None or b"".join(bucket.read(there)) != data:
            message = f"The bucket {bucket.settings.bucket} does not give back what it was given."
            raise errors.BucketError(message, hint="Is it an S3 store that answers at once with what was written?")
        bucket.delete([there])


def cors_rule(origins: Sequence[str]) -> list[dict[str, Any]]:
    """The rule that lets pages of these origins show and upload, as R2's dashboard takes it.

    >>> cors_rule(["http://localhost:8888"])[0]["AllowedMethods"]
    ['GET', 'HEAD', 'PUT']
    """
    return [
        {
            "AllowedOrigins": list(origins),
            "AllowedMethods": ["GET", "HEAD", "PUT"],
            "AllowedHeaders": _HEADERS,
            "ExposeHeaders": _EXPOSED,
            "MaxAgeSeconds": 3600,
        }
    ]


def set_cors(bucket: Bucket, origins: Sequence[str]) -> None:
    """Put the rule in force; it may take half a minute to spread. Other rules of the bucket stay.

    Raises:
        BucketError: the key may not (an "Object Read & Write" token of R2 may not: paste the rule instead).
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

    name = bucket.settings.bucket
    with bucket_errors(bucket.settings):
        try:
            known = bucket.client.get_bucket_cors(Bucket=name)["CORSRules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchCORSConfiguration":
                raise
            known = []
        new = cors_rule(origins)
        rules = [*(rule for rule in known if rule not in new), *new]
        bucket.client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})


def takes_uploads_from(bucket: Bucket, origin: str) -> bool:
    """Whether a page of this origin may PUT: asked as a browser does, by a preflight.

    Raises:
        BucketError: the bucket does not answer.
    """
    asset = Asset("0" * 64, "image/png", 1)
    request = urllib.request.Request(  # noqa: S310 - the settings admit http and https only
        bucket.put_url(asset, expires_s=60).url,
        method="OPTIONS",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": ",".join(sorted(name.lower() for name in _HEADERS[:4])),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            allowed = answer.headers.get("Access-Control-Allow-Origin")
            methods = answer.headers.get("Access-Control-Allow-Methods", "")
    except urllib.error.HTTPError:
        return False  # 403: no rule fits
    except OSError as error:
        raise errors.BucketError(
            f"{bucket.settings.endpoint} does not answer a preflight ({type(error).__name__}).",
            hint="Check the connection.",
            is_retryable=True,
        ) from error
    return allowed in {origin, "*"} and "PUT" in methods


def look(bucket: Bucket, origins: Sequence[str], *, is_set: bool = False) -> Iterator[Looked]:
    """Everything that `fusionflow doctor --r2` reports.

    Args:
        bucket: it.
        origins: pages that are to show and upload (`http://localhost:8888`).
        is_set: put the CORS rule in force where it is missing.
    """
    try:
        try_out(bucket)
    except errors.FusionFlowError as error:
        yield Looked("bucket", "error", str(error))
        return
    yield Looked("bucket", "ok", f"{bucket.settings.uri} at {bucket.settings.endpoint} takes, gives and removes")
    for origin in origins:
        yield _cors(bucket, origin, is_set=is_set)


def _cors(bucket: Bucket, origin: str, *, is_set: bool) -> Looked:
    what = f"CORS {origin}"
    try:
        if takes_uploads_from(bucket, origin):
            return Looked(what, "ok", "pages there show and upload")
        if is_set:
            set_cors(bucket, [origin])
            return Looked(what, "ok", "the rule is set; it may take half a minute to spread")
    except BucketKeysError:
        pass  # a key for objects may not change the bucket; the user can
    except errors.FusionFlowError as error:
        return Looked(what, "error", str(error))
    rule = json.dumps(cors_rule([origin]), indent=2)
    says = "the bucket refuses uploads from pages there (they go through Jupyter). Add to its CORS policy:"
    return Looked(what, "warning", f"{says}\n{rule}")
