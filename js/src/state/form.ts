/** From a node type's JSON schema, narrowed by the chosen model, to the fields of its form. */

import type { Model, ModelParameter, NodeType, Schema } from "../wire/catalog"
import type { Json, JsonObject } from "../wire/flow"
import type { FlowNode } from "./document"

export type Control = "text" | "number" | "slider" | "choice" | "toggle" | "color" | "seed" | "model" | "json" | "list"

export interface Field {
  name: string
  label: string
  control: Control
  default: Json
  /** The unit or a short explanation. */
  description: string
  min?: number
  max?: number
  step?: number
  choices?: Json[]
  isRequired: boolean
  /** It stands among the model's own `settings` instead of the parameters. */
  isSetting: boolean
}

/** Parameters that every model takes, whatever it declares. */
const COMMON = new Set(["prompt", "model", "settings", "fallback"])
/** A wider range is typed, not dragged. */
const WIDEST_SLIDER = 720

/** All fields of a node, in the order of its declaration; those its model does not take are left out unless set. */
export function fieldsOf(type: NodeType, node: FlowNode, model: Model | null): Field[] {
  const fields: Field[] = []
  const properties = type.params_schema.properties ?? {}
  for (const [name, schema] of Object.entries(properties)) {
    const own = model?.parameters[name]
    if (model && !own && !COMMON.has(name) && node.params[name] === undefined) continue
    const port = type.inputs.find((one) => one.name === name)
    fields.push(field(name, narrowed(inner(schema), own), schema, type, port?.is_required ?? false))
  }
  for (const [name, own] of Object.entries(model?.parameters ?? {})) {
    if (name in properties) continue
    const schema = narrowed({ title: humanize(name) }, own)
    fields.push({ ...field(name, schema, schema, type, false), isSetting: true })
  }
  return fields
}

function field(name: string, schema: Schema, outer: Schema, type: NodeType, isRequired: boolean): Field {
  const isWhole = schema.type === "integer"
  const step = isWhole ? 1 : undefined
  const min = schema.minimum ?? schema.exclusiveMinimum
  const max = schema.maximum ?? schema.exclusiveMaximum
  return {
    name,
    label: humanize(name),
    control: control(name, schema, type, min, max),
    default: schema.default ?? outer.default ?? null,
    description: schema.description ?? outer.description ?? "",
    min,
    max,
    step: step ?? (min !== undefined && max !== undefined ? stepOf(max - min) : undefined),
    choices: schema.enum ?? (schema.const !== undefined ? [schema.const] : undefined),
    isRequired,
    isSetting: false,
  }
}

function control(name: string, schema: Schema, type: NodeType, min?: number, max?: number): Control {
  if (name === "model" && type.task !== null) return "model"
  if (schema.enum) return "choice"
  switch (schema.type) {
    case "boolean":
      return "toggle"
    case "string":
      return schema.format === "color" ? "color" : "text"
    case "integer":
    case "number":
      if (name === "seed" && schema.type === "integer") return "seed"
      return min !== undefined && max !== undefined && max - min <= WIDEST_SLIDER ? "slider" : "number"
    case "array":
      return schema.items?.type === "object" ? "json" : "list"
    default:
      return "json"
  }
}

/** The schema behind `X | None`. */
function inner(schema: Schema): Schema {
  const given = schema.anyOf?.filter((one) => one.type !== "null") ?? []
  return given.length === 1 && given[0] ? given[0] : schema.anyOf ? {} : schema
}

/** What a model says of a parameter goes before what the node type allows. */
function narrowed(schema: Schema, own: ModelParameter | undefined): Schema {
  if (!own) return schema
  const kinds = {
    number: "number",
    integer: "integer",
    text: "string",
    choice: schema.type,
    boolean: "boolean",
  } as const
  return {
    ...schema,
    type: kinds[own.kind],
    ...(own.minimum != null && { minimum: own.minimum, exclusiveMinimum: undefined }),
    ...(own.maximum != null && { maximum: own.maximum, exclusiveMaximum: undefined }),
    ...(own.choices && { enum: own.choices }),
    ...(own.default != null && { default: own.default }),
    ...(own.description && { description: own.description }),
  }
}

const stepOf = (range: number): number => (range <= 2 ? 0.01 : range <= 25 ? 0.1 : 1)

/** `aspect_ratio` -> `aspect ratio`; a unit at the end is said apart. */
export const humanize = (name: string): string => name.replace(/_(s|px|usd)$/, "").replaceAll("_", " ")

/** What a field shows: what is set, or its default. */
export function displayValue(node: FlowNode, field: Field): Json {
  const from = field.isSetting ? (node.params.settings as JsonObject | undefined) : node.params
  return from?.[field.name] ?? field.default
}

export const isSet = (node: FlowNode, field: Field): boolean =>
  field.isSetting
    ? (node.params.settings as JsonObject | undefined)?.[field.name] !== undefined
    : node.params[field.name] !== undefined

const MOST_ON_CARD = 4

/**
 * The fields that stand on the node itself: what is required or was set, and its model; the rest is in the inspector.
 * `connected`: names of parameters that an edge feeds; these have a port instead of a field.
 */
export function fieldsOnCard(fields: readonly Field[], node: FlowNode, connected: ReadonlySet<string>): Field[] {
  const free = fields.filter((one) => !connected.has(one.name))
  const isQuiet = (one: Field) => one.control === "json" && !one.isRequired
  const wanted = free.filter((one) => one.isRequired || one.control === "model" || (isSet(node, one) && !isQuiet(one)))
  if (wanted.length === 0) return free.filter((one) => !isQuiet(one)).slice(0, 2)
  return wanted.slice(0, MOST_ON_CARD)
}

/** The sentence that says what is wrong with a value for a field; null if nothing is. */
export function validateField(field: Field, value: Json): string | null {
  if (value === null) return null
  if (field.control === "number" || field.control === "slider" || field.control === "seed") {
    if (typeof value === "string" && value.includes("{{")) return null // a variable: the kernel checks what it holds
    if (typeof value !== "number" || !Number.isFinite(value)) return "A number is needed here."
    if (field.min !== undefined && value < field.min) return `At least ${field.min}.`
    if (field.max !== undefined && value > field.max) return `At most ${field.max}.`
  }
  return null
}

/** What a node asks of its model: a video from an image is another task than one from text. The kernel says the same. */
export function taskOf(type: NodeType | undefined, connected: { has(port: string): boolean }): string | null {
  if (type?.task !== "text-to-video") return type?.task ?? null
  return connected.has("video") ? "video-to-video" : connected.has("image") ? "image-to-video" : type.task
}
