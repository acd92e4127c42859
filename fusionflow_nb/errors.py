"""What can go wrong? Every exception of the package, as one tree.

FusionFlowError
├── FlowError                        the document cannot be used
│   ├── FlowFileError                a flow file is unreadable, corrupt or from a newer version
│   │   └── FileChangedError         another process changed the file; it was not overwritten
│   ├── EditError                    an edit does not fit the document (id in use, empty name ...)
│   │   └── GoneError                the node that an edit names does not exist
│   ├── CycleError                   edges form a cycle; names its nodes
│   ├── PortError                    a port is unknown, missing or has the wrong type
│   ├── UnknownNodeTypeError         the catalog has no such node type
│   ├── ParameterError               a parameter is unknown, of the wrong type or out of range
│   └── AxisError                    two batches cannot be combined
├── MediaError                       bytes are not the expected media (truncated, hostile, unknown)
├── ModelError                       the model catalogue cannot serve the request
│   ├── UnknownModelError            no such model; lists the nearest names
│   ├── RetiredModelError            the service ended the model; names the successor
│   ├── CapabilityError              the model cannot do this task
│   └── SettingError                 the model has no such setting; lists its settings
├── JobError                         one job failed; other jobs are not affected
│   ├── NodeFailedError              a Python or transform node raised
│   ├── ProviderError                the service answered with a failure
│   │   └── OutageError              the service accepted nothing within all tries; fallbacks apply
│   ├── RefusedError                 the service refuses this content; never retried
│   ├── NoFundsError                 the account has no credit left; never retried
│   ├── JobTimeoutError              a job exceeded its timeout
│   ├── JobCancelledError            the user cancelled the job
│   ├── UnknownOutcomeError          it is unknown whether the service accepted the job; never resent
│   └── UpstreamError                skipped, because an input is missing
├── OverBudgetError                  the next submit would exceed a cap, or an unpriced model has no allowance
│   └── UnconfirmedError             a large run that the user has not confirmed yet
├── OpenWorkError                    the action is not possible for this open job
├── StoreError                       bytes could not be stored or found
│   ├── DiskFullError                the disk is full
│   ├── UnwritableError              the folder cannot be written
│   ├── LostAssetError               no store holds these bytes any more
│   ├── CorruptAssetError            stored bytes do not match their digest
│   └── BucketError                  the bucket failed; its subclasses are in assets/s3/errors.py
├── JournalError                     the journal could not be used
│   ├── JournalBusyError             another process held the journal for too long
│   └── JournalUnwritableError       the disk is full, or the journal is read-only or damaged
├── TapeError                        a query is wrong, or is not a read
├── SecretError                      a key is missing or could not be stored
├── MissingExtraError                an optional package is needed
├── CanvasNotBuiltError              this copy of the package does not contain the built canvas
├── WireVersionError                 canvas and kernel have different versions of the protocol
└── RunFailedError                   a run ended with failed jobs; carries the run
"""

from __future__ import annotations

from typing import Any, ClassVar


class FusionFlowError(Exception):
    """Base class: what happened, where, and what to do next.

    Args:
        what: one sentence that says what is wrong.
        node_id: the node it concerns, if any.
        provider: the service it concerns, if any.
        status: the HTTP status the service answered with, if any.
        hint: what the user can do next, one sentence.
        is_retryable: whether the same call may succeed later.

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
        """Set the node of the error unless it already names one; returns the error itself."""
        self.node_id = self.node_id or node_id
        return self

    def to_payload(self) -> dict[str, Any]:
        """The error as JSON for the wire and the tape: `{code, node_id, message}`."""
        return {"code": self.code, "node_id": self.node_id, "message": str(self)}

    def _render_traceback_(self) -> list[str]:
        """Show only the message in a notebook: a stack trace does not help with a user error."""
        return [f"{type(self).__name__}: {self}"]


class FlowError(FusionFlowError):
    """The document cannot be used."""

    code = "flow"


class FlowFileError(FlowError):
    """A flow file is unreadable, corrupt or from a newer version."""

    code = "flow_file"


class FileChangedError(FlowFileError):
    """Another process changed a flow file since it was read or written; it was not overwritten."""

    code = "file_changed"


class EditError(FlowError):
    """An edit does not fit the document."""

    code = "edit"


class GoneError(EditError):
    """An edit names a node that does not exist; another view may have removed it."""

    code = "gone"


class CycleError(FlowError):
    """Edges form a cycle.

    Args:
        nodes: ids along the cycle, in edge direction; the first is not repeated at the end.
    """

    code = "cycle"

    def __init__(self, nodes: list[str]) -> None:
        cycle = " -> ".join([*nodes, nodes[0]])
        super().__init__(f"These nodes form a cycle: {cycle}.", hint="Remove one of these edges.")
        self.nodes = nodes


class PortError(FlowError):
    """A port is unknown, missing or has the wrong type."""

    code = "port"


class UnknownNodeTypeError(FlowError):
    """The catalog has no such node type."""

    code = "unknown_node_type"


class ParameterError(FlowError):
    """A parameter is unknown, of the wrong type or out of range."""

    code = "parameter"


class AxisError(FlowError):
    """Two batches cannot be combined."""

    code = "axis"


class MediaError(FusionFlowError):
    """Bytes are not the expected media."""

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
    """The model has no such setting, or does not accept the value; lists its settings."""

    code = "setting"


class JobError(FusionFlowError):
    """One job failed; other jobs are not affected."""

    code = "job"


class NodeFailedError(JobError):
    """A Python or transform node raised; the cause is chained."""

    code = "node_failed"


class ProviderError(JobError):
    """The service answered with a failure.

    Args:
        what: as for every error; `fields` are the other arguments of the base class.
        retry_after_s: seconds that the service asks to wait before the next try; None if it sends no such value.
    """

    code = "provider"

    def __init__(self, what: str, *, retry_after_s: float | None = None, **fields: Any) -> None:  # noqa: ANN401
        super().__init__(what, **fields)
        self.retry_after_s = retry_after_s


class OutageError(ProviderError):
    """The service accepted nothing within all tries: it is down or overloaded. Fallbacks apply."""

    code = "outage"


class RefusedError(JobError):
    """The service refuses this content; never retried."""

    code = "refused"


class NoFundsError(JobError):
    """The account at the service has no credit left; never retried."""

    code = "no_funds"


class JobTimeoutError(JobError):
    """A job exceeded its timeout."""

    code = "timeout"


class JobCancelledError(JobError):
    """The user cancelled the job."""

    code = "cancelled"


class UnknownOutcomeError(JobError):
    """It is unknown whether the service accepted the job; it is never resent automatically."""

    code = "unknown"


class UpstreamError(JobError):
    """Skipped, because an input is missing. `root_code` is the code of the first error upstream."""

    code = "skipped"
    root_code = "skipped"

    @classmethod
    def below(cls, node_id: str, above: str, cause: FusionFlowError | None) -> UpstreamError:
        """The error of a node that cannot run because a node upstream gave no result."""
        error = cls(f"Skipped, because {above} gave no result.", node_id=node_id)
        error.root_code = getattr(cause, "root_code", cause.code) if cause is not None else "skipped"
        return error


class OverBudgetError(FusionFlowError):
    """The next submit would exceed a cap, or an unpriced model has no allowance."""

    code = "over_budget"


class UnconfirmedError(OverBudgetError):
    """A large run that the user has not confirmed yet; nothing was started."""

    code = "unconfirmed"


class OpenWorkError(FusionFlowError):
    """The action is not possible for this open job."""

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
    """Stored bytes do not match their digest."""

    code = "corrupt"


class BucketError(StoreError):
    """The bucket failed. The bytes are safe in the local folder."""

    code = "bucket"


class JournalError(FusionFlowError):
    """The journal could not be used."""

    code = "journal"


class JournalBusyError(JournalError):
    """Another process held the journal for too long."""

    code = "journal_busy"


class JournalUnwritableError(JournalError):
    """The disk is full, or the journal is read-only or damaged."""

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
    """This copy of the package does not contain the built canvas."""

    code = "not_built"

    def __init__(self, folder: object) -> None:
        super().__init__(
            f"The canvas is not built: {folder} contains no canvas.js.",
            hint="In a checkout, run `make js` (it needs Node.js), then restart the kernel. Wheels contain it.",
        )


class WireVersionError(FusionFlowError):
    """Canvas and kernel have different versions of the protocol."""

    code = "wire_version"


class RunFailedError(FusionFlowError):
    """A run ended with failed jobs; `run` holds all finished results.

    Args:
        what: a sentence that counts and names the failed nodes.
        run: the run, for its finished results.
        causes: the error of each failed job.
    """

    code = "run_failed"

    def __init__(self, what: str, *, run: Any, causes: list[FusionFlowError]) -> None:  # noqa: ANN401 - the engine is a layer above
        super().__init__(what, hint="Finished results are kept: run.outputs shows them; run again to retry the rest.")
        self.run = run
        self.causes = causes
