"""One bucket, object by object: put once, found by digest, read in chunks, addressed by signed URLs.

Every call blocks and belongs into a worker thread. Keys are `assets/ab/<sha256>.<ext>`; an object is never written
twice (`If-None-Match: *`), so one that is there already counts as success.
"""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets.ingest import CHUNK_BYTES
from fusionflow_nb.assets.keys import checked_sha256, store_key
from fusionflow_nb.assets.s3.client import make_client
from fusionflow_nb.assets.s3.errors import EXISTS_ALREADY, NOT_FOUND, bucket_errors, status_of, unreachable
from fusionflow_nb.assets.s3.multipart import SINGLE_PUT_BYTES, MultipartUpload, Progress
from fusionflow_nb.media import media_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from fusionflow_nb.assets.s3.settings import BucketSettings
    from fusionflow_nb.media.values import Asset

CACHE_CONTROL = "max-age=31536000, immutable"
"""What a key names never changes."""
MAX_EXPIRES_S = 7 * 24 * 3600
_KEY = re.compile(r"assets/([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,5})")
_TYPES = {suffix: kind for kind, suffix in media_types.EXTENSIONS.items()}
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the bucket that is an asset."""

    sha256: str
    key: str
    size_bytes: int
    media_type: str


@dataclass(frozen=True, slots=True)
class SignedPut:
    """Where a browser may PUT one object, and the headers that are part of what was signed."""

    url: str
    headers: dict[str, str]


class Bucket:
    """A bucket of an S3 store.

    Args:
        settings: which, where, and with which key.
        client: instead of one made by `make_client`.
    """

    def __init__(self, settings: BucketSettings, client: Any = None) -> None:  # noqa: ANN401 - boto3's own
        self.settings = settings
        self._making = threading.Lock()
        self._given = client

    @cached_property
    def client(self) -> Any:  # noqa: ANN401
        """boto3's client, made at the first need; may be used by many threads. Raises MissingExtraError."""
        with self._making:
            if self._given is None:
                self._given = make_client(self.settings)
        return self._given

    # --- bytes -------------------------------------------------------------------------------------------------------

    def upload(
        self,
        asset: Asset,
        path: Path,
        *,
        recipe: str | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Put a file of bytes there, unless it is there already; a large file in parts, resuming where it stopped.

        Args:
            asset: what the file holds.
            path: the file; never read whole into memory.
            recipe: hash of how it was made, kept as metadata.
            overwrite: replace what is there (it was found damaged).
            progress: stores the parts of an interrupted upload, and requests a stop.

        Raises:
            BucketError: not done; parts that arrived stay there for the next try.
            StoppedError: `progress` requested it.
            OSError: the file cannot be read.
        """
        with bucket_errors(self.settings):
            if asset.size_bytes <= SINGLE_PUT_BYTES:
                is_new = self._put_whole(asset, path, recipe, overwrite=overwrite)
            else:
                about = self._about(asset, recipe)
                upload = MultipartUpload(self.client, about, path, asset.size_bytes, progress or Progress())
                is_new = upload.send(overwrite=overwrite)
        if is_new or overwrite:
            return
        there = self.head(asset)
        if there is not None and there.size_bytes != asset.size_bytes:
            self.upload(asset, path, recipe=recipe, overwrite=True)

    def head(self, asset: Asset) -> StoredObject | None:
        """The object under the asset's key, without its bytes; None if there is no object.

        Raises:
            BucketError: the bucket does not say.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        key = store_key(asset)
        with bucket_errors(self.settings):
            try:
                said = self.client.head_object(Bucket=self.settings.bucket, Key=key)
            except ClientError as error:
                if status_of(error.response) == NOT_FOUND:
                    return None
                raise
        return StoredObject(asset.sha256, key, int(said["ContentLength"]), said.get("ContentType", ""))

    def find(self, sha256: str) -> StoredObject | None:
        """The object of these bytes, whatever their type, or None.

        Raises:
            BucketError: the bucket does not say.
            MediaError: no sha256.
        """
        return next(self._listed(f"assets/{checked_sha256(sha256)[:2]}/{sha256}."), None)

    def read(self, stored: StoredObject, *, first_bytes: int | None = None) -> Iterator[bytes]:
        """The bytes of an object, in chunks, not verified yet.

        Raises:
            LostAssetError: it is gone.
            BucketError: it cannot be read (on).
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - botocore's own

        asked = {"Bucket": self.settings.bucket, "Key": stored.key}
        if first_bytes is not None:
            asked["Range"] = f"bytes=0-{first_bytes - 1}"
        with bucket_errors(self.settings):
            try:
                body = self.client.get_object(**asked)["Body"]
            except ClientError as error:
                if status_of(error.response) == NOT_FOUND:
                    raise lost(stored.sha256, self.settings) from error
                raise
        try:
            while True:
                try:
                    chunk = body.read(CHUNK_BYTES)
                except (BotoCoreError, HTTPError, OSError) as error:
                    raise unreachable(self.settings, type(error).__name__) from error
                if not chunk:
                    return
                yield chunk
        finally:
            body.close()

    def objects(self, *, older_than_s: float = 0.0) -> Iterator[StoredObject]:
        """Every asset in the bucket, in the order of keys; other people's objects are left out. Raises BucketError."""
        yield from self._listed("assets/", older_than_s)

    def delete(self, stored: Sequence[StoredObject]) -> None:
        """Remove objects. Raises BucketError: some may be gone."""
        with bucket_errors(self.settings):
            for at in range(0, len(stored), _DELETED_AT_ONCE):
                # One by one would do as well; a list needs a checksum, which boto3 then sends as a plain header.
                named = [{"Key": one.key} for one in stored[at : at + _DELETED_AT_ONCE]]
                said = self.client.delete_objects(Bucket=self.settings.bucket, Delete={"Objects": named, "Quiet": True})
                if said.get("Errors"):
                    first = said["Errors"][0]
                    message = f"{len(said['Errors'])} objects could not be removed ({first.get('Code')})."
                    raise errors.BucketError(message, hint="Does the key have the right to delete?")

    # --- addresses ---------------------------------------------------------------------------------------------------

    def uri(self, asset: Asset) -> str:
        """`s3://bucket/key`: lasting, unsigned, what the tape keeps."""
        return f"{self.settings.uri}/{store_key(asset)}"

    def get_url(self, asset: Asset, *, expires_s: int) -> str:
        """Where anybody who has the address can GET the bytes for a while (for ever where the bucket is public).

        Raises:
            MediaError: longer than seven days.
        """
        if self.settings.public_url is not None:
            return f"{self.settings.public_url.rstrip('/')}/{store_key(asset)}"
        return self._signed("get_object", {"Key": store_key(asset)}, expires_s)

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut:
        """Where a browser may PUT exactly these bytes: length, type and checksum are part of the signature.

        Raises:
            MediaError: longer than seven days.
        """
        checksum = base64_sha256(asset.sha256)
        about = {
            "Key": store_key(asset),
            "ContentType": asset.media_type,
            "ContentLength": asset.size_bytes,
            "ChecksumSHA256": checksum,
            "CacheControl": CACHE_CONTROL,
            "IfNoneMatch": "*",
        }
        headers = {
            "Content-Type": asset.media_type,
            "x-amz-checksum-sha256": checksum,
            "Cache-Control": CACHE_CONTROL,
            "If-None-Match": "*",
        }
        return SignedPut(self._signed("put_object", about, expires_s), headers)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _put_whole(self, asset: Asset, path: Path, recipe: str | None, *, overwrite: bool) -> bool:
        """Whether it is new there."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        condition = {} if overwrite else {"IfNoneMatch": "*"}
        with path.open("rb") as body:
            try:
                self.client.put_object(
                    **self._about(asset, recipe),
                    **condition,
                    Body=body,
                    ContentLength=asset.size_bytes,
                    ChecksumSHA256=base64_sha256(asset.sha256),
                )
            except ClientError as error:
                if status_of(error.response) == EXISTS_ALREADY:
                    return False
                raise
        return True

    def _about(self, asset: Asset, recipe: str | None) -> dict[str, Any]:
        return {
            "Bucket": self.settings.bucket,
            "Key": store_key(asset),
            "ContentType": asset.media_type,
            "CacheControl": CACHE_CONTROL,
            "Metadata": {"recipe": recipe} if recipe else {},
        }

    def _signed(self, operation: str, about: dict[str, Any], expires_s: int) -> str:
        if not 0 < expires_s <= MAX_EXPIRES_S:
            message = f"An address cannot be signed for {expires_s} seconds."
            raise errors.MediaError(message, hint="One second to seven days; a public base URL has no end.")
        url: str = self.client.generate_presigned_url(
            operation, Params={"Bucket": self.settings.bucket, **about}, ExpiresIn=expires_s
        )
        return url

    def _listed(self, prefix: str, older_than_s: float = 0.0) -> Iterator[StoredObject]:
        newest = datetime.now(UTC) - timedelta(seconds=older_than_s)
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket, Prefix=prefix)
        for page in _under(bucket_errors, self.settings, pages):
            for one in page.get("Contents", ()):
                named = _KEY.fullmatch(one["Key"])
                if named and named[3] in _TYPES and (not older_than_s or one["LastModified"] < newest):
                    yield StoredObject(named[2], one["Key"], int(one["Size"]), _TYPES[named[3]])


def base64_sha256(sha256: str) -> str:
    """A digest as S3 has it.

    >>> base64_sha256("00" * 32)[:4]
    'AAAA'
    """
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def lost(sha256: str, settings: BucketSettings) -> errors.LostAssetError:
    """No store has it any more."""
    message = f"The bytes of asset {sha256[:12]} are neither in the local folder nor in the bucket {settings.bucket}."
    return errors.LostAssetError(message, hint="Put the file back, or run the node that made it again.")


def _under(faults: Callable[..., Any], settings: BucketSettings, pages: Iterable[Any]) -> Iterator[Any]:
    """Draw each page inside the faults, and rest outside of them."""
    drawn = iter(pages)
    while True:
        with faults(settings):
            page = next(drawn, None)
        if page is None:
            return
        yield page
