"""What the handlers of one server share: the home folder, its store, and the threads that do blocking work."""

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

# Each upload in progress holds a thread; more wait in the browser's connection, unread.
UPLOADS_AT_ONCE = 8
_WORKERS = 4


class ServerState:
    """A home folder as the server sees it. Costs nothing until the first request.

    Args:
        home: see `settings.environment.home_folder`; need not exist.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._workers = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="fusionflow-lab")
        self._store: LocalFolderStore | None = None
        self._lock = threading.Lock()

    def store(self) -> LocalFolderStore:
        """The store below the home folder. Blocks at the first call: it imports what knows media."""
        from fusionflow_nb.assets.local import LocalFolderStore  # noqa: PLC0415 - Pillow and numpy only when needed

        with self._lock:
            if self._store is None:
                self._store = LocalFolderStore(self.home / "assets")
            return self._store

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do short blocking work off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)
