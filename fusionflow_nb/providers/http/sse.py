"""Parser of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

EventCallback: TypeAlias = Callable[[dict[str, Any]], None]
_GAP = 4
"""Length of the longest separator of two events (`\\r\\n\\r\\n`), which may span two chunks."""


class Events:
    r"""Incremental parser of an event stream.

    >>> received = []
    >>> events = Events(received.append)
    >>> events.feed(b'event: a\ndata: {"n": 1}\n\ndata: {"n"')
    >>> received, events.last_event, events.size
    ([{'n': 1}], b'{"n": 1}', 10)
    """

    def __init__(self, on_event: EventCallback) -> None:
        self.on_event = on_event
        self.last_event = b""
        self._rest = bytearray()

    @property
    def size(self) -> int:
        """Bytes of the incomplete event."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> None:
        """Parse a chunk and dispatch complete events. Events may have megabytes, so only the new part is searched."""
        before = max(0, len(self._rest) - _GAP)
        self._rest += chunk
        if self._rest.find(b"\n\n", before) < 0 and self._rest.find(b"\r\n\r\n", before) < 0:
            return
        *whole, rest = bytes(self._rest).replace(b"\r\n", b"\n").split(b"\n\n")
        self._rest = bytearray(rest)
        for event in whole:
            self._dispatch([line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")])

    def _dispatch(self, lines: list[bytes]) -> None:
        try:
            event = json.loads(b"\n".join(lines))
        except (ValueError, RecursionError):
            return  # a comment, or a final marker such as [DONE]
        if isinstance(event, dict):
            self.last_event = b"\n".join(lines)
            self.on_event(event)
