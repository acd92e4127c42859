/** The choices of the run menu with their prices, and the cost estimate of a run. */

import type { Editing } from "./editing"
import { estimatePrice, type Price } from "./format"
import type { CanvasState } from "./store"

export interface RunChoice {
  label: string
  keys: string
  /** Why the choice is disabled; null if it is enabled. */
  disabledReason: string | null
  price: Price | null
  run: () => void
}

/** Nodes with an outdated result. Nodes that have never run are left out. */
export function staleNodes(state: CanvasState): string[] {
  const { document } = state.shared
  return [...document.nodes.keys()].filter((id) => {
    const plan = state.plan.nodes[id]?.state
    return plan !== undefined && plan !== "fresh" && plan !== "invalid" && (state.runs.results.get(id)?.length ?? 0) > 0
  })
}

export function runChoices(state: CanvasState, editing: Editing): RunChoice[] {
  const { document } = state.shared
  const selected = editing.selectedNodes()
  const stale = staleNodes(state)
  const title = selected.length === 1 ? editing.derived.card(state, selected[0] ?? "")?.title : ""
  const runChoice = (label: string, keys: string, targets: string[] | null, emptyReason: string): RunChoice => {
    const price = targets?.length === 0 ? null : estimatePrice(document, state.plan, targets)
    const disabledReason = targets?.length === 0 ? emptyReason : price?.nodes.length === 0 ? "all fresh" : null
    return { label, keys, disabledReason, price, run: () => editing.run(targets) }
  }
  const runnable = selected.filter((id) => state.catalog.get(document.nodes.get(id)?.type ?? "")?.kind !== "structural")
  return [
    runChoice("Run everything", "Ctrl ↵", null, ""),
    runChoice("Run stale nodes", "⇧R", stale, "nothing is stale"),
    selected.length > 1
      ? runChoice(`Run ${selected.length} selected nodes and their inputs`, "⇧↵", selected, "")
      : runChoice(title ? `Run to here: ${title}` : "Run to here", "⇧↵", selected, "nothing is selected"),
    {
      label: title ? `Run again: new take of ${title}` : "Run again: new take",
      keys: "R",
      disabledReason: runnable.length === 0 ? "nothing is selected" : null,
      price: null,
      run: () => editing.runAgain(runnable),
    },
  ]
}

export interface CostEstimate extends Price {
  /** Number of paid calls; null while the size of a batch is unknown. */
  calls: number | null
  /** Models without a known price. */
  unpriced: readonly string[]
}

/** Total cost and number of calls of these nodes. */
export function estimateCost(state: CanvasState, nodes: readonly string[]): CostEstimate {
  const estimate: CostEstimate = { low: 0, high: 0, nodes: [], calls: 0, unpriced: [] }
  const models = new Set<string>()
  for (const id of nodes) {
    const plan = state.plan.nodes[id]
    const model = state.shared.document.nodes.get(id)?.params.model
    const isUnpriced = typeof model === "string" && state.plan.unpriced.includes(model)
    if (isUnpriced) models.add(model)
    if (!plan || (!isUnpriced && !plan.high_micro_usd)) continue
    estimate.low += plan.low_micro_usd ?? 0
    estimate.high += plan.high_micro_usd ?? 0
    estimate.nodes.push(id)
    estimate.calls = plan.jobs == null || estimate.calls === null ? null : estimate.calls + plan.jobs
  }
  return { ...estimate, unpriced: [...models] }
}
