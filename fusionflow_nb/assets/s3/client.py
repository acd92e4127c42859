"""Create boto3 clients that work with R2, independent of the machine's AWS configuration.

R2 accepts neither aws-chunked bodies nor checksum trailers, which newer versions of boto3 send by default: checksums
are sent only where the caller passes them. Region `auto`, signature version 4, the bucket in the path.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors

if TYPE_CHECKING:
    from fusionflow_nb.assets.s3.settings import BucketSettings

CONNECTIONS = 32
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
TRIES = 3


def make_client(settings: BucketSettings) -> Any:  # noqa: ANN401 - boto3 creates its classes at run time
    """An S3 client for one bucket; may be used by many threads. Takes about 0.3 s: boto3 reads its API from files.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: PLC0415 - an extra, and 0.3 s
        import botocore.session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
    except ImportError as error:
        raise errors.MissingExtraError("A bucket", extra="s3") from error
    # AWS profiles of this machine are ignored; a missing profile would raise.
    core = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
    core.set_config_variable("config_file", os.devnull)
    core.set_config_variable("credentials_file", os.devnull)
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=CONNECTIONS,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        tcp_keepalive=True,
    )
    return boto3.session.Session(botocore_session=core).client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        config=config,
    )
