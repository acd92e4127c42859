"""A recipe as text, and back: bounded, strict JSON, nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RECIPE_BYTES = 1 << 20

# Other programs use comment fields too, so a recipe is marked there.
_COMMENT_KEY = "fusionflow"


def recipe_to_text(recipe: Mapping[str, Any]) -> str:
    """Canonical JSON of a recipe.

    Raises:
        MediaError: it is no JSON object, cannot be written as UTF-8, or is above 1 MiB.
    """
    try:
        text = canonical_json(dict(recipe))
        size = len(text.encode())
    except (UnicodeEncodeError, RecursionError) as error:
        message = "This recipe cannot be written as text (it holds half a character, or is nested too deep)."
        raise errors.MediaError(message, hint="Check the prompts and settings in it.") from error
    if size > MAX_RECIPE_BYTES:
        raise too_large()
    return text


def recipe_from_text(text: str) -> dict[str, Any]:
    """The recipe of a text found in a file.

    Raises:
        MediaError: above 1 MiB, or no JSON object that could be written again.
    """
    try:
        if len(text.encode()) > MAX_RECIPE_BYTES:
            raise too_large()
        recipe = json.loads(text)
        # What could not be written must not come in either: infinities, half characters.
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
    """A recipe above the limit, on its way in or out."""
    message = f"A recipe above {MAX_RECIPE_BYTES >> 20} MiB is refused."
    return errors.MediaError(message, hint="Keep media out of the recipe: name assets by their sha256.")


def damaged() -> errors.MediaError:
    """A recipe is there and cannot be read."""
    message = "The file carries a recipe that cannot be read: it is damaged, or not a FusionFlow recipe."
    return errors.MediaError(message, hint="Use the original file; copies made by other programs may have cut it.")
