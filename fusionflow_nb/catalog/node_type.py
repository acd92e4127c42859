"""Node types as data: inputs, outputs, parameters and function. `declare.py` creates them from type hints."""

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
    """Where the node's work is done."""

    STRUCTURAL = "structural"
    """Values only (text, numbers, lists): computed while planning; no generation is logged."""
    LOCAL = "local"
    """A transform or a Python function in the kernel."""
    PROVIDER = "provider"
    """A call to a model, through the Universal API."""


class Passes(StrEnum):
    """The form in which a local function takes and returns media."""

    HANDLES = "handles"
    """`ff.Image` and the other handles; returns a handle, picture, array, path, bytes or value."""
    PICTURES = "pictures"
    """Pillow images in (for a video, its representative frame), Pillow images out."""
    FILES = "files"
    """Paths in; writes to the path in `output`; `tick(fraction)` reports progress and raises if cancelled."""


class Collects(StrEnum):
    """How an input port treats a batch."""

    NO = "no"
    """The node runs once per cell."""
    ALL = "all"
    """`list[...]`: all cells in one list; the node cannot run if a cell is missing."""
    CELLS = "cells"
    """`Batch[...]`: all cells with labels, including missing cells."""


@dataclass(frozen=True, slots=True)
class InputPort:
    """A named typed input. Every parameter is an input too: an edge into it replaces the typed-in value."""

    name: str
    type: PortType
    collects: Collects = Collects.NO
    is_required: bool = False
    is_parameter: bool = True
    default: Any = None


@dataclass(frozen=True, slots=True)
class OutputPort:
    """A named typed output. `is_series`: it adds an axis whose length is known after the node has run."""

    name: str
    type: PortType
    is_series: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A name that a function reads from an outer scope, and its value."""

    function: Callable[..., Any]
    name: str
    value: Any


@dataclass(frozen=True)
class NodeType:
    """The declaration of a node type.

    `run` is a dotted name (`package.module:function`), imported only when a node runs, or a function.
    `version` is increased when the same inputs give a different result; Python nodes have a `source_digest` instead.
    `volatile` is the reason why results of this node are never cached (a Python node that closes over a DataFrame).
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
    """Type of additional inputs with any name (`**values: str`), or None."""
    extra_outputs: PortType | None = None
    """Type of additional outputs with any name (columns of a table), or None."""
    source_digest: str | None = None
    volatile: str | None = None
    context: str | None = None
    """Name of the parameter that takes the `Context`, or None."""
    is_async: bool = False
    is_recorded: bool = True
    timeout_s: float | None = None
    not_in_key: frozenset[str] = frozenset()
    reads: tuple[Read, ...] = ()
    """The outer names of a Python node's function, with their values when the digest was computed."""
    by_name: dict[str, InputPort] = field(init=False, repr=False, compare=False, default_factory=dict)
    _checks: dict[str, Callable[[Any], Any] | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name.update({port.name: port for port in self.inputs})

    def input(self, name: str, *, node_id: str | None = None) -> InputPort:
        """The input port of a name.

        Raises:
            PortError: no such port; lists the ports.
        """
        port = self.by_name.get(name)
        if port is not None:
            return port
        if self.extra_inputs is not None:
            return InputPort(name, self.extra_inputs)
        names = ", ".join(self.by_name) or "none"
        raise errors.PortError(f"{self.name} has no input {name!r}.", node_id=node_id, hint=f"Its inputs: {names}.")

    def output(self, name: str, *, node_id: str | None = None) -> OutputPort:
        """The output port of a name.

        Raises:
            PortError: no such port; lists the ports.
        """
        for port in self.outputs:
            if port.name == name:
                return port
        if self.extra_outputs is not None:
            return OutputPort(name, self.extra_outputs)
        names = ", ".join(port.name for port in self.outputs) or "none"
        raise errors.PortError(f"{self.name} has no output {name!r}.", node_id=node_id, hint=f"Its outputs: {names}.")

    def coerce(self, name: str, value: Any) -> Any:  # noqa: ANN401 - a parameter
        """A value converted to the type of a parameter.

        Raises:
            ValidationError: the value fails pydantic's validation.
        """
        if name not in self._checks:
            declared = self.params.model_fields.get(name)
            adapter = None if declared is None else TypeAdapter(declared.rebuild_annotation())
            self._checks[name] = None if adapter is None else adapter.validate_python
        check = self._checks[name]
        return value if check is None else check(value)

    def collects(self, name: str) -> bool:
        """Whether an input takes several edges."""
        port = self.by_name.get(name)
        return port is not None and port.collects is not Collects.NO

    @property
    def list_ports(self) -> frozenset[str]:
        """Names of the inputs that take a list."""
        return frozenset(port.name for port in self.inputs if port.collects is Collects.ALL)

    @property
    def first_output(self) -> str:
        """The output that is used if no port is named."""
        return self.outputs[0].name if self.outputs else ""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The declaration's part of a content key."""
        if self.source_digest is not None:
            return {"type": "python", "source": self.source_digest, "version": self.version}
        return {"type": self.name, "version": self.version}

    @cached_property
    def fingerprint_text(self) -> str:
        """The fingerprint as canonical JSON."""
        return canonical_json(self.fingerprint)

    def function(self) -> Callable[..., Any]:
        """The function of the node, imported if `run` is a dotted name."""
        if callable(self.run):
            return self.run
        if self.run is None:
            raise errors.UnknownNodeTypeError(f"{self.name} has no function.")
        module, _, name = self.run.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function
