/** Money and times in words. */

import type { Budget, Plan } from "../wire/run"
import { type Document, reachable } from "./document"

/** `$0.04`; small sums keep two digits that say something: `$0.0035`. */
export function formatUsd(microUsd: number): string {
  const dollars = microUsd / 1e6
  if (dollars === 0) return "$0"
  if (dollars < 0.01) return `$${Number(dollars.toPrecision(2))}`
  return Number.isInteger(dollars) ? `$${dollars}` : `$${dollars.toFixed(2)}`
}

/** `$0.04–0.46`, or one figure where both are the same. */
export function formatUsdRange(low: number, high: number): string {
  return low === high ? formatUsd(high) : `${formatUsd(low)}–${formatUsd(high).slice(1)}`
}

/** `0.3 s`, `8.1 s`, `42 s`, `3:07`. */
export function formatSeconds(value: number): string {
  if (value < 10) return `${Math.max(0, value).toFixed(1)} s`
  if (value < 60) return `${Math.floor(value)} s`
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`
}

/** `0:05`, as players write it. */
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

/** What a run of these targets would cost: they and everything above them that is not fresh. No targets: all. */
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
  /** Of the cap, what is spent or held: 0 to 1. */
  share: number
  tone: "is-ok" | "is-warn" | "is-bad"
  /** What stands on the canvas could cost more than is left: some of its calls would be refused. */
  isPassed: boolean
}

/** Every cap, beside a run that may cost so much; the one that matters most first, which the bar has room for. */
export function budgetStatuses(budgets: readonly Budget[], high: number): BudgetStatus[] {
  const found = budgets.map((budget) => {
    const { spent_micro_usd: spent, cap_micro_usd: cap } = budget
    const share = cap > 0 ? Math.min(1, spent / cap) : 1
    const isPassed = high > 0 && spent + high > cap
    const tone: BudgetStatus["tone"] = share >= 1 ? "is-bad" : share >= 0.8 || isPassed ? "is-warn" : "is-ok"
    return { ...budget, share, tone, isPassed }
  })
  const left = (one: BudgetStatus) => one.cap_micro_usd - one.spent_micro_usd
  return found.sort((a, b) => {
    if (a.isPassed !== b.isPassed) return a.isPassed ? -1 : 1
    if (a.isPassed) return left(a) - left(b)
    return b.share - a.share || Number(b.label === TODAY) - Number(a.label === TODAY)
  })
}

const EACH_RUN = "a run"
const TODAY = "today"

/** All there is to say about the caps, for who points at them. */
export function budgetTooltip(standings: readonly BudgetStatus[], high: number): string {
  const lines = standings.map(({ label, spent_micro_usd: spent, cap_micro_usd: cap, isPassed }) => {
    const used =
      label === EACH_RUN ? `${formatUsd(cap)} at most` : `${formatUsd(spent)} of ${formatUsd(cap)} spent or held`
    return `${label}: ${used}${isPassed ? `, and what would run may cost ${formatUsd(high)}` : ""}`
  })
  const passed = standings.some((one) => one.isPassed)
    ? ["Calls beyond a cap are refused; finished ones are kept."]
    : []
  return [...lines, ...passed, "ff.budget(…) in a cell or `fusionflow budget` sets other caps."].join("\n")
}
