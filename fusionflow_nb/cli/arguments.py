"""Parse arguments of the command line: the flow, `--set`, `--nodes`, `--out`."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fusionflow_nb import errors
from fusionflow_nb.assets.sniff import HEAD_BYTES, sniff
from fusionflow_nb.media.ports import PortType

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.api.flow import Flow


def flow_of(path: Path) -> Flow:
    """Read a flow from its file, or from the recipe in a picture, video or sound. Nothing in it is executed.

    Raises:
        FlowFileError, MediaError: the file contains no valid flow.
    """
    from fusionflow_nb.api.flow import Flow  # noqa: PLC0415
    from fusionflow_nb.api.recipe import recipe  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            is_media = sniff(stream.read(HEAD_BYTES)) is not None
    except (OSError, ValueError):
        is_media = False  # reading it as a flow raises the right error
    return recipe(path) if is_media else Flow.load(path)


def assign(flow: Flow, assignment: str) -> None:
    """Apply a `--set NAME=VALUE` option; NAME is a variable of the flow or `NODE.PARAMETER`.

    Raises:
        ParameterError, EditError, PortError, ModelError: unknown name or invalid value; the hint lists the choices.
    """
    name, separator, text = assignment.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"Expected NAME=VALUE, got {assignment!r}.", param_hint="--set")
    variables = flow.document.variables
    if name in variables:
        flow.set_variable(name, _value(text, is_text=isinstance(variables[name], str)))
        return
    node_id, dot, parameter = name.rpartition(".")
    if not dot:
        names = ", ".join(variables) or "none"
        raise errors.ParameterError(
            f"The flow has no variable {name!r}.",
            hint=f"Its variables: {names}. Set a parameter with NODE.PARAMETER=VALUE.",
        )
    declared = flow.node_type(node_id)
    if parameter not in declared.by_name and "settings" in declared.by_name:
        settings = dict(flow.document.nodes[node_id].params.get("settings") or {})
        flow.set(node_id, settings={**settings, parameter: _value(text)})  # a setting of the model, checked against it
        return
    port = declared.input(parameter, node_id=node_id)
    flow.set(node_id, **{parameter: _value(text, is_text=port.type is PortType.TEXT)})


def declare_nodes(path: Path) -> None:
    """Execute a Python file of the user, which declares `@ff.node` functions.

    As with `python my_nodes.py`, the file can import the modules in its folder.

    Raises:
        FlowFileError: the file does not exist, or it raises; names the line.
    """
    if not path.is_file():
        raise errors.FlowFileError(f"The file {path} does not exist.", hint="--nodes takes a Python file.")
    file = path.resolve()
    name = f"fusionflow_nodes_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise errors.FlowFileError(f"{path} is not a Python file.", hint="--nodes takes a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickles, dataclasses and type hints look it up there
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except errors.FusionFlowError:
        raise
    except SystemExit as error:
        raise errors.FlowFileError(
            f"{path} called sys.exit({error.code!r}).", hint="The file should only declare nodes."
        ) from error
    except Exception as error:  # noqa: BLE001 - any error of the user's code
        _raise_for_nodes_file(path, file, error)


def folder_for(path: Path) -> Path:
    """Create the output folder and check that it is writable, before a run is paid for.

    Raises:
        UnwritableError: the folder cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(path, os.W_OK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.UnwritableError(f"{path} cannot be used: {reason}.", hint="Choose another folder.") from error
    if not is_writable:
        raise errors.UnwritableError(f"{path} is not writable.", hint="Choose another folder.")
    return path


def _value(text: str, *, is_text: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a value as JSON, else return the text. With `is_text`, only a JSON string is parsed."""
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text
    return text if is_text and not isinstance(value, str) else value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _raise_for_nodes_file(path: Path, file: Path, error: Exception) -> NoReturn:
    """Raise an error that names the failing line of the user's file."""
    if isinstance(error, SyntaxError):
        line, message = error.lineno, f"SyntaxError: {error.msg}"
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line, message = (lines or [None])[-1], f"{type(error).__name__}: {error}"
    where = f"{path}, line {line}" if line else str(path)
    raise errors.FlowFileError(f"{where}: {message}.", hint="Fix the file passed to --nodes.") from error
