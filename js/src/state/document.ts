/** The immutable flow document. Parts that did not change keep their object identity. */

import type { EditLook, EditNode, Json, JsonObject, WireEdge, WireFlow, WireGraph, WireNode } from "../wire/flow"

export interface FlowNode {
  readonly id: string
  readonly type: string
  readonly params: Readonly<JsonObject>
  readonly take: number
  readonly isMuted: boolean
  /** Id of the generation whose outputs the node shows; null if the node is not locked. */
  readonly locked: string | null
  /** Fields written by a newer version. */
  readonly unknown: Readonly<JsonObject>
}

/** Appearance of a node, in canvas pixels. Unset fields are absent. */
export interface Look {
  readonly x: number
  readonly y: number
  readonly width?: number
  readonly height?: number
  readonly title?: string
  readonly color?: string
  readonly [unknown: string]: Json | undefined
}

export type FlowEdge = Readonly<WireEdge>

export interface Document {
  readonly id: string
  readonly name: string
  readonly nodes: ReadonlyMap<string, FlowNode>
  readonly edges: readonly FlowEdge[]
  readonly variables: Readonly<JsonObject>
  /** Only nodes with a stored position have a look. */
  readonly looks: ReadonlyMap<string, Look>
  /** Groups, comments, viewport, and fields written by a newer version. */
  readonly layout: Readonly<JsonObject>
}

export const emptyDocument: Document = {
  id: "",
  name: "Untitled",
  nodes: new Map(),
  edges: [],
  variables: {},
  looks: new Map(),
  layout: {},
}

/** Identity of an edge: its two ends. */
export const edgeKey = (edge: FlowEdge): string =>
  `${edge.source}.${edge.sourceHandle}->${edge.target}.${edge.targetHandle}`

/** Whether two edges have the same ends. Avoids building keys. */
export const isSameEdge = (a: FlowEdge, b: FlowEdge): boolean =>
  a.target === b.target &&
  a.source === b.source &&
  a.targetHandle === b.targetHandle &&
  a.sourceHandle === b.sourceHandle

export function nodeFrom(node: EditNode): FlowNode {
  const { id, type, params, take, is_muted, locked, ...rest } = node
  const unknown: JsonObject = {}
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) unknown[name] = value
  return {
    id,
    type,
    params: params ?? {},
    take: take ?? 0,
    isMuted: is_muted ?? false,
    locked: locked ?? null,
    unknown,
  }
}

/** The node as edits carry it. Omits fields that have their default, as the kernel does. */
export function nodeTo(node: FlowNode): EditNode {
  return {
    id: node.id,
    type: node.type,
    ...(Object.keys(node.params).length > 0 && { params: { ...node.params } }),
    ...(node.take !== 0 && { take: node.take }),
    ...(node.isMuted && { is_muted: true }),
    ...(node.locked !== null && { locked: node.locked }),
    ...node.unknown,
  }
}

const KNOWN_LOOKS = new Set(["x", "y", "width", "height", "title", "color"])

/** Parses a look: the default position is the origin, a known field that is null counts as unset. */
export function lookFrom(fields: EditLook): Look {
  const look: Record<string, Json> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || (value === null && KNOWN_LOOKS.has(name))) continue
    look[name] = value
  }
  return { ...look, x: fields.x ?? 0, y: fields.y ?? 0 }
}

export function fromWire(flow: WireFlow): Document {
  const nodes = new Map<string, FlowNode>()
  const looks = new Map<string, Look>()
  for (const item of flow.graph.nodes) {
    nodes.set(item.id, nodeFrom({ ...item.data, id: item.id, type: item.type }))
    if (item.is_unplaced) continue
    const { width, height } = item
    looks.set(item.id, lookFrom({ ...item.look, ...item.position, width, height }))
  }
  const edges = flow.graph.edges.map(withoutId)
  return { ...flow, nodes, looks, edges, layout: { ...flow.graph.layout } as JsonObject, variables: flow.variables }
}

/** Serializes the flow in the kernel's format. */
export function toWire(document: Document): WireFlow {
  const nodes = [...document.nodes.values()].map((node): WireNode => {
    const { id, type, ...data } = nodeTo(node)
    const placed = document.looks.get(id)
    if (!placed) return { id, type, position: { x: 0, y: 0 }, data, is_unplaced: true }
    const { x, y, width, height, ...look } = placed
    const sizes = { ...(width !== undefined && { width }), ...(height !== undefined && { height }) }
    const looks = Object.keys(look).length > 0 && { look: look as JsonObject }
    return { id, type, position: { x, y }, ...sizes, data, ...looks }
  })
  const edges = document.edges.map((edge) => ({ ...edge, id: edgeKey(edge) }))
  const graph: WireGraph = { nodes, edges, layout: layoutTo(document.layout) }
  return { id: document.id, name: document.name, variables: { ...document.variables }, graph }
}

const LAYOUT_DEFAULTS = ["groups", "comments", "viewport"]

function layoutTo(layout: Readonly<JsonObject>): JsonObject {
  const isDefault = (name: string, value: Json) =>
    LAYOUT_DEFAULTS.includes(name) && Object.keys(value as JsonObject).length === 0
  return Object.fromEntries(Object.entries(layout).filter(([name, value]) => !isDefault(name, value)))
}

/** Strips the id that React Flow adds; ids are derived from the ends. */
export function withoutId(edge: WireEdge): FlowEdge {
  const { id: _, ...rest } = edge
  return rest as FlowEdge
}

/** Ids of these nodes and of all nodes upstream or downstream of them. */
export function reachable(document: Document, from: Iterable<string>, direction: "up" | "down"): Set<string> {
  const next = new Map<string, string[]>()
  for (const edge of document.edges) {
    const [key, value] = direction === "up" ? [edge.target, edge.source] : [edge.source, edge.target]
    const values = next.get(key)
    if (values) values.push(value)
    else next.set(key, [value])
  }
  const ids = new Set(from)
  for (const id of ids) for (const other of next.get(id) ?? []) ids.add(other) // iterating a Set visits added items too
  return ids
}
