"""A line to an S3 server that a test can cut: connections through it break, and no new ones are let through."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from fusionflow_nb.assets.s3.settings import BucketSettings

_CHUNK_BYTES = 64 << 10


class Line:
    """A TCP relay. `settings` leads through it.

    Args:
        settings: of the bucket behind it.
        cut_after_bytes: it cuts itself once so much has gone out.
    """

    def __init__(self, settings: BucketSettings, *, cut_after_bytes: int | None = None) -> None:
        there = urlsplit(settings.endpoint)
        self._there = (there.hostname, there.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._left = cut_after_bytes
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.was_cut = threading.Event()
        self.sent_bytes = 0
        port = self._listener.getsockname()[1]
        self.settings = dataclasses.replace(settings, endpoint=f"http://127.0.0.1:{port}")
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Break every connection, and each new one at once."""
        self._is_cut = True
        self.was_cut.set()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let everything through again."""
        self._left = None
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                here.close()
                continue
            try:
                there = socket.create_connection(self._there)
            except OSError:
                here.close()
                continue
            with self._lock:
                self._open |= {here, there}
            threading.Thread(target=self._relay, args=(here, there, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(there, here, False), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, is_out: bool) -> None:  # noqa: FBT001 - which way
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                target.sendall(data)
                if is_out:
                    self._count(len(data))
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()

    def _count(self, size: int) -> None:
        self.sent_bytes += size
        if self._left is not None:
            self._left -= size
            if self._left <= 0:
                self._left = None
                self.cut()
