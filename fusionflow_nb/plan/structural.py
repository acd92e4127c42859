"""Compute a structural node while planning: its function only rearranges values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset, Series, Value

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job


def structural_outputs(job: Job) -> Outputs:
    """The outputs of a bound job of a structural node, by port.

    Raises:
        FlowError: the function rejects its inputs.
        MediaError: it returned a value that no port can carry.
    """
    node_type, bound = job.node.type, job.bound
    if node_type is None or bound is None:
        return {}
    try:
        result = node_type.function()(**bound.values, **bound.media)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise errors.ParameterError(
            f"{node_type.name} fails with these inputs: {type(error).__name__}: {error}.",
            node_id=job.node.id,
            hint="Change the value or the connected node.",
        ) from error
    if (
        isinstance(result, dict)
        and result
        and all(isinstance(value, Series | Asset | Value) for value in result.values())
    ):
        return dict(result)
    return {node_type.first_output: result if isinstance(result, Series | Asset | Value) else Value.of(result)}
