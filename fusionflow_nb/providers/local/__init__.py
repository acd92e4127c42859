"""The embedded default: procedural pictures (never called AI), classical and small neural models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusionflow_nb.providers.local.adapter import LocalProvider


def provider() -> LocalProvider:
    """The entry point."""
    from fusionflow_nb.providers.local.adapter import LocalProvider  # noqa: PLC0415 - loaded when a model is asked for

    return LocalProvider()
