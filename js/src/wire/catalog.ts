/** What the kernel says of node types and models, so that every node and form can be drawn without knowing any. */

import type { Json, JsonObject } from "./flow"

export type PortType = "image" | "mask" | "video" | "audio" | "text" | "number" | "json"

export interface InputPort {
  name: string
  type: PortType
  /** `no`: the node runs once per cell; `all`, `cells`: it takes a whole batch, and several edges may end here. */
  collects: "no" | "all" | "cells"
  is_required: boolean
  /** It has a place in the form; an edge into it replaces the value there. */
  is_parameter: boolean
  default: Json
}

export interface OutputPort {
  name: string
  type: PortType
  /** It adds an axis. */
  is_series: boolean
}

/** The part of JSON schema that pydantic writes for parameters. */
export interface Schema {
  type?: "string" | "integer" | "number" | "boolean" | "array" | "object" | "null"
  title?: string
  description?: string
  default?: Json
  enum?: Json[]
  const?: Json
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  /** `color` draws a colour field. */
  format?: string
  items?: Schema
  anyOf?: Schema[]
  properties?: Record<string, Schema>
}

export interface NodeType {
  name: string
  title: string
  category: string
  summary: string
  kind: "structural" | "local" | "provider"
  /** What a model must be able to do to be chosen here; null where no model is asked. */
  task: string | null
  inputs: InputPort[]
  outputs: OutputPort[]
  /** Further inputs under any name, of this type. */
  extra_inputs: PortType | null
  /** Outputs under any name, of this type. */
  extra_outputs: PortType | null
  params_schema: Schema
  /** Why results of this node can never be found again. */
  volatile: string | null
}

export interface ModelParameter {
  kind: "number" | "integer" | "text" | "choice" | "boolean"
  default?: Json
  minimum?: number | null
  maximum?: number | null
  choices?: Json[] | null
  description?: string
}

/** A model as the picker shows it. Money is micro-dollars; an absent price is unknown, never free. */
export interface Model {
  id: string
  provider: string
  title: string
  tasks: string[]
  method: "hosted" | "procedural" | "neural" | "classical" | "test"
  says_how: string
  parameters: Record<string, ModelParameter>
  is_free: boolean
  /** What one call costs at its defaults, in words of its rule: `$0.04 an image`. */
  price_text: string
  /** ISO date. */
  retires_on: string | null
  successor: string | null
  /** Whether a key for its provider is present; true where none is needed. */
  has_key: boolean
}

/** A flow that can be opened from the empty canvas. */
export interface Template {
  id: string
  title: string
  summary: string
  graph: JsonObject
  /** Source of a cell that makes its Python node the notebook's own; it runs without, too. */
  cell?: string
}
