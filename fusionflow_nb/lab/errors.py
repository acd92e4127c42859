"""Errors of the server extension, and the HTTP status of each error class."""

from __future__ import annotations

from fusionflow_nb import errors


class ForgedLinkError(errors.StoreError):
    """A signed address was altered, or signed with another secret."""

    code = "forged_link"

    def __init__(self) -> None:
        super().__init__(
            "This address was not signed by your kernel, or was altered on the way.",
            hint="Try again from the canvas; if it stays so, kernel and Jupyter server use different FUSIONFLOW_HOME.",
        )


class ExpiredLinkError(errors.StoreError):
    """A signed address is past its time."""

    code = "expired_link"

    def __init__(self) -> None:
        super().__init__("This URL has expired.", hint="Request a new URL: try again.", is_retryable=True)


class WrongLengthError(errors.StoreError):
    """An upload is longer or shorter than announced."""

    code = "wrong_length"

    def __init__(self, announced_bytes: int, came: str) -> None:
        super().__init__(
            f"{announced_bytes} bytes were announced and {came} came; nothing was stored.",
            hint="The file may have changed while it was read; choose it again.",
            is_retryable=True,
        )


class TooLongError(WrongLengthError):
    """An upload exceeds the announced length."""


class WrongDigestError(errors.StoreError):
    """The bytes of an upload are not those whose sha256 was announced."""

    code = "wrong_digest"

    def __init__(self, announced: str, came: str) -> None:
        super().__init__(
            f"The bytes announced as {announced[:12]} arrived as {came[:12]}; nothing was stored.",
            hint="The file may have changed while it was read; choose it again.",
            is_retryable=True,
        )


class WrongTypeError(errors.StoreError):
    """An upload is another kind of media than announced."""

    code = "wrong_type"

    def __init__(self, announced: str, came: str) -> None:
        super().__init__(
            f"{ascii(announced)[1:-1]} was announced and {ascii(came)[1:-1][:100]} came; nothing was stored.",
            hint="Check the file's extension: browsers take the type from it.",
        )


class StalledError(errors.StoreError):
    """An upload stalled for too long."""

    code = "stalled"

    def __init__(self, idle_s: float) -> None:
        super().__init__(
            f"No byte came for {idle_s:g} s; nothing was stored.",
            hint="Check the connection and try again.",
            is_retryable=True,
        )


class CutOffError(errors.StoreError):
    """An upload ended early because the browser disconnected."""

    code = "cut_off"

    def __init__(self) -> None:
        super().__init__("The browser went away in the middle of an upload.", hint="Drop the file again.")


class NoPreviewError(errors.StoreError):
    """There is nothing to show of an asset."""

    code = "no_preview"

    def __init__(self, sha256: str) -> None:
        super().__init__(f"Asset {sha256[:12]} has no preview.", hint="Show its name and size instead.")


class MalformedQueryError(errors.StoreError):
    """A field of the query is missing or is not what it should be."""

    code = "malformed_query"

    def __init__(self, field: str) -> None:
        super().__init__(f"The field {field!r} of this address is missing or malformed.", hint="Ask for a new address.")


# The first class that fits decides; what is not listed is the server's own fault.
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
