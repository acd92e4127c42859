"""Operations on the objects of one bucket: upload, find by digest, read in chunks, sign URLs.

Every call blocks; call it in a worker thread. Keys are `assets/ab/<sha256>.<ext>`. An object is never overwritten
(`If-None-Match: *`); an existing object counts as success.
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
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from fusionflow_nb.assets.s3.settings import BucketSettings
    from fusionflow_nb.media.values import Asset

CACHE_CONTROL = "max-age=31536000, immutable"
"""The object of a key never changes."""
MAX_EXPIRES_S = 7 * 24 * 3600
_KEY = re.compile(r"assets/([0-9a-f]{2})/(\1[0-9a-f]{62})\.([a-z0-9]{1,5})")
_TYPES = {suffix: kind for kind, suffix in media_types.EXTENSIONS.items()}
_DELETE_BATCH = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the bucket that is an asset."""

    sha256: str
    key: str
    size_bytes: int
    media_type: str


@dataclass(frozen=True, slots=True)
class SignedPut:
    """A URL to which a browser may PUT one object, and the signed headers that it must send."""

    url: str
    headers: dict[str, str]


class Bucket:
    """A bucket of an S3 store.

    Args:
        settings: the bucket and its key.
        client: replaces the client of `make_client`.
    """

    def __init__(self, settings: BucketSettings, client: Any = None) -> None:  # noqa: ANN401 - boto3's own
        self.settings = settings
        self._client_lock = threading.Lock()
        self._client = client

    @cached_property
    def client(self) -> Any:  # noqa: ANN401
        """boto3's client, created at the first use; thread-safe. Raises MissingExtraError."""
        with self._client_lock:
            if self._client is None:
                self._client = make_client(self.settings)
        return self._client

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
        """Upload a file unless its object exists; a large file in parts, resuming an interrupted upload.

        Args:
            asset: the file's asset.
            path: the file; never read whole into memory.
            recipe: content key of the job that created it, stored as metadata.
            overwrite: replace a damaged object.
            progress: stored state of an interrupted upload, callbacks and the stop event.

        Raises:
            BucketError: the upload failed; uploaded parts are kept for the next try.
            StoppedError: the stop event of `progress` is set.
            OSError: the file cannot be read.
        """
        with bucket_errors(self.settings):
            if asset.size_bytes <= SINGLE_PUT_BYTES:
                is_new = self._put_whole(asset, path, recipe, overwrite=overwrite)
            else:
                attributes = self._attributes(asset, recipe)
                upload = MultipartUpload(self.client, attributes, path, asset.size_bytes, progress or Progress())
                is_new = upload.send(overwrite=overwrite)
        if is_new or overwrite:
            return
        stored = self.head(asset)
        if stored is not None and stored.size_bytes != asset.size_bytes:
            self.upload(asset, path, recipe=recipe, overwrite=True)

    def head(self, asset: Asset) -> StoredObject | None:
        """The object of the asset's key, without its bytes; None if it does not exist.

        Raises:
            BucketError: the request failed.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        key = store_key(asset)
        with bucket_errors(self.settings):
            try:
                response = self.client.head_object(Bucket=self.settings.bucket, Key=key)
            except ClientError as error:
                if status_of(error.response) == NOT_FOUND:
                    return None
                raise
        return StoredObject(asset.sha256, key, int(response["ContentLength"]), response.get("ContentType", ""))

    def find(self, sha256: str) -> StoredObject | None:
        """The object of these bytes, whatever their type, or None.

        Raises:
            BucketError: the request failed.
            MediaError: the digest is malformed.
        """
        return next(self._listed(f"assets/{checked_sha256(sha256)[:2]}/{sha256}."), None)

    def read(self, stored: StoredObject, *, first_bytes: int | None = None) -> Iterator[bytes]:
        """The bytes of an object, in chunks, not verified.

        Raises:
            LostAssetError: the object does not exist.
            BucketError: the object cannot be read.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - botocore's own

        arguments = {"Bucket": self.settings.bucket, "Key": stored.key}
        if first_bytes is not None:
            arguments["Range"] = f"bytes=0-{first_bytes - 1}"
        with bucket_errors(self.settings):
            try:
                body = self.client.get_object(**arguments)["Body"]
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
        """Every asset in the bucket, ordered by key; other objects are skipped. Raises BucketError."""
        yield from self._listed("assets/", older_than_s)

    def delete(self, stored: Sequence[StoredObject]) -> None:
        """Delete objects. Raises BucketError; some may be deleted."""
        with bucket_errors(self.settings):
            for at in range(0, len(stored), _DELETE_BATCH):
                # The batch needs a checksum, which boto3 sends as a plain header.
                keys = [{"Key": item.key} for item in stored[at : at + _DELETE_BATCH]]
                response = self.client.delete_objects(
                    Bucket=self.settings.bucket, Delete={"Objects": keys, "Quiet": True}
                )
                if response.get("Errors"):
                    first = response["Errors"][0]
                    message = f"{len(response['Errors'])} objects could not be deleted ({first.get('Code')})."
                    raise errors.BucketError(message, hint="Check that the key may delete objects.")

    # --- URLs --------------------------------------------------------------------------------------------------------

    def uri(self, asset: Asset) -> str:
        """`s3://bucket/key`: the permanent, unsigned URI that the tape stores."""
        return f"{self.settings.uri}/{store_key(asset)}"

    def get_url(self, asset: Asset, *, expires_s: int) -> str:
        """A signed URL that serves the bytes until it expires; the permanent URL if the bucket is public.

        Raises:
            MediaError: `expires_s` is above seven days.
        """
        if self.settings.public_url is not None:
            return f"{self.settings.public_url.rstrip('/')}/{store_key(asset)}"
        return self._signed_url("get_object", {"Key": store_key(asset)}, expires_s)

    def put_url(self, asset: Asset, *, expires_s: int) -> SignedPut:
        """A URL to which a browser may PUT exactly these bytes: length, type and checksum are signed.

        Raises:
            MediaError: `expires_s` is above seven days.
        """
        checksum = base64_sha256(asset.sha256)
        parameters = {
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
        return SignedPut(self._signed_url("put_object", parameters, expires_s), headers)

    # --- private -----------------------------------------------------------------------------------------------------

    def _put_whole(self, asset: Asset, path: Path, recipe: str | None, *, overwrite: bool) -> bool:
        """Upload a small file; False if its object exists."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        condition = {} if overwrite else {"IfNoneMatch": "*"}
        with path.open("rb") as body:
            try:
                self.client.put_object(
                    **self._attributes(asset, recipe),
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

    def _attributes(self, asset: Asset, recipe: str | None) -> dict[str, Any]:
        return {
            "Bucket": self.settings.bucket,
            "Key": store_key(asset),
            "ContentType": asset.media_type,
            "CacheControl": CACHE_CONTROL,
            "Metadata": {"recipe": recipe} if recipe else {},
        }

    def _signed_url(self, operation: str, parameters: dict[str, Any], expires_s: int) -> str:
        if not 0 < expires_s <= MAX_EXPIRES_S:
            message = f"A URL cannot be signed for {expires_s} seconds."
            raise errors.MediaError(
                message, hint="Choose one second to seven days; the URLs of a public bucket do not expire."
            )
        url: str = self.client.generate_presigned_url(
            operation, Params={"Bucket": self.settings.bucket, **parameters}, ExpiresIn=expires_s
        )
        return url

    def _listed(self, prefix: str, older_than_s: float = 0.0) -> Iterator[StoredObject]:
        newest = datetime.now(UTC) - timedelta(seconds=older_than_s)
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket, Prefix=prefix)
        for page in _next_pages(self.settings, pages):
            for item in page.get("Contents", ()):
                match = _KEY.fullmatch(item["Key"])
                if match and match[3] in _TYPES and (not older_than_s or item["LastModified"] < newest):
                    yield StoredObject(match[2], item["Key"], int(item["Size"]), _TYPES[match[3]])


def base64_sha256(sha256: str) -> str:
    """A digest in the encoding of S3.

    >>> base64_sha256("00" * 32)[:4]
    'AAAA'
    """
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def lost(sha256: str, settings: BucketSettings) -> errors.LostAssetError:
    """The error for an asset that neither folder nor bucket has."""
    message = f"Asset {sha256[:12]} is neither in the local folder nor in the bucket {settings.bucket}."
    return errors.LostAssetError(message, hint="Restore the file, or run its node again.")


def _next_pages(settings: BucketSettings, pages: Iterable[Any]) -> Iterator[Any]:
    """Iterate over pages; only fetching a page is inside `bucket_errors`, not the caller's loop body."""
    iterator = iter(pages)
    while True:
        with bucket_errors(settings):
            page = next(iterator, None)
        if page is None:
            return
        yield page
