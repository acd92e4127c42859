"""The error tree: complete in the module's docstring, with a unique code for every class."""

from __future__ import annotations

import inspect
import re

from fusionflow_nb import errors
from fusionflow_nb.errors import FusionFlowError


def drawn_tree() -> dict[str, str]:
    """Class name -> name of its parent, by the tree in the module's docstring."""
    parents, path = {}, []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│ ]*(?:[├└]── )?)([A-Z]\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            if depth:
                parents[match[2]] = path[depth - 1]
    return parents


def classes() -> list[type[FusionFlowError]]:
    """Every error class that the module defines."""
    members = vars(errors).values()
    return [member for member in members if inspect.isclass(member) and issubclass(member, FusionFlowError)]


def test_the_drawing_is_the_tree() -> None:
    """Every class is drawn once, below its base class."""
    bases = {cls.__name__: cls.__mro__[1].__name__ for cls in classes() if cls is not FusionFlowError}
    assert drawn_tree() == bases


def test_every_error_has_its_own_code() -> None:
    """Codes are on the wire and on the tape: no two classes share one."""
    codes = [cls.code for cls in classes()]
    assert len(codes) == len(set(codes))


def test_every_error_is_documented() -> None:
    """Each class has a docstring."""
    assert all((cls.__doc__ or "").strip() for cls in classes())
