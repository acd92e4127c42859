"""Types of the messages from the kernel to the views. They mirror `js/src/wire/*.ts`, name by name and key by key.

Values are JSON. Money is integer micro-dollars, times are UTC microseconds. States are plain strings here and literal
types in TypeScript. `tests/canvas/test_wire.py` compares both sides and checks the messages of real runs.
"""

# No `from __future__ import annotations`: the test reads which keys are optional at run time.
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

WIRE_VERSION = 1
"""Version of the protocol, equal to `WIRE_VERSION` in messages.ts. Increase both with each incompatible change."""

Coordinate: TypeAlias = Sequence[Sequence[str]]
"""(axis, label) pairs in axis order; empty for a single job."""
Json: TypeAlias = Any

# --- node types and models (catalog.ts) ------------------------------------------------------------------------------


class InputPort(TypedDict):
    """An input of a node type."""

    name: str
    type: str
    collects: str
    is_required: bool
    is_parameter: bool
    default: Json


class OutputPort(TypedDict):
    """An output of a node type."""

    name: str
    type: str
    is_series: bool


class NodeType(TypedDict):
    """A node type with everything that a view needs to draw the node and its form."""

    name: str
    title: str
    category: str
    summary: str
    kind: str
    task: str | None
    inputs: list[InputPort]
    outputs: list[OutputPort]
    extra_inputs: str | None
    extra_outputs: str | None
    params_schema: dict[str, Json]
    volatile: str | None


class ModelParameter(TypedDict):
    """A setting of a model."""

    kind: str
    default: NotRequired[Json]
    minimum: NotRequired[float | None]
    maximum: NotRequired[float | None]
    choices: NotRequired[list[Json] | None]
    description: NotRequired[str]


class Model(TypedDict):
    """A model in the picker."""

    id: str
    provider: str
    title: str
    tasks: list[str]
    method: str
    says_how: str
    parameters: dict[str, ModelParameter]
    is_free: bool
    price_text: str
    retires_on: str | None
    successor: str | None
    has_key: bool


class Template(TypedDict):
    """A flow offered on the empty canvas."""

    id: str
    title: str
    summary: str
    graph: dict[str, Json]
    cell: NotRequired[str]


# --- the document (flow.ts) ------------------------------------------------------------------------------------------


class WireGraph(TypedDict):
    """Nodes and edges in React Flow's format (see `flow.react_flow`), and the layout of the whole canvas."""

    nodes: list[dict[str, Json]]
    edges: list[dict[str, Json]]
    layout: dict[str, Json]


class WireFlow(TypedDict):
    """A flow: its graph and metadata."""

    id: str
    name: str
    variables: dict[str, Json]
    graph: WireGraph


# --- plans, runs and results (run.ts) --------------------------------------------------------------------------------


class ErrorFacts(TypedDict):
    """An error: what happened, where, and what the user can do."""

    code: str
    message: str
    hint: NotRequired[str]
    node_id: NotRequired[str]


class Reason(TypedDict):
    """Why a node would run. With `field`, the view shows a diff of `old` and `new`."""

    text: str
    field: NotRequired[str]
    old: NotRequired[Json]
    new: NotRequired[Json]


class OutputAxis(TypedDict):
    """An axis of a node's output."""

    name: str
    labels: list[str]


class NodePlan(TypedDict):
    """Planned state of a node, with reasons and estimated cost."""

    state: str
    reasons: NotRequired[list[Reason]]
    warnings: NotRequired[list[str]]
    low_micro_usd: NotRequired[int]
    high_micro_usd: NotRequired[int]
    jobs: NotRequired[int | None]
    axes: NotRequired[list[OutputAxis]]


class Plan(TypedDict):
    """A plan of one revision of the document."""

    rev: int
    nodes: dict[str, NodePlan]
    unpriced: list[str]


class ResultCell(TypedDict):
    """One output of a port at one coordinate: media by URL, values inline."""

    port: str
    coordinate: Coordinate
    media_type: NotRequired[str]
    sha256: NotRequired[str]
    url: NotRequired[str]
    preview_url: NotRequired[str]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    duration_s: NotRequired[float | None]
    size_bytes: NotRequired[int]
    peaks: NotRequired[list[float]]
    value: NotRequired[Json]


class JobResult(TypedDict):
    """The result of one job of a node."""

    coordinate: Coordinate
    state: str
    cells: list[ResultCell]
    generation_id: NotRequired[str | None]
    cost_micro_usd: NotRequired[int]
    cost_is_exact: NotRequired[bool]
    elapsed_s: NotRequired[float | None]
    finished_at_us: NotRequired[int | None]
    provider: NotRequired[str | None]
    served_by: NotRequired[str]
    is_same_model: NotRequired[bool]
    error: NotRequired[ErrorFacts | None]


class Expected(TypedDict):
    """When the service started a call, and the usual duration of such calls."""

    since_us: int
    typical_s: float


class RunEvent(TypedDict):
    """An event of a run. Fields with default values are omitted."""

    kind: str
    run_id: str
    state: NotRequired[str]
    at_us: NotRequired[int]
    scope: NotRequired[list[str]]
    node_id: NotRequired[str]
    coordinate: NotRequired[Coordinate]
    progress: NotRequired[float | None]
    expected: NotRequired[Expected]
    queue_position: NotRequired[int | None]
    waits_for: NotRequired[str]
    cost_micro_usd: NotRequired[int]
    generation_id: NotRequired[str | None]
    error: NotRequired[ErrorFacts | None]
    preview: NotRequired[int]
    result: NotRequired[JobResult]


class GenerationInput(TypedDict):
    """An input of a generation: media of an earlier generation, or a file."""

    port: str
    index: int
    sha256: str
    source_generation_id: str | None
    cell: ResultCell | None


class GenerationFacts(TypedDict):
    """Recorded facts of a generation."""

    generation_id: str
    node_id: str
    node_type: str
    status: str
    provider: str | None
    model: str | None
    prompt: str | None
    seed: int | None
    take: int
    settings: dict[str, Json]
    coordinate: Coordinate
    cost_micro_usd: int | None
    cost_is_exact: bool
    queued_at_us: int | None
    started_at_us: int | None
    finished_at_us: int | None
    flow_name: str | None
    error: ErrorFacts | None
    cells: list[ResultCell]
    inputs: list[GenerationInput]


class TapeFrame(TypedDict):
    """A frame of the filmstrip."""

    generation_id: str
    node_id: str
    node_type: str
    title: str
    state: str
    cell: ResultCell | None
    cost_micro_usd: int
    cost_is_exact: NotRequired[bool]
    finished_at_us: int


class Tape(TypedDict):
    """Frames of the filmstrip, newest first, and totals of the whole tape."""

    frames: list[TapeFrame]
    generations: int
    cost_micro_usd: int


class Budget(TypedDict):
    """A budget cap and its use, reservations included."""

    label: str
    spent_micro_usd: int
    cap_micro_usd: int


# --- messages (messages.ts) ------------------------------------------------------------------------------------------


class FileFacts(TypedDict):
    """State of the document's file."""

    path: str | None
    saved_at_us: int | None
    is_conflicting: bool
    error: NotRequired[ErrorFacts]


class BytesFacts(TypedDict):
    """How a view tests whether the Jupyter server can serve bytes."""

    nonce: str
    answer: str
    has_bucket: NotRequired[bool]


class History(TypedDict):
    """Whether there are steps to undo and redo."""

    can_undo: bool
    can_redo: bool


class Surroundings(TypedDict):
    """The part of a snapshot that does not depend on the flow's document."""

    catalog: list[NodeType]
    models: list[Model]
    templates: list[Template]
    tape: Tape
    budgets: list[Budget]


class Snapshot(Surroundings):
    """The full state that a view needs to start or restart."""

    type: Literal["snapshot"]
    wire: int
    id: NotRequired[str]
    rev: int
    seq: int
    flow: WireFlow
    plan: Plan
    results: dict[str, list[JobResult]]
    live: list[RunEvent]
    history: History
    file: FileFacts
    bytes: BytesFacts


class EditsBroadcast(TypedDict):
    """Edits applied to the document."""

    type: Literal["edits"]
    rev: int
    origin: str
    id: NotRequired[str]
    edits: list[dict[str, Json]]
    history: History


class RunEventsBroadcast(TypedDict):
    """Events of runs; preview images are sent as buffers."""

    type: Literal["events"]
    seq: int
    events: list[RunEvent]


class PlanMessage(TypedDict):
    """A new plan, or the part of it that changed."""

    type: Literal["plan"]
    plan: Plan
    is_partial: NotRequired[bool]
    results: NotRequired[dict[str, list[JobResult]]]


class Facts(TypedDict):
    """Updates of smaller parts of the state; absent fields are unchanged."""

    type: Literal["facts"]
    catalog: NotRequired[list[NodeType]]
    models: NotRequired[list[Model]]
    tape: NotRequired[Tape]
    budgets: NotRequired[list[Budget]]
    file: NotRequired[FileFacts]
    notice: NotRequired[ErrorFacts]
    news: NotRequired[str]


# --- fields of replies, by request (ReplyFields in messages.ts) ------------------------------------------------------


class RunReply(TypedDict):
    """Reply to `run`."""

    run_id: str


class TapeReply(TypedDict):
    """Reply to `ask` tape."""

    tape: Tape


class GenerationReply(TypedDict):
    """Reply to `ask` generation."""

    generation: GenerationFacts


class PythonReply(TypedDict):
    """Reply to `ask` python."""

    python: str


class EmptyReply(TypedDict):
    """Reply without fields: undo, cancel, and `ask` layering, whose module is a buffer."""


class UrlsReply(TypedDict):
    """Reply to `sign`: `{url, preview_url}` by digest."""

    urls: dict[str, dict[str, str]]


class MediaReply(TypedDict):
    """Reply to `media`; the bytes are a buffer."""

    media_type: str


class UploadTarget(TypedDict):
    """Reply to `place_upload`. `headers` is null if the URL requires only the content type."""

    url: str
    headers: Mapping[str, str] | None
    media_type: str


class AssetReply(TypedDict):
    """Reply to `confirm_upload` and `upload`."""

    asset: dict[str, Json]


class DownloadReply(TypedDict):
    """Reply to `download`: the file is a buffer, or behind `url` if it is too large for one."""

    name: str
    media_type: str
    url: NotRequired[str]
    preview_url: NotRequired[str]


class SaveReply(TypedDict):
    """Reply to `save`."""

    file: FileFacts


class RestoreReply(TypedDict):
    """Reply to `restore`: the node that was placed."""

    node_id: str


class SqlReply(TypedDict):
    """Reply to `ask_in_sql`: the source of a cell."""

    source: str


ReplyFields: TypeAlias = (
    RunReply
    | TapeReply
    | GenerationReply
    | PythonReply
    | EmptyReply
    | UrlsReply
    | MediaReply
    | UploadTarget
    | AssetReply
    | DownloadReply
    | SaveReply
    | RestoreReply
    | SqlReply
)


class Reply(TypedDict):
    """Reply to a request. A successful reply also has the `ReplyFields` of its request."""

    type: Literal["reply"]
    id: str
    error: NotRequired[ErrorFacts]


KernelMessage: TypeAlias = Snapshot | EditsBroadcast | RunEventsBroadcast | PlanMessage | Facts | Reply
