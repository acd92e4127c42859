/** Checks values stored in a flow: JSON only, finite numbers, limited depth. The kernel applies the same rules. */

import type { Json } from "../wire/flow"

const MAX_DEPTH = 100

/** An edit that cannot be applied; the document is unchanged. `gone`: a node or edge of the edit does not exist. */
export class EditError extends Error {
  constructor(
    readonly code: "gone" | "taken" | "refused",
    message: string,
    readonly nodeId?: string,
  ) {
    super(message)
  }
}

/** Returns the value if it can be stored, else throws `EditError`. */
export function requireJson<T>(value: T, nodeId?: string): T {
  check(value as Json, nodeId, 0)
  return value
}

function check(value: Json | undefined, nodeId: string | undefined, depth: number): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new EditError("refused", `${value} is not a finite number.`, nodeId)
  }
  if (typeof value !== "object" || value === null) return
  if (depth === MAX_DEPTH) throw new EditError("refused", `A value is nested deeper than ${MAX_DEPTH} levels.`, nodeId)
  for (const item of Object.values(value)) check(item, nodeId, depth + 1)
}
