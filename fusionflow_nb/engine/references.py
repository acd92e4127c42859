"""References for a service: a file and, if the service can open one, a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.providers.protocol import Reference

if TYPE_CHECKING:
    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.media.values import Asset
    from fusionflow_nb.providers.protocol import Provider

URL_EXPIRES_S = 24 * 3600
"""Services fetch references when they start a job, and some have long queues."""
UPLOAD_TIMEOUT_S = 600.0
SHORT_UPLOAD_TIMEOUT_S = 30.0
"""If the service takes bytes as well: no longer than sending them would take."""


def reference_of(asset: Asset, provider: Provider, store: AssetStore) -> Reference:
    """A reference for a request. Blocks: its bytes may have to be fetched, or uploaded to the bucket first.

    Raises:
        LostAssetError, CorruptAssetError: the bytes do not exist any more.
        BucketError: the service takes only URLs, and the upload failed.
        ProviderError: the service takes only URLs, and there is no bucket.
    """
    return Reference(asset, store.path(asset.sha256), _url(asset, provider, store))


def _url(asset: Asset, provider: Provider, store: AssetStore) -> str | None:
    takes = provider.takes_references
    if not provider.is_remote or takes == "bytes":
        return None
    timeout_s = UPLOAD_TIMEOUT_S if takes == "url" else SHORT_UPLOAD_TIMEOUT_S
    try:
        url = store.service_url(asset, expires_s=URL_EXPIRES_S, timeout_s=timeout_s)
    except errors.BucketError:
        if takes == "url":
            raise
        return None
    if url is None and takes == "url":
        raise errors.ProviderError(
            "This service takes references only as public URLs.",
            provider=provider.name,
            hint='Connect a bucket that it can read: ff.connect("r2").',
        )
    return url
