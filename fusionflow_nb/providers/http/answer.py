"""The answer of a service: read completely, with a size limit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.providers.http.retry_after import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, REDIRECT, CLIENT_ERROR, SERVER_ERROR = 200, 300, 400, 500
SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, and body. In the body of an error, keys are replaced by `<key>`."""

    provider: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return OK <= self.status < REDIRECT

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Parse the body as JSON, whatever the content type is.

        Raises:
            ProviderError: not JSON (a proxy's page, for example). `is_retryable`, so that accepted work is kept.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no content type")[:60]
            raise errors.ProviderError(
                f"The service answered with {kind} instead of JSON: {self.text()!r}.",
                provider=self.provider,
                status=self.status,
                hint="A proxy may have answered instead of the service: open a page in a browser.",
                is_retryable=True,
            ) from None

    def json_or_none(self) -> Any:  # noqa: ANN401 - JSON
        """Parse the body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> dict[str, Any]:
        """Parse the body as a JSON object.

        Raises:
            ProviderError: not a JSON object.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise errors.ProviderError(
                f"The service answered with undocumented JSON: {self.text()!r}.",
                provider=self.provider,
                status=self.status,
                hint="Its API may have changed. A newer version of this package may support it.",
                is_retryable=True,
            )
        return value

    def text(self) -> str:
        """The first 300 characters of the body in one line, for messages."""
        return " ".join(self.body[: SHOWN_CHARACTERS * 4].decode("utf-8", "replace").split())[:SHOWN_CHARACTERS]

    def retry_after_s(self) -> float | None:
        """The delay that the service requests before a retry."""
        return retry_after_s(self.headers, self.json_or_none())
