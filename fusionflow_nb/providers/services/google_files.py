"""How large media reach Google: uploaded first, as a file of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.providers.http import check_size

if TYPE_CHECKING:
    from fusionflow_nb.providers.http import Http
    from fusionflow_nb.providers.protocol import Reference

UPLOAD_BYTES = 2_000_000_000
MAX_POLLS, POLL_S = 60, 2.0
"""At an uploaded film, until the service has read it."""


async def upload_file(http: Http, version: str, reference: Reference) -> str:
    """The address of a medium as the service's own file, which it keeps for two days.

    Raises:
        MediaError: it is too long.
        ProviderError: it could not be uploaded, or the service cannot read it.
    """
    asset = reference.asset
    check_size(asset.size_bytes, UPLOAD_BYTES, "The file", provider="google")
    about = {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-header-content-length": str(asset.size_bytes),
        "x-goog-upload-header-content-type": asset.media_type,
    }
    begun = await http.request(
        "POST",
        f"{http.endpoint.root()}/upload/{version}/files",
        {"file": {"mime_type": asset.media_type, "size_bytes": asset.size_bytes}},
        headers={**about, "x-goog-upload-command": "start"},
        tries=3,
    )
    sent = await http.request(
        "POST",
        begun.headers.get("x-goog-upload-url", ""),
        headers={
            **about,
            "x-goog-upload-command": "upload, finalize",
            "x-goog-upload-offset": "0",
            "content-type": "application/json",  # as its own client calls it; what it is stands above
        },
        content=await asyncio.to_thread(reference.file.read_bytes),
    )
    file = sent.json_object().get("file")
    for _ in range(MAX_POLLS):
        if not isinstance(file, dict) or file.get("state") != "PROCESSING":
            break
        await http.sleep(POLL_S)
        file = (await http.request("GET", str(file.get("uri")), tries=3)).json_object()
    if isinstance(file, dict) and file.get("state") == "ACTIVE" and isinstance(file.get("uri"), str):
        return str(file["uri"])
    raise errors.ProviderError(
        "The file could not be uploaded, or the service cannot read it.",
        provider="google",
        hint="Try another format (PNG, JPEG, MP4).",
    )
