"""What every adapter keeps, as tests: ours and strangers' run the same suite against a simulated service.

    class TestAcme(AdapterContract, FailureContract):
        @pytest.fixture
        def adapter(self) -> Adapter:
            return Adapter(Acme, image="dawn-1", side=AcmeSide)

`AdapterContract` is what a service does, on good days and bad; `FailureContract` what comes between it and us.

It needs pytest and pytest-asyncio: `pip install 'fusionflow-nb[contract]'`.
"""

import pytest

# Before the suite is imported: a failed assert shall show what it compared.
for _module in ("asking", "failures", "suite"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from fusionflow_nb.testing.contract.adapter import Adapter  # noqa: E402
from fusionflow_nb.testing.contract.failures import FailureContract  # noqa: E402
from fusionflow_nb.testing.contract.suite import AdapterContract  # noqa: E402

__all__ = ["Adapter", "AdapterContract", "FailureContract"]
