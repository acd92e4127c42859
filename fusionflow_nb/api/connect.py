"""`ff.connect`: one door for every key, those of services and that of the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.session import reopen_store
from fusionflow_nb.settings import bucket, credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


def connect(provider: str, key: str | Mapping[str, str] | None = None) -> None:
    """Store the key of a service, asking for it without showing it.

    `ff.connect("r2")` asks for a bucket (R2 or any other S3 store), tries it, and uses it from then on: results made
    so far stay on this machine until `fusionflow assets sync` brings them there.

    Args:
        provider: `fal`, `openai`, `replicate` ..., or `r2`.
        key: only where it does not come from a person's keyboard; never write one into a notebook. A service with
            several keys, and the bucket, take them by the names of their variables.

    Raises:
        SecretError: unknown service, a key that is none, or nowhere to keep it.
        BucketError: the bucket cannot be used as it was said; nothing was stored.
    """
    if provider != bucket.SERVICE:
        credentials.connect(provider, key)
        return
    if isinstance(key, str):
        raise errors.SecretError(
            "A bucket is more than a key.",
            hint=f"Give a dict of {', '.join(bucket.VARIABLES)}, or nothing to be asked.",
        )
    bucket.connect(key)
    reopen_store()
