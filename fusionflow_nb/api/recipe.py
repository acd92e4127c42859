"""`ff.recipe(path)`: read the flow from a saved picture, video or sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.api import recipe_files
from fusionflow_nb.api.flow import Flow

if TYPE_CHECKING:
    from pathlib import Path


def recipe(path: str | Path) -> Flow:
    """Read the flow that generated a saved picture, video or sound. Nothing in it is executed.

    Raises:
        MediaError: the file contains no recipe.
    """
    return Flow.from_document(recipe_files.read(path))
