"""What the display needs to know of runs and flows, as protocols: `ff` runs and flows satisfy them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusionflow_nb.catalog.node_type import NodeType
    from fusionflow_nb.engine.status import JobStatus
    from fusionflow_nb.flow.document import FlowDocument


class RunView(Protocol):
    """A run that can be displayed."""

    @property
    def name(self) -> str:
        """Name of the flow."""
        ...

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether the run has ended."""
        ...

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, or the total duration."""
        ...

    @property
    def cost_text(self) -> str:
        """The cost so far, such as `$0.04`."""
        ...

    def node_states(self) -> Mapping[str, Sequence[JobStatus]]:
        """Status of every job by node, in the order of the flow."""
        ...

    def job_count(self, node_id: str) -> int:
        """The number of jobs of a node, as far as it is known."""
        ...

    def on_change(self, listener: Callable[[], None], *, at_most_every_s: float) -> None:
        """Call `listener` after changes and at the end."""
        ...

    def __getitem__(self, node: Any) -> Any:  # noqa: ANN401 - a handle, a value or a batch
        ...


class FlowView(Protocol):
    """A flow that can be displayed."""

    @property
    def name(self) -> str:
        """Name of the flow."""
        ...

    @property
    def document(self) -> FlowDocument:
        """Its nodes and edges."""
        ...

    def node_type(self, node_id: str) -> NodeType:
        """The node type of a node. Raises FlowError if it is not declared here."""
        ...
