/** Commands for the cells of a batch. */

import type { CellView } from "./card"
import type { Editing } from "./editing"
import { pickLabel } from "./grid"
import type { CanvasState } from "./store"

/** Returns the node type that picks one cell of a node's batch; null if the catalog has none. */
export function pickNodeType(state: CanvasState, nodeId: string): string | null {
  const node = state.shared.document.nodes.get(nodeId)
  const output = node && state.catalog.get(node.type)?.outputs[0]
  const name = output && `pick_${output.type === "mask" ? "image" : output.type}`
  return name && state.catalog.has(name) ? name : null
}

/** Adds a node that passes on only this cell. One undo step. */
export function addPickNode(editing: Editing, nodeId: string, view: CellView): void {
  const state = editing.session.store.getState()
  const type = state.catalog.get(pickNodeType(state, nodeId) ?? "")
  const output = state.catalog.get(state.shared.document.nodes.get(nodeId)?.type ?? "")?.outputs[0]
  const [rect] = editing.rects([nodeId])
  if (!type || !output || !rect) return
  const at = editing.freePlace({ x: rect.x + rect.width + 72, y: rect.y })
  const loose = { nodeId, port: output.name, side: "source" as const, type: output.type }
  editing.place(type, at, loose, { label: pickLabel(view) })
}

/** Shows the cells of a node as a strip or as a grid. */
export function setStripLayout(editing: Editing, nodeId: string, isStrip: boolean): void {
  editing.session.edit([{ kind: "set_layout", node_id: nodeId, fields: { is_strip: isStrip || null } }])
}
