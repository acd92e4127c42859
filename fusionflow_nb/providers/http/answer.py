"""What a service answered, whole and of bounded size."""

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
    """A status, headers in lower case, and the body. A service's own words hold no key: they are cleared of it."""

    provider: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the service says that it worked."""
        return OK <= self.status < REDIRECT

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON, whatever its header calls it.

        Raises:
            ProviderError: it is none (a page of a proxy, say). Accepted work is not lost by it: `is_retryable`.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no content type")[:60]
            raise errors.ProviderError(
                f"The service answered with {kind} where JSON belongs: {self.text()!r}.",
                provider=self.provider,
                status=self.status,
                hint="Something between here and the service may have answered in its place: open a page in a browser.",
                is_retryable=True,
            ) from None

    def json_or_none(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ProviderError: it is none.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise errors.ProviderError(
                f"The service answered with JSON of another form than its documentation has: {self.text()!r}.",
                provider=self.provider,
                status=self.status,
                hint="It may have changed: a newer version of this package may know it.",
                is_retryable=True,
            )
        return found

    def text(self) -> str:
        """The beginning of the body as one line, for people."""
        return " ".join(self.body[: SHOWN_CHARACTERS * 4].decode("utf-8", "replace").split())[:SHOWN_CHARACTERS]

    def retry_after_s(self) -> float | None:
        """How long the service asks us to wait."""
        return retry_after_s(self.headers, self.json_or_none())
