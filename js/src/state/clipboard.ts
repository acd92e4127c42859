/** Copies nodes as JSON text and pastes them, within a flow or between notebooks. */

import type { Edit, EditLook, EditNode, JsonObject, WireEdge } from "../wire/flow"
import { type Document, nodeFrom, nodeTo } from "./document"
import { newNodeId } from "./node-ids"
import { addNoteEdits, findNote, type Note } from "./notes"

const FORMAT = "fusionflow/nodes"

interface Copied {
  format: typeof FORMAT
  nodes: EditNode[]
  edges: WireEdge[]
  looks: Record<string, EditLook>
  notes?: Note[]
}

/** Serializes these nodes and the edges between them. */
export function serializeSelection(document: Document, ids: ReadonlySet<string>): string {
  const nodes = [...ids].flatMap((id) => document.nodes.get(id) ?? [])
  const looks = Object.fromEntries(
    nodes.flatMap(({ id }) => (document.looks.has(id) ? [[id, document.looks.get(id)]] : [])),
  )
  const edges = document.edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target))
  const notes = [...ids].flatMap((id) => findNote(document, id) ?? [])
  return JSON.stringify({ format: FORMAT, nodes: nodes.map(nodeTo), edges, looks, notes }, null, 1)
}

/** Edits that add the copied nodes under new ids, and those ids; null if the text is not a copy of nodes. */
export function pasteEdits(
  document: Document,
  text: string,
  shift: { x: number; y: number } | { at: { x: number; y: number } },
): { edits: Edit[]; ids: string[] } | null {
  const copy = parseCopy(text)
  if (!copy) return null
  const notes = (copy.notes ?? []).filter((note) => note.kind === "group" || note.kind === "comment")
  const names = new Map<string, string>()
  for (const node of copy.nodes) names.set(node.id, newNodeId(document, node.type, new Set(names.values())))
  const offset = "at" in shift ? offsetTo([...Object.values(copy.looks), ...notes], shift.at) : shift
  const edits: Edit[] = copy.nodes.map((node) => {
    const look = copy.looks[node.id]
    const layout = { ...look, x: (look?.x ?? 0) + offset.x, y: (look?.y ?? 0) + offset.y }
    return { kind: "add_node", node: nodeTo(nodeFrom({ ...node, id: names.get(node.id) ?? node.id })), layout }
  })
  for (const edge of copy.edges) {
    const source = names.get(edge.source)
    const target = names.get(edge.target)
    if (source && target) edits.push({ kind: "add_edge", edge: { ...edge, source, target } })
  }
  const more = addNoteEdits(
    document,
    notes.map((note) => ({ ...note, x: note.x + offset.x, y: note.y + offset.y })),
  )
  return { edits: [...edits, ...more.edits], ids: [...names.values(), ...more.ids] }
}

function offsetTo(
  items: readonly { x?: number; y?: number }[],
  at: { x: number; y: number },
): { x: number; y: number } {
  if (items.length === 0) return at
  return { x: at.x - Math.min(...items.map(({ x }) => x ?? 0)), y: at.y - Math.min(...items.map(({ y }) => y ?? 0)) }
}

/** Parses text copied by `serializeSelection`; null for any other clipboard text. */
function parseCopy(text: string): Copied | null {
  if (!text.includes(FORMAT)) return null
  try {
    const copy = JSON.parse(text) as JsonObject
    const hasFormat = copy.format === FORMAT && Array.isArray(copy.nodes) && Array.isArray(copy.edges)
    const isValid =
      hasFormat &&
      (copy.nodes as JsonObject[]).every((node) => typeof node?.id === "string" && typeof node.type === "string")
    return isValid ? ({ looks: {}, ...copy } as unknown as Copied) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
