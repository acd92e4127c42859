"""The built-in provider: procedural models (never called AI), classical models and small neural networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.adapter import LocalProvider


def provider() -> LocalProvider:
    """Create the provider, for the entry point."""
    from fusionflow_nb.providers.local.adapter import LocalProvider  # noqa: PLC0415 - loaded on first use

    return LocalProvider()
