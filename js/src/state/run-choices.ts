/** What can be run from here, what each would cost, and what a run would pay for. */

import type { Editing } from "./editing"
import { estimatePrice, type Price } from "./format"
import type { CanvasState } from "./store"

export interface RunChoice {
  label: string
  keys: string
  /** Why it cannot be chosen now; null where it can. */
  disabledReason: string | null
  price: Price | null
  run: () => void
}

/** Nodes that were made before from other things than now; those that never ran are left out. */
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
  const runChoice = (says: string, keys: string, targets: string[] | null, none: string): RunChoice => {
    const price = targets?.length === 0 ? null : estimatePrice(document, state.plan, targets)
    const off = targets?.length === 0 ? none : price?.nodes.length === 0 ? "all fresh" : null
    return { label: says, keys, disabledReason: off, price, run: () => editing.run(targets) }
  }
  const runnable = selected.filter((id) => state.catalog.get(document.nodes.get(id)?.type ?? "")?.kind !== "structural")
  return [
    runChoice("Run everything", "Ctrl ↵", null, ""),
    runChoice("Run what is stale", "⇧R", stale, "nothing is stale"),
    selected.length > 1
      ? runChoice(`Run the ${selected.length} selected, and what they need`, "⇧↵", selected, "")
      : runChoice(title ? `Run to here: ${title}` : "Run to here", "⇧↵", selected, "nothing is selected"),
    {
      label: title ? `Again: another take of ${title}` : "Again: another take",
      keys: "R",
      disabledReason: runnable.length === 0 ? "nothing is selected" : null,
      price: null,
      run: () => editing.runAgain(runnable),
    },
  ]
}

export interface CostEstimate extends Price {
  /** Paid calls; null where the length of a batch is not known yet. */
  calls: number | null
  /** Models whose price nobody knows. */
  unpriced: readonly string[]
}

/** What these nodes would cost, and in how many calls. */
export function estimateCost(state: CanvasState, nodes: readonly string[]): CostEstimate {
  const bill: CostEstimate = { low: 0, high: 0, nodes: [], calls: 0, unpriced: [] }
  const models = new Set<string>()
  for (const id of nodes) {
    const plan = state.plan.nodes[id]
    const model = state.shared.document.nodes.get(id)?.params.model
    const isUnpriced = typeof model === "string" && state.plan.unpriced.includes(model)
    if (isUnpriced) models.add(model)
    if (!plan || (!isUnpriced && !plan.high_micro_usd)) continue
    bill.low += plan.low_micro_usd ?? 0
    bill.high += plan.high_micro_usd ?? 0
    bill.nodes.push(id)
    bill.calls = plan.jobs == null || bill.calls === null ? null : bill.calls + plan.jobs
  }
  return { ...bill, unpriced: [...models] }
}
