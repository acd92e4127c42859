"""Uploads of files that the user drops on a canvas, in two steps, with or without a bucket.

`place_upload` returns where to PUT the bytes and with which headers: a bucket's signed URL, or a URL of the Jupyter
server. `confirm_upload` returns the asset after the PUT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import DECLARED_TYPES, HEAD_BYTES, sniff
from fusionflow_nb.lab.signing import MAX_UPLOAD_BYTES
from fusionflow_nb.media.values import Asset
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.canvas import wire
    from fusionflow_nb.canvas.asset_urls import AssetUrls
    from fusionflow_nb.canvas.messages import ConfirmUpload, PlaceUpload

EXPIRES_S = 3600
"""How long after signing an upload may start."""
MAX_PREVIEW_BYTES = 200_000
MAX_PREVIEW_PX = 256


def place(request: PlaceUpload, buffers: list[Any], urls: AssetUrls) -> wire.UploadTarget:
    """Return `{url, headers, media_type}`; `headers` is null if the URL requires only the content type.

    Raises:
        MediaError: a type that cannot be stored, or a size that cannot be uploaded.
    """
    media_type = _checked_type(request.media_type, bytes(buffers[0])[:HEAD_BYTES] if buffers else b"")
    signed = None
    if request.via == "any":
        if not 0 < request.size_bytes <= MAX_UPLOAD_BYTES:
            message = f"A file of {request.size_bytes} bytes cannot be uploaded."
            raise errors.MediaError(message, hint=f"Files of 1 byte to {MAX_UPLOAD_BYTES >> 30} GB can.")
        asset = Asset(request.sha256, media_type, request.size_bytes)
        signed = current_session().store.put_url(asset, expires_s=EXPIRES_S)
    if signed is not None:
        return {"url": signed.url, "headers": signed.headers, "media_type": media_type}
    url = urls.upload(request.sha256, media_type=media_type, size_bytes=request.size_bytes)
    return {"url": url, "headers": None, "media_type": media_type}


def confirm(request: ConfirmUpload, buffers: list[Any]) -> wire.AssetReply:
    """Return `{asset}` if the store has the bytes. Reads only the first bytes, to check the type.

    Raises:
        LostAssetError: the bytes have not arrived.
        CorruptAssetError: other bytes have arrived.
    """
    asset = Asset(
        request.sha256, request.media_type, request.size_bytes, request.width, request.height, request.duration_s
    )
    preview = bytes(buffers[0]) if buffers else None
    store = current_session().store
    return {"asset": store.confirm(asset, preview if preview and _is_preview(preview) else None).to_json()}


def remote_url(asset: Asset, expires_s: int) -> str | None:
    """The URL of bytes that are only in the bucket; None if they are on this machine."""
    return current_session().store.remote_url(asset, expires_s=expires_s)


def _checked_type(declared: str, head: bytes) -> str:
    """The media type by the file's first bytes. Raises MediaError if it is unknown or contradicts the declared type."""
    sniffed = sniff(head) if head else declared
    if sniffed is None and declared not in DECLARED_TYPES:
        raise errors.MediaError(
            "This file is not an image, video or sound of a supported type.",
            hint="Use PNG, JPEG, WebP, GIF, AVIF, MP4, WebM, WAV, MP3, Ogg, FLAC.",
        )
    media_type = sniffed or declared
    if _family(media_type) != _family(declared):
        raise errors.MediaError(
            f"The file is {media_type}, but the browser declared {ascii(declared)[1:-1][:80]}.",
            hint="Check the file's extension: browsers derive the type from it.",
        )
    return media_type


def _family(media_type: str) -> str:
    family = media_type.partition("/")[0]
    # Video and audio share containers; only decoding distinguishes them.
    return "video or audio" if family in {"video", "audio"} else family


def _is_preview(data: bytes) -> bool:
    """Whether the bytes are a small WebP. Checked because a preview is later shown without another check."""
    from fusionflow_nb.media.picture import picture_facts  # noqa: PLC0415 - Pillow only if there is a preview

    if len(data) > MAX_PREVIEW_BYTES:
        return False
    try:
        facts = picture_facts(data)
    except errors.MediaError:
        return False
    return facts.media_type == "image/webp" and max(facts.width, facts.height) <= MAX_PREVIEW_PX
