/** Small planner of the dev page: computes fresh, stale, pending and invalid states, and prices. */

import type { Document, FlowEdge, FlowNode } from "../src/state/document"
import type { Catalog } from "../src/state/ports"
import type { Json, JsonObject } from "../src/wire/flow"
import type { Coordinate, JobResult, NodePlan, Plan, Reason } from "../src/wire/run"

export interface Axis {
  name: string
  labels: string[]
}

export interface NodeResults {
  ingredients: JsonObject
  jobs: JobResult[]
}

export interface FakePlan {
  plan: Plan
  order: string[]
  ingredients: Map<string, JsonObject>
  /** Coordinates of each node's jobs. */
  coordinates: Map<string, Coordinate[]>
}

/** Fake prices, in micro-dollars per job. */
export const PRICES: Record<string, number> = {
  "fal/flux-pro": 40_000,
  "runway/gen4_turbo": 420_000,
  "acme/retiring": 25_000,
}

export function planFlow(
  document: Document,
  catalog: Catalog,
  rev: number,
  results: ReadonlyMap<string, NodeResults>,
): FakePlan {
  const order = topologicalOrder(document)
  const axes = new Map<string, Axis[]>()
  const ingredients = new Map<string, JsonObject>()
  const coordinates = new Map<string, Coordinate[]>()
  const nodes: Record<string, NodePlan> = {}
  const intoOf = new Map<string, FlowEdge[]>()
  for (const edge of document.edges) intoOf.set(edge.target, [...(intoOf.get(edge.target) ?? []), edge])
  for (const id of order) {
    const node = document.nodes.get(id) as FlowNode
    const type = catalog.get(node.type)
    const into = intoOf.get(id) ?? []
    const mapped = into.filter(
      (edge) => type?.inputs.find((port) => port.name === edge.targetHandle)?.collects === "no",
    )
    const inherited = mergeAxes(mapped.map((edge) => axes.get(edge.source) ?? []))
    const own = ownAxis(node)
    axes.set(id, own ? [...inherited, own] : inherited)
    coordinates.set(id, crossProduct(inherited))
    const params = substituteVariables(node.params, document.variables)
    const inputs = Object.fromEntries(
      into.map((edge) => [edge.targetHandle, digest(ingredients.get(edge.source) ?? {})]),
    )
    ingredients.set(id, { params, inputs, take: node.take })
    const missing = type?.inputs.find(
      (port) =>
        port.is_required &&
        node.params[port.name] === undefined &&
        !into.some((edge) => edge.targetHandle === port.name),
    )
    const sources = into.map((edge) => nodes[edge.source])
    nodes[id] = { state: "fresh", axes: axes.get(id) }
    if (missing)
      nodes[id] = { state: "invalid", reasons: [{ text: `${missing.name} needs an input` }], axes: axes.get(id) }
    else if (type?.kind !== "structural") {
      const old = results.get(id)
      const isFresh =
        node.locked !== null ||
        (old !== undefined && digest(old.ingredients) === digest(ingredients.get(id) as JsonObject))
      if (!isFresh) {
        const unfinished = into.filter((_, index) => sources[index]?.state !== "fresh")
        const isPending = unfinished.length > 0
        const count = coordinates.get(id)?.length ?? 1
        const price = (PRICES[String(node.params.model)] ?? 0) * count
        const reasons = old ? differences(ingredients.get(id) as JsonObject, old.ingredients) : [{ text: "never ran" }]
        if (isPending) reasons.push({ text: `waits for ${unfinished.map((edge) => edge.source).join(", ")}` })
        nodes[id] = {
          state: isPending ? "pending" : "stale",
          reasons,
          low_micro_usd: isPending ? 0 : price,
          high_micro_usd: price,
          jobs: count,
          axes: axes.get(id),
        }
      }
    }
  }
  return { plan: { rev, nodes, unpriced: [] }, order, ingredients, coordinates }
}

/** Node ids in topological order. */
function topologicalOrder(document: Document): string[] {
  const inputCounts = new Map([...document.nodes.keys()].map((id) => [id, 0]))
  const below = new Map<string, string[]>()
  for (const { source, target } of document.edges) {
    inputCounts.set(target, (inputCounts.get(target) ?? 0) + 1)
    below.set(source, [...(below.get(source) ?? []), target])
  }
  const ready = [...inputCounts].filter(([, count]) => count === 0).map(([id]) => id)
  for (const id of ready) {
    for (const target of below.get(id) ?? []) {
      const remaining = (inputCounts.get(target) ?? 0) - 1
      inputCounts.set(target, remaining)
      if (remaining === 0) ready.push(target)
    }
  }
  return ready
}

function ownAxis(node: FlowNode): Axis | null {
  const values = node.params.values
  if (!Array.isArray(values) || !["prompts", "seeds"].includes(node.type)) return null
  return { name: node.type === "seeds" ? "seed" : "prompt", labels: values.map(String) }
}

function mergeAxes(all: Axis[][]): Axis[] {
  const byName = new Map<string, Axis>()
  for (const axis of all.flat()) byName.set(axis.name, axis)
  return [...byName.values()]
}

const crossProduct = (axes: Axis[]): Coordinate[] =>
  axes.reduce<Coordinate[]>(
    (places, axis) => places.flatMap((place) => axis.labels.map((label): Coordinate => [...place, [axis.name, label]])),
    [[]],
  )

function substituteVariables(params: Readonly<JsonObject>, variables: Readonly<JsonObject>): JsonObject {
  const substitute = (value: Json): Json =>
    typeof value === "string"
      ? value.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => String(variables[name] ?? ""))
      : value
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, substitute(value)]))
}

export function digest(value: JsonObject): string {
  let hash = 2166136261
  for (const letter of JSON.stringify(value)) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619)
  return (hash >>> 0).toString(16)
}

function differences(now: JsonObject, before: JsonObject): Reason[] {
  const [params, old] = [now.params as JsonObject, (before.params ?? {}) as JsonObject]
  const names = [...new Set([...Object.keys(params), ...Object.keys(old)])]
  const reasons: Reason[] = names
    .filter((name) => JSON.stringify(params[name]) !== JSON.stringify(old[name]))
    .map((name) => ({
      text: `${name}: ${old[name]} → ${params[name]}`,
      field: name,
      old: old[name] ?? null,
      new: params[name] ?? null,
    }))
  if (now.take !== before.take) reasons.push({ text: "another take", field: "take", old: before.take, new: now.take })
  return reasons.length > 0 ? reasons : [{ text: "an input changed" }]
}
