"""Errors for failed requests to a bucket, classified by code and status."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionflow_nb.assets.s3.settings import BucketSettings

NOT_FOUND, EXISTS_ALREADY = 404, 412
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_FULL = frozenset({"QuotaExceeded", "EntityTooLarge", "StorageFull", "XMinioStorageFull"})
_FULL_STATUS = 507
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_CHANGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
_NO_BUCKET = frozenset({"NoSuchBucket"})
_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "InvalidArgument"})
_NOT_ALLOWED = frozenset({401, 403})
_MUCH_SKEW_S = 300.0


class BucketKeysError(errors.BucketError):
    """The bucket refuses the key, or the key lacks a permission."""

    code = "bucket_keys"


class NoBucketError(errors.BucketError):
    """The bucket does not exist."""

    code = "no_bucket"


class BucketUnavailableError(errors.BucketError):
    """The bucket does not respond, or is temporarily unavailable."""

    code = "bucket_away"


class BucketFullError(errors.BucketError):
    """The bucket is full."""

    code = "bucket_full"


class ClockSkewError(errors.BucketError):
    """This computer's clock is so wrong that signatures are refused."""

    code = "clock_skew"


class CorruptTransferError(errors.BucketError):
    """The bucket received other bytes than were sent."""

    code = "changed_on_the_way"


def now() -> datetime:
    """The time by this computer's clock."""
    return datetime.now(UTC)


@contextmanager
def bucket_errors(settings: BucketSettings) -> Iterator[None]:
    """Turn errors of boto3 into BucketError. Callers that handle a status (404, 412) catch it inside the block.

    Raises:
        BucketError: its class depends on code and status.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra

    try:
        yield
    except ClientError as error:
        raise _from_response(error.response, settings) from error
    except BotoCoreError as error:
        raise unreachable(settings, type(error).__name__) from error


def status_of(response: dict[str, Any]) -> int:
    """The HTTP status of an error response."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def unreachable(settings: BucketSettings, reason: str) -> BucketUnavailableError:
    """The error for a bucket that did not respond."""
    return BucketUnavailableError(
        f"The bucket {settings.bucket} at {settings.endpoint} does not respond ({reason}).",
        hint="The files are in the local folder; they are uploaded when the bucket responds again.",
        is_retryable=True,
    )


def _from_response(response: dict[str, Any], settings: BucketSettings) -> errors.BucketError:
    status, code = status_of(response), str(response.get("Error", {}).get("Code", ""))
    skew_s = _skew_s(response)
    where = f"The bucket {settings.bucket} at {settings.endpoint}"
    if code in _SKEWED or (status in _NOT_ALLOWED and skew_s is not None and abs(skew_s) > _MUCH_SKEW_S):
        off = f" by {abs(skew_s) / 60:.0f} minutes" if skew_s else ""
        return ClockSkewError(
            f"{where} refuses the signature: this computer's clock is wrong{off}.",
            status=status,
            hint="Set the clock; pending uploads then continue automatically.",
            is_retryable=True,
        )
    if code in _NO_BUCKET:
        return NoBucketError(
            f"The bucket {settings.bucket} does not exist at {settings.endpoint}.",
            status=status,
            hint='Create it there, or configure another bucket: ff.connect("r2").',
        )
    if code in _CHANGED:
        return CorruptTransferError(
            f"{where} received other bytes than were sent ({code}); nothing was stored.",
            status=status,
            hint="The upload is retried. If the error remains, a proxy may change the data.",
            is_retryable=True,
        )
    if status in _NOT_ALLOWED or code in _KEYS:
        return BucketKeysError(
            f"{where} refuses the key ({code or status}).",
            status=status,
            hint='ff.connect("r2") stores another key; it needs the permission "Object Read & Write" for this bucket.',
        )
    if code in _FULL or status == _FULL_STATUS:
        return BucketFullError(
            f"{where} is full ({code or status}).",
            status=status,
            hint="Free space there; pending uploads then continue automatically.",
            is_retryable=True,
        )
    return errors.BucketError(
        f"{where} returned {code or 'an error'}.",
        status=status,
        hint="The request is retried." if status in _BUSY else "Run `fusionflow doctor --r2` to check the bucket.",
        is_retryable=status in _BUSY,
    )


def _skew_s(response: dict[str, Any]) -> float | None:
    """Seconds that this clock is ahead of the server's, by the Date header; None without the header."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        server_time = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (now() - server_time.replace(tzinfo=server_time.tzinfo or UTC)).total_seconds()
