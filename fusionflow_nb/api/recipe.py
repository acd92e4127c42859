"""`ff.recipe(path)`: the flow that a saved picture, video or sound carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.api import recipe_files
from fusionflow_nb.api.flow import Flow

if TYPE_CHECKING:
    from pathlib import Path


def recipe(path: str | Path) -> Flow:
    """The flow that made a saved picture, video or sound. Nothing is executed by reading it.

    Raises:
        MediaError: the file carries no recipe.
    """
    return Flow.from_document(recipe_files.read(path))
