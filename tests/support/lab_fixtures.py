"""A server for the tests of a module, and somebody who is let in. Used as a plugin: `pytest_plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lab import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from support.lab import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module."""
    with serving(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """Somebody who is let in."""
    with server.client() as made:
        yield made


@pytest.fixture
def nothing_left(server: Server) -> Iterator[None]:
    """The test stores nothing and leaves nothing on its way in."""
    before = server.stored()
    yield
    until(lambda: not server.incoming, "the end of every part file")
    assert server.stored() == before
