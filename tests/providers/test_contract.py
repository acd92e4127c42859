"""The built-in adapters pass the contract tests that the package ships."""

from __future__ import annotations

import pytest

from fusionflow_nb.testing.contract import AdapterContract, FailureContract


@pytest.mark.slow
class TestContract(AdapterContract, FailureContract):
    """Every built-in adapter, by the fixture `adapter` of conftest.py."""
