/**
 * Computes the layout of a node in canvas pixels without the DOM. React Flow gets sizes and ports from here, so that
 * it never mounts a node to measure it. The style sheet uses the same numbers.
 */

import type { InputPort, NodeType, PortType } from "../wire/catalog"
import type { Json } from "../wire/flow"
import type { ErrorFacts, NodePlan, Reason } from "../wire/run"
import type { CellView } from "./card"
import type { FlowNode, Look } from "./document"
import { displayValue, type Field } from "./form"
import { type Grid, layoutGrid } from "./grid"
import { inputOf, isMedia } from "./ports"

export const HEADER_HEIGHT = 36
export const FOOTER_HEIGHT = 34
export const PADDING = 12
const MEDIA_PAD = 8
const CONTROL = 32
const LABEL = 20
const GAP = 8
const LINE = 18
const PORT_STEP = 26
const PORT_TOP = 20
const CHARACTER = 6.9 // width at 13 px, rounded up: an extra line is better than a clipped one
/** Height of the row with the retry button. */
const RETRY = 32

export interface Port {
  name: string
  side: "left" | "right"
  y: number
  type: PortType
  /** The port carries a batch: drawn as a square. */
  isSquare: boolean
  isRequired: boolean
  /** Shown only on hover or focus of the node, or while an edge is drawn. */
  isQuiet: boolean
}

export interface Section {
  kind: "media" | "error" | "reason" | "ports" | "field" | "variable" | "foot"
  y: number
  height: number
  /** Name of the field. */
  name?: string
}

export interface NodeLayout {
  width: number
  height: number
  sections: Section[]
  ports: Port[]
  grid: Grid
}

export interface NodeLayoutInput {
  node: FlowNode
  type: NodeType | undefined
  look: Look | undefined
  plan: NodePlan | undefined
  fields: readonly Field[]
  /** Flow variables that the fields read, with their values. */
  variables: readonly [name: string, value: Json][]
  /** Input ports with an edge, in edge order. */
  connected: readonly string[]
  /** Output ports with an edge. */
  leaving: readonly string[]
  cells: readonly CellView[]
  reasons: readonly Reason[]
  error: ErrorFacts | null
}

export const DEFAULT_WIDTH = 280
export const VALUE_WIDTH = 260
export const MIN_WIDTH = 200
export const MAX_WIDTH = 900

/** Width of a node: the stored width, else the default for its content. */
export const nodeWidth = (look: Look | undefined, isMediaNode: boolean): number =>
  Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, look?.width ?? (isMediaNode ? DEFAULT_WIDTH : VALUE_WIDTH)))

/** Number of lines that a text needs at a width in pixels. */
export function lineCount(text: string, width: number): number {
  const maxLength = Math.max(8, Math.floor(width / CHARACTER))
  let lines = 0
  for (const paragraph of text.split("\n")) {
    let length = 0
    lines += 1
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (length > 0 && length + word.trimEnd().length > maxLength) {
        lines += 1
        length = 0
      }
      length += word.length
      while (length > maxLength) {
        lines += 1
        length -= maxLength
      }
    }
  }
  return lines
}

const MAX_LINES = 12

/** Height of a field's control. */
export function controlHeight(field: Field, value: Json, width: number): number {
  if (field.control === "text" || field.control === "list" || field.control === "json") {
    const lines = lineCount(valueToText(value), width - 2 * PADDING - 20)
    return Math.max(CONTROL, Math.min(MAX_LINES, lines) * LINE + 14)
  }
  return CONTROL
}

/** Formats a value as the text of its field. */
export function valueToText(value: Json): string {
  if (value === null || value === undefined) return ""
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) {
    return value.every((item) => typeof item === "number") ? value.join(", ") : value.join("\n")
  }
  return typeof value === "object" ? JSON.stringify(value, null, 1) : String(value)
}

export function layoutNode(facts: NodeLayoutInput): NodeLayout {
  const { type, plan } = facts
  const isMediaNode = type?.outputs[0] !== undefined && isMedia(type.outputs[0].type)
  const width = nodeWidth(facts.look, isMediaNode)
  const sections: Section[] = []
  const ports: Port[] = []
  let y = HEADER_HEIGHT
  const place = (kind: Section["kind"], height: number, name?: string): number => {
    sections.push({ kind, y, height, name })
    y += height
    return y - height
  }
  const stacked = stackedInputs(facts)
  const grid = layoutGrid({
    cells: facts.cells,
    axes: plan?.axes ?? [],
    isStrip: facts.look?.is_strip === true,
    isSound: type?.outputs[0]?.type === "audio",
    width: width - 2 * MEDIA_PAD,
    aspect: aspectOf(facts, facts.cells.length),
  })
  const isQuiet = (port: InputPort, index: number) =>
    !port.is_required && !facts.connected.includes(port.name) && (index > 0 || port.collects !== "no")
  if (isMediaNode) {
    const needed = PORT_TOP + stacked.length * PORT_STEP
    const at = place("media", Math.max(grid.height, needed))
    stacked.forEach(
      (port, index) => void ports.push(inputPort(port, at + PORT_TOP + index * PORT_STEP, isQuiet(port, index))),
    )
  } else if (stacked.length > 0) {
    const at = place("ports", stacked.length * PORT_STEP)
    stacked.forEach((port, index) => void ports.push(inputPort(port, at + (index + 0.5) * PORT_STEP, false)))
  }
  const textWidth = (width - 2 * PADDING - 18) * (13 / 11.5) // errors use 11.5 px text
  if (facts.error) {
    const lines =
      lineCount(facts.error.message, textWidth) + (facts.error.hint ? lineCount(facts.error.hint, textWidth) : 0)
    place("error", GAP + lines * 17 + 14 + RETRY)
  }
  if (facts.reasons.length > 0) place("reason", GAP + facts.reasons.length * 17 + 12)
  for (const field of facts.fields) {
    const control = controlHeight(field, displayValue(facts.node, field), width)
    const label = isMainField(facts, field) ? 0 : LABEL
    const at = place("field", GAP + label + control, field.name)
    const input = field.isSetting ? null : inputOf(type, field.name)
    if (input) ports.push(inputPort(input, at + GAP + label + Math.min(control, CONTROL) / 2, true))
  }
  for (const [name, value] of facts.variables) {
    const lines = Math.min(MAX_LINES, lineCount(valueToText(value), width - 2 * PADDING - 20))
    place("variable", GAP + LABEL + Math.max(CONTROL, lines * LINE + 14), name)
  }
  place("foot", FOOTER_HEIGHT)
  const isBatch = (plan?.axes?.length ?? 0) > 0
  outputsOf(facts).forEach((output, index) => {
    const base = isMediaNode ? HEADER_HEIGHT + PORT_TOP : HEADER_HEIGHT + 24
    const isSquare = isBatch || output.is_series
    const isUnused = index > 0 && !facts.leaving.includes(output.name)
    ports.push({
      ...output,
      side: "right",
      y: base + index * PORT_STEP,
      isSquare,
      isRequired: false,
      isQuiet: isUnused,
    })
  })
  return {
    width,
    height: Math.max(y, ...ports.map((port) => port.y + PORT_TOP)),
    sections,
    ports,
    grid,
  }
}

/** Whether a field is the only content of a structural node. It needs no label: the node's title names it. */
export const isMainField = (facts: Pick<NodeLayoutInput, "type" | "fields">, field: Field): boolean =>
  facts.type?.kind === "structural" && facts.fields[0] === field && field.control !== "slider"

const inputPort = (port: InputPort, y: number, isQuiet: boolean): Port => ({
  isQuiet,
  name: port.name,
  side: "left",
  y,
  type: port.type,
  isSquare: port.collects !== "no",
  isRequired: port.is_required,
})

/** Input ports stacked at the left edge: media inputs, connected parameters and required inputs without a field. */
function stackedInputs({ type, connected, fields }: NodeLayoutInput): InputPort[] {
  const onFields = new Set(fields.map((field) => field.name))
  const declared = (type?.inputs ?? []).filter(
    (port) => !port.is_parameter || connected.includes(port.name) || (port.is_required && !onFields.has(port.name)),
  )
  const rank = (port: InputPort) => (connected.includes(port.name) ? 0 : port.is_required ? 1 : 2)
  declared.sort((a, b) => rank(a) - rank(b))
  const names = new Set(declared.map((port) => port.name))
  const extra = connected.filter((name) => !names.has(name)).map((name) => inputOf(type, name) ?? unknownPort(name))
  return [...declared, ...extra].slice(0, MAX_STACKED)
}

function outputsOf({ type, leaving }: NodeLayoutInput): { name: string; type: PortType; is_series: boolean }[] {
  const declared = type?.outputs ?? []
  const others = leaving.filter((name) => declared.every((output) => output.name !== name))
  const rest = others.map((name) => ({ name, type: type?.extra_outputs ?? ("json" as const), is_series: false }))
  return [...declared, ...rest]
}

const MAX_STACKED = 12

const unknownPort = (name: string): InputPort => ({
  name,
  type: "json",
  collects: "no",
  is_required: false,
  is_parameter: false,
  default: null,
})

/** Aspect ratio of a cell, width by height: of the result, else of the `width` and `height` parameters. */
function aspectOf({ cells, node, type }: NodeLayoutInput, count: number): number {
  const sized = cells.find(({ cell }) => cell?.width && cell.height)?.cell
  const { width, height } = node.params
  const requested = typeof width === "number" && typeof height === "number" && height > 0 ? width / height : null
  const fallback = type?.outputs[0]?.type === "video" ? 16 / 9 : 1.5
  const aspect = sized?.width && sized.height ? sized.width / sized.height : (requested ?? fallback)
  return count > 1 ? Math.min(2, Math.max(0.66, aspect)) : Math.min(2.4, Math.max(0.8, aspect))
}
