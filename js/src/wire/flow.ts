/**
 * The flow document as it travels: React Flow's shape for nodes and edges, and edits as data.
 *
 * Keys are snake_case; React Flow's own (`sourceHandle`, `targetHandle`) keep their names. Unknown fields travel along
 * untouched, so a view of an older version never loses what a newer kernel wrote.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** What a node is: the part that decides what is computed. Fields at their default are left out. */
export interface NodeData {
  params?: JsonObject
  take?: number
  is_muted?: boolean
  /** Id of a generation whose outputs the node keeps showing. */
  locked?: string | null
  [unknown: string]: Json | undefined
}

export interface WireNode {
  id: string
  type: string
  position: { x: number; y: number }
  width?: number
  height?: number
  data: NodeData
  /** How it looks beyond place and size: title, colour, and fields this version does not know. */
  look?: JsonObject
  /** It has no position yet: a layout places it. */
  is_unplaced?: boolean
}

/** Output port -> input port. Order matters where several end in one collecting port. */
export interface WireEdge {
  id?: string
  source: string
  sourceHandle: string
  target: string
  targetHandle: string
  [unknown: string]: Json | undefined
}

export interface WireGraph {
  nodes: WireNode[]
  edges: WireEdge[]
  layout: WireLayout
}

/** What belongs to the canvas as a whole. */
export interface WireLayout {
  groups?: JsonObject[]
  comments?: JsonObject[]
  viewport?: { x?: number; y?: number; zoom?: number }
  [unknown: string]: Json | undefined
}

/** A flow: its graph, and what travels beside it. */
export interface WireFlow {
  id: string
  name: string
  variables: JsonObject
  graph: WireGraph
}

/** A whole node inside an edit: the document's own form, id and type beside the data. */
export interface EditNode extends NodeData {
  id: string
  type: string
}

/** How a node looks, in canvas pixels. */
export interface EditLook {
  x?: number
  y?: number
  width?: number | null
  height?: number | null
  title?: string | null
  color?: string | null
  [unknown: string]: Json | undefined
}

/** Where an inverse puts something back among its siblings; absent: at the end. */
type Place = number | null

export type Edit =
  | { kind: "add_node"; node: EditNode; layout?: EditLook | null; index?: Place; layout_index?: Place }
  | { kind: "remove_node"; node_id: string }
  | { kind: "rename_node"; old: string; new: string }
  | { kind: "set_param"; node_id: string; name: string; value?: Json; is_unset?: boolean; index?: Place }
  | { kind: "set_node"; node_id: string; field: string; value?: Json; is_unset?: boolean; index?: Place }
  | {
      kind: "set_layout"
      node_id: string
      fields?: EditLook
      mode?: "merge" | "replace" | "remove"
      index?: Place
    }
  | { kind: "add_edge"; edge: WireEdge; index?: Place }
  | { kind: "remove_edge"; edge: WireEdge }
  | { kind: "set_variable"; name: string; value?: Json; is_unset?: boolean; index?: Place }
  | { kind: "set_flow"; field: "name" | "groups" | "comments" | "viewport"; value: Json }
  | { kind: "several"; edits: Edit[] }
