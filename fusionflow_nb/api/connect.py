"""`ff.connect`: store the keys of services and the settings of the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.session import reopen_store
from fusionflow_nb.settings import bucket, credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


def connect(provider: str, key: str | Mapping[str, str] | None = None) -> None:
    """Store the key of a service. Prompts for it with hidden input.

    `ff.connect("r2")` prompts for a bucket (R2 or any other S3 store), tests it, and uses it from then on. Earlier
    results stay on this machine until `fusionflow assets sync` uploads them.

    Args:
        provider: `fal`, `openai`, `replicate` ..., or `r2`.
        key: for programs; never write a key into a notebook. For a service with several keys, and for the bucket, a
            mapping from the names of their variables.

    Raises:
        SecretError: unknown service, invalid key, or no place to store it.
        BucketError: the bucket cannot be used with these settings; nothing was stored.
    """
    if provider != bucket.SERVICE:
        credentials.connect(provider, key)
        return
    if isinstance(key, str):
        raise errors.SecretError(
            "A bucket needs more than a key.",
            hint=f"Pass a dict of {', '.join(bucket.VARIABLES)}, or no key to be prompted.",
        )
    bucket.connect(key)
    reopen_store()
