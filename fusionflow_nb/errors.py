"""Every error of the package, drawn as one tree.

FusionFlowError
├── FlowError                 the document cannot be used as it stands
│   ├── FlowFileError         a flow file is unreadable, corrupt or from a newer version
│   │   └── FileChangedError  somebody else changed it since; it was not written over
│   ├── EditError             an edit does not fit the document (taken id, no name ...)
│   │   └── GoneError         what it is about is not there (any more)
│   ├── CycleError            edges form a circle; names its nodes
│   ├── PortError             a port is unknown, missing, or given the wrong type
│   ├── UnknownNodeTypeError  no declaration for this node type
│   ├── ParameterError        a parameter is unknown, of the wrong type or out of range
│   └── AxisError             two batches cannot be combined
├── MediaError                bytes are not the media they should be (truncated, hostile, unknown)
├── ModelError                the model catalogue cannot serve the request
│   ├── UnknownModelError     no such model; lists the nearest names
│   ├── RetiredModelError     the service ended it; names the successor
│   ├── CapabilityError       the model cannot do this task
│   └── SettingError          the model has no such setting; lists what it has
├── JobError                  one job did not succeed; others are not touched
│   ├── NodeFailedError       a Python or transform node raised
│   ├── ProviderError         the service answered with a failure
│   ├── RefusedError          the service refuses this content; never retried
│   ├── NoFundsError          the account has no money left; never retried
│   ├── JobTimeoutError       a job took longer than it was allowed
│   ├── JobCancelledError     a person cancelled the job
│   ├── UnknownOutcomeError   nobody knows whether the service took the job; never resent blindly
│   └── UpstreamError         skipped, because an input did not arrive
├── OverBudgetError           the next submit would pass a cap, or an unpriced model has no allowance
│   └── UnconfirmedError      a large run that nobody has confirmed yet
├── StoreError                bytes could not be stored or found
│   ├── DiskFullError
│   ├── UnwritableError
│   ├── LostAssetError        no store holds these bytes any more
│   ├── CorruptAssetError     stored bytes do not match their name
│   └── BucketError           a bucket does not do what it should; its kinds stand in assets/s3_faults.py
├── JournalError              the durable log could not be used
│   ├── JournalBusyError      another process held it for too long
│   └── JournalUnwritableError  the place is at fault: disk full, read-only, damaged
├── TapeError                 a query is wrong, or is not a read
├── SecretError               a key is missing or could not be stored
├── MissingExtraError         an optional package is needed
├── CanvasNotBuiltError       this copy of the package came without the built canvas
└── RunFailedError            a run ended with failed jobs; carries the run
"""

from __future__ import annotations

from typing import Any, ClassVar


class FusionFlowError(Exception):
    """What happened, where, and what to do next.

    Args:
        what: one sentence that says what is wrong.
        node_id: the node it concerns, if any.
        provider: the service it concerns, if any.
        status: the HTTP status the service answered with, if any.
        hint: the next step for the reader, one sentence.
        is_retryable: whether doing the same again may succeed.

    >>> str(FusionFlowError("The picture is truncated.", node_id="resize_1", hint="Export it again."))
    'resize_1: The picture is truncated. Export it again.'
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        what: str,
        *,
        node_id: str | None = None,
        provider: str | None = None,
        status: int | None = None,
        hint: str | None = None,
        is_retryable: bool = False,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.node_id = node_id
        self.provider = provider
        self.status = status
        self.hint = hint
        self.is_retryable = is_retryable

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.node_id, self.provider) if part)
        status = f" (HTTP {self.status})" if self.status is not None else ""
        text = f"{where}: {self.what}" if where else self.what
        return f"{text}{status} {self.hint}" if self.hint else f"{text}{status}"

    def at(self, node_id: str) -> FusionFlowError:
        """The same error, placed at a node unless it already names one."""
        self.node_id = self.node_id or node_id
        return self

    def to_payload(self) -> dict[str, Any]:
        """The error as the wire and the tape carry it."""
        return {"code": self.code, "node_id": self.node_id, "message": str(self)}

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: a user's mistake is no reason to print our stack."""
        return [f"{type(self).__name__}: {self}"]


class FlowError(FusionFlowError):
    """The document cannot be used as it stands."""

    code = "flow"


class FlowFileError(FlowError):
    """A flow file is unreadable, corrupt or from a newer version."""

    code = "flow_file"


class FileChangedError(FlowFileError):
    """Somebody else changed a flow file since it was read or written; it was not written over."""

    code = "file_changed"


class EditError(FlowError):
    """An edit does not fit the document."""

    code = "edit"


class GoneError(EditError):
    """An edit is about a node that is not there (any more): somebody else may have removed it."""

    code = "gone"


class CycleError(FlowError):
    """Edges form a circle.

    Args:
        nodes: ids along the circle, in edge direction; the first is not repeated at the end.
    """

    code = "cycle"

    def __init__(self, nodes: list[str]) -> None:
        circle = " -> ".join([*nodes, nodes[0]])
        super().__init__(f"These nodes feed each other in a circle: {circle}.", hint="Remove one of these edges.")
        self.nodes = nodes


class PortError(FlowError):
    """A port is unknown, missing, or given the wrong type."""

    code = "port"


class UnknownNodeTypeError(FlowError):
    """No declaration for this node type."""

    code = "unknown_node_type"


class ParameterError(FlowError):
    """A parameter is unknown, of the wrong type or out of range."""

    code = "parameter"


class AxisError(FlowError):
    """Two batches cannot be combined."""

    code = "axis"


class MediaError(FusionFlowError):
    """Bytes are not the media they should be."""

    code = "media"


class ModelError(FusionFlowError):
    """The model catalogue cannot serve the request."""

    code = "model"


class UnknownModelError(ModelError):
    """No such model; lists the nearest names."""

    code = "unknown_model"


class RetiredModelError(ModelError):
    """The service ended the model; names the successor."""

    code = "retired_model"


class CapabilityError(ModelError):
    """The model cannot do this task."""

    code = "capability"


class SettingError(ModelError):
    """The model has no such setting, or not with this value; lists what it has."""

    code = "setting"


class JobError(FusionFlowError):
    """One job did not succeed; others are not touched."""

    code = "job"


class NodeFailedError(JobError):
    """A Python or transform node raised; the cause is chained."""

    code = "node_failed"


class ProviderError(JobError):
    """The service answered with a failure.

    Args:
        what: as for every error, with the rest of its fields.
        retry_after_s: how long the service asks us to wait before the next try, where it says so.
    """

    code = "provider"

    def __init__(self, what: str, *, retry_after_s: float | None = None, **fields: Any) -> None:  # noqa: ANN401
        super().__init__(what, **fields)
        self.retry_after_s = retry_after_s


class OutageError(ProviderError):
    """The service took nothing, however often it was asked: it is out, or overrun. Fallbacks are for this."""

    code = "outage"


class RefusedError(JobError):
    """The service refuses this content; never retried."""

    code = "refused"


class NoFundsError(JobError):
    """The account at the service has no money left; never retried."""

    code = "no_funds"


class JobTimeoutError(JobError):
    """A job took longer than it was allowed."""

    code = "timeout"


class JobCancelledError(JobError):
    """A person cancelled the job."""

    code = "cancelled"


class UnknownOutcomeError(JobError):
    """Nobody knows whether the service took the job; it is never resent blindly."""

    code = "unknown"


class UpstreamError(JobError):
    """Skipped, because an input did not arrive. `root_code` is the code of the error it began with."""

    code = "skipped"
    root_code = "skipped"

    @classmethod
    def below(cls, node_id: str, above: str, cause: FusionFlowError | None) -> UpstreamError:
        """The error of a node that cannot run because of one above it."""
        error = cls(f"Skipped, because {above} gave no result.", node_id=node_id)
        error.root_code = getattr(cause, "root_code", cause.code) if cause is not None else "skipped"
        return error


class OverBudgetError(FusionFlowError):
    """The next submit would pass a cap, or an unpriced model has no allowance."""

    code = "over_budget"


class UnconfirmedError(OverBudgetError):
    """A large run that nobody has confirmed yet; nothing was started."""

    code = "unconfirmed"


class OpenWorkError(FusionFlowError):
    """What was asked cannot be done with this paid call that has not ended."""

    code = "open_work"


class StoreError(FusionFlowError):
    """Bytes could not be stored or found."""

    code = "store"


class DiskFullError(StoreError):
    """The disk under the store is full."""

    code = "disk_full"


class UnwritableError(StoreError):
    """The folder cannot be written."""

    code = "unwritable"


class LostAssetError(StoreError):
    """No store holds these bytes any more."""

    code = "lost"


class CorruptAssetError(StoreError):
    """Stored bytes do not match their name."""

    code = "corrupt"


class BucketError(StoreError):
    """A bucket cannot be used, or not now. The bytes themselves are safe in the local folder."""

    code = "bucket"


class JournalError(FusionFlowError):
    """The durable log could not be used."""

    code = "journal"


class JournalBusyError(JournalError):
    """Another process held the journal for too long."""

    code = "journal_busy"


class JournalUnwritableError(JournalError):
    """The place, not the request, is at fault: the disk is full, the file read-only or damaged."""

    code = "journal_unwritable"


class TapeError(FusionFlowError):
    """A query is wrong, or is not a read."""

    code = "tape"


class SecretError(FusionFlowError):
    """A key is missing or could not be stored."""

    code = "secret"


class MissingExtraError(FusionFlowError):
    """An optional package is needed.

    >>> str(MissingExtraError("Writing WebM video", extra="video"))
    "Writing WebM video needs an optional package. Install it with: pip install 'fusionflow-nb[video]'"
    """

    code = "missing_extra"

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs an optional package.",
            hint=f"Install it with: pip install 'fusionflow-nb[{extra}]'",
        )
        self.extra = extra


class CanvasNotBuiltError(FusionFlowError):
    """This copy of the package came without the built canvas."""

    code = "not_built"

    def __init__(self, folder: object) -> None:
        super().__init__(
            f"The canvas is not built: {folder} holds no canvas.js.",
            hint="In a checkout, run `make js` (it needs Node.js), then restart the kernel; wheels bring it along.",
        )


class RunFailedError(FusionFlowError):
    """A run ended with jobs that failed; `run` holds every result there is.

    Args:
        what: a sentence that counts and names the failed nodes.
        run: the run itself, so that finished results stay in reach.
        causes: the error of each failed job.
    """

    code = "run_failed"

    def __init__(self, what: str, *, run: Any, causes: list[FusionFlowError]) -> None:  # noqa: ANN401 - engine's Run lies above
        super().__init__(what, hint="Finished results are kept: run.outputs shows them; run again to retry the rest.")
        self.run = run
        self.causes = causes
