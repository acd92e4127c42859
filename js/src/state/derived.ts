/** Memoized values derived from the store, per node. */

import type { Model, NodeType } from "../wire/catalog"
import type { Json, JsonObject } from "../wire/flow"
import type { ErrorFacts, JobResult, NodePlan, Reason } from "../wire/run"
import { type Layering, tidyEdits } from "./arrange"
import {
  type CardFacts,
  type CellView,
  type Chip,
  cardError,
  footerFacts,
  resultCells,
  staleReasons,
  statusChips,
} from "./card"
import type { Document, FlowEdge, FlowNode, Look } from "./document"
import { fileKindOf } from "./files"
import { type Field, fieldsOf, fieldsOnCard, humanize } from "./form"
import { layoutNode, type NodeLayout } from "./node-layout"
import type { NodeRun } from "./runs"
import type { CanvasState, Point } from "./store"

/** Everything needed to draw a node. */
export interface CardData {
  facts: CardFacts
  title: string
  model: Model | null
  /** All fields, for the inspector. */
  allFields: readonly Field[]
  /** Fields shown on the card. */
  fields: readonly Field[]
  /** Flow variables that these fields read. */
  variables: readonly [name: string, value: Json][]
  /** Names of the input ports with an edge. */
  connected: ReadonlySet<string>
  cells: readonly CellView[]
  chips: readonly Chip[]
  reasons: readonly Reason[]
  error: ErrorFacts | null
  footer: readonly string[]
  layout: NodeLayout
}

type Sources = [
  FlowNode,
  NodeType | undefined,
  Look | undefined,
  NodePlan | undefined,
  NodeRun | undefined,
  readonly JobResult[] | undefined,
  boolean,
  Model | null,
  string,
  string,
  /** The flow's variables if the node reads any. */
  Readonly<JsonObject> | null,
]

/** Names of each node's connected ports, separated by spaces. */
interface Ends {
  into: Map<string, string>
  from: Map<string, string>
}

const NO_POINTS: ReadonlyMap<string, Point> = new Map()
const GAP_BELOW = 60
const GAP_BETWEEN = 84

/** Layout used until the layered layout is loaded. */
const layoutInOneRow: Layering = (rects) => {
  let x = 0
  return new Map(
    rects.map(({ id, width }) => {
      const corner = { x, y: 0 }
      x += width + GAP_BETWEEN
      return [id, corner]
    }),
  )
}

export class DerivedState {
  #cards = new Map<string, { sources: Sources; card: CardData }>()
  #ends: { edges: readonly FlowEdge[]; ends: Ends } | null = null
  #layouts: { map: ReadonlyMap<string, NodeLayout> } = { map: new Map() }
  #layoutsState: CanvasState | null = null
  #unplaced: {
    layouts: ReadonlyMap<string, NodeLayout>
    looks: ReadonlyMap<string, Look>
    edges: readonly FlowEdge[]
    layering: CanvasState["layering"]
    points: ReadonlyMap<string, Point>
  } | null = null

  /** The card of a node; null if the node does not exist. Returns the same object until one of its sources changes. */
  card(state: CanvasState, id: string): CardData | null {
    const document = state.shared.document
    const node = document.nodes.get(id)
    if (!node) return null
    const ends = this.#endsOf(document)
    const modelId = node.params.model
    const sources: Sources = [
      node,
      state.catalog.get(node.type),
      document.looks.get(id),
      state.plan.nodes[id],
      state.runs.nodes.get(id),
      state.runs.results.get(id),
      state.runs.requested.has(id),
      typeof modelId === "string" ? (state.models.get(modelId) ?? null) : null,
      ends.into.get(id) ?? "",
      ends.from.get(id) ?? "",
      readsVariables(node) ? document.variables : null,
    ]
    const cached = this.#cards.get(id)
    if (cached?.sources.every((source, index) => source === sources[index])) return cached.card
    const card = buildCard(sources)
    // Reuse an equal layout object, so that React Flow's nodes do not change.
    if (cached && JSON.stringify(cached.card.layout) === JSON.stringify(card.layout)) card.layout = cached.card.layout
    this.#cards.set(id, { sources, card })
    return card
  }

  /** Sizes and ports of all nodes. Returns the same map until one changes. */
  layouts(state: CanvasState): ReadonlyMap<string, NodeLayout> {
    const before = this.#layoutsState
    const isSame =
      before !== null &&
      before.shared.document === state.shared.document &&
      before.plan === state.plan &&
      before.runs === state.runs &&
      before.catalog === state.catalog &&
      before.models === state.models
    this.#layoutsState = state
    if (isSame) return this.#layouts.map
    const { nodes } = state.shared.document
    // During a run only `runs` changes: skip the nodes it does not touch.
    const isRunOnly =
      before !== null &&
      before.shared.document === state.shared.document &&
      before.plan === state.plan &&
      before.catalog === state.catalog &&
      before.models === state.models
    if (isRunOnly) return this.#changedLayouts(before, state)
    const map = new Map<string, NodeLayout>()
    let isChanged = nodes.size !== this.#layouts.map.size
    for (const id of nodes.keys()) {
      const box = this.card(state, id)?.layout
      if (!box) continue
      map.set(id, box)
      isChanged ||= this.#layouts.map.get(id) !== box
    }
    for (const id of this.#cards.keys()) if (!nodes.has(id)) this.#cards.delete(id)
    if (isChanged) this.#layouts = { map }
    return this.#layouts.map
  }

  /** Layouts after a change of runs or results. */
  #changedLayouts(before: CanvasState, state: CanvasState): ReadonlyMap<string, NodeLayout> {
    let map: Map<string, NodeLayout> | null = null
    const { nodes, results, requested } = state.runs
    const update = (id: string) => {
      const box = this.card(state, id)?.layout
      if (!box || this.#layouts.map.get(id) === box) return
      map ??= new Map(this.#layouts.map)
      map.set(id, box)
    }
    for (const id of state.shared.document.nodes.keys()) {
      const isSame =
        nodes.get(id) === before.runs.nodes.get(id) &&
        results.get(id) === before.runs.results.get(id) &&
        requested.has(id) === before.runs.requested.has(id)
      if (!isSame) update(id)
    }
    if (map) this.#layouts = { map }
    return this.#layouts.map
  }

  /** Positions of nodes without a stored position: below the placed nodes, in layers once the layout is loaded. */
  autoPositions(state: CanvasState): ReadonlyMap<string, Point> {
    const document = state.shared.document
    if (document.looks.size >= document.nodes.size) return NO_POINTS
    const boxes = this.layouts(state)
    const { layering } = state
    const { looks, edges } = document
    const cached = this.#unplaced
    const isSame = cached?.layouts === boxes && cached.looks === looks && cached.edges === edges
    if (isSame && cached.layering === layering) return cached.points
    const rects = [...document.nodes.keys()].filter((id) => !document.looks.has(id))
    const positions = new Map<string, Point>()
    let below = 0
    for (const [id, look] of document.looks) below = Math.max(below, look.y + (boxes.get(id)?.height ?? 0) + GAP_BELOW)
    const sized = rects.map((id) => ({
      id,
      x: 0,
      y: below,
      width: boxes.get(id)?.width ?? 0,
      height: boxes.get(id)?.height ?? 0,
    }))
    for (const rect of sized) positions.set(rect.id, { x: rect.x, y: rect.y })
    for (const edit of tidyEdits(typeof layering === "function" ? layering : layoutInOneRow, document, sized)) {
      if (edit.kind === "set_layout")
        positions.set(edit.node_id, { x: edit.fields?.x ?? 0, y: edit.fields?.y ?? below })
    }
    this.#unplaced = { layouts: boxes, looks, edges, layering, points: positions }
    return positions
  }

  #endsOf(document: Document): Ends {
    if (this.#ends?.edges === document.edges) return this.#ends.ends
    const ends: Ends = { into: new Map(), from: new Map() }
    const addPort = (map: Map<string, string>, id: string, port: string) => {
      const ports = map.get(id)
      if (ports === undefined) map.set(id, port)
      else if (!ports.split(" ").includes(port)) map.set(id, `${ports} ${port}`)
    }
    for (const edge of document.edges) {
      addPort(ends.into, edge.target, edge.targetHandle)
      addPort(ends.from, edge.source, edge.sourceHandle)
    }
    this.#ends = { edges: document.edges, ends }
    return ends
  }
}

function buildCard(sources: Sources): CardData {
  const [node, type, look, plan, run, results, isRequested, model, into, from, variables] = sources
  const facts: CardFacts = { node, type, plan, run, results, isRequested: isRequested }
  const connected = into === "" ? [] : into.split(" ")
  const isFed = new Set(connected)
  const isFile = fileKindOf(type) !== null
  // A file node gets its asset from the file picker, not from a field.
  const allFields = type ? fieldsOf(type, node, model).filter((field) => !isFile || field.name !== "asset") : []
  const fields = isFile ? [] : fieldsOnCard(allFields, node, isFed)
  const cells = resultCells(facts)
  const reasons = staleReasons(facts)
  const error = cardError(facts)
  const leaving = from === "" ? [] : from.split(" ")
  const read = variables ? variablesOn(node, fields, variables) : []
  const box = layoutNode({ node, type, look, plan, fields, variables: read, connected, leaving, cells, reasons, error })
  return {
    facts,
    title: nodeTitle(node, type, look),
    model,
    allFields,
    fields,
    variables: read,
    connected: isFed,
    cells,
    chips: statusChips(facts),
    reasons,
    error,
    footer: footerFacts(facts, model),
    layout: box,
  }
}

/** The node's own title, or the title of its type. */
export const nodeTitle = (node: FlowNode, type: NodeType | undefined, look: Look | undefined): string =>
  look?.title ?? type?.title ?? humanize(node.type)

const VARIABLE = /(?<!\\)\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g

const readsVariables = (node: FlowNode): boolean =>
  Object.values(node.params).some((value) => typeof value === "string" && value.includes("{{"))

const MAX_VARIABLES = 3

/** The variables that the fields on a card read, in order of first use. */
function variablesOn(node: FlowNode, fields: readonly Field[], variables: Readonly<JsonObject>): [string, Json][] {
  const names = new Set<string>()
  for (const field of fields) {
    const value = node.params[field.name]
    if (typeof value === "string") for (const match of value.matchAll(VARIABLE)) names.add(match[1] as string)
  }
  const entries = [...names].flatMap((name): [string, Json][] => {
    const value = variables[name]
    return value === undefined ? [] : [[name, value]]
  })
  return entries.slice(0, MAX_VARIABLES)
}
