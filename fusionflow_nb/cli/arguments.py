"""What a person gives on the command line, as values: the flow, `--set`, `--nodes`, `--out`."""

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
    """The flow in a file, or the one that a picture, film or sound carries. Nothing in it is executed.

    Raises:
        FlowFileError, MediaError: there is none; says why.
    """
    from fusionflow_nb.api.flow import Flow  # noqa: PLC0415
    from fusionflow_nb.api.recipe import recipe  # noqa: PLC0415

    try:
        with path.open("rb") as stream:
            is_media = sniff(stream.read(HEAD_BYTES)) is not None
    except (OSError, ValueError):
        is_media = False  # reading it as a flow says what is wrong
    return recipe(path) if is_media else Flow.load(path)


def assign(flow: Flow, assignment: str) -> None:
    """Do one `--set NAME=VALUE`: a variable of the flow, or `NODE.PARAMETER`.

    Raises:
        ParameterError, EditError, PortError, ModelError: what is wrong and what there is instead.
    """
    name, separator, text = assignment.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{assignment!r} is no NAME=VALUE.", param_hint="--set")
    variables = flow.document.variables
    if name in variables:
        flow.set_variable(name, _value(text, is_text=isinstance(variables[name], str)))
        return
    node_id, dot, parameter = name.rpartition(".")
    if not dot:
        known = ", ".join(variables) or "none"
        raise errors.ParameterError(
            f"The flow has no variable {name!r}.",
            hint=f"Its variables: {known}. A parameter is set as NODE.PARAMETER=VALUE.",
        )
    declared = flow.node_type(node_id)
    known_here = declared.by_name.get(parameter)
    if known_here is None and "settings" in declared.by_name:
        settings = dict(flow.document.nodes[node_id].params.get("settings") or {})
        flow.set(node_id, settings={**settings, parameter: _value(text)})  # a setting of the model, checked against it
        return
    port = declared.input(parameter, node_id=node_id)
    flow.set(node_id, **{parameter: _value(text, is_text=port.type is PortType.TEXT)})


def declare_nodes(path: Path) -> None:
    """Run a file of the user's own, so that its `@ff.node` functions are known: the only code that a run executes.

    As with `python my_nodes.py`, it finds the modules beside it.

    Raises:
        FlowFileError: there is no such file, or it fails; names the line.
    """
    if not path.is_file():
        raise errors.FlowFileError(f"There is no file {path}.", hint="--nodes takes a Python file.")
    file = path.resolve()
    name = f"fusionflow_nodes_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise errors.FlowFileError(f"{path} is no Python file.", hint="--nodes takes a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickles, dataclasses and type hints look it up there
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except errors.FusionFlowError:
        raise
    except SystemExit as error:
        raise errors.FlowFileError(
            f"{path} called sys.exit({error.code!r}).", hint="Let it only declare nodes."
        ) from error
    except Exception as error:  # noqa: BLE001 - the border to code of the user's own
        _broke(path, file, error)


def folder_for(path: Path) -> Path:
    """A folder that results can be written to: found out before a run, not after it was paid.

    Raises:
        UnwritableError: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(path, os.W_OK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise errors.UnwritableError(f"{path} cannot be used: {reason}.", hint="Choose another folder.") from error
    if not is_writable:
        raise errors.UnwritableError(f"{path} cannot be written.", hint="Choose another folder.")
    return path


def _value(text: str, *, is_text: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """JSON where it is JSON, else the text itself; where a text is wanted, only a JSON string is read as JSON."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text
    return text if is_text and not isinstance(value, str) else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _broke(path: Path, file: Path, error: Exception) -> NoReturn:
    """Say where the user's own file broke, in one line."""
    if isinstance(error, SyntaxError):
        place, said = error.lineno, f"SyntaxError: {error.msg}"
    else:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        place, said = (lines or [None])[-1], f"{type(error).__name__}: {error}"
    where = f"{path}, line {place}" if place else str(path)
    raise errors.FlowFileError(f"{where}: {said}.", hint="Mend the file given with --nodes.") from error
