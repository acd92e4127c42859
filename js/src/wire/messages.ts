/**
 * Every message between kernel and view, both ways. Custom messages of one widget; JSON, plus binary buffers for media
 * where no server extension answers.
 *
 * The rules
 * - The kernel is the truth. A view shows its own edits at once and lays them anew over whatever the kernel says.
 * - `rev` counts changes of the document, `seq` counts `events` messages; both rise by one. A view that meets a gap
 *   asks for one `snapshot` and waits; what is older than that snapshot is passed over.
 * - Every message of a view with an `id` gets a `reply` with it, or a broadcast that carries it; failure included.
 * - `edits` are applied in the order of arrival, all of a message or none, and broadcast to all views, the sender too,
 *   under its `client_id` as `origin` and its `id`. Undo belongs to the document: one history for all views.
 * - At most one `events` message per 33 ms.
 */

import type { Model, NodeType, Template } from "./catalog"
import type { Edit, JsonObject, WireFlow } from "./flow"
import type { Budget, Coordinate, ErrorFacts, JobResult, Plan, RunEvent, Tape } from "./run"

/** Everything a view needs to begin, or to begin again. */
export interface Snapshot {
  type: "snapshot"
  /** Id of the `ask` it answers: all edits that the view sent before asking are in here, or were refused. */
  id?: string
  rev: number
  /** Events up to this one are in here already. */
  seq: number
  flow: WireFlow
  catalog: NodeType[]
  models: Model[]
  plan: Plan
  results: Record<string, JobResult[]>
  /** Events of the run that goes on, enough to show how it stands; empty when nothing runs. */
  live: RunEvent[]
  tape: Tape
  budgets: Budget[]
  templates: Template[]
  history: History
  file: FileFacts
  bytes: BytesFacts
}

/** How the document stands against its file. */
export interface FileFacts {
  /** As the person gave it; null: it has no file yet. */
  path: string | null
  /** When it was last written; null: never. */
  saved_at_us: number | null
  /** Somebody else changed it on disk since: nothing is written until the person has chosen. */
  is_conflicting: boolean
  /** Why it could not be written; it is tried again until it can. */
  error?: ErrorFacts
}

/**
 * How to find out whether bytes can be had from the Jupyter server: `GET <base>/fusionflow/probe?nonce=<nonce>` answers
 * `{"answer": <answer>}` there. Where it does not, bytes come as binary buffers from the kernel (`media`, `upload`).
 */
export interface BytesFacts {
  nonce: string
  answer: string
  /** Files go straight into a bucket; absent: they do not. */
  has_bucket?: boolean
}

export interface History {
  can_undo: boolean
  can_redo: boolean
}

export interface EditsBroadcast {
  type: "edits"
  rev: number
  /** Client id of the view that sent them, or `python`, `undo`, `redo`. */
  origin: string
  /** Id of the message they came in, where they came from a view. */
  id?: string
  edits: Edit[]
  history: History
}

/** Pictures in the making come along as buffers (`preview` of an event). */
export interface RunEventsBroadcast {
  type: "events"
  seq: number
  events: RunEvent[]
}

/** After edits and at the end of jobs, when planning is done; for the newest revision only. */
export interface PlanMessage {
  type: "plan"
  plan: Plan
  /** Only nodes that differ from before are named; those that the document no longer has are forgotten. */
  is_partial?: boolean
  /** Results of nodes whose results changed without a run (an undo, a cached key); absent: as they were. */
  results?: Record<string, JobResult[]>
}

/** Small things that change now and then; absent fields are as they were. */
export interface Facts {
  type: "facts"
  catalog?: NodeType[]
  models?: Model[]
  tape?: Tape
  budgets?: Budget[]
  file?: FileFacts
  /** Something went wrong that nobody asked for: said to every view. */
  notice?: ErrorFacts
  /** Something goes on by itself (calls of a dead kernel come home): said to every view. */
  news?: string
}

export interface Reply {
  type: "reply"
  id: string
  /** `gone`: an edit met a node that is no more. */
  error?: ErrorFacts
  run_id?: string
  [more: string]: unknown
}

export type FromKernel = Snapshot | EditsBroadcast | RunEventsBroadcast | PlanMessage | Facts | Reply

export type ToKernel =
  | {
      type: "edits"
      id: string
      client_id: string
      base_rev: number
      edits: Edit[]
      /** Steps of one gesture (a slider being dragged) are undone together. */
      gesture?: string
    }
  | { type: "undo" | "redo"; id: string; client_id: string }
  /** `targets`: node ids; empty means all. "Again" is an edit of takes and seeds before it. */
  /** A large run is answered with the error code `unconfirmed` and its price; `is_confirmed` is the person's yes. */
  | { type: "run"; id: string; targets: string[]; is_confirmed?: boolean }
  /** Everything, one node, or (`branch`) a node and all below it. */
  | { type: "cancel"; id: string; node_id?: string; branch?: boolean }
  | { type: "ask"; id: string; what: "snapshot" }
  /** The filmstrip of this flow or of all: `{tape}`. `before`: frames older than this generation. */
  | { type: "ask"; id: string; what: "tape"; of: "flow" | "all"; before?: string }
  /** How a generation was made: `{generation}`. */
  | { type: "ask"; id: string; what: "generation"; generation_id: string }
  /** The module that lays nodes out in layers (`layering.js`), in one buffer. */
  | { type: "ask"; id: string; what: "layering" }
  /** Python that rebuilds the flow: `{python}`. */
  | { type: "ask"; id: string; what: "python" }
  /** New addresses, where old ones have expired: `{urls: {sha256: {url, preview_url}}}`. */
  | { type: "sign"; id: string; sha256: string[] }
  /** Bytes of a result where the server gives none: `{media_type}` and one buffer. */
  | { type: "media"; id: string; sha256: string; use: "asset" | "preview" }
  /**
   * Where to PUT these very bytes: `{url, headers, media_type}`. The first of them come in a buffer: they tell the type.
   * `headers`: what a bucket's signature pins; null: the type alone. `via: "server"`: past the bucket.
   */
  | { type: "place_upload"; id: string; sha256: string; media_type: string; size_bytes: number; via?: "server" }
  /** They are there: `{asset}`, for a file node. What the page knows of them comes along, a small WebP in a buffer. */
  | ({ type: "confirm_upload"; id: string; sha256: string; media_type: string; size_bytes: number } & MediaFacts)
  /** Bytes for the store where the server takes none, in one buffer: `{asset}`. */
  | { type: "upload"; id: string; media_type: string }
  /** A result as a file with its recipe inside: `{name, media_type}` and one buffer, or `{url}` where it is large. */
  | { type: "download"; id: string; sha256: string; node_id?: string; coordinate?: Coordinate }
  /** Write the file now; on a conflict: read what is on disk, write over it, or write a copy beside it. */
  | { type: "save"; id: string; how: "save" | "reload" | "keep_mine" | "copy" }
  /** Place again how a generation was made. */
  | { type: "restore"; id: string; generation_id: string; position: { x: number; y: number } }
  /** The source of a cell that asks the tape: `{source}`. */
  | { type: "ask_in_sql"; id: string }

/** What a page finds out of a file by showing it; null where it cannot. */
export interface MediaFacts {
  width: number | null
  height: number | null
  duration_s: number | null
}

/** A two-way pipe of messages, whatever is at the other end. */
export interface Channel {
  /** Throws where there is nobody to send to: the kernel was restarted. */
  send(message: ToKernel, buffers?: ArrayBuffer[]): void
  /** Hear that the kernel went or came, where somebody can tell; returns how to stop. */
  onLineChange?(listener: () => void): () => void
  /** Hear messages; returns how to stop. */
  listen(listener: (message: FromKernel, buffers: DataView[]) => void): () => void
}

/** A new id for a message or a client; unique enough within one document. */
export const newId = (): string => Math.random().toString(36).slice(2, 12)

/** Whether something that came over the wire is one of our messages; others are passed over. */
export function isFromKernel(message: unknown): message is FromKernel {
  const type = (message as JsonObject | null)?.type
  return typeof type === "string" && ["snapshot", "edits", "events", "plan", "facts", "reply"].includes(type)
}
