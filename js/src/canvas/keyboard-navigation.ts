/** Keyboard navigation between nodes. */

import type { Bridge } from "../bridge/context"
import type { Point } from "../state/store"

/** Nearest node in a direction, from the selected node or, without a selection, from a point. */
export function nearestNode({ editing, store }: Bridge, from: Point, towards: Point): string | null {
  const state = store.getState()
  const rects = editing.rects(state.shared.document.nodes.keys())
  const current = rects.find((rect) => state.selection.has(rect.id))
  const center = (rect: { x: number; y: number; width: number; height: number }) => ({
    x: rect.x + rect.width / 2,
    y: rect.y + rect.height / 2,
  })
  const start = current ? center(current) : from
  let best: string | null = null
  let shortest = Number.POSITIVE_INFINITY
  for (const rect of rects) {
    if (rect === current) continue
    const { x, y } = center(rect)
    const along = (x - start.x) * towards.x + (y - start.y) * towards.y
    const across = Math.abs((x - start.x) * towards.y) + Math.abs((y - start.y) * towards.x)
    if (current && along <= 0) continue
    const distance = Math.abs(along) + 2 * across
    if (distance < shortest) {
      shortest = distance
      best = rect.id
    }
  }
  return best
}
