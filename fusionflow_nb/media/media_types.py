"""The media types that stores accept, and their file extensions; used by stores and tape."""

from __future__ import annotations

from fusionflow_nb import errors

# One extension per type and one type per extension; a store tries all to find bytes by their digest.
EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/webm": "weba",
    "audio/x-matroska": "mka",
    "audio/aac": "aac",
    "application/json": "json",
    "text/plain": "txt",
}


def extension(media_type: str) -> str:
    """The file extension of a media type, without the dot.

    Raises:
        MediaError: the type is not supported.

    >>> extension("image/jpeg")
    'jpg'
    """
    if media_type not in EXTENSIONS:
        message = f"{ascii(media_type)[:80]} is not a supported media type."
        raise errors.MediaError(message, hint=f"Known types: {', '.join(EXTENSIONS)}.")
    return EXTENSIONS[media_type]


def file_name(sha256: str, media_type: str) -> str:
    """The path of an asset below a store's root, with `/` as separator: `ab/<sha256>.<ext>`.

    Raises:
        MediaError: the type is not supported.

    >>> file_name("ab" * 32, "image/png").endswith("abab.png")
    True
    """
    return f"{sha256[:2]}/{sha256}.{extension(media_type)}"
