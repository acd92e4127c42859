"""Computing a structural node where it stands: its function only rearranges values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb import errors
from fusionflow_nb.media.values import Asset, Series, Value

if TYPE_CHECKING:
    from fusionflow_nb.media.values import Outputs
    from fusionflow_nb.plan.job import Job


def structural_outputs(job: Job) -> Outputs:
    """What a bound job of a structural node gives, by port.

    Raises:
        FlowError: the function refuses its inputs.
        MediaError: it gave something that no port can carry.
    """
    node_type, bound = job.node.type, job.bound
    if node_type is None or bound is None:
        return {}
    try:
        given = node_type.function()(**bound.values, **bound.media)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise errors.ParameterError(
            f"{node_type.name} cannot take these inputs: {type(error).__name__}: {error}.",
            node_id=job.node.id,
            hint="Change the value, or what is connected.",
        ) from error
    if isinstance(given, dict) and given and all(isinstance(value, Series | Asset | Value) for value in given.values()):
        return dict(given)
    return {node_type.first_output: given if isinstance(given, Series | Asset | Value) else Value.of(given)}
