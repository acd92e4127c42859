"""What a service is handed of a medium: a file, and an address wherever there is one that it can open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.providers.protocol import Reference

if TYPE_CHECKING:
    from fusionflow_nb.assets.protocol import AssetStore
    from fusionflow_nb.media.values import Asset
    from fusionflow_nb.providers.protocol import Provider

ADDRESS_LASTS_S = 24 * 3600
"""Services fetch when they begin, and some have long queues."""
UPLOAD_PATIENCE_S = 600.0
SHORT_PATIENCE_S = 30.0
"""Where bytes would do as well: no longer than sending them elsewhere would take."""


def reference_of(asset: Asset, provider: Provider, store: AssetStore) -> Reference:
    """A medium for a request. Blocks: its bytes may have to be fetched, or to arrive where the service reads them.

    Raises:
        LostAssetError, CorruptAssetError: there are no such bytes any more.
        BucketError: the service takes nothing but an address, and the bytes do not arrive there.
        ProviderError: it takes nothing but an address, and there is no bucket.
    """
    return Reference(asset, store.path(asset.sha256), _address(asset, provider, store))


def _address(asset: Asset, provider: Provider, store: AssetStore) -> str | None:
    takes = provider.takes_references
    if not provider.is_remote or takes == "bytes":
        return None
    patience_s = UPLOAD_PATIENCE_S if takes == "url" else SHORT_PATIENCE_S
    try:
        url = store.service_url(asset, expires_s=ADDRESS_LASTS_S, patience_s=patience_s)
    except errors.BucketError:
        if takes == "url":
            raise
        return None
    if url is None and takes == "url":
        raise errors.ProviderError(
            "This service takes references only as addresses on the internet.",
            provider=provider.name,
            hint='ff.connect("r2") keeps results in a bucket that it can read.',
        )
    return url
