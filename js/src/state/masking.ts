/** What the mask painter begins with, and the edits that put its mask where it belongs. */

import type { Edit, JsonObject } from "../wire/flow"
import type { ResultCell } from "../wire/run"
import type { Rect } from "./arrange"
import type { FlowEdge, FlowNode } from "./document"
import { fileCell, fileEdits } from "./files"
import { inputOf } from "./ports"
import type { CanvasState, Point } from "./store"

export const MASK_NAME = "mask"

export interface MaskBasis {
  /** The picture that the mask is for; null: there is none yet. */
  picture: ResultCell | null
  /** How many pictures come through the port: the mask is painted over the first. */
  pictures: number
  /** The mask that is wired there. */
  mask: ResultCell | null
  /** The port that the picture should come through; null: the node takes none. */
  picturePort: string | null
}

/** What an edge brings: of a batch, all of it. */
function cellsThrough(state: CanvasState, edge: FlowEdge | undefined): ResultCell[] {
  const node = edge && state.shared.document.nodes.get(edge.source)
  if (!edge || !node) return []
  const file = fileCell(node, state.catalog.get(node.type))
  if (file) return [file]
  const results = state.runs.results.get(node.id) ?? []
  return results.flatMap((result) => result.cells.filter((cell) => cell.port === edge.sourceHandle))
}

export function maskBasis(state: CanvasState, nodeId: string, port: string): MaskBasis {
  const { document } = state.shared
  const type = state.catalog.get(document.nodes.get(nodeId)?.type ?? "")
  const into = (name: string) => document.edges.find((one) => one.target === nodeId && one.targetHandle === name)
  const [mask] = cellsThrough(state, into(port))
  // A node that takes masks alone has the other mask to go by.
  const candidates = (type?.inputs ?? []).filter(
    (one) => one.type === "image" || (one.type === "mask" && one.name !== port),
  )
  candidates.sort((a, b) => Number(a.type !== "image") - Number(b.type !== "image"))
  const wired = candidates.find((one) => one.collects === "no" && into(one.name)) ?? candidates[0]
  const pictures = wired ? cellsThrough(state, into(wired.name)) : []
  return {
    picture: pictures[0] ?? null,
    pictures: pictures.length,
    mask: mask ?? null,
    picturePort: wired?.name ?? null,
  }
}

/** Put a stored mask into the port: into the file node that is there for it alone, else into a new one. One step. */
export function maskEdits(state: CanvasState, nodeId: string, port: string, asset: JsonObject, at: Point): Edit[] {
  const { document } = state.shared
  const target = document.nodes.get(nodeId)
  if (!target || !inputOf(state.catalog.get(target.type), port)) return []
  const file = { kind: "image" as const, asset, name: MASK_NAME }
  const old = document.edges.find((one) => one.target === nodeId && one.targetHandle === port)
  const holder = old && document.nodes.get(old.source)
  if (holder && isOurs(holder) && document.edges.filter((one) => one.source === holder.id).length === 1) {
    return fileEdits(document, state.catalog, file, { kind: "replace", nodeId: holder.id }).edits
  }
  const { edits, id } = fileEdits(document, state.catalog, file, { kind: "port", nodeId, port, at })
  return [...edits, { kind: "set_layout", node_id: id, fields: { title: "Mask" } }]
}

/** A picture of the person's own that happens to be wired there is not painted over. */
const isOurs = (node: FlowNode): boolean => node.type === "load_image" && node.params.name === MASK_NAME

const MASK_SIZE = { width: 280, height: 270 }
const GAP = 40

/** The first place at or below a point where a node covers no other. */
export function freeBelow(rects: readonly Rect[], from: Point): Point {
  let at = from
  for (;;) {
    const hit = rects.find(
      (one) =>
        at.x < one.x + one.width + GAP &&
        one.x < at.x + MASK_SIZE.width + GAP &&
        at.y < one.y + one.height + GAP &&
        one.y < at.y + MASK_SIZE.height + GAP,
    )
    if (!hit) return at
    at = { x: at.x, y: hit.y + hit.height + GAP }
  }
}
