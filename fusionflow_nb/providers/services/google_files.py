"""Upload of large media to Google's Files API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.providers import check_size

if TYPE_CHECKING:
    from fusionflow_nb.providers import Http, Reference

UPLOAD_BYTES = 2_000_000_000
MAX_POLLS, POLL_S = 60, 2.0
"""Polls until Google has processed an uploaded video."""


async def upload_file(http: Http, version: str, reference: Reference) -> str:
    """Upload a reference; returns its URI, which is valid for two days.

    Raises:
        MediaError: the file is too large.
        ProviderError: the upload failed, or the service cannot read the file.
    """
    asset = reference.asset
    check_size(asset.size_bytes, UPLOAD_BYTES, "The file", provider="google")
    upload_headers = {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-header-content-length": str(asset.size_bytes),
        "x-goog-upload-header-content-type": asset.media_type,
    }
    upload = await http.request(
        "POST",
        f"{http.endpoint.root()}/upload/{version}/files",
        {"file": {"mime_type": asset.media_type, "size_bytes": asset.size_bytes}},
        headers={**upload_headers, "x-goog-upload-command": "start"},
        tries=3,
    )
    uploaded = await http.request(
        "POST",
        upload.headers.get("x-goog-upload-url", ""),
        headers={
            **upload_headers,
            "x-goog-upload-command": "upload, finalize",
            "x-goog-upload-offset": "0",
            "content-type": "application/json",  # as the official client sends; the real type is in upload_headers
        },
        content=await asyncio.to_thread(reference.file.read_bytes),
    )
    file = uploaded.json_object().get("file")
    for _ in range(MAX_POLLS):
        if not isinstance(file, dict) or file.get("state") != "PROCESSING":
            break
        await http.sleep(POLL_S)
        file = (await http.request("GET", str(file.get("uri")), tries=3)).json_object()
    if isinstance(file, dict) and file.get("state") == "ACTIVE" and isinstance(file.get("uri"), str):
        return str(file["uri"])
    raise errors.ProviderError(
        "The upload failed, or the service cannot read the file.",
        provider="google",
        hint="Try another format (PNG, JPEG, MP4).",
    )
