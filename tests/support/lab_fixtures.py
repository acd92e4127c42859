"""A server for the tests of a module, and an authenticated client. Used as a plugin: `pytest_plugins`."""

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
    """An authenticated client."""
    with server.client() as created:
        yield created


@pytest.fixture
def nothing_left(server: Server) -> Iterator[None]:
    """Assert that the test stores nothing and leaves no part file."""
    before = server.stored()
    yield
    until(lambda: not server.incoming, "the end of every part file")
    assert server.stored() == before
