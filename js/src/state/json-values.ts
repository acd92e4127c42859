/** What a flow may hold: plain JSON, finite, not absurdly deep. The kernel refuses anything else. */

import type { Json } from "../wire/flow"

const MAX_DEPTH = 100

/** An edit that does not fit; the document is as it was. `gone`: it names something that is no more. */
export class EditError extends Error {
  constructor(
    readonly code: "gone" | "taken" | "refused",
    message: string,
    readonly nodeId?: string,
  ) {
    super(message)
  }
}

/** The value itself, if it can be stored. */
export function requireJson<T>(value: T, nodeId?: string): T {
  check(value as Json, nodeId, 0)
  return value
}

function check(value: Json | undefined, nodeId: string | undefined, depth: number): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new EditError("refused", `${value} is no number that can be stored.`, nodeId)
  }
  if (typeof value !== "object" || value === null) return
  if (depth === MAX_DEPTH) throw new EditError("refused", `A value is nested deeper than ${MAX_DEPTH} levels.`, nodeId)
  for (const one of Object.values(value)) check(one, nodeId, depth + 1)
}
