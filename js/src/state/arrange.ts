/** Where nodes go: lining up, spreading out, and a layered layout of the whole. Answers are edits. */

import type { Edit } from "../wire/flow"
import type { Document } from "./document"

export interface Rect {
  id: string
  x: number
  y: number
  width: number
  height: number
}

const move = (rect: Rect, x: number, y: number): Edit[] =>
  Math.round(x) === rect.x && Math.round(y) === rect.y
    ? []
    : [{ kind: "set_layout", node_id: rect.id, fields: { x: Math.round(x), y: Math.round(y) } }]

export type Alignment = "left" | "center" | "right" | "top" | "middle" | "bottom" | "row" | "column"

/** Line up nodes on an edge, a middle line, or spread them evenly in a row or a column. */
export function alignEdits(rects: readonly Rect[], how: Alignment): Edit[] {
  if (rects.length < 2) return []
  const lefts = Math.min(...rects.map((one) => one.x))
  const rights = Math.max(...rects.map((one) => one.x + one.width))
  const tops = Math.min(...rects.map((one) => one.y))
  const bottoms = Math.max(...rects.map((one) => one.y + one.height))
  if (how === "row" || how === "column") return spread(rects, how)
  return rects.flatMap((one) => {
    switch (how) {
      case "left":
        return move(one, lefts, one.y)
      case "center":
        return move(one, (lefts + rights - one.width) / 2, one.y)
      case "right":
        return move(one, rights - one.width, one.y)
      case "top":
        return move(one, one.x, tops)
      case "middle":
        return move(one, one.x, (tops + bottoms - one.height) / 2)
      default:
        return move(one, one.x, bottoms - one.height)
    }
  })
}

const LEAST_GAP = 32

function spread(rects: readonly Rect[], how: "row" | "column"): Edit[] {
  const [axis, size] = how === "row" ? (["x", "width"] as const) : (["y", "height"] as const)
  const inOrder = [...rects].sort((a, b) => a[axis] - b[axis])
  const first = inOrder[0] as Rect
  const last = inOrder[inOrder.length - 1] as Rect
  const taken = inOrder.reduce((sum, one) => sum + one[size], 0)
  const room = last[axis] + last[size] - first[axis] - taken
  const gap = Math.max(LEAST_GAP, room / (inOrder.length - 1))
  let at = first[axis]
  return inOrder.flatMap((one) => {
    const edits = how === "row" ? move(one, at, one.y) : move(one, one.x, at)
    at += one[size] + gap
    return edits
  })
}

/** Upper left corners of boxes in layers from left to right along edges, groups together; see `src/layering`. */
export type Layering = (
  rects: readonly Rect[],
  edges: readonly (readonly [source: string, target: string])[],
  groups: readonly (readonly string[])[],
) => ReadonlyMap<string, { x: number; y: number }>

/** Layers along the edges, groups together; the nodes' upper left corner stays where it is. */
export function tidyEdits(
  layered: Layering,
  document: Document,
  rects: readonly Rect[],
  groups: readonly (readonly string[])[] = [],
): Edit[] {
  if (rects.length === 0) return []
  const known = new Set(rects.map((one) => one.id))
  const edges = document.edges.flatMap(({ source, target }) =>
    known.has(source) && known.has(target) ? [[source, target] as const] : [],
  )
  const corners = layered(rects, edges, groups)
  const places = rects.map((rect) => ({ rect, ...(corners.get(rect.id) ?? rect) }))
  const placed = rects.filter((one) => document.looks.has(one.id))
  const from = placed.length > 0 ? placed : rects
  const shiftX = Math.min(...from.map((one) => one.x)) - Math.min(...places.map((one) => one.x))
  const shiftY = Math.min(...from.map((one) => one.y)) - Math.min(...places.map((one) => one.y))
  return places.flatMap(({ rect, x, y }) => move(rect, x + shiftX, y + shiftY))
}
