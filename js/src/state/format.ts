/** Formats money and durations; sums up prices and budgets. */

import type { Budget, Plan } from "../wire/run"
import { type Document, reachable } from "./document"

/** `$0.04`. Small amounts keep two significant digits: `$0.0035`. */
export function formatUsd(microUsd: number): string {
  const dollars = microUsd / 1e6
  if (dollars === 0) return "$0"
  if (dollars < 0.01) return `$${Number(dollars.toPrecision(2))}`
  return Number.isInteger(dollars) ? `$${dollars}` : `$${dollars.toFixed(2)}`
}

/** `$0.04–0.46`, or a single amount if both are equal. */
export function formatUsdRange(low: number, high: number): string {
  return low === high ? formatUsd(high) : `${formatUsd(low)}–${formatUsd(high).slice(1)}`
}

/** `0.3 s`, `8.1 s`, `42 s`, `3:07`. */
export function formatSeconds(value: number): string {
  if (value < 10) return `${Math.max(0, value).toFixed(1)} s`
  if (value < 60) return `${Math.floor(value)} s`
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`
}

/** `0:05`, as in media players. */
export const formatClock = (value: number): string => {
  const whole = Math.round(value)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`
}

export interface Price {
  low: number
  high: number
  /** Nodes that would run. */
  nodes: string[]
}

/** Price range of running the targets and everything upstream that is not fresh. `null`: all nodes. */
export function estimatePrice(document: Document, plan: Plan, targets: Iterable<string> | null): Price {
  const scope = targets === null ? new Set(document.nodes.keys()) : reachable(document, targets, "up")
  const price: Price = { low: 0, high: 0, nodes: [] }
  for (const id of scope) {
    const node = plan.nodes[id]
    if (!node || node.state === "fresh" || node.state === "invalid" || document.nodes.get(id)?.isMuted) continue
    price.low += node.low_micro_usd ?? 0
    price.high += node.high_micro_usd ?? 0
    price.nodes.push(id)
  }
  return price
}

export interface BudgetStatus extends Budget {
  /** Spent or reserved share of the cap, 0 to 1. */
  share: number
  tone: "is-ok" | "is-warn" | "is-bad"
  /** The planned run could exceed the cap, so that some of its calls would be refused. */
  isPassed: boolean
}

/** Status of every cap for a run of at most `high` micro-USD. Most urgent first: the bar shows only the first. */
export function budgetStatuses(budgets: readonly Budget[], high: number): BudgetStatus[] {
  const statuses = budgets.map((budget) => {
    const { spent_micro_usd: spent, cap_micro_usd: cap } = budget
    const share = cap > 0 ? Math.min(1, spent / cap) : 1
    const isPassed = high > 0 && spent + high > cap
    const tone: BudgetStatus["tone"] = share >= 1 ? "is-bad" : share >= 0.8 || isPassed ? "is-warn" : "is-ok"
    return { ...budget, share, tone, isPassed }
  })
  const remaining = (status: BudgetStatus) => status.cap_micro_usd - status.spent_micro_usd
  return statuses.sort((a, b) => {
    if (a.isPassed !== b.isPassed) return a.isPassed ? -1 : 1
    if (a.isPassed) return remaining(a) - remaining(b)
    return b.share - a.share || Number(b.label === TODAY) - Number(a.label === TODAY)
  })
}

const PER_RUN = "a run"
const TODAY = "today"

/** Details of all caps, for the tooltip. */
export function budgetTooltip(statuses: readonly BudgetStatus[], high: number): string {
  const lines = statuses.map(({ label, spent_micro_usd: spent, cap_micro_usd: cap, isPassed }) => {
    const usage =
      label === PER_RUN ? `${formatUsd(cap)} at most` : `${formatUsd(spent)} of ${formatUsd(cap)} spent or reserved`
    return `${label}: ${usage}${isPassed ? `; the planned run may cost ${formatUsd(high)}` : ""}`
  })
  const notes = statuses.some(({ isPassed }) => isPassed)
    ? ["Calls over a cap are refused; finished calls are kept."]
    : []
  return [...lines, ...notes, "Change caps with ff.budget(…) in a cell or `fusionflow budget`."].join("\n")
}
