"""Server-sent events: told one by one while the answer comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

EventCallback: TypeAlias = Callable[[dict[str, Any]], None]
_GAP = 4
"""The longest mark between two events (`\\r\\n\\r\\n`): one may lie across two chunks."""


class Events:
    r"""What has come of a stream of events.

    >>> heard = []
    >>> events = Events(heard.append)
    >>> events.feed(b'event: a\ndata: {"n": 1}\n\ndata: {"n"')
    >>> heard, events.last_event, events.size
    ([{'n': 1}], b'{"n": 1}', 10)
    """

    def __init__(self, on_event: EventCallback) -> None:
        self.on_event = on_event
        self.last_event = b""
        self._rest = bytearray()

    @property
    def size(self) -> int:
        """Bytes of the event that is not whole yet."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> None:
        """Tell the events that are whole now. A picture is one event of megabytes: only what is new is searched."""
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
            said = json.loads(b"\n".join(lines))
        except (ValueError, RecursionError):
            return  # a comment, or the word that some services end with
        if isinstance(said, dict):
            self.last_event = b"\n".join(lines)
            self.on_event(said)
