"""Opens the asset store of a home: the local folder, and the bucket if one is configured."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.assets.s3.bucket import Bucket
from fusionflow_nb.assets.s3.store import S3Store
from fusionflow_nb.settings import bucket
from fusionflow_nb.settings.environment import SIMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.assets.protocol import HomeStore
    from fusionflow_nb.assets.uploads import UploadLog


def home_store(home: Path, uploads: Callable[[str], UploadLog]) -> HomeStore:
    """Open the store of a home. Warns and uses the local folder alone if the bucket's settings are invalid.

    Args:
        home: the user's folder.
        uploads: returns the log of uploads to a bucket, by the bucket's `place`.
    """
    folder = LocalFolderStore(home / "assets")
    try:
        settings = bucket.settings(home)
    except errors.SecretError as error:
        warnings.warn(f"{error} Until then results stay on this machine.", stacklevel=4)
        return folder
    if settings is None:
        return folder
    is_reachable = not settings.is_on_this_machine or bool(os.environ.get(SIMULATOR_VARIABLE))
    return S3Store(folder, Bucket(settings), uploads(settings.place), is_reachable_by_services=is_reachable)


def resume_uploads(store: HomeStore) -> None:
    """Resume uploads to the bucket that stopped kernels left; if the log is unreadable, the next kernel retries."""
    if not isinstance(store, S3Store):
        return
    with contextlib.suppress(errors.JournalError, errors.MissingExtraError):
        _ = store.bucket.client  # creating it takes 0.3 s: better here than at the first URL
        store.uploads.resume()
