/**
 * The flow document in messages: nodes and edges in React Flow's format, and edits as data.
 *
 * Keys are snake_case, except React Flow's own (`sourceHandle`, `targetHandle`). Unknown fields are preserved, so that
 * an older view never loses what a newer kernel wrote.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** The part of a node that determines its result. Fields with default values are omitted. */
export interface NodeData {
  params?: JsonObject
  take?: number
  is_muted?: boolean
  /** Id of the generation that the node is locked to. */
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
  /** Appearance besides position and size: title, color, and fields unknown to this version. */
  look?: JsonObject
  /** The node has no stored position; the layout assigns one. */
  is_unplaced?: boolean
}

/** An edge from an output port to an input port. Order matters for edges into the same collecting port. */
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

/** Layout data of the whole canvas. */
export interface WireLayout {
  groups?: JsonObject[]
  comments?: JsonObject[]
  viewport?: { x?: number; y?: number; zoom?: number }
  [unknown: string]: Json | undefined
}

/** A flow: its graph and metadata. */
export interface WireFlow {
  id: string
  name: string
  variables: JsonObject
  graph: WireGraph
}

/** A complete node inside an edit: id, type and data in one object. */
export interface EditNode extends NodeData {
  id: string
  type: string
}

/** Appearance of a node, in canvas pixels. */
export interface EditLook {
  x?: number
  y?: number
  width?: number | null
  height?: number | null
  title?: string | null
  color?: string | null
  [unknown: string]: Json | undefined
}

/** Index at which an inverse edit reinserts an item; absent: at the end. */
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
