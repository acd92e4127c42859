"""Our adapters keep what strangers' must: the suite is the one that the package ships."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ADAPTERS

from fusionflow_nb.providers.contract import Adapter, AdapterContract


class TestContract(AdapterContract):
    """Every adapter of the package."""

    @pytest.fixture(params=ADAPTERS)
    def adapter(self, request: Any) -> Adapter:
        """One after the other."""
        return ADAPTERS[request.param]
