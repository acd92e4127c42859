"""One S3 server for all tests that need one. Used as a plugin: `pytest_plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.s3 import NO_WEED, WEED, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.s3 import S3Server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The S3 server of this test run, on loopback, with an empty bucket."""
    if not WEED.exists():
        pytest.skip(NO_WEED)
    with s3_server(tmp_path_factory.mktemp("seaweed")) as running:
        yield running
