"""State that the handlers of one server share: the home folder, its store, and threads for blocking work."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fusionflow_nb.assets.local import LocalFolderStore

T = TypeVar("T")

# Each upload in progress holds a thread; further uploads wait unread in their connections.
MAX_CONCURRENT_UPLOADS = 8
_WORKERS = 4


class ServerState:
    """The home folder and the resources of a server. Nothing is opened before the first request.

    Args:
        home: see `settings.environment.home_folder`; need not exist.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.upload_slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)
        self._workers = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="fusionflow-lab")
        self._store: LocalFolderStore | None = None
        self._lock = threading.Lock()

    def store(self) -> LocalFolderStore:
        """The store below the home folder. The first call blocks to import the media libraries."""
        from fusionflow_nb.assets.local import LocalFolderStore  # noqa: PLC0415 - Pillow and numpy only when needed

        with self._lock:
            if self._store is None:
                self._store = LocalFolderStore(self.home / "assets")
            return self._store

    async def run_in_thread(self, function: Callable[[], T]) -> T:
        """Run a short blocking function off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)
