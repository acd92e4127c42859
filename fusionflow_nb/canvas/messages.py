"""Messages from a view to the kernel: the `ToKernel` of `js/src/wire/messages.ts`, validated on receipt.

Their `type`s and keys are part of the protocol and keep their names; classes may be renamed. For the other direction
see `wire.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from fusionflow_nb import errors
from fusionflow_nb.canvas.wire import WIRE_VERSION
from fusionflow_nb.flow.edit_types import Edit

Coordinate: TypeAlias = tuple[tuple[str, str], ...]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_EDITS = 100_000
MAX_RENEWED = 1000
MAX_SIDE_PX = 100_000


class ViewMessage(BaseModel):
    """A message of a view; its reply has the same `id`."""

    id: str = Field(max_length=64)


class Edits(ViewMessage):
    """Change the document."""

    type: Literal["edits"]
    client_id: str = Field(max_length=64)
    base_rev: int = 0
    edits: list[Edit] = Field(max_length=MAX_EDITS)
    gesture: str | None = None


class Undo(ViewMessage):
    """Undo the last step, or redo it."""

    type: Literal["undo", "redo"]
    client_id: str = Field(max_length=64)


class StartRun(ViewMessage):
    """Run the targets and what they need; an empty list means all nodes."""

    type: Literal["run"]
    targets: list[str] = []
    is_confirmed: bool = False


class Cancel(ViewMessage):
    """Cancel all jobs, those of a node, or those of a node and all nodes downstream."""

    type: Literal["cancel"]
    node_id: str | None = None
    branch: bool = False


class Ask(ViewMessage):
    """Request data for this view only."""

    type: Literal["ask"]
    what: Literal["snapshot", "tape", "generation", "layering", "python"]
    wire: int = 0
    """With `snapshot`: the view's version of the protocol; 0 before it was sent."""
    of: Literal["flow", "all"] = "flow"
    before: str | None = None
    generation_id: str = ""


class Restore(ViewMessage):
    """Restore the nodes that produced a generation."""

    type: Literal["restore"]
    generation_id: str
    position: dict[Literal["x", "y"], float]


class InsertSqlCell(ViewMessage):
    """Return the source of a cell that queries the tape."""

    type: Literal["ask_in_sql"]


class RenewUrls(ViewMessage):
    """Return new URLs after expiry."""

    type: Literal["sign"]
    sha256: list[Sha256] = Field(max_length=MAX_RENEWED)


class RequestBytes(ViewMessage):
    """Return bytes in a buffer, if no server can serve them."""

    type: Literal["media"]
    sha256: Sha256
    use: Literal["asset", "preview"]


class PlaceUpload(ViewMessage):
    """Return where to PUT bytes. A buffer with the first bytes identifies the type."""

    type: Literal["place_upload"]
    sha256: Sha256
    media_type: str
    size_bytes: int
    via: Literal["any", "server"] = "any"


class ConfirmUpload(ViewMessage):
    """Confirm a finished PUT, with the facts that the page read and a preview in a buffer."""

    type: Literal["confirm_upload"]
    sha256: Sha256
    media_type: str
    size_bytes: int
    width: Annotated[int, Field(gt=0, le=MAX_SIDE_PX)] | None = None
    height: Annotated[int, Field(gt=0, le=MAX_SIDE_PX)] | None = None
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Upload(ViewMessage):
    """Store bytes sent in a buffer, if no server accepts them."""

    type: Literal["upload"]
    media_type: str


class Download(ViewMessage):
    """Return a result as a file with embedded recipe."""

    type: Literal["download"]
    sha256: Sha256
    node_id: str | None = None
    coordinate: Coordinate = ()


class Save(ViewMessage):
    """Write the file, or resolve a conflict with it."""

    type: Literal["save"]
    how: Literal["save", "reload", "keep_mine", "copy"]


Message: TypeAlias = Annotated[
    Edits
    | Undo
    | StartRun
    | Cancel
    | Ask
    | Restore
    | InsertSqlCell
    | RenewUrls
    | RequestBytes
    | PlaceUpload
    | ConfirmUpload
    | Upload
    | Download
    | Save,
    Field(discriminator="type"),
]  # fmt: skip
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def read_message(content: Any) -> Message:  # noqa: ANN401 - unchecked JSON
    """Validate a message of a view.

    Raises:
        EditError: it does not fit the protocol.

    >>> read_message({"type": "cancel", "id": "a"}).node_id is None
    True
    """
    try:
        return _MESSAGE.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise errors.EditError(
            f"The canvas sent an invalid message ({where}: {first['msg']}).",
            hint="Save your work, then reload the page: canvas and kernel may have different versions.",
        ) from error


def check_wire_version(view: int) -> None:
    """Compare the view's version of the protocol with the kernel's.

    Raises:
        WireVersionError: they differ; the hint names which side to restart.
    """
    if view < WIRE_VERSION:
        raise errors.WireVersionError(
            "This page is older than the kernel.", hint="Save your work, then reload the page."
        )
    if view > WIRE_VERSION:
        raise errors.WireVersionError(
            "The kernel is older than this page.", hint="Restart the kernel, then run this cell again."
        )
