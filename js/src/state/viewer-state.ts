/** State of the viewer. Refers to results by reference, so that it follows a node that runs again. Pure functions. */

import type { ResultCell, TapeFrame } from "../wire/run"
import type { CellView } from "./card"
import type { DerivedState } from "./derived"
import { gradeInput } from "./grade-input"
import type { CanvasState } from "./store"

/** Reference to a result: a node's result at a coordinate, or a frame of the tape. */
export type ResultRef =
  | { readonly kind: "node"; readonly nodeId: string; readonly key: string }
  | { readonly kind: "tape"; readonly frame: TapeFrame }

/** One result to view, or two to four to compare. */
export interface ViewerState {
  readonly refs: readonly ResultRef[]
  readonly isComparing: boolean
}

/** A resolved result with its title and label. */
export interface ViewedResult {
  readonly id: string
  readonly ref: ResultRef
  readonly cell: ResultCell
  readonly kind: "image" | "video" | "audio" | "value"
  readonly title: string
  /** Labels on all axes: `seed 7`. */
  readonly label: string
  readonly nodeId: string | null
  readonly generationId: string | null
}

export const MIN_COMPARED = 2
export const MAX_COMPARED = 4

export const refId = (ref: ResultRef): string =>
  ref.kind === "node" ? `node ${ref.nodeId} ${ref.key}` : `tape ${ref.frame.generation_id}`

export const isSameRef = (a: ResultRef, b: ResultRef): boolean => refId(a) === refId(b)

export function resultKind(cell: ResultCell): ViewedResult["kind"] {
  if (cell.value !== undefined) return "value"
  const family = cell.media_type?.split("/")[0]
  return family === "video" || family === "audio" ? family : "image"
}

/** Resolves a reference; null if the result no longer exists. */
export function resolveResult(state: CanvasState, derived: DerivedState, ref: ResultRef): ViewedResult | null {
  if (ref.kind === "tape") {
    const { frame } = ref
    if (!frame.cell) return null
    return {
      id: refId(ref),
      ref,
      cell: frame.cell,
      kind: resultKind(frame.cell),
      title: frame.title,
      label: labelOf(frame.cell.coordinate),
      nodeId: null,
      generationId: frame.generation_id,
    }
  }
  const card = derived.card(state, ref.nodeId)
  const view = card?.cells.find((cellView) => cellView.key === ref.key)
  // A grade is previewed before the kernel has computed it: the viewer grades the input image.
  const cell = view && isViewable(view) ? view.cell : ungraded(state, derived, ref.nodeId, ref.key)
  if (!card || !cell) return null
  const result = card.facts.results?.find(({ cells }) => cells.includes(cell))
  return {
    id: refId(ref),
    ref,
    cell,
    kind: resultKind(cell),
    title: card.title,
    label: labelOf(view?.coordinate ?? cell.coordinate),
    nodeId: ref.nodeId,
    generationId: result?.generation_id ?? null,
  }
}

const ungraded = (state: CanvasState, derived: DerivedState, nodeId: string, key: string): ResultCell | null =>
  gradeInput(state, derived, nodeId)?.cells.find((input) => input.key === key)?.cell ?? null

/** Whether the cell has a result that can be opened; false for empty cells and previews. */
export const isViewable = (view: CellView): view is CellView & { cell: ResultCell } =>
  view.cell !== null && (view.cell.sha256 !== undefined || view.cell.url !== undefined || view.cell.value !== undefined)

const labelOf = (coordinate: readonly (readonly [string, string])[]): string =>
  coordinate.map(([axis, label]) => `${axis} ${label}`).join(" · ")

/** All viewable results of a node, in axis order. */
export function nodeResults(state: CanvasState, derived: DerivedState, nodeId: string): ResultRef[] {
  const cells = derived.card(state, nodeId)?.cells ?? []
  return cells.filter(isViewable).map(({ key }) => ({ kind: "node", nodeId, key }))
}

/** The results to step through: the node's results, or the tape. */
export function siblingResults(state: CanvasState, derived: DerivedState, ref: ResultRef): ResultRef[] {
  if (ref.kind === "node") return nodeResults(state, derived, ref.nodeId)
  const frames = state.tape.frames.filter((frame) => frame.cell !== null)
  const row = frames.map((frame): ResultRef => ({ kind: "tape", frame }))
  return row.some((item) => isSameRef(item, ref)) ? row : [ref, ...row]
}

/** The same result in the other list, else its first result; null if the other list is empty. */
export function counterpartResult(state: CanvasState, derived: DerivedState, shown: ViewedResult): ResultRef | null {
  const { ref, generationId } = shown
  if (ref.kind === "node") {
    const frames = state.tape.frames.filter((frame) => frame.cell !== null)
    const frame = frames.find((item) => item.generation_id === generationId) ?? frames[0]
    return frame ? { kind: "tape", frame } : null
  }
  const results = nodeResults(state, derived, ref.frame.node_id)
  return (
    results.find((item) => resolveResult(state, derived, item)?.generationId === generationId) ?? results[0] ?? null
  )
}

/** Toggles a mark. Beyond the maximum, the oldest mark is removed. */
export function toggleMarked(marked: readonly ResultRef[], ref: ResultRef): readonly ResultRef[] {
  const others = marked.filter((mark) => !isSameRef(mark, ref))
  return others.length < marked.length ? others : [...others, ref].slice(-MAX_COMPARED)
}
