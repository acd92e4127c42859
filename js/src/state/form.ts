/** Builds form fields from a node type's JSON schema and the chosen model. */

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
  /** The value is stored in `settings` instead of the parameters. */
  isSetting: boolean
}

/** Parameters that every model accepts. */
const COMMON = new Set(["prompt", "model", "settings", "fallback"])
/** A number field replaces the slider for wider ranges. */
const MAX_SLIDER_RANGE = 720

/** All fields of a node in declaration order. Omits unset fields that the model does not support. */
export function fieldsOf(type: NodeType, node: FlowNode, model: Model | null): Field[] {
  const fields: Field[] = []
  const properties = type.params_schema.properties ?? {}
  for (const [name, schema] of Object.entries(properties)) {
    const parameter = model?.parameters[name]
    if (model && !parameter && !COMMON.has(name) && node.params[name] === undefined) continue
    const port = type.inputs.find((input) => input.name === name)
    fields.push(toField(name, narrow(unwrapOptional(schema), parameter), schema, type, port?.is_required ?? false))
  }
  for (const [name, parameter] of Object.entries(model?.parameters ?? {})) {
    if (name in properties) continue
    const schema = narrow({ title: humanize(name) }, parameter)
    fields.push({ ...toField(name, schema, schema, type, false), isSetting: true })
  }
  return fields
}

function toField(name: string, schema: Schema, outer: Schema, type: NodeType, isRequired: boolean): Field {
  const isWhole = schema.type === "integer"
  const step = isWhole ? 1 : undefined
  const min = schema.minimum ?? schema.exclusiveMinimum
  const max = schema.maximum ?? schema.exclusiveMaximum
  return {
    name,
    label: humanize(name),
    control: controlOf(name, schema, type, min, max),
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

function controlOf(name: string, schema: Schema, type: NodeType, min?: number, max?: number): Control {
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
      return min !== undefined && max !== undefined && max - min <= MAX_SLIDER_RANGE ? "slider" : "number"
    case "array":
      return schema.items?.type === "object" ? "json" : "list"
    default:
      return "json"
  }
}

/** Returns the schema `X` of `X | None`. */
function unwrapOptional(schema: Schema): Schema {
  const schemas = schema.anyOf?.filter(({ type }) => type !== "null") ?? []
  return schemas.length === 1 && schemas[0] ? schemas[0] : schema.anyOf ? {} : schema
}

/** Applies a model's limits and defaults to the schema of the node type. */
function narrow(schema: Schema, parameter: ModelParameter | undefined): Schema {
  if (!parameter) return schema
  const kinds = {
    number: "number",
    integer: "integer",
    text: "string",
    choice: schema.type,
    boolean: "boolean",
  } as const
  return {
    ...schema,
    type: kinds[parameter.kind],
    ...(parameter.minimum != null && { minimum: parameter.minimum, exclusiveMinimum: undefined }),
    ...(parameter.maximum != null && { maximum: parameter.maximum, exclusiveMaximum: undefined }),
    ...(parameter.choices && { enum: parameter.choices }),
    ...(parameter.default != null && { default: parameter.default }),
    ...(parameter.description && { description: parameter.description }),
  }
}

const stepOf = (range: number): number => (range <= 2 ? 0.01 : range <= 25 ? 0.1 : 1)

/** `aspect_ratio` -> `aspect ratio`. Removes a trailing unit, which the field shows separately. */
export const humanize = (name: string): string => name.replace(/_(s|px|usd)$/, "").replaceAll("_", " ")

/** The value a field shows: the stored value or the default. */
export function displayValue(node: FlowNode, field: Field): Json {
  const values = field.isSetting ? (node.params.settings as JsonObject | undefined) : node.params
  return values?.[field.name] ?? field.default
}

export const isSet = (node: FlowNode, field: Field): boolean =>
  field.isSetting
    ? (node.params.settings as JsonObject | undefined)?.[field.name] !== undefined
    : node.params[field.name] !== undefined

const MAX_CARD_FIELDS = 4

/**
 * The fields shown on the card: required fields, set fields and the model; the inspector shows the rest.
 * `connected`: names of the parameters with an edge; these have a port instead of a field.
 */
export function fieldsOnCard(fields: readonly Field[], node: FlowNode, connected: ReadonlySet<string>): Field[] {
  const unconnected = fields.filter((field) => !connected.has(field.name))
  const isMinor = (field: Field) => field.control === "json" && !field.isRequired
  const isShown = (field: Field) =>
    field.isRequired || field.control === "model" || (isSet(node, field) && !isMinor(field))
  const shown = unconnected.filter(isShown)
  if (shown.length === 0) return unconnected.filter((field) => !isMinor(field)).slice(0, 2)
  return shown.slice(0, MAX_CARD_FIELDS)
}

/** Error message for an invalid field value; null if the value is valid. */
export function validateField(field: Field, value: Json): string | null {
  if (value === null) return null
  if (field.control === "number" || field.control === "slider" || field.control === "seed") {
    if (typeof value === "string" && value.includes("{{")) return null // the kernel checks the variable's value
    if (typeof value !== "number" || !Number.isFinite(value)) return "Enter a number."
    if (field.min !== undefined && value < field.min) return `At least ${field.min}.`
    if (field.max !== undefined && value > field.max) return `At most ${field.max}.`
  }
  return null
}

/** The task a node needs its model for. Depends on the connected inputs. Same rule as in the kernel. */
export function taskOf(type: NodeType | undefined, connected: { has(port: string): boolean }): string | null {
  if (type?.task !== "text-to-video") return type?.task ?? null
  return connected.has("video") ? "video-to-video" : connected.has("image") ? "image-to-video" : type.task
}
