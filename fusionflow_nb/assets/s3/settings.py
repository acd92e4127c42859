"""Settings of a bucket: one validated value whose repr shows no secret."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fusionflow_nb import errors

R2_DOMAIN = "r2.cloudflarestorage.com"
AUTO_REGION = "auto"
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """A bucket of an S3 store.

    Args:
        bucket: its name.
        endpoint: the URL of the S3 API, without the bucket: `https://<account>.r2.cloudflarestorage.com`.
        access_key_id: the key's id.
        secret_access_key: the key's secret; never shown.
        region: `auto` on R2.
        public_url: the public URL of the bucket, if it has one; then URLs are not signed.

    >>> BucketSettings("pictures", "https://s3.example.com", "id", "not-shown")
    BucketSettings(bucket='pictures', endpoint='https://s3.example.com', region='auto', public_url=None)
    """

    bucket: str
    endpoint: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    region: str = AUTO_REGION
    public_url: str | None = None

    def __post_init__(self) -> None:
        """Validate the settings. Raises SecretError."""
        if not _BUCKET.fullmatch(self.bucket):
            message = f"{ascii(self.bucket)[:80]} is not a valid bucket name."
            raise errors.SecretError(message, hint="Names have 3 to 63 lowercase letters, digits, dots and hyphens.")
        for name, url in (("endpoint", self.endpoint), ("public URL", self.public_url)):
            if url is not None and not _is_plain_http(url):
                message = f"{ascii(url)[:80]} is not a valid {name} of a bucket."
                raise errors.SecretError(
                    message, hint="Write it as https://host, without the bucket and without a query."
                )

    @property
    def uri(self) -> str:
        """`s3://bucket`, the prefix of all permanent URIs."""
        return f"s3://{self.bucket}"

    @property
    def place(self) -> str:
        """Identifies this bucket: two buckets of the same name at different endpoints differ."""
        return f"{self.uri} at {self.endpoint}"

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its URL is a loopback address, which other machines cannot open."""
        host = urlsplit(self.public_url or self.endpoint).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


def r2_endpoint(account_id: str) -> str:
    """The S3 endpoint of a Cloudflare account.

    Raises:
        SecretError: the account id is malformed.

    >>> r2_endpoint("ab" * 16)[:14]
    'https://ababab'
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        message = f"{ascii(account_id)[:80]} is not a Cloudflare account id."
        raise errors.SecretError(message, hint="It has 32 hex digits; R2's overview page in the dashboard shows it.")
    return f"https://{account_id}.{R2_DOMAIN}"


def _is_plain_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = not parts.query and not parts.fragment and parts.username is None and parts.port != 0
    except ValueError:
        return False
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
