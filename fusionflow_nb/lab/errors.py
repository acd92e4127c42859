"""Errors of the server extension, and the HTTP status of each error class."""

from __future__ import annotations

from fusionflow_nb import errors


class ForgedLinkError(errors.StoreError):
    """A signed URL was altered, or signed with another secret."""

    code = "forged_link"

    def __init__(self) -> None:
        super().__init__(
            "The signature of this URL is invalid.",
            hint="Try again from the canvas. If the error remains, kernel and Jupyter server use different values of "
            "FUSIONFLOW_HOME.",
        )


class ExpiredLinkError(errors.StoreError):
    """A signed URL has expired."""

    code = "expired_link"

    def __init__(self) -> None:
        super().__init__("This URL has expired.", hint="Try again: the canvas requests a new URL.", is_retryable=True)


class WrongLengthError(errors.StoreError):
    """An upload is longer or shorter than declared."""

    code = "wrong_length"

    def __init__(self, declared_bytes: int, received: str) -> None:
        super().__init__(
            f"Expected an upload of {declared_bytes} bytes, received {received}; nothing was stored.",
            hint="The file may have changed while it was read; choose it again.",
            is_retryable=True,
        )


class TooLongError(WrongLengthError):
    """An upload exceeds the declared length."""


class WrongDigestError(errors.StoreError):
    """The sha256 of an upload differs from the declared sha256."""

    code = "wrong_digest"

    def __init__(self, declared: str, received: str) -> None:
        super().__init__(
            f"Expected bytes with sha256 {declared[:12]}, received {received[:12]}; nothing was stored.",
            hint="The file may have changed while it was read; choose it again.",
            is_retryable=True,
        )


class WrongTypeError(errors.StoreError):
    """An upload is another kind of media than declared."""

    code = "wrong_type"

    def __init__(self, declared: str, received: str) -> None:
        super().__init__(
            f"Expected {ascii(declared)[1:-1]}, received {ascii(received)[1:-1][:100]}; nothing was stored.",
            hint="Check the file's extension: the browser derives the type from it.",
        )


class StalledError(errors.StoreError):
    """An upload stalled for too long."""

    code = "stalled"

    def __init__(self, idle_s: float) -> None:
        super().__init__(
            f"The upload stalled for {idle_s:g} s; nothing was stored.",
            hint="Check the connection and try again.",
            is_retryable=True,
        )


class CutOffError(errors.StoreError):
    """An upload ended early because the browser disconnected."""

    code = "cut_off"

    def __init__(self) -> None:
        super().__init__("The browser disconnected during the upload.", hint="Drop the file again.")


class NoPreviewError(errors.StoreError):
    """An asset has no preview image."""

    code = "no_preview"

    def __init__(self, sha256: str) -> None:
        super().__init__(f"Asset {sha256[:12]} has no preview.", hint="Show its name and size instead.")


class MalformedQueryError(errors.StoreError):
    """A field of the query is missing or malformed."""

    code = "malformed_query"

    def __init__(self, field: str) -> None:
        super().__init__(f"The query field {field!r} is missing or malformed.", hint="Request a new URL.")


# The first matching class decides; other errors are 500.
_STATUS: tuple[tuple[type[errors.FusionFlowError], int], ...] = (
    (ForgedLinkError, 403),
    (ExpiredLinkError, 403),
    (TooLongError, 413),
    (WrongLengthError, 400),
    (MalformedQueryError, 400),
    (WrongDigestError, 422),
    (WrongTypeError, 415),
    (StalledError, 408),
    (NoPreviewError, 404),
    (errors.LostAssetError, 404),
    (errors.DiskFullError, 507),
    (errors.MediaError, 415),
)


def status_of(error: errors.FusionFlowError) -> int:
    """The HTTP status of an error.

    >>> status_of(ExpiredLinkError())
    403
    """
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
