/** The input of a grade node, to preview its result before the kernel has run it. Pure functions. */

import type { JsonObject } from "../wire/flow"
import type { ResultCell } from "../wire/run"
import { isRunning } from "./card"
import type { DerivedState } from "./derived"
import type { CanvasState } from "./store"

export interface UngradedCell {
  readonly key: string
  readonly coordinate: readonly [string, string][]
  readonly cell: ResultCell
}

export interface GradeInput {
  readonly params: Readonly<JsonObject>
  readonly cells: readonly UngradedCell[]
  /** The kernel's result matches these settings and images. */
  readonly isSettled: boolean
}

/** Null if the node is not an active, unlocked grade node with exactly its image input connected. */
export function gradeInput(state: CanvasState, derived: DerivedState, nodeId: string): GradeInput | null {
  const { shared, catalog, plan } = state
  const node = shared.document.nodes.get(nodeId)
  if (node?.type !== "grade" || node.isMuted || node.locked !== null || !catalog.has("grade")) return null
  const edges = shared.document.edges.filter((edge) => edge.target === nodeId)
  const [edge] = edges
  if (edges.length !== 1 || edge?.targetHandle !== "image") return null
  const source = derived.card(state, edge.source)
  const card = derived.card(state, nodeId)
  const cells = (source?.cells ?? []).flatMap(({ key, coordinate, cell }) =>
    cell && cell.port === edge.sourceHandle && cell.media_type?.startsWith("image/") ? [{ key, coordinate, cell }] : [],
  )
  if (!card || cells.length === 0) return null
  const isPlanned = shared.pending.length === 0 && plan.rev >= shared.rev
  const isSettled =
    isPlanned && plan.nodes[nodeId]?.state === "fresh" && !isRunning(card.facts) && card.cells.some(({ cell }) => cell)
  return { params: node.params, cells, isSettled }
}

/** Fingerprint of an input: equal inputs produce equal images. */
export const gradeFingerprint = ({ params, cells }: GradeInput): string =>
  JSON.stringify([params, cells.map(({ key, cell }) => [key, cell.sha256 ?? cell.url ?? cell.preview_url])])
