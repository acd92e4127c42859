/**
 * Applies each kind of edit to a document and returns its inverse. Mirrors the kernel's `flow/apply.py`; recorded
 * examples check that both agree (`test/contract.test.ts`).
 */

import type { Edit, EditLook, Json, JsonObject } from "../wire/flow"
import {
  type Document,
  edgeKey,
  type FlowEdge,
  type FlowNode,
  isSameEdge,
  type Look,
  lookFrom,
  nodeFrom,
  nodeTo,
  withoutId,
} from "./document"
import { DocumentDraft } from "./draft"
import { EditError, requireJson } from "./json-values"

/** Applies one edit; returns the new document and the inverse edit. Throws `EditError` if the edit does not apply. */
export function applyEdit(document: Document, edit: Edit): { document: Document; inverse: Edit } {
  const draft = new DocumentDraft(document)
  const inverse = change(draft, edit)
  return { document: draft.document, inverse }
}

/** Applies all edits as one undo step. */
export const applyEdits = (document: Document, edits: Edit[]) => applyEdit(document, { kind: "several", edits })

function change(draft: DocumentDraft, edit: Edit): Edit {
  switch (edit.kind) {
    case "add_node":
      return addNode(draft, edit)
    case "remove_node":
      return removeNode(draft, edit.node_id)
    case "rename_node":
      return renameNode(draft, edit.old, edit.new)
    case "set_param":
      return setParam(draft, edit)
    case "set_node":
      return setNode(draft, edit)
    case "set_layout":
      return setLayout(draft, edit)
    case "add_edge":
      return addEdge(draft, edit)
    case "remove_edge":
      return removeEdge(draft, edit.edge)
    case "set_variable": {
      const before = put(draft.document.variables, edit)
      draft.set({ variables: before.mapping })
      return { kind: "set_variable", name: edit.name, ...before.back }
    }
    case "set_flow":
      return setFlow(draft, edit.field, edit.value)
    case "several":
      return { kind: "several", edits: edit.edits.map((child) => change(draft, child)).reverse() }
  }
}

type Of<Kind extends Edit["kind"]> = Extract<Edit, { kind: Kind }>

function addNode(draft: DocumentDraft, edit: Of<"add_node">): Edit {
  const { id } = edit.node
  if (draft.document.nodes.has(id)) throw new EditError("taken", `A node named ${id} already exists.`, id)
  checkName(id)
  draft.nodes(insertKey(draft.document.nodes, id, nodeFrom(requireJson(edit.node, id)), edit.index))
  if (edit.layout) {
    draft.looks(insertKey(draft.document.looks, id, checkedLook(edit.layout, id), edit.layout_index))
  }
  return { kind: "remove_node", node_id: id }
}

function removeNode(draft: DocumentDraft, id: string): Edit {
  const node = nodeOf(draft, id)
  const { nodes, looks, edges } = draft.document
  const edits: Edit[] = [
    {
      kind: "add_node",
      node: nodeTo(node),
      layout: looks.get(id) ?? null,
      index: indexOf(nodes, id),
      layout_index: indexOf(looks, id),
    },
  ]
  edges.forEach((edge, index) => {
    if (edge.source === id || edge.target === id) edits.push({ kind: "add_edge", edge, index })
  })
  if (edits.length > 1) draft.set({ edges: edges.filter((edge) => edge.source !== id && edge.target !== id) })
  draft.ownNodes().delete(id)
  draft.ownLooks().delete(id)
  return edits.length > 1 ? { kind: "several", edits } : (edits[0] as Edit)
}

function renameNode(draft: DocumentDraft, old: string, name: string): Edit {
  nodeOf(draft, old)
  if (name !== old && draft.document.nodes.has(name))
    throw new EditError("taken", `A node named ${name} already exists.`)
  checkName(name)
  const renamed = (id: string) => (id === old ? name : id)
  const rekey = <T>(from: ReadonlyMap<string, T>) => new Map([...from].map(([id, value]) => [renamed(id), value]))
  const nodes = rekey(draft.document.nodes)
  nodes.set(name, { ...(nodes.get(name) as FlowNode), id: name })
  draft.nodes(nodes)
  draft.looks(rekey(draft.document.looks))
  const isEnd = (edge: FlowEdge) => edge.source === old || edge.target === old
  const edges = draft.document.edges.map((edge) =>
    isEnd(edge) ? { ...edge, source: renamed(edge.source), target: renamed(edge.target) } : edge,
  )
  draft.set({ edges })
  return { kind: "rename_node", old: name, new: old }
}

function setParam(draft: DocumentDraft, edit: Of<"set_param">): Edit {
  const node = nodeOf(draft, edit.node_id)
  const { mapping, back } = put(node.params, edit, edit.node_id)
  draft.ownNodes().set(node.id, { ...node, params: mapping })
  return { kind: "set_param", node_id: node.id, name: edit.name, ...back }
}

function setNode(draft: DocumentDraft, edit: Of<"set_node">): Edit {
  const node = nodeOf(draft, edit.node_id)
  const { field } = edit
  const value = edit.is_unset ? undefined : requireJson(edit.value ?? null, node.id)
  const set = (changed: Partial<FlowNode>, before: Json): Edit => {
    draft.ownNodes().set(node.id, { ...node, ...changed })
    return { kind: "set_node", node_id: node.id, field, value: before }
  }
  const refuse = () => new EditError("refused", `${field} cannot be ${JSON.stringify(value)}.`, node.id)
  switch (field) {
    case "id":
    case "params":
      throw new EditError("refused", `${field} cannot be set with set_node.`, node.id)
    case "type":
      if (typeof value !== "string") throw refuse()
      return set({ type: value }, node.type)
    case "take":
      if (value !== undefined && !(Number.isInteger(value) && (value as number) >= 0)) throw refuse()
      return set({ take: (value as number) ?? 0 }, node.take)
    case "is_muted":
      if (value !== undefined && typeof value !== "boolean") throw refuse()
      return set({ isMuted: value ?? false }, node.isMuted)
    case "locked":
      if (value !== undefined && value !== null && typeof value !== "string") throw refuse()
      return set({ locked: value ?? null }, node.locked)
    default: {
      const { mapping, back } = put(node.unknown, { ...edit, name: field }, node.id)
      draft.ownNodes().set(node.id, { ...node, unknown: mapping })
      return { kind: "set_node", node_id: node.id, field, ...back }
    }
  }
}

function setLayout(draft: DocumentDraft, edit: Of<"set_layout">): Edit {
  const { node_id: id, mode = "merge" } = edit
  nodeOf(draft, id)
  const { looks } = draft.document
  const before = looks.get(id)
  let inverse: Edit = { kind: "set_layout", node_id: id, mode: "remove" }
  if (before) {
    const index = mode === "remove" ? indexOf(looks, id) : null
    inverse = { kind: "set_layout", node_id: id, mode: "replace", fields: before, index }
  }
  if (mode === "remove") {
    draft.ownLooks().delete(id)
    return inverse
  }
  const fields = edit.fields ?? {}
  const merged = Object.entries({ ...before, ...fields }).filter(([name, value]) => value !== null || !(name in fields))
  const after = checkedLook(mode === "merge" ? Object.fromEntries(merged) : fields, id)
  if (before) draft.ownLooks().set(id, after)
  else draft.looks(insertKey(looks, id, after, edit.index))
  return inverse
}

function addEdge(draft: DocumentDraft, edit: Of<"add_edge">): Edit {
  const edge = requireJson(withoutId(edit.edge), edit.edge.target) as FlowEdge
  nodeOf(draft, edge.source)
  nodeOf(draft, edge.target)
  if (draft.document.edges.some((other) => isSameEdge(other, edge))) {
    throw new EditError("taken", `The edge ${edgeKey(edge)} already exists.`, edge.target)
  }
  const edges = [...draft.document.edges]
  edges.splice(edit.index ?? edges.length, 0, edge)
  draft.set({ edges })
  return { kind: "remove_edge", edge }
}

function removeEdge(draft: DocumentDraft, target: FlowEdge): Edit {
  const index = draft.document.edges.findIndex((edge) => isSameEdge(edge, target))
  const edge = draft.document.edges[index]
  if (!edge) throw new EditError("gone", `There is no edge ${edgeKey(target)}.`, target.target)
  draft.set({ edges: draft.document.edges.toSpliced(index, 1) })
  return { kind: "add_edge", edge, index }
}

function setFlow(draft: DocumentDraft, field: Of<"set_flow">["field"], input: Json): Edit {
  const value = requireJson(input)
  if (field === "name") {
    if (typeof value !== "string") throw new EditError("refused", "A flow's name must be text.")
    const before = draft.document.name
    draft.set({ name: value })
    return { kind: "set_flow", field, value: before }
  }
  const fits = field === "viewport" ? isObject(value) : Array.isArray(value) && value.every(isObject)
  if (!fits) throw new EditError("refused", `${field} cannot be ${JSON.stringify(value)}.`)
  const before = draft.document.layout[field] ?? (field === "viewport" ? {} : [])
  draft.set({ layout: { ...draft.document.layout, [field]: value } })
  return { kind: "set_flow", field, value: before }
}

interface Put {
  name: string
  value?: Json
  is_unset?: boolean
  index?: number | null
}

/** Sets or removes one key; returns the new mapping and the fields of the inverse edit. */
function put(from: Readonly<JsonObject>, edit: Put, nodeId?: string): { mapping: JsonObject; back: Omit<Put, "name"> } {
  const { name, is_unset: isUnset = false } = edit
  const value = requireJson(edit.value ?? null, nodeId)
  const before = from[name]
  if (before === undefined) {
    const mapping = isUnset ? { ...from } : insertField(from, name, value, edit.index)
    return { mapping, back: { is_unset: true } }
  }
  if (!isUnset) return { mapping: { ...from, [name]: value }, back: { value: before } }
  const { [name]: _, ...mapping } = from
  return { mapping, back: { value: before, index: Object.keys(from).indexOf(name) } }
}

function nodeOf(draft: DocumentDraft, id: string): FlowNode {
  const node = draft.document.nodes.get(id)
  if (!node) throw new EditError("gone", `There is no node ${id}.`, id)
  return node
}

function checkedLook(fields: EditLook, id: string): Look {
  const look = lookFrom(requireJson(fields as JsonObject, id))
  for (const side of ["x", "y", "width", "height"] as const) {
    if (look[side] !== undefined && typeof look[side] !== "number") {
      throw new EditError("refused", `The layout's ${side} is not a number.`, id)
    }
  }
  return look
}

function checkName(id: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(id)) {
    throw new EditError("refused", `${JSON.stringify(id)} is not a valid node name: use letters, digits and _.`, id)
  }
}

const isObject = (value: Json): boolean => typeof value === "object" && value !== null && !Array.isArray(value)

const indexOf = (map: ReadonlyMap<string, unknown>, key: string): number | null => {
  const index = [...map.keys()].indexOf(key)
  return index < 0 ? null : index
}

/** Returns a copy of the map with the key inserted at `index`, by default at the end. */
function insertKey<T>(map: ReadonlyMap<string, T>, key: string, value: T, index?: number | null): Map<string, T> {
  if (index === undefined || index === null || index >= map.size) return new Map(map).set(key, value)
  return new Map([...map].toSpliced(index, 0, [key, value]))
}

function insertField(from: Readonly<JsonObject>, name: string, value: Json, index?: number | null): JsonObject {
  if (index === undefined || index === null) return { ...from, [name]: value }
  return Object.fromEntries(Object.entries(from).toSpliced(index, 0, [name, value]))
}
