/** Input of the mask painter, and the edits that store its mask. */

import type { Edit, JsonObject } from "../wire/flow"
import type { ResultCell } from "../wire/run"
import type { Rect } from "./arrange"
import type { FlowEdge, FlowNode } from "./document"
import { fileCell, fileEdits } from "./files"
import { inputOf } from "./ports"
import type { CanvasState, Point } from "./store"

export const MASK_NAME = "mask"

export interface MaskBasis {
  /** The image to mask; null until one exists. */
  picture: ResultCell | null
  /** Number of images on the port. The painter shows the first. */
  pictures: number
  /** The mask connected to the port. */
  mask: ResultCell | null
  /** The input port of the image; null if the node has no image input. */
  picturePort: string | null
}

/** The results at the source of an edge: all cells of a batch. */
function cellsFrom(state: CanvasState, edge: FlowEdge | undefined): ResultCell[] {
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
  const edgeInto = (name: string) => document.edges.find((edge) => edge.target === nodeId && edge.targetHandle === name)
  const [mask] = cellsFrom(state, edgeInto(port))
  // A node with mask inputs only: use the other mask as the image.
  const candidates = (type?.inputs ?? []).filter(
    (input) => input.type === "image" || (input.type === "mask" && input.name !== port),
  )
  candidates.sort((a, b) => Number(a.type !== "image") - Number(b.type !== "image"))
  const wired = candidates.find((input) => input.collects === "no" && edgeInto(input.name)) ?? candidates[0]
  const pictures = wired ? cellsFrom(state, edgeInto(wired.name)) : []
  return {
    picture: pictures[0] ?? null,
    pictures: pictures.length,
    mask: mask ?? null,
    picturePort: wired?.name ?? null,
  }
}

/** Stores a mask for the port: in its file node if the mask has no other target, else in a new node. One undo step. */
export function maskEdits(state: CanvasState, nodeId: string, port: string, asset: JsonObject, at: Point): Edit[] {
  const { document } = state.shared
  const target = document.nodes.get(nodeId)
  if (!target || !inputOf(state.catalog.get(target.type), port)) return []
  const file = { kind: "image" as const, asset, name: MASK_NAME }
  const old = document.edges.find((edge) => edge.target === nodeId && edge.targetHandle === port)
  const holder = old && document.nodes.get(old.source)
  if (holder && isMaskFile(holder) && document.edges.filter((edge) => edge.source === holder.id).length === 1) {
    return fileEdits(document, state.catalog, file, { kind: "replace", nodeId: holder.id }).edits
  }
  const { edits, id } = fileEdits(document, state.catalog, file, { kind: "port", nodeId, port, at })
  return [...edits, { kind: "set_layout", node_id: id, fields: { title: "Mask" } }]
}

/** Whether the painter created this file node. Other image files are never overwritten. */
const isMaskFile = (node: FlowNode): boolean => node.type === "load_image" && node.params.name === MASK_NAME

const MASK_SIZE = { width: 280, height: 270 }
const GAP = 40

/** The first position at or below `from` where the node covers no other. */
export function freeBelow(rects: readonly Rect[], from: Point): Point {
  let position = from
  for (;;) {
    const blocker = rects.find(
      (rect) =>
        position.x < rect.x + rect.width + GAP &&
        rect.x < position.x + MASK_SIZE.width + GAP &&
        position.y < rect.y + rect.height + GAP &&
        rect.y < position.y + MASK_SIZE.height + GAP,
    )
    if (!blocker) return position
    position = { x: position.x, y: blocker.y + blocker.height + GAP }
  }
}
