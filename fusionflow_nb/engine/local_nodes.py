"""Local nodes: transforms and Python functions, run on the loop if they are async, else in a worker thread."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionflow_nb import errors
from fusionflow_nb.catalog.context import Context
from fusionflow_nb.catalog.node_type import Passes
from fusionflow_nb.engine.node_outputs import to_outputs
from fusionflow_nb.media.batch import Batch, Cell
from fusionflow_nb.media.handles import Media, Video, handle
from fusionflow_nb.media.values import Asset, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionflow_nb.engine.context import EngineState, RunContext
    from fusionflow_nb.media.ports import PortType
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job


_SMALL = frozenset({float, int, bool, type(None)})


async def run_local(job: Job, engine: EngineState, report: Callable[[float], None]) -> Outputs:
    """Run a local job and store its outputs.

    Args:
        job: bound.
        engine: shared state of the kernel.
        report: receives the fraction done, 0..1, on the loop thread.

    Raises:
        NodeFailedError: the function raised; its exception is the cause.
        JobTimeoutError: it exceeded the timeout of its node type.
    """
    node_type = job.node.type
    assert node_type is not None  # noqa: S101 - bound jobs are typed
    try:
        if not node_type.is_async:
            return await _run_in_thread(job, engine, report)
        if node_type.timeout_s is None:
            return await _run_on_loop(job, engine.context, report)
        async with asyncio.timeout(node_type.timeout_s):
            return await _run_on_loop(job, engine.context, report)
    except TimeoutError as error:
        raise errors.JobTimeoutError(
            f"The node did not finish within {node_type.timeout_s:g} s.",
            node_id=job.node.id,
            hint="Make it faster, or raise timeout_s= in its declaration.",
        ) from error


async def _run_on_loop(job: Job, context: RunContext, report: Callable[[float], None]) -> Outputs:
    node_type, bound = job.node.type, job.bound
    assert node_type is not None  # noqa: S101
    assert bound is not None  # noqa: S101
    arguments = bound.values
    if bound.media or node_type.context:
        arguments = _arguments(job, context, Context(job.node.id, report))
    try:
        result = await node_type.function()(**arguments)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # user code must not end the kernel
        raise as_node_error(error, job) from error
    if type(result) in _SMALL and len(node_type.outputs) == 1 and not node_type.outputs[0].type.is_media:
        return {node_type.outputs[0].name: Value.of(result)}  # no bytes to store: no thread is needed
    outputs: Outputs = await context.in_thread(_store, result, job, context)
    return outputs


async def _run_in_thread(job: Job, engine: EngineState, report: Callable[[float], None]) -> Outputs:
    """Run the function in a thread. Its timeout starts with the function, not while it waits for a slot."""
    loop = asyncio.get_running_loop()

    def report_threadsafe(fraction: float) -> None:
        loop.call_soon_threadsafe(report, fraction)

    context = Context(job.node.id, report_threadsafe)
    assert job.node.type is not None  # noqa: S101 - bound jobs are typed
    async with engine.context.functions.slot():
        work = engine.context.functions.begin(_call, job, engine.context, context)
        try:
            async with asyncio.timeout(job.node.type.timeout_s):
                outputs: Outputs = await asyncio.wrap_future(work)
                return outputs
        finally:
            if not work.done():
                # A thread cannot be killed: set `cancelled`, drop the result, and count the thread while it runs.
                context.cancel()
                engine.abandoned_threads.add(job)
                work.add_done_callback(lambda _: engine.abandoned_threads.discard(job))


def _call(job: Job, run: RunContext, context: Context) -> Outputs:
    node_type = job.node.type
    assert node_type is not None  # noqa: S101
    try:
        function = node_type.function()
        if node_type.passes is Passes.FILES:
            return _call_with_files(job, run, context, function)
        result = function(**_arguments(job, run, context))
    except errors.FusionFlowError as error:
        error.at(job.node.id)
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # user code must not end the kernel
        raise as_node_error(error, job) from error
    return _store(result, job, run)


def _call_with_files(job: Job, run: RunContext, context: Context, function: Callable[..., Any]) -> Outputs:
    """Call a function that writes its result into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="fusionflow-") as folder:
        output = Path(folder) / "out"
        function(**_arguments(job, run, context), output=output, tick=context.progress)
        return _store(output, job, run)


def _store(result: Any, job: Job, run: RunContext) -> Outputs:  # noqa: ANN401 - user code's
    assert job.node.type is not None  # noqa: S101
    return to_outputs(result, job.node.type, run.store, node_id=job.node.id)


def as_node_error(error: BaseException, job: Job) -> errors.FusionFlowError:
    """The error of a node for any exception, with the line of user code that raised it."""
    if isinstance(error, errors.FusionFlowError):
        return error.at(job.node.id)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return errors.NodeFailedError(
        f"{text}{_line(error, job)}.", node_id=job.node.id, hint="Fix the function and run again."
    )


def _line(error: BaseException, job: Job) -> str:
    """The line of the user's file that raised, however deep the library call; empty for built-in functions."""
    run = job.node.type.run if job.node.type is not None else None
    code = getattr(inspect.unwrap(run), "__code__", None) if callable(run) else None
    place = ""
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            place = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return place


def _arguments(job: Job, run: RunContext, context: Context) -> dict[str, Any]:
    """Keyword arguments of the function: values as data, media in the form that the node type declares."""
    node_type, bound = job.node.type, job.bound
    assert node_type is not None  # noqa: S101
    assert bound is not None  # noqa: S101
    arguments = dict(bound.values)
    for name, item in bound.media.items():
        arguments[name] = _convert(item, node_type.by_name[name].type, node_type.passes, run)
    if node_type.context:
        arguments[node_type.context] = context
    return arguments


def _convert(item: Any, port_type: PortType, passes: Passes, run: RunContext) -> Any:  # noqa: ANN401
    if isinstance(item, list):
        return [_convert(element, port_type, passes, run) for element in item]
    if isinstance(item, Batch):
        cells = [
            Cell(c.labels, _convert(c.value, port_type, passes, run) if c.value is not None else None, c.note)
            for c in item.cells
        ]
        return Batch(item.axes, cells)
    if not isinstance(item, Asset):
        return item
    if passes is Passes.FILES:
        return run.store.path(item.sha256)
    medium = handle(item, run.store, port_type)
    if passes is Passes.PICTURES:
        return _picture(medium)
    return medium


def _picture(medium: Media) -> Any:  # noqa: ANN401 - a Pillow image
    from fusionflow_nb.media.picture import from_array, open_picture  # noqa: PLC0415 - Pillow only when pixels are needed

    if isinstance(medium, Video):
        from fusionflow_nb.media.video import poster  # noqa: PLC0415

        return from_array(poster(medium.path()))
    return open_picture(medium.path())
