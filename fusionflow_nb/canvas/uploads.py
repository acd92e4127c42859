"""Files that a person drops onto a canvas: where the browser puts them, and what they are once they are there.

Two questions, the same whatever store there is. `place_upload`: where to PUT these bytes, and with which headers; a
bucket's signed address, or Jupyter's. `confirm_upload`: they are there; what asset are they?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import DECLARED_TYPES, HEAD_BYTES, sniff
from fusionflow_nb.lab.signing import MAX_UPLOAD_BYTES
from fusionflow_nb.media.values import Asset
from fusionflow_nb.session import current_session

if TYPE_CHECKING:
    from fusionflow_nb.canvas.asset_urls import AssetUrls
    from fusionflow_nb.canvas.messages import ConfirmUpload, PlaceUpload

LASTS_S = 3600
"""How long an upload may begin."""
MAX_PREVIEW_BYTES = 200_000
MAX_PREVIEW_PX = 256


def told(said: PlaceUpload | ConfirmUpload, buffers: list[Any], addresses: AssetUrls) -> dict[str, Any]:
    """The answer to either question. Raises what `placed` and `confirmed` raise."""
    return placed(said, buffers, addresses) if said.type == "place_upload" else confirmed(said, buffers)


def placed(said: PlaceUpload, buffers: list[Any], addresses: AssetUrls) -> dict[str, Any]:
    """`{url, headers, media_type}`; `headers` is null where the address asks for none but the type.

    Raises:
        MediaError: no medium that this house stores, or a length that cannot be uploaded.
    """
    media_type = _proven(said.media_type, bytes(buffers[0])[:HEAD_BYTES] if buffers else b"")
    signed = None
    if said.via == "any":
        if not 0 < said.size_bytes <= MAX_UPLOAD_BYTES:
            message = f"A file of {said.size_bytes} bytes cannot be uploaded."
            raise errors.MediaError(message, hint=f"Files of 1 byte to {MAX_UPLOAD_BYTES >> 30} GB can.")
        asset = Asset(said.sha256, media_type, said.size_bytes)
        signed = current_session().store.put_url(asset, expires_s=LASTS_S)
    if signed is not None:
        return {"url": signed.url, "headers": signed.headers, "media_type": media_type}
    url = addresses.upload(said.sha256, media_type=media_type, size_bytes=said.size_bytes)
    return {"url": url, "headers": None, "media_type": media_type}


def confirmed(said: ConfirmUpload, buffers: list[Any]) -> dict[str, Any]:
    """`{asset}`, once the store has it. No byte of it passes through here but those that tell its type.

    Raises:
        LostAssetError: it has not arrived.
        CorruptAssetError: something else has.
    """
    asset = Asset(said.sha256, said.media_type, said.size_bytes, said.width, said.height, said.duration_s)
    preview = bytes(buffers[0]) if buffers else None
    store = current_session().store
    return {"asset": store.confirm(asset, preview if preview and _is_preview(preview) else None).to_json()}


def away_url(asset: Asset, lasts_s: int) -> str | None:
    """Where the browser finds bytes that only the bucket has; None of those on this machine."""
    return current_session().store.away_url(asset, expires_s=lasts_s)


def _proven(announced: str, head: bytes) -> str:
    """The type that the first bytes prove; where they prove none, it cannot be stored."""
    proven = sniff(head) if head else announced
    if proven is None and announced not in DECLARED_TYPES:
        raise errors.MediaError(
            "This file is no picture, video or sound of a known kind.",
            hint="Use PNG, JPEG, WebP, GIF, AVIF, MP4, WebM, WAV, MP3, Ogg, FLAC.",
        )
    found = proven or announced
    if _kind(found) != _kind(announced):
        raise errors.MediaError(
            f"{ascii(announced)[1:-1][:80]} was announced, and the file is {found}.",
            hint="Check the file's extension: browsers take the type from it.",
        )
    return found


def _kind(media_type: str) -> str:
    family = media_type.partition("/")[0]
    # Film and sound share containers: only opening one tells which it is.
    return "film or sound" if family in {"video", "audio"} else family


def _is_preview(data: bytes) -> bool:
    """A small WebP: a browser's word for it is not enough, since it is shown without being looked at again."""
    from fusionflow_nb.media.picture import picture_facts  # noqa: PLC0415 - Pillow only when there is a picture

    if len(data) > MAX_PREVIEW_BYTES:
        return False
    try:
        facts = picture_facts(data)
    except errors.MediaError:
        return False
    return facts.media_type == "image/webp" and max(facts.width, facts.height) <= MAX_PREVIEW_PX
