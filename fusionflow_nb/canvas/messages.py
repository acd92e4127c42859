"""What a view may say: the messages of `js/src/wire/messages.ts`, checked at the door."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from fusionflow_nb import errors
from fusionflow_nb.flow.edit_types import Edit

Coordinate: TypeAlias = tuple[tuple[str, str], ...]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MAX_EDITS = 100_000
MAX_SIGNED = 1000
MAX_SIDE_PX = 100_000


class ViewMessage(BaseModel):
    """A message of a view; `id` comes back with its reply."""

    id: str = Field(max_length=64)


class Edits(ViewMessage):
    """Change the document."""

    type: Literal["edits"]
    client_id: str = Field(max_length=64)
    base_rev: int = 0
    edits: list[Edit] = Field(max_length=MAX_EDITS)
    gesture: str | None = None


class Undo(ViewMessage):
    """Take the last step back, or do it again."""

    type: Literal["undo", "redo"]
    client_id: str = Field(max_length=64)


class StartRun(ViewMessage):
    """Run targets and what they need; none means all."""

    type: Literal["run"]
    targets: list[str] = []
    is_confirmed: bool = False


class Cancel(ViewMessage):
    """Cancel everything, a node, or a node and all below it."""

    type: Literal["cancel"]
    node_id: str | None = None
    branch: bool = False


class Ask(ViewMessage):
    """Say something that only this view wants to know."""

    type: Literal["ask"]
    what: Literal["snapshot", "tape", "generation", "layering", "python"]
    of: Literal["flow", "all"] = "flow"
    before: str | None = None
    generation_id: str = ""


class Restore(ViewMessage):
    """Place again how a generation was made."""

    type: Literal["restore"]
    generation_id: str
    position: dict[Literal["x", "y"], float]


class InsertSqlCell(ViewMessage):
    """Insert a cell that asks the tape."""

    type: Literal["ask_in_sql"]


class RenewUrls(ViewMessage):
    """New addresses for bytes."""

    type: Literal["sign"]
    sha256: list[Sha256] = Field(max_length=MAX_SIGNED)


class RequestBytes(ViewMessage):
    """Bytes as a buffer, where no server gives them."""

    type: Literal["media"]
    sha256: Sha256
    use: Literal["asset", "preview"]


class PlaceUpload(ViewMessage):
    """Where to PUT bytes; their first few thousand come in a buffer, so that the type is what they are."""

    type: Literal["place_upload"]
    sha256: Sha256
    media_type: str
    size_bytes: int
    via: Literal["any", "server"] = "any"


class ConfirmUpload(ViewMessage):
    """The bytes have been PUT; what the browser knows of them, and its small picture in a buffer."""

    type: Literal["confirm_upload"]
    sha256: Sha256
    media_type: str
    size_bytes: int
    width: Annotated[int, Field(gt=0, le=MAX_SIDE_PX)] | None = None
    height: Annotated[int, Field(gt=0, le=MAX_SIDE_PX)] | None = None
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Upload(ViewMessage):
    """Bytes in a buffer, where no server takes them."""

    type: Literal["upload"]
    media_type: str


class Download(ViewMessage):
    """A result as a file with its recipe inside."""

    type: Literal["download"]
    sha256: Sha256
    node_id: str | None = None
    coordinate: Coordinate = ()


class Save(ViewMessage):
    """Write the file; on a conflict, the way out."""

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


def read_message(content: Any) -> Message:  # noqa: ANN401 - whatever came over the wire
    """A view's message.

    Raises:
        EditError: it is none; says what is wrong with it.

    >>> read_message({"type": "cancel", "id": "a"}).node_id is None
    True
    """
    try:
        return _MESSAGE.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise errors.EditError(
            f"The canvas sent something unreadable ({where}: {first['msg']}).",
            hint="Save your work, then reload the page: canvas and kernel may be of different versions.",
        ) from error
