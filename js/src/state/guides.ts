/** What is dragged lines up with what stands near it: edges with edges, middles with middles. */

import type { Rect } from "./arrange"

export interface Guide {
  /** `x`: a line from top to bottom at this x. */
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

/** How far to shift a rectangle so that it lines up, at most `within`, and the lines that say with what. */
export function snapToGuides(moving: Rect, others: readonly Rect[], within: number): SnapResult {
  const x = best(moving, others, within, "x")
  const y = best(moving, others, within, "y")
  const shifted = { ...moving, x: moving.x + (x?.by ?? 0), y: moving.y + (y?.by ?? 0) }
  const guides = [x && line(shifted, x, "x"), y && line(shifted, y, "y")].filter((one) => one !== null)
  return { dx: x?.by ?? 0, dy: y?.by ?? 0, guides }
}

interface Match {
  by: number
  at: number
  other: Rect
}

function best(moving: Rect, others: readonly Rect[], within: number, axis: "x" | "y"): Match | null {
  let found: Match | null = null
  const size = SIZE[axis]
  for (const other of others) {
    for (const part of [0, 0.5, 1]) {
      const at = other[axis] + other[size] * part
      const by = at - (moving[axis] + moving[size] * part)
      if (Math.abs(by) <= within && (found === null || Math.abs(by) < Math.abs(found.by))) found = { by, at, other }
    }
  }
  return found
}

function line(moving: Rect, { at, other }: Match, axis: "x" | "y"): Guide {
  const along = axis === "x" ? "y" : "x"
  const size = SIZE[along]
  return {
    axis,
    at,
    from: Math.min(moving[along], other[along]),
    to: Math.max(moving[along] + moving[size], other[along] + other[size]),
  }
}
