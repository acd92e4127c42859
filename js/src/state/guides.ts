/** Alignment guides: snaps a dragged rectangle to edges and centers of its neighbours. */

import type { Rect } from "./arrange"

export interface Guide {
  /** `x`: a vertical line at this x. */
  axis: "x" | "y"
  at: number
  from: number
  to: number
}

export interface SnapResult {
  dx: number
  dy: number
  guides: Guide[]
}

const SIZE = { x: "width", y: "height" } as const

/** Shift that aligns a rectangle with others, at most `within` pixels per axis, and the guides to draw. */
export function snapToGuides(moving: Rect, others: readonly Rect[], within: number): SnapResult {
  const x = closestMatch(moving, others, within, "x")
  const y = closestMatch(moving, others, within, "y")
  const shifted = { ...moving, x: moving.x + (x?.by ?? 0), y: moving.y + (y?.by ?? 0) }
  const guides = [x && guideAt(shifted, x, "x"), y && guideAt(shifted, y, "y")].filter((guide) => guide !== null)
  return { dx: x?.by ?? 0, dy: y?.by ?? 0, guides }
}

interface Match {
  by: number
  at: number
  other: Rect
}

function closestMatch(moving: Rect, others: readonly Rect[], within: number, axis: "x" | "y"): Match | null {
  let match: Match | null = null
  const size = SIZE[axis]
  for (const other of others) {
    for (const part of [0, 0.5, 1]) {
      const at = other[axis] + other[size] * part
      const by = at - (moving[axis] + moving[size] * part)
      if (Math.abs(by) <= within && (match === null || Math.abs(by) < Math.abs(match.by))) match = { by, at, other }
    }
  }
  return match
}

function guideAt(moving: Rect, { at, other }: Match, axis: "x" | "y"): Guide {
  const along = axis === "x" ? "y" : "x"
  const size = SIZE[along]
  return {
    axis,
    at,
    from: Math.min(moving[along], other[along]),
    to: Math.max(moving[along] + moving[size], other[along] + other[size]),
  }
}
