/**
 * Examples of every message from a view to the kernel. The compiler checks that none is missing and that each fits
 * `ToKernel`; `tests/canvas/test_wire.py` has the kernel read them.
 */

import { type MediaFacts, type ToKernel, WIRE_VERSION } from "../src/wire/messages"

/** The name of a message: its type, and of an `ask` also what it asks for. */
type Name<M> = M extends { type: "ask"; what: infer W extends string }
  ? `ask ${W}`
  : M extends { type: infer T extends string }
    ? T
    : never
type Named<N extends string, M = ToKernel> = M extends ToKernel ? (N extends Name<M> ? M : never) : never
type Examples = { [N in Name<ToKernel>]: [Named<N>, ...Named<N>[]] }

const sha256 = "0123456789abcdef".repeat(4)
const media: MediaFacts = { width: 640, height: 480, duration_s: null }
const text = { id: "words", type: "text", params: { text: "dawn" }, take: 1, is_muted: false, locked: null }
const edge = { source: "words", sourceHandle: "text", target: "still", targetHandle: "prompt" }

export const EXAMPLES: Examples = {
  edits: [
    { type: "edits", id: "a", client_id: "view", base_rev: 0, edits: [], gesture: "words.text" },
    {
      type: "edits",
      id: "a",
      client_id: "view",
      base_rev: 3,
      edits: [
        { kind: "add_node", node: text, layout: { x: 1, y: 2, width: 280, title: "Words", color: null }, index: 0 },
        { kind: "add_node", node: { id: "still", type: "generate_image" }, layout: null, layout_index: null },
        { kind: "rename_node", old: "words", new: "prompt" },
        { kind: "set_param", node_id: "prompt", name: "text", value: "dusk" },
        { kind: "set_param", node_id: "prompt", name: "text", is_unset: true, index: null },
        { kind: "set_node", node_id: "prompt", field: "take", value: 2 },
        { kind: "set_node", node_id: "prompt", field: "locked", is_unset: true, index: 1 },
        { kind: "set_layout", node_id: "prompt", fields: { x: 40, y: 8, height: null }, mode: "merge", index: 0 },
        { kind: "add_edge", edge, index: 0 },
        { kind: "remove_edge", edge: { ...edge, id: "e" } },
        { kind: "set_variable", name: "time", value: "dawn", index: 0 },
        { kind: "set_variable", name: "time", is_unset: true },
        { kind: "set_flow", field: "viewport", value: { x: 0, y: 0, zoom: 1 } },
        { kind: "several", edits: [{ kind: "remove_node", node_id: "prompt" }] },
      ],
    },
  ],
  undo: [{ type: "undo", id: "a", client_id: "view" }],
  redo: [{ type: "redo", id: "a", client_id: "view" }],
  run: [
    { type: "run", id: "a", targets: [] },
    { type: "run", id: "a", targets: ["still"], is_confirmed: true },
  ],
  cancel: [
    { type: "cancel", id: "a" },
    { type: "cancel", id: "a", node_id: "still", branch: true },
  ],
  "ask snapshot": [{ type: "ask", id: "a", what: "snapshot", wire: WIRE_VERSION }],
  "ask tape": [
    { type: "ask", id: "a", what: "tape", of: "flow" },
    { type: "ask", id: "a", what: "tape", of: "all", before: "generation" },
  ],
  "ask generation": [{ type: "ask", id: "a", what: "generation", generation_id: "generation" }],
  "ask layering": [{ type: "ask", id: "a", what: "layering" }],
  "ask python": [{ type: "ask", id: "a", what: "python" }],
  sign: [{ type: "sign", id: "a", sha256: [sha256] }],
  media: [
    { type: "media", id: "a", sha256, use: "asset" },
    { type: "media", id: "a", sha256, use: "preview" },
  ],
  place_upload: [
    { type: "place_upload", id: "a", sha256, media_type: "image/png", size_bytes: 1 },
    { type: "place_upload", id: "a", sha256, media_type: "image/png", size_bytes: 1, via: "server" },
  ],
  confirm_upload: [
    { type: "confirm_upload", id: "a", sha256, media_type: "image/png", size_bytes: 1, ...media },
    { type: "confirm_upload", id: "a", sha256, media_type: "audio/wav", size_bytes: 1, ...media, duration_s: 1.5 },
  ],
  upload: [{ type: "upload", id: "a", media_type: "image/png" }],
  download: [
    { type: "download", id: "a", sha256 },
    { type: "download", id: "a", sha256, node_id: "still", coordinate: [["prompt", "dawn"]] },
  ],
  save: [
    { type: "save", id: "a", how: "save" },
    { type: "save", id: "a", how: "reload" },
    { type: "save", id: "a", how: "keep_mine" },
    { type: "save", id: "a", how: "copy" },
  ],
  restore: [{ type: "restore", id: "a", generation_id: "generation", position: { x: 1, y: 2 } }],
  ask_in_sql: [{ type: "ask_in_sql", id: "a" }],
}
