/** Node types and models as the kernel sends them. The canvas draws every node and form from these descriptions. */

import type { Json, JsonObject } from "./flow"

export type PortType = "image" | "mask" | "video" | "audio" | "text" | "number" | "json"

export interface InputPort {
  name: string
  type: PortType
  /** `no`: the node runs once per cell; `all`, `cells`: the node takes a whole batch, and several edges may end here. */
  collects: "no" | "all" | "cells"
  is_required: boolean
  /** The input has a field in the form. An edge replaces the field's value. */
  is_parameter: boolean
  default: Json
}

export interface OutputPort {
  name: string
  type: PortType
  /** The output adds an axis. */
  is_series: boolean
}

/** The subset of JSON schema that pydantic writes for parameters. */
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
  /** `color`: the form shows a color field. */
  format?: string
  items?: Schema
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
}

export interface NodeType {
  name: string
  title: string
  category: string
  summary: string
  kind: "structural" | "local" | "provider"
  /** Task that a model must support to be selectable here; null if the node uses no model. */
  task: string | null
  inputs: InputPort[]
  outputs: OutputPort[]
  /** Type of additional inputs with arbitrary names; null: not accepted. */
  extra_inputs: PortType | null
  /** Type of additional outputs with arbitrary names; null: not produced. */
  extra_outputs: PortType | null
  params_schema: Schema
  /** Why results of this node are never cached; null if they are. */
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

/** A model in the picker. Prices are micro-dollars; an absent price is unknown, not free. */
export interface Model {
  id: string
  provider: string
  title: string
  tasks: string[]
  method: "hosted" | "procedural" | "neural" | "classical" | "test"
  says_how: string
  parameters: Record<string, ModelParameter>
  is_free: boolean
  /** Price of a call with default settings, as text: `$0.04 an image`. */
  price_text: string
  /** ISO date. */
  retires_on: string | null
  successor: string | null
  /** An API key for the provider is present, or none is needed. */
  has_key: boolean
}

/** A template shown on the empty canvas. */
export interface Template {
  id: string
  title: string
  summary: string
  graph: JsonObject
  /** Source of a cell that defines the template's Python node in the notebook. The template also runs without it. */
  cell?: string
}
