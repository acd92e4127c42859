"""Contract tests for provider adapters, built-in and third-party, run against a simulated service.

    class TestAcme(AdapterContract, FailureContract):
        @pytest.fixture
        def adapter(self) -> Adapter:
            return Adapter(Acme, image="dawn-1", simulated_service=SimulatedAcme)

`AdapterContract` tests the adapter against the service; `FailureContract` tests network and credential failures.

Requires pytest and pytest-asyncio: `pip install 'fusionflow-nb[contract]'`.
"""

import pytest

# Must run before the modules are imported, so that failed asserts show the compared values.
for _module in ("requests", "failures", "suite"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from fusionflow_nb.testing.contract.adapter import Adapter  # noqa: E402
from fusionflow_nb.testing.contract.failures import FailureContract  # noqa: E402
from fusionflow_nb.testing.contract.suite import AdapterContract  # noqa: E402

__all__ = ["Adapter", "AdapterContract", "FailureContract"]
