"""Errors for failed requests to a bucket: decided by code and status, never by text."""

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
    """The bucket does not take the key, or the key may not do this."""

    code = "bucket_keys"


class NoBucketError(errors.BucketError):
    """There is no such bucket."""

    code = "no_bucket"


class BucketAwayError(errors.BucketError):
    """The bucket does not answer, or cannot just now."""

    code = "bucket_away"


class BucketFullError(errors.BucketError):
    """The store behind the bucket takes nothing more."""

    code = "bucket_full"


class ClockSkewError(errors.BucketError):
    """This computer's clock is too far off for signatures to be believed."""

    code = "clock_skew"


class ChangedOnTheWayError(errors.BucketError):
    """What arrived is not what was sent."""

    code = "changed_on_the_way"


def now() -> datetime:
    """The time as this computer has it."""
    return datetime.now(UTC)


@contextmanager
def bucket_errors(settings: BucketSettings) -> Iterator[None]:
    """Turn what boto3 raises into a BucketError. What the caller asks for by status (404, 412) he catches inside.

    Raises:
        BucketError: by code and status.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra

    try:
        yield
    except ClientError as error:
        raise _answered(error.response, settings) from error
    except BotoCoreError as error:
        raise unreachable(settings, type(error).__name__) from error


def status_of(response: dict[str, Any]) -> int:
    """The HTTP status of a refusal."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def unreachable(settings: BucketSettings, said: str) -> BucketAwayError:
    """The bucket did not answer."""
    return BucketAwayError(
        f"The bucket {settings.bucket} at {settings.endpoint} does not answer ({said}).",
        hint="Nothing is lost: the files are in the local folder and are sent as soon as it answers again.",
        is_retryable=True,
    )


def _answered(response: dict[str, Any], settings: BucketSettings) -> errors.BucketError:
    status, code = status_of(response), str(response.get("Error", {}).get("Code", ""))
    skew_s = _skew_s(response)
    where = f"The bucket {settings.bucket} at {settings.endpoint}"
    if code in _SKEWED or (status in _NOT_ALLOWED and skew_s is not None and abs(skew_s) > _MUCH_SKEW_S):
        off = f" by {abs(skew_s) / 60:.0f} minutes" if skew_s else ""
        return ClockSkewError(
            f"{where} does not believe this computer's clock, which is wrong{off}.",
            status=status,
            hint="Set the clock (best by the network); waiting uploads then continue automatically.",
            is_retryable=True,
        )
    if code in _NO_BUCKET:
        return NoBucketError(
            f"There is no bucket {settings.bucket} at {settings.endpoint}.",
            status=status,
            hint='Create it there, or configure another bucket: ff.connect("r2").',
        )
    if code in _CHANGED:
        return ChangedOnTheWayError(
            f"{where} received other bytes than were sent ({code}); it kept nothing.",
            status=status,
            hint="It is tried again; if it stays so, something between here and there changes what is sent.",
            is_retryable=True,
        )
    if status in _NOT_ALLOWED or code in _KEYS:
        return BucketKeysError(
            f"{where} does not take the key ({code or status}).",
            status=status,
            hint='ff.connect("r2") stores another key; it needs the permission "Object Read & Write" for this bucket.',
        )
    if code in _FULL or status == _FULL_STATUS:
        return BucketFullError(
            f"{where} takes nothing more ({code or status}).",
            status=status,
            hint="Free space there; waiting uploads then continue automatically.",
            is_retryable=True,
        )
    return errors.BucketError(
        f"{where} answers {code or 'an error'}.",
        status=status,
        hint="It is tried again." if status in _BUSY else "`fusionflow doctor --r2` looks at everything it needs.",
        is_retryable=status in _BUSY,
    )


def _skew_s(response: dict[str, Any]) -> float | None:
    """Seconds that this clock is ahead of the server's, by the Date header; None without one."""
    said = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        there = parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    return (now() - there.replace(tzinfo=there.tzinfo or UTC)).total_seconds()
