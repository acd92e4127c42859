"""A TCP proxy to an S3 server that a test can interrupt: open connections break, new connections are closed."""

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


class Proxy:
    """A TCP proxy. Its `settings` have the proxy as endpoint.

    Args:
        settings: settings of the bucket behind the proxy.
        cut_after_bytes: interrupts the connection after so many sent bytes.
    """

    def __init__(self, settings: BucketSettings, *, cut_after_bytes: int | None = None) -> None:
        remote = urlsplit(settings.endpoint)
        self._remote = (remote.hostname, remote.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._remaining_bytes = cut_after_bytes
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
        """Break every open connection, and close new connections immediately."""
        self._is_cut = True
        self.was_cut.set()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Accept connections again."""
        self._remaining_bytes = None
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                local.close()
                continue
            try:
                remote = socket.create_connection(self._remote)
            except OSError:
                local.close()
                continue
            with self._lock:
                self._open |= {local, remote}
            threading.Thread(target=self._relay, args=(local, remote, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(remote, local, False), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, is_out: bool) -> None:  # noqa: FBT001 - direction
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                target.sendall(data)
                if is_out:
                    self._count(len(data))
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()

    def _count(self, size: int) -> None:
        self.sent_bytes += size
        if self._remaining_bytes is not None:
            self._remaining_bytes -= size
            if self._remaining_bytes <= 0:
                self._remaining_bytes = None
                self.cut()
