"""Running a local node: a transform or a Python function, in the loop if it is async, else in a worker thread."""

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

    from fusionflow_nb.engine.context import Services
    from fusionflow_nb.media.ports import PortType
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job


_SMALL = frozenset({float, int, bool, type(None)})


async def run_local(job: Job, services: Services, report: Callable[[float], None]) -> Outputs:
    """Do a local job and put what it made into the store.

    Args:
        job: bound.
        services: where bytes go and threads come from.
        report: told the fraction done, 0..1, on the loop thread.

    Raises:
        NodeFailedError: the function raised; its own exception is the cause.
        JobTimeoutError: it took longer than its node type allows.
    """
    node_type = job.node.type
    assert node_type is not None  # noqa: S101 - bound jobs are typed
    try:
        if not node_type.is_async:
            return await _in_thread(job, services, report)
        if node_type.timeout_s is None:
            return await _in_loop(job, services, report)
        async with asyncio.timeout(node_type.timeout_s):
            return await _in_loop(job, services, report)
    except TimeoutError as error:
        raise errors.JobTimeoutError(
            f"The node did not finish within {node_type.timeout_s:g} s.",
            node_id=job.node.id,
            hint="Make it faster, or raise timeout_s= where it is declared.",
        ) from error


async def _in_loop(job: Job, services: Services, report: Callable[[float], None]) -> Outputs:
    node_type, bound = job.node.type, job.bound
    assert node_type is not None  # noqa: S101
    assert bound is not None  # noqa: S101
    given = bound.values
    if bound.media or node_type.context:
        given = _arguments(job, services, Context(job.node.id, report))
    try:
        result = await node_type.function()(**given)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # the border of a job: user code's end is not ours
        raise failure(error, job) from error
    if type(result) in _SMALL and len(node_type.outputs) == 1 and not node_type.outputs[0].type.is_media:
        return {node_type.outputs[0].name: Value.of(result)}  # no bytes to store: no thread is needed
    outputs: Outputs = await services.in_thread(_adopted, result, job, services)
    return outputs


async def _in_thread(job: Job, services: Services, report: Callable[[float], None]) -> Outputs:
    """The time allowed begins when the function does, not while it waits for a place."""
    loop = asyncio.get_running_loop()

    def tell(fraction: float) -> None:
        loop.call_soon_threadsafe(report, fraction)

    context = Context(job.node.id, tell)
    assert job.node.type is not None  # noqa: S101 - bound jobs are typed
    async with services.functions.place():
        work = services.functions.begin(_call, job, services, context)
        try:
            async with asyncio.timeout(job.node.type.timeout_s):
                outputs: Outputs = await asyncio.wrap_future(work)
                return outputs
        finally:
            if not work.done():
                # A thread cannot be killed: tell the function, drop what it returns, and count it while it goes on.
                context.cancel()
                services.leftovers.add(job)
                work.add_done_callback(lambda _: services.leftovers.discard(job))


def _call(job: Job, services: Services, context: Context) -> Outputs:
    node_type = job.node.type
    assert node_type is not None  # noqa: S101
    try:
        function = node_type.function()
        if node_type.passes is Passes.FILES:
            return _call_with_files(job, services, context, function)
        result = function(**_arguments(job, services, context))
    except errors.FusionFlowError as error:
        error.at(job.node.id)
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # the border of a job
        raise failure(error, job) from error
    return _adopted(result, job, services)


def _call_with_files(job: Job, services: Services, context: Context, function: Callable[..., Any]) -> Outputs:
    """Functions that write a file themselves get a folder of their own; what they return is taken from it."""
    with tempfile.TemporaryDirectory(prefix="fusionflow-") as folder:
        output = Path(folder) / "out"
        function(**_arguments(job, services, context), output=output, tick=context.progress)
        return _adopted(output, job, services)


def _adopted(result: Any, job: Job, services: Services) -> Outputs:  # noqa: ANN401 - user code's
    assert job.node.type is not None  # noqa: S101
    return to_outputs(result, job.node.type, services.store, node_id=job.node.id)


def failure(error: BaseException, job: Job) -> errors.FusionFlowError:
    """A foreign exception as the failure of a node, with the line of user code that raised it."""
    if isinstance(error, errors.FusionFlowError):
        return error.at(job.node.id)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return errors.NodeFailedError(
        f"{said}{_line(error, job)}.", node_id=job.node.id, hint="Mend the function and run again."
    )


def _line(error: BaseException, job: Job) -> str:
    """Where in the user's own file it broke, however deep in a library; empty for functions of ours."""
    run = job.node.type.run if job.node.type is not None else None
    code = getattr(inspect.unwrap(run), "__code__", None) if callable(run) else None
    found = ""
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            found = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return found


def _arguments(job: Job, services: Services, context: Context) -> dict[str, Any]:
    """Keyword arguments of the function: values as data, media in the form the node type passes them."""
    node_type, bound = job.node.type, job.bound
    assert node_type is not None  # noqa: S101
    assert bound is not None  # noqa: S101
    given = dict(bound.values)
    for name, item in bound.media.items():
        given[name] = _passed(item, node_type.by_name[name].type, node_type.passes, services)
    if node_type.context:
        given[node_type.context] = context
    return given


def _passed(item: Any, port_type: PortType, passes: Passes, services: Services) -> Any:  # noqa: ANN401
    if isinstance(item, list):
        return [_passed(one, port_type, passes, services) for one in item]
    if isinstance(item, Batch):
        cells = [
            Cell(c.labels, _passed(c.value, port_type, passes, services) if c.value is not None else None, c.note)
            for c in item.cells
        ]
        return Batch(item.axes, cells)
    if not isinstance(item, Asset):
        return item
    if passes is Passes.FILES:
        return services.store.path(item.sha256)
    medium = handle(item, services.store, port_type)
    if passes is Passes.PICTURES:
        return _picture(medium)
    return medium


def _picture(medium: Media) -> Any:  # noqa: ANN401 - a Pillow image
    from fusionflow_nb.media.picture import from_array, open_picture  # noqa: PLC0415 - Pillow only when pixels are wanted

    if isinstance(medium, Video):
        from fusionflow_nb.media.video import poster  # noqa: PLC0415

        return from_array(poster(medium.path()))
    return open_picture(medium.path())
