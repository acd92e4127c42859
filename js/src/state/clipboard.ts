/** Nodes as text: copied, pasted and duplicated, within a flow, between notebooks, through a mail. */

import type { Edit, EditLook, EditNode, JsonObject, WireEdge } from "../wire/flow"
import { type Document, nodeFrom, nodeTo } from "./document"
import { newNodeId } from "./node-ids"
import { addNoteEdits, findNote, type Note } from "./notes"

const MARK = "fusionflow/nodes"

interface Copied {
  format: typeof MARK
  nodes: EditNode[]
  edges: WireEdge[]
  looks: Record<string, EditLook>
  notes?: Note[]
}

/** These nodes and the edges among them, as text. */
export function serializeSelection(document: Document, ids: ReadonlySet<string>): string {
  const nodes = [...ids].flatMap((id) => document.nodes.get(id) ?? [])
  const looks = Object.fromEntries(
    nodes.flatMap(({ id }) => (document.looks.has(id) ? [[id, document.looks.get(id)]] : [])),
  )
  const edges = document.edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target))
  const notes = [...ids].flatMap((id) => findNote(document, id) ?? [])
  return JSON.stringify({ format: MARK, nodes: nodes.map(nodeTo), edges, looks, notes }, null, 1)
}

/** Edits that place copied nodes under new ids, and those ids; null where the text holds none. */
export function pasteEdits(
  document: Document,
  text: string,
  shift: { x: number; y: number } | { at: { x: number; y: number } },
): { edits: Edit[]; ids: string[] } | null {
  const copy = read(text)
  if (!copy) return null
  const notes = (copy.notes ?? []).filter((one) => one.kind === "group" || one.kind === "comment")
  const names = new Map<string, string>()
  for (const node of copy.nodes) names.set(node.id, newNodeId(document, node.type, new Set(names.values())))
  const by = "at" in shift ? toPlace([...Object.values(copy.looks), ...notes], shift.at) : shift
  const edits: Edit[] = copy.nodes.map((node) => {
    const look = copy.looks[node.id]
    const layout = { ...look, x: (look?.x ?? 0) + by.x, y: (look?.y ?? 0) + by.y }
    return { kind: "add_node", node: nodeTo(nodeFrom({ ...node, id: names.get(node.id) ?? node.id })), layout }
  })
  for (const edge of copy.edges) {
    const source = names.get(edge.source)
    const target = names.get(edge.target)
    if (source && target) edits.push({ kind: "add_edge", edge: { ...edge, source, target } })
  }
  const more = addNoteEdits(
    document,
    notes.map((one) => ({ ...one, x: one.x + by.x, y: one.y + by.y })),
  )
  return { edits: [...edits, ...more.edits], ids: [...names.values(), ...more.ids] }
}

function toPlace(all: readonly { x?: number; y?: number }[], at: { x: number; y: number }): { x: number; y: number } {
  if (all.length === 0) return at
  return { x: at.x - Math.min(...all.map((one) => one.x ?? 0)), y: at.y - Math.min(...all.map((one) => one.y ?? 0)) }
}

/** What was copied, if the text is that; anything else on a clipboard is somebody else's. */
function read(text: string): Copied | null {
  if (!text.includes(MARK)) return null
  try {
    const copy = JSON.parse(text) as JsonObject
    const isOurs = copy.format === MARK && Array.isArray(copy.nodes) && Array.isArray(copy.edges)
    const fits =
      isOurs && (copy.nodes as JsonObject[]).every((one) => typeof one?.id === "string" && typeof one.type === "string")
    return fits ? ({ looks: {}, ...copy } as unknown as Copied) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
