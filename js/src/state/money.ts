/** Money and times in words. */

import type { Plan } from "../wire/run"
import { type Document, reachable } from "./document"

/** `$0.04`; small sums keep two digits that say something: `$0.0035`. */
export function usd(microUsd: number): string {
  const dollars = microUsd / 1e6
  if (dollars === 0) return "$0"
  if (dollars < 0.01) return `$${Number(dollars.toPrecision(2))}`
  return Number.isInteger(dollars) ? `$${dollars}` : `$${dollars.toFixed(2)}`
}

/** `$0.04–0.46`, or one figure where both are the same. */
export function usdRange(low: number, high: number): string {
  return low === high ? usd(high) : `${usd(low)}–${usd(high).slice(1)}`
}

/** `0.3 s`, `8.1 s`, `42 s`, `3:07`. */
export function seconds(value: number): string {
  if (value < 10) return `${Math.max(0, value).toFixed(1)} s`
  if (value < 60) return `${Math.floor(value)} s`
  return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`
}

/** `0:05`, as players write it. */
export const clock = (value: number): string => {
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
export function priceOf(document: Document, plan: Plan, targets: Iterable<string> | null): Price {
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
