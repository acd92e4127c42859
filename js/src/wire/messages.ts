/**
 * All messages between kernel and view, in both directions. They are custom messages of one widget: JSON, plus binary
 * buffers for media if no server extension is available.
 *
 * Rules
 * - The kernel holds the authoritative document. A view applies its own edits optimistically and reapplies them after
 *   each change from the kernel.
 * - `rev` counts changes of the document, `seq` counts `events` messages; both increase by one. A view that detects a gap
 *   requests one `snapshot` and ignores anything older than it.
 * - Every message with an `id` gets a `reply` with that id, or a broadcast that carries it, also on failure.
 * - `edits` are applied in order of arrival, all of a message or none. They are broadcast to all views, including the
 *   sender, with its `client_id` as `origin` and its `id`. Undo history belongs to the document, not to a view.
 * - The kernel sends at most one `events` message per 33 ms.
 */

import type { Model, NodeType, Template } from "./catalog"
import type { Edit, JsonObject, WireFlow } from "./flow"
import type { Budget, Coordinate, ErrorFacts, GenerationFacts, JobResult, Plan, RunEvent, Tape } from "./run"

/** Version of the protocol, equal to `WIRE_VERSION` in canvas/wire.py. Increase both with each incompatible change. */
export const WIRE_VERSION = 1

/** The full state that a view needs to start or restart. */
export interface Snapshot {
  type: "snapshot"
  /** The kernel's `WIRE_VERSION`. */
  wire: number
  /** Id of the `ask` message. The snapshot includes all edits that the view sent before it, except refused ones. */
  id?: string
  rev: number
  /** Events up to this number are included. */
  seq: number
  flow: WireFlow
  catalog: NodeType[]
  models: Model[]
  plan: Plan
  results: Record<string, JobResult[]>
  /** Events that reproduce the state of the active run; empty if nothing runs. */
  live: RunEvent[]
  tape: Tape
  budgets: Budget[]
  templates: Template[]
  history: History
  file: FileFacts
  bytes: BytesFacts
}

/** State of the document's file. */
export interface FileFacts {
  /** The path as the user passed it; null if the flow has no file. */
  path: string | null
  /** Time of the last write; null if never written. */
  saved_at_us: number | null
  /** Another process changed the file. Saving stops until the user resolves the conflict. */
  is_conflicting: boolean
  /** Why the last write failed. The kernel retries until it succeeds. */
  error?: ErrorFacts
}

/**
 * How to test whether the Jupyter server can serve bytes: `GET <base>/fusionflow/probe?nonce=<nonce>` returns
 * `{"answer": <answer>}`. If it does not, the kernel sends bytes as binary buffers (`media`, `upload`).
 */
export interface BytesFacts {
  nonce: string
  answer: string
  /** Files are uploaded directly to a bucket. */
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
  /** Id of the view's message that contained the edits. */
  id?: string
  edits: Edit[]
  history: History
}

/** Preview images are sent as buffers (`preview` of an event). */
export interface RunEventsBroadcast {
  type: "events"
  seq: number
  events: RunEvent[]
}

/** Sent when planning completes after edits or jobs, for the latest revision only. */
export interface PlanMessage {
  type: "plan"
  plan: Plan
  /** `nodes` contains only nodes whose plan changed. */
  is_partial?: boolean
  /** Results that changed without a run (an undo, a cached key). */
  results?: Record<string, JobResult[]>
}

/** Updates of smaller parts of the state; absent fields are unchanged. */
export interface Facts {
  type: "facts"
  catalog?: NodeType[]
  models?: Model[]
  tape?: Tape
  budgets?: Budget[]
  file?: FileFacts
  /** An error outside of any request, shown in every view. */
  notice?: ErrorFacts
  /** Information to show in every view, such as resumed calls of an earlier kernel. */
  news?: string
}

/** Fields of a successful reply, by type of the request (of an `ask`: by `what`). */
export interface ReplyFields {
  undo: Record<string, never>
  redo: Record<string, never>
  cancel: Record<string, never>
  run: { run_id: string }
  tape: { tape: Tape }
  generation: { generation: GenerationFacts }
  layering: Record<string, never>
  python: { python: string }
  sign: { urls: Record<string, { url: string; preview_url?: string }> }
  media: { media_type: string }
  place_upload: { url: string; headers: Record<string, string> | null; media_type: string }
  confirm_upload: { asset: JsonObject }
  upload: { asset: JsonObject }
  download: { name: string; media_type: string; url?: string; preview_url?: string }
  save: { file: FileFacts }
  restore: { node_id: string }
  ask_in_sql: { source: string }
}

/** A reply, with the `ReplyFields` of its request unless it has an `error`. */
export interface Reply {
  type: "reply"
  id: string
  /** `gone`: the edit refers to a node that no longer exists. */
  error?: ErrorFacts
  run_id?: string
  [more: string]: unknown
}

/** The successful reply to a request. */
export type ReplyTo<M> = Reply &
  (M extends { type: "ask"; what: infer W extends keyof ReplyFields }
    ? ReplyFields[W]
    : M extends { type: infer T extends keyof ReplyFields }
      ? ReplyFields[T]
      : unknown)

export type FromKernel = Snapshot | EditsBroadcast | RunEventsBroadcast | PlanMessage | Facts | Reply

export type ToKernel =
  | {
      type: "edits"
      id: string
      client_id: string
      base_rev: number
      edits: Edit[]
      /** Edits of one gesture (a slider drag) form one undo step. */
      gesture?: string
    }
  | { type: "undo" | "redo"; id: string; client_id: string }
  /** `targets`: node ids; empty means all nodes. A rerun is preceded by an edit of takes and seeds. */
  /** An expensive run gets the error `unconfirmed` with its price; `is_confirmed` is the user's confirmation. */
  | { type: "run"; id: string; targets: string[]; is_confirmed?: boolean }
  /** Cancels all jobs, those of a node, or (`branch`) those of a node and all nodes downstream. */
  | { type: "cancel"; id: string; node_id?: string; branch?: boolean }
  /** `wire`: the view's `WIRE_VERSION`. If it differs from the kernel's, the reply is the error `wire_version`. */
  | { type: "ask"; id: string; what: "snapshot"; wire: number }
  /** The tape of this flow or of all flows: `{tape}`. `before`: frames older than this generation. */
  | { type: "ask"; id: string; what: "tape"; of: "flow" | "all"; before?: string }
  /** The recorded inputs and settings of a generation: `{generation}`. */
  | { type: "ask"; id: string; what: "generation"; generation_id: string }
  /** The module with the layered layout (`layering.js`), in one buffer. */
  | { type: "ask"; id: string; what: "layering" }
  /** Python source that rebuilds the flow: `{python}`. */
  | { type: "ask"; id: string; what: "python" }
  /** New URLs after expiry: `{urls: {sha256: {url, preview_url}}}`. */
  | { type: "sign"; id: string; sha256: string[] }
  /** Bytes of a result if no server can serve them: `{media_type}` and one buffer. */
  | { type: "media"; id: string; sha256: string; use: "asset" | "preview" }
  /**
   * Returns the URL to PUT these bytes to: `{url, headers, media_type}`. A buffer with the first bytes identifies the type.
   * `headers`: headers pinned by a bucket's signature; null: only the content type. `via: "server"`: bypass the bucket.
   */
  | { type: "place_upload"; id: string; sha256: string; media_type: string; size_bytes: number; via?: "server" }
  /** Confirms a finished PUT: `{asset}`, for a file node. Carries the facts read by the page and a WebP preview buffer. */
  | ({ type: "confirm_upload"; id: string; sha256: string; media_type: string; size_bytes: number } & MediaFacts)
  /** Uploads bytes through the kernel if no server accepts them, in one buffer: `{asset}`. */
  | { type: "upload"; id: string; media_type: string }
  /** A result as a file with embedded recipe: `{name, media_type}` and one buffer, or `{url}` if it is large. */
  | { type: "download"; id: string; sha256: string; node_id?: string; coordinate?: Coordinate }
  /** Saves now. On a conflict: reload the file, overwrite it, or save a copy next to it. */
  | { type: "save"; id: string; how: "save" | "reload" | "keep_mine" | "copy" }
  /** Restores the nodes that produced a generation. */
  | { type: "restore"; id: string; generation_id: string; position: { x: number; y: number } }
  /** Source of a cell that queries the tape: `{source}`. */
  | { type: "ask_in_sql"; id: string }

/** Media facts that the page reads by decoding a file; null if unknown. */
export interface MediaFacts {
  width: number | null
  height: number | null
  duration_s: number | null
}

/** A bidirectional message channel. */
export interface Channel {
  /** Throws if the channel is closed, as after a kernel restart. */
  send(message: ToKernel, buffers?: ArrayBuffer[]): void
  /** Subscribes to connection changes of the kernel, if supported. Returns the unsubscribe function. */
  onLineChange?(listener: () => void): () => void
  /** Subscribes to messages. Returns the unsubscribe function. */
  listen(listener: (message: FromKernel, buffers: DataView[]) => void): () => void
}

/** Creates an id for a message or client, unique within a document. */
export const newId = (): string => Math.random().toString(36).slice(2, 12)

/** Whether a custom message belongs to this protocol. */
export function isFromKernel(message: unknown): message is FromKernel {
  const type = (message as JsonObject | null)?.type
  return typeof type === "string" && ["snapshot", "edits", "events", "plan", "facts", "reply"].includes(type)
}
