"""Our adapters keep what strangers' must: the suites are those that the package ships."""

from __future__ import annotations

import pytest

from fusionflow_nb.testing.contract import AdapterContract, FailureContract


@pytest.mark.slow
class TestContract(AdapterContract, FailureContract):
    """Every adapter of the package, by the fixture `adapter` of conftest.py."""
