"""A node type: what a node takes, gives and does, as data. Read from type hints (`declare.py`), executed elsewhere."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fusionflow_nb import errors
from fusionflow_nb.media.values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from fusionflow_nb.media.ports import PortType


class Kind(StrEnum):
    """Who does the work."""

    STRUCTURAL = "structural"
    """Values only (text, numbers, lists): computed where it stands, no generation is logged."""
    LOCAL = "local"
    """A transform or a Python function in this kernel."""
    PROVIDER = "provider"
    """A call to a model, through the Universal API."""


class Passes(StrEnum):
    """In what form a local function receives media and returns it."""

    HANDLES = "handles"
    """`ff.Image` and the other handles; returns a handle, picture, array, path, bytes or value."""
    PICTURES = "pictures"
    """Pillow images in (of a video, the frame that stands for it), Pillow images out."""
    FILES = "files"
    """Paths in; keyword `output` says where to write; `tick(fraction)` reports progress and may raise to cancel."""


class Collects(StrEnum):
    """How an input port treats a batch."""

    NO = "no"
    """The node runs once per cell."""
    ALL = "all"
    """`list[...]`: every cell in one list; a hole means the node cannot run."""
    CELLS = "cells"
    """`Batch[...]`: labels and holes included."""


@dataclass(frozen=True, slots=True)
class InputPort:
    """A named typed input. Every parameter is one too: an edge into it replaces the value in the form."""

    name: str
    type: PortType
    collects: Collects = Collects.NO
    is_required: bool = False
    is_parameter: bool = True
    default: Any = None


@dataclass(frozen=True, slots=True)
class OutputPort:
    """A named typed output. `is_series`: it adds an axis whose length is known when the node has run."""

    name: str
    type: PortType
    is_series: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A name that a function takes from outside itself, and what it stood for."""

    function: Callable[..., Any]
    name: str
    value: Any


@dataclass(frozen=True)
class NodeType:
    """The declaration of a node type.

    `run` is a dotted name (`package.module:function`), imported only when a node runs, or a function.
    `version` is raised when the same inputs would give another result; Python nodes carry `source_digest` instead.
    `volatile` says why results of this node can never be found again (a Python node that closes over a DataFrame).
    """

    name: str
    kind: Kind
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    params: type[BaseModel]
    run: str | Callable[..., Any] | None = None
    title: str = ""
    category: str = ""
    summary: str = ""
    version: int | str = 1
    task: str | None = None
    passes: Passes = Passes.HANDLES
    extra_inputs: PortType | None = None
    """Further inputs under any name (`**values: str`), or None."""
    extra_outputs: PortType | None = None
    """Outputs under any name (columns of a table), or None."""
    source_digest: str | None = None
    volatile: str | None = None
    context: str | None = None
    """The parameter that takes the `Context`, if the function wants one."""
    is_async: bool = False
    is_recorded: bool = True
    timeout_s: float | None = None
    not_in_key: frozenset[str] = frozenset()
    reads: tuple[Read, ...] = ()
    """What a Python node takes from outside itself, as it was when its source was digested."""
    by_name: dict[str, InputPort] = field(init=False, repr=False, compare=False, default_factory=dict)
    _checks: dict[str, Callable[[Any], Any] | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name.update({port.name: port for port in self.inputs})

    def input(self, name: str, *, node_id: str | None = None) -> InputPort:
        """The input port of a name.

        Raises:
            PortError: there is none; lists those there are.
        """
        port = self.by_name.get(name)
        if port is not None:
            return port
        if self.extra_inputs is not None:
            return InputPort(name, self.extra_inputs)
        known = ", ".join(self.by_name) or "none"
        raise errors.PortError(f"{self.name} has no input {name!r}.", node_id=node_id, hint=f"Its inputs: {known}.")

    def output(self, name: str, *, node_id: str | None = None) -> OutputPort:
        """The output port of a name.

        Raises:
            PortError: there is none; lists those there are.
        """
        for port in self.outputs:
            if port.name == name:
                return port
        if self.extra_outputs is not None:
            return OutputPort(name, self.extra_outputs)
        known = ", ".join(port.name for port in self.outputs) or "none"
        raise errors.PortError(f"{self.name} has no output {name!r}.", node_id=node_id, hint=f"Its outputs: {known}.")

    def coerced(self, name: str, value: Any) -> Any:  # noqa: ANN401 - a parameter
        """A value for one parameter in the parameter's own type, as the form would take it.

        Raises:
            ValidationError: pydantic's, where the form would refuse it.
        """
        if name not in self._checks:
            declared = self.params.model_fields.get(name)
            adapter = None if declared is None else TypeAdapter(declared.rebuild_annotation())
            self._checks[name] = None if adapter is None else adapter.validate_python
        check = self._checks[name]
        return value if check is None else check(value)

    def collects(self, name: str) -> bool:
        """Whether several edges may end in this input."""
        port = self.by_name.get(name)
        return port is not None and port.collects is not Collects.NO

    @property
    def list_ports(self) -> frozenset[str]:
        """Names of the inputs that take a list."""
        return frozenset(port.name for port in self.inputs if port.collects is Collects.ALL)

    @property
    def first_output(self) -> str:
        """What stands for a placed node where no port is named."""
        return self.outputs[0].name if self.outputs else ""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the declaration itself adds to a content key."""
        if self.source_digest is not None:
            return {"type": "python", "source": self.source_digest, "version": self.version}
        return {"type": self.name, "version": self.version}

    @cached_property
    def fingerprint_text(self) -> str:
        """The same as canonical JSON."""
        return canonical_json(self.fingerprint)

    def function(self) -> Callable[..., Any]:
        """The function that does the work, imported now if it was only named."""
        if callable(self.run):
            return self.run
        if self.run is None:
            raise errors.UnknownNodeTypeError(f"{self.name} has no function of its own.")
        module, _, name = self.run.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found
