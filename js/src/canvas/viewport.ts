/** Fitting the viewport to nodes. Uses declared sizes, so no node has to be mounted. */

import { getViewportForBounds, type ReactFlowInstance, type Viewport } from "@xyflow/react"
import type { Bridge } from "../bridge/context"

const PADDING = { top: "88px", bottom: "128px", left: "32px", right: "32px" } as const
export const MIN_ZOOM = 0.02
export const MAX_ZOOM = 3

/** Viewport that shows these nodes (all by default), at most at zoom 1; null if there are none. */
export function fittedViewport({ editing, root }: Bridge, ids?: Iterable<string>): Viewport | null {
  const rects = ids ? editing.rects(ids) : editing.allRects()
  const frame = root.current?.getBoundingClientRect()
  if (rects.length === 0 || !frame || frame.width === 0) return null
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const { x, y, width, height } of rects) {
    left = Math.min(left, x)
    top = Math.min(top, y)
    right = Math.max(right, x + width)
    bottom = Math.max(bottom, y + height)
  }
  const bounds = { x: left, y: top, width: right - left, height: bottom - top }
  return getViewportForBounds(bounds, frame.width, frame.height, MIN_ZOOM, 1, PADDING)
}

export function fitView(bridge: Bridge, flow: ReactFlowInstance, ids?: Iterable<string>): void {
  const viewport = fittedViewport(bridge, ids)
  if (viewport) void flow.setViewport(viewport, { duration: 160 })
}
