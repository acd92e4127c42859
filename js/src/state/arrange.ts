/** Aligns, distributes and auto-layouts nodes. Functions return edits. */

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

/** Aligns nodes on an edge or a center line, or distributes them in a row or a column. */
export function alignEdits(rects: readonly Rect[], how: Alignment): Edit[] {
  if (rects.length < 2) return []
  const lefts = Math.min(...rects.map((rect) => rect.x))
  const rights = Math.max(...rects.map((rect) => rect.x + rect.width))
  const tops = Math.min(...rects.map((rect) => rect.y))
  const bottoms = Math.max(...rects.map((rect) => rect.y + rect.height))
  if (how === "row" || how === "column") return spread(rects, how)
  return rects.flatMap((rect) => {
    switch (how) {
      case "left":
        return move(rect, lefts, rect.y)
      case "center":
        return move(rect, (lefts + rights - rect.width) / 2, rect.y)
      case "right":
        return move(rect, rights - rect.width, rect.y)
      case "top":
        return move(rect, rect.x, tops)
      case "middle":
        return move(rect, rect.x, (tops + bottoms - rect.height) / 2)
      default:
        return move(rect, rect.x, bottoms - rect.height)
    }
  })
}

const MIN_GAP = 32

function spread(rects: readonly Rect[], how: "row" | "column"): Edit[] {
  const [axis, size] = how === "row" ? (["x", "width"] as const) : (["y", "height"] as const)
  const sorted = [...rects].sort((a, b) => a[axis] - b[axis])
  const first = sorted[0] as Rect
  const last = sorted[sorted.length - 1] as Rect
  const occupied = sorted.reduce((sum, rect) => sum + rect[size], 0)
  const space = last[axis] + last[size] - first[axis] - occupied
  const gap = Math.max(MIN_GAP, space / (sorted.length - 1))
  let position = first[axis]
  return sorted.flatMap((rect) => {
    const edits = how === "row" ? move(rect, position, rect.y) : move(rect, rect.x, position)
    position += rect[size] + gap
    return edits
  })
}

/** Computes upper left corners: boxes in layers from left to right along edges, members of a group together. */
export type Layering = (
  rects: readonly Rect[],
  edges: readonly (readonly [source: string, target: string])[],
  groups: readonly (readonly string[])[],
) => ReadonlyMap<string, { x: number; y: number }>

/** Lays out nodes in layers along the edges, groups together. Keeps the upper left corner of the nodes in place. */
export function tidyEdits(
  layered: Layering,
  document: Document,
  rects: readonly Rect[],
  groups: readonly (readonly string[])[] = [],
): Edit[] {
  if (rects.length === 0) return []
  const ids = new Set(rects.map((rect) => rect.id))
  const edges = document.edges.flatMap(({ source, target }) =>
    ids.has(source) && ids.has(target) ? [[source, target] as const] : [],
  )
  const corners = layered(rects, edges, groups)
  const places = rects.map((rect) => ({ rect, ...(corners.get(rect.id) ?? rect) }))
  const placed = rects.filter((rect) => document.looks.has(rect.id))
  const anchors = placed.length > 0 ? placed : rects
  const shiftX = Math.min(...anchors.map(({ x }) => x)) - Math.min(...places.map(({ x }) => x))
  const shiftY = Math.min(...anchors.map(({ y }) => y)) - Math.min(...places.map(({ y }) => y))
  return places.flatMap(({ rect, x, y }) => move(rect, x + shiftX, y + shiftY))
}
