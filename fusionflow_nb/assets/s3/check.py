"""Check that a bucket supports all that FusionFlow needs."""

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


class CheckResult(NamedTuple):
    """The result of one check."""

    name: str
    state: Literal["ok", "warning", "error"]
    message: str


def check_round_trip(bucket: Bucket) -> None:
    """Write a small object, read it and delete it.

    Raises:
        BucketError: one of the steps fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tried.txt"
        path.write_text(f"fusionflow was here {secrets.token_hex(8)}")
        data = path.read_bytes()
        asset = Asset(hashlib.sha256(data).hexdigest(), "text/plain", len(data))
        bucket.upload(asset, path)
        stored = bucket.find(asset.sha256)
        if stored is None or b"".join(bucket.read(stored)) != data:
            message = f"The bucket {bucket.settings.bucket} does not return the bytes that were written."
            raise errors.BucketError(message, hint="The store must be consistent: a read must return the last write.")
        bucket.delete([stored])


def cors_rule(origins: Sequence[str]) -> list[dict[str, Any]]:
    """The CORS rule that lets pages of these origins download and upload, in the form of R2's dashboard.

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
    """Add the CORS rule to the bucket's rules; it may take 30 s to take effect.

    Raises:
        BucketError: the key lacks the permission, as R2's "Object Read & Write" tokens do: paste the rule instead.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

    name = bucket.settings.bucket
    with bucket_errors(bucket.settings):
        try:
            present = bucket.client.get_bucket_cors(Bucket=name)["CORSRules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchCORSConfiguration":
                raise
            present = []
        new = cors_rule(origins)
        rules = [*(rule for rule in present if rule not in new), *new]
        bucket.client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})


def allows_uploads_from(bucket: Bucket, origin: str) -> bool:
    """Whether a page of this origin may PUT, by a preflight request as a browser sends it.

    Raises:
        BucketError: the bucket does not respond.
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
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
            allowed = response.headers.get("Access-Control-Allow-Origin")
            methods = response.headers.get("Access-Control-Allow-Methods", "")
    except urllib.error.HTTPError:
        return False  # 403: no rule matches
    except OSError as error:
        raise errors.BucketError(
            f"{bucket.settings.endpoint} does not respond to a preflight request ({type(error).__name__}).",
            hint="Check the connection.",
            is_retryable=True,
        ) from error
    return allowed in {origin, "*"} and "PUT" in methods


def run_checks(bucket: Bucket, origins: Sequence[str], *, is_set: bool = False) -> Iterator[CheckResult]:
    """Run the checks of `fusionflow doctor --r2`.

    Args:
        bucket: the bucket to check.
        origins: origins of pages that download and upload (`http://localhost:8888`).
        is_set: add the CORS rule where it is missing.
    """
    try:
        check_round_trip(bucket)
    except errors.FusionFlowError as error:
        yield CheckResult("bucket", "error", str(error))
        return
    yield CheckResult(
        "bucket", "ok", f"{bucket.settings.uri} at {bucket.settings.endpoint}: write, read and delete work"
    )
    for origin in origins:
        yield _cors(bucket, origin, is_set=is_set)


def _cors(bucket: Bucket, origin: str, *, is_set: bool) -> CheckResult:
    name = f"CORS {origin}"
    try:
        if allows_uploads_from(bucket, origin):
            return CheckResult(name, "ok", "downloads and uploads are allowed")
        if is_set:
            set_cors(bucket, [origin])
            return CheckResult(name, "ok", "the rule was added; it may take 30 s to take effect")
    except BucketKeysError:
        pass  # a key for objects cannot change the bucket; the user can
    except errors.FusionFlowError as error:
        return CheckResult(name, "error", str(error))
    rule = json.dumps(cors_rule([origin]), indent=2)
    message = "the bucket refuses uploads from this origin (they go through Jupyter). Add to its CORS policy:"
    return CheckResult(name, "warning", f"{message}\n{rule}")
