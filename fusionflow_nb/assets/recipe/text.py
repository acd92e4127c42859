"""Convert a recipe to text and back: strict JSON of bounded size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RECIPE_BYTES = 1 << 20

# Marks a recipe in comment fields, which other programs use too.
_COMMENT_KEY = "fusionflow"


def recipe_to_text(recipe: Mapping[str, Any]) -> str:
    """Canonical JSON of a recipe.

    Raises:
        MediaError: it is not a JSON object, cannot be encoded as UTF-8, or is above 1 MiB.
    """
    try:
        text = canonical_json(dict(recipe))
        size = len(text.encode())
    except (UnicodeEncodeError, RecursionError) as error:
        message = "The recipe cannot be encoded as text (it contains a lone surrogate, or is nested too deep)."
        raise errors.MediaError(message, hint="Check the prompts and settings in it.") from error
    if size > MAX_RECIPE_BYTES:
        raise too_large()
    return text


def recipe_from_text(text: str) -> dict[str, Any]:
    """Parse the text of a recipe.

    Raises:
        MediaError: the text is above 1 MiB, or not a JSON object that could be encoded again.
    """
    try:
        if len(text.encode()) > MAX_RECIPE_BYTES:
            raise too_large()
        recipe = json.loads(text)
        # Refuse what could not be encoded again: infinities, lone surrogates.
        canonical_json(recipe).encode()
    except (ValueError, RecursionError, errors.MediaError) as error:
        raise damaged() from error
    if not isinstance(recipe, dict):
        raise damaged()
    return recipe


def to_comment(text: str) -> str:
    """A recipe as the text of a comment field.

    >>> to_comment('{"seed":7}')
    '{"fusionflow":{"seed":7}}'
    """
    return f'{{"{_COMMENT_KEY}":{text}}}'


def from_comment(comment: str | None) -> str | None:
    """The recipe in a comment field, or None for any other comment.

    >>> from_comment('{"fusionflow":{"seed":7}}')
    '{"seed":7}'
    >>> from_comment("holiday") is None
    True
    """
    head = to_comment("")[:-1]
    if comment is None or not comment.startswith(head) or not comment.endswith("}"):
        return None
    return comment[len(head) : -1]


def too_large() -> errors.MediaError:
    """The error for a recipe above the size limit."""
    message = f"The recipe exceeds the limit of {MAX_RECIPE_BYTES >> 20} MiB."
    return errors.MediaError(message, hint="Refer to assets by their sha256 instead of including media.")


def damaged() -> errors.MediaError:
    """The error for a recipe that cannot be read."""
    message = "The file's recipe cannot be read: it is damaged, or not a FusionFlow recipe."
    return errors.MediaError(message, hint="Use the original file; other programs may have truncated the recipe.")
