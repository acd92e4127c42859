/** Content of a node card: chips, cells, stale reasons, footer. Pure functions, so tests need no page. */

import type { Model, NodeType } from "../wire/catalog"
import type { Json } from "../wire/flow"
import type { ErrorFacts, Expected, JobResult, JobState, NodePlan, Reason, ResultCell } from "../wire/run"
import type { FlowNode } from "./document"
import { expectedDuration, isEstimated } from "./estimate"
import { fileCell, fileKindOf, formatMegabytes } from "./files"
import { formatClock, formatSeconds, formatUsd, formatUsdRange } from "./format"
import { isMedia } from "./ports"
import { progressFacts } from "./progress"
import { coordinateKey, isActive, type JobRun, type NodeRun } from "./runs"

export type Tone = "plain" | "run" | "ok" | "warn" | "bad"

export interface Chip {
  text: string
  tone: Tone
  /** Full text for tooltips and screen readers. */
  title?: string
  /** Progress is estimated from elapsed time; the node updates the chip while it runs. */
  isEstimated?: boolean
}

export interface CellView {
  key: string
  /** Label on the last axis. */
  label: string
  /** Labels on all other axes, shared by the cells of a row. */
  row: string
  coordinate: readonly [string, string][]
  cell: ResultCell | null
  /** Progress of an active job, 0 to 1; null if the service does not report it. */
  progress: number | null | undefined
  /** Input of the estimate for an active job that reports no progress. */
  expected?: Expected | null
  /** The cell shows a preview of an unfinished result. */
  isPartial?: boolean
  /** Why the cell is empty: `refused by the model`. */
  hole: string | null
}

export interface CardFacts {
  node: FlowNode
  type: NodeType | undefined
  plan: NodePlan | undefined
  run: NodeRun | undefined
  results: readonly JobResult[] | undefined
  isRequested: boolean
}

const ENDINGS: Partial<Record<JobState, [text: string, tone: Tone]>> = {
  failed: ["failed", "bad"],
  refused: ["refused", "bad"],
  no_funds: ["no funds", "bad"],
  over_budget: ["over budget", "bad"],
  unknown: ["unknown", "bad"],
  skipped: ["skipped", "warn"],
  cancelled: ["cancelled", "plain"],
}

const HOLES: Partial<Record<JobState, string>> = {
  failed: "failed",
  refused: "refused\nby the model",
  no_funds: "no funds",
  over_budget: "over budget",
  skipped: "skipped",
  cancelled: "cancelled",
  unknown: "outcome\nunknown",
}

export const jobsOf = (run: NodeRun | undefined): JobRun[] => [...(run?.jobs.values() ?? [])]

export const isRunning = (facts: Pick<CardFacts, "run" | "isRequested">): boolean =>
  facts.isRequested || jobsOf(facts.run).some((job) => isActive(job.state))

/** Start time of the earliest active job, in microseconds; null if no job is active. */
export function runningSince(run: NodeRun | undefined): number | null {
  const started = jobsOf(run).filter((job) => isActive(job.state) && job.startedAtUs > 0)
  return started.length > 0 ? Math.min(...started.map((job) => job.startedAtUs)) : null
}

/** State and cost. The node itself adds the elapsed time while it runs. */
export function statusChips(facts: CardFacts): Chip[] {
  if (isRunning(facts)) return [running(facts)]
  const { node, type, plan, results } = facts
  const chips: Chip[] = []
  const batch = plan?.axes?.reduce((count, axis) => count * axis.labels.length, 1) ?? 1
  if (node.isMuted) return [{ text: "muted", tone: "plain", title: "Skipped in runs, with every node downstream." }]
  if (node.locked) chips.push({ text: "locked", tone: "ok", title: "Keeps this result when upstream nodes change." })
  if (type?.kind === "structural" && plan?.state !== "invalid") {
    if (batch > 1) chips.push({ text: `×${batch}`, tone: "plain", title: `A batch of ${batch}.` })
    return chips
  }
  const warnings = plan?.warnings?.join(" ")
  if (warnings) chips.push({ text: "warning", tone: "warn", title: warnings })
  const price = { text: formatUsdRange(plan?.low_micro_usd ?? 0, plan?.high_micro_usd ?? 0), tone: "plain" } as const
  const ended = worst(facts)
  if (ended && plan?.state !== "fresh") chips.push({ text: ended[0], tone: ended[1] })
  switch (plan?.state) {
    case "fresh":
      return [...chips, ...freshChips(results ?? [])]
    case "stale":
      if (!ended && (results?.length ?? 0) > 0)
        chips.push({ text: "stale", tone: "warn", title: reasonText(plan.reasons) })
      return [...chips, { ...price, title: "Estimated cost of a run." }]
    case "pending":
      if (!ended) chips.push({ text: "pending", tone: "warn", title: reasonText(plan.reasons) })
      return [...chips, { ...price, title: "Maximum cost, once the upstream nodes have run." }]
    case "lost":
      return [{ text: "lost", tone: "bad", title: "The stored file is missing." }, price]
    case "invalid":
      return [...chips, { text: "incomplete", tone: "warn", title: reasonText(plan.reasons) }]
    default:
      return chips
  }
}

function running(facts: CardFacts): Chip {
  const active = jobsOf(facts.run).filter((job) => isActive(job.state))
  const all = jobsOf(facts.run)
  const finished = all.filter((job) => job.progress !== null || !isActive(job.state))
  if (isEstimated(active)) {
    const title = "Estimated from the usual duration: the service reports no progress."
    return { text: "generating…", tone: "run", title, isEstimated: true }
  }
  if (active.some((job) => job.progress !== null) && all.length > 0) {
    const done = finished.reduce((sum, job) => sum + (isActive(job.state) ? (job.progress ?? 0) : 1), 0)
    return { text: `${Math.round((done / all.length) * 100)} %`, tone: "run" }
  }
  if (active.some((job) => job.state === "running")) return { text: "generating…", tone: "run" }
  const waiting = active.find((job) => job.state === "waiting")
  if (waiting) return { text: `waits: ${waiting.waitsFor.replaceAll("_", " ") || "its turn"}`, tone: "run" }
  const queued = active.find((job) => job.queuePosition !== null)
  if (queued) return { text: `queue: ${queued.queuePosition}`, tone: "run", title: "Position in the service's queue." }
  return { text: facts.isRequested ? "generating…" : "queued", tone: "run" }
}

function freshChips(results: readonly JobResult[]): Chip[] {
  if (results.length === 0) return []
  if (results.every((result) => result.state === "cached")) {
    return [
      { text: "cached", tone: "ok", title: "Reused an earlier result with the same inputs. No cost." },
      { text: "$0", tone: "plain" },
    ]
  }
  const cost = results.reduce((sum, result) => sum + (result.cost_micro_usd ?? 0), 0)
  const time = Math.max(...results.map((result) => result.elapsed_s ?? 0))
  const chips: Chip[] = []
  if (time > 0) chips.push({ text: formatSeconds(time), tone: "plain", title: "Duration." })
  const isExact = results.every((result) => result.cost_is_exact !== false)
  const title = isExact ? "Cost." : "Cost from the price table: the service reported none."
  return [...chips, { text: `${isExact ? "" : "~"}${formatUsd(cost)}`, tone: "plain", title }]
}

/** Outcome of the last run if it was not a success, with a count when only part of a batch is affected. */
function worst(facts: CardFacts): [string, Tone] | null {
  const states = jobsOf(facts.run).map((job) => job.state)
  const jobs = states.length > 0 ? states : (facts.results ?? []).map((result) => result.state)
  const bad = jobs.filter((state) => state in ENDINGS)
  if (bad.length === 0) return null
  const state = bad.find((candidate) => ENDINGS[candidate]?.[1] === "bad") ?? (bad[0] as JobState)
  const [text, tone] = ENDINGS[state] ?? ["", "plain"]
  return [bad.length === jobs.length ? text : `${bad.length} ${text}`, tone]
}

/** The error to show on the node, from the last run or from the stored result. */
export function cardError(facts: CardFacts): ErrorFacts | null {
  if (isRunning(facts)) return null
  const failed = jobsOf(facts.run).find((job) => job.error && job.state !== "skipped" && job.state !== "cancelled")
  if (failed?.error) return jobsOf(facts.run).length > 1 && failed.state === "refused" ? null : failed.error
  const results = facts.results ?? []
  const stored = results.find((result) => result.error)
  return results.length === 1 && stored?.error && facts.plan?.state !== "fresh" ? stored.error : null
}

/** Why the node would run again. Empty if there is no result to replace. */
export function staleReasons(facts: CardFacts): Reason[] {
  const isHidden = isRunning(facts) || facts.plan?.state === "fresh" || cardError(facts) !== null
  if (isHidden || (facts.results?.length ?? 0) === 0) return []
  return (facts.plan?.reasons ?? []).filter((reason) => reason.field !== undefined).slice(0, 2)
}

const reasonText = (reasons: Reason[] | undefined): string => (reasons ?? []).map((reason) => reason.text).join(" · ")

/** Short text of a value in a diff. */
const shortValue = (value: Json | undefined): string =>
  value === null || value === undefined ? "not set" : typeof value === "string" ? value : JSON.stringify(value)

/** Returns only the words that differ in two long texts, with `…` for the rest: `… midnight, …`, `… dawn, …`. */
export function textDiff(old: Json | undefined, current: Json | undefined): [string, string] {
  if (typeof old !== "string" || typeof current !== "string") return [shortValue(old), shortValue(current)]
  const [before, after] = [old.split(/(?<=\s)/), current.split(/(?<=\s)/)]
  const shared = Math.min(before.length, after.length)
  let start = 0
  while (start < shared && before[start] === after[start]) start += 1
  let end = 0
  while (end < shared - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  const part = (words: string[]) =>
    `${start > 0 ? "… " : ""}${words
      .slice(start, words.length - end)
      .join("")
      .trim()}${end > 0 ? " …" : ""}`
  return [shortValue(part(before)), shortValue(part(after))]
}

/** The cells of the node's main output in axis order, including those of active jobs. */
export function resultCells(facts: CardFacts): CellView[] {
  const port = facts.type?.outputs[0]?.name
  const views = new Map<string, CellView>()
  const ownFile = fileCell(facts.node, facts.type)
  const results = facts.results ?? []
  // A planned result has more facts (peaks, URLs), but describes the previous file until the kernel has planned again.
  const isPlanned = results.some((result) => result.cells.some((cell) => cell.sha256 === ownFile?.sha256))
  if (ownFile && !isPlanned)
    return [{ key: "", label: "", row: "", coordinate: [], cell: ownFile, progress: undefined, hole: null }]
  for (const result of results) {
    const cells = result.cells.filter((cell) => cell.port === port)
    if (cells.length === 0 && result.state in HOLES) {
      addView(views, result.coordinate, null, undefined, HOLES[result.state] ?? null)
    }
    for (const cell of cells) addView(views, cell.coordinate, cell, undefined, null)
  }
  for (const job of jobsOf(facts.run)) {
    const key = coordinateKey(job.coordinate)
    if (isActive(job.state)) {
      const preview = job.previewUrl
        ? { port: port ?? "", coordinate: job.coordinate, preview_url: job.previewUrl }
        : null
      addView(views, job.coordinate, preview ?? views.get(key)?.cell ?? null, job.progress, null)
      Object.assign(views.get(key) ?? {}, { expected: expectedDuration(job), isPartial: preview !== null })
    } else if (job.state in HOLES) addView(views, job.coordinate, null, undefined, HOLES[job.state] ?? null)
  }
  return sorted([...views.values()], facts.plan)
}

function addView(
  views: Map<string, CellView>,
  coordinate: readonly [string, string][],
  cell: ResultCell | null,
  progress: number | null | undefined,
  hole: string | null,
): void {
  const key = coordinateKey([...coordinate])
  const labels = coordinate.map(([, label]) => label)
  const row = labels.slice(0, -1).join(" · ")
  const label = labels[labels.length - 1] ?? ""
  views.set(key, { key, label, row, coordinate, cell, progress, hole })
}

function sorted(cells: CellView[], plan: NodePlan | undefined): CellView[] {
  const ranks = new Map(
    plan?.axes?.map((axis) => [axis.name, new Map(axis.labels.map((label, index) => [label, index]))]),
  )
  const rank = (view: CellView, depth: number) => {
    const [axis, label] = view.coordinate[depth] ?? ["", ""]
    return ranks.get(axis)?.get(label) ?? Number.MAX_SAFE_INTEGER
  }
  const depth = Math.max(0, ...cells.map((view) => view.coordinate.length))
  return cells.sort((a, b) => {
    for (let i = 0; i < depth; i++) if (rank(a, i) !== rank(b, i)) return rank(a, i) - rank(b, i)
    return 0
  })
}

/** Facts shown in the footer. */
export function footerFacts(facts: CardFacts, model: Model | null): string[] {
  const { node, type, plan, results } = facts
  if (!type) return ["unknown node type: run the cell that defines it"]
  if (fileKindOf(type) !== null) return fileFacts(facts)
  if (isRunning(facts)) return progressFacts(jobsOf(facts.run), facts)
  if (type.kind === "structural") return textFacts(node, type, plan)
  const cells = resultCells(facts)
  if (cells.length > 1) {
    const states = new Map<JobState, number>()
    for (const { state } of results ?? []) {
      if (state !== "succeeded") states.set(state, (states.get(state) ?? 0) + 1)
    }
    return [`${cells.length} cells`, ...[...states].map(([state, count]) => `${count} ${ENDINGS[state]?.[0] ?? state}`)]
  }
  const result = results?.[0]
  const cell = cells[0]?.cell
  if (!result || !cell) return [model?.title ?? "not run yet"]
  const size = cell.width && cell.height ? [`${cell.width} × ${cell.height}`] : []
  const details = [result.provider ?? "", ...size, cell.duration_s ? `${Number(cell.duration_s.toFixed(1))} s` : ""]
  const other = result.is_same_model ? "" : ": another model"
  const source = result.served_by ? [`served by ${result.served_by}${other}`] : []
  return [...source, ...details.filter(Boolean), ...(result.finished_at_us ? [day(result.finished_at_us)] : [])]
}

/** File name, size, duration and bytes. */
function fileFacts(facts: CardFacts): string[] {
  const cell = resultCells(facts)[0]?.cell
  if (!cell) return ["no file yet"]
  const { name } = facts.node.params
  const size = cell.width && cell.height ? [`${cell.width} × ${cell.height}`] : []
  const length = cell.duration_s ? [formatClock(cell.duration_s)] : []
  const bytes = cell.size_bytes ? [formatMegabytes(cell.size_bytes)] : []
  return [...(typeof name === "string" && name !== "" ? [name] : []), ...size, ...length, ...bytes]
}

function textFacts(node: FlowNode, type: NodeType, plan: NodePlan | undefined): string[] {
  if (plan?.axes?.length) return plan.axes.map((axis) => `axis ${axis.name}`)
  const text = type.inputs.map((port) => node.params[port.name]).find((value) => typeof value === "string")
  if (typeof text !== "string" || text === "") return [type.summary.split(/[.;]/)[0] ?? ""]
  const count = text.trim().split(/\s+/).length
  const variables = new Set([...text.matchAll(/(?<!\\)\{\{\s*(\w+)\s*\}\}/g)].map((match) => match[1])).size
  return [
    `${count} word${count === 1 ? "" : "s"}`,
    ...(variables ? [`reads ${variables} variable${variables === 1 ? "" : "s"}`] : []),
  ]
}

/** Created once: a formatter per node would take most of the first frame in a flow with thousands of nodes. */
const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hour12: false })
const WEEKDAY = new Intl.DateTimeFormat([], { weekday: "long" })
const DATE = new Intl.DateTimeFormat()

function day(us: number): string {
  const date = new Date(us / 1000)
  const days = Math.floor((Date.now() - date.getTime()) / 86_400_000)
  if (days < 1) return TIME.format(date)
  return (days < 7 ? WEEKDAY : DATE).format(date)
}

/** Whether the node type outputs media. */
export const showsMedia = (type: NodeType | undefined): boolean =>
  type !== undefined && type.outputs[0] !== undefined && isMedia(type.outputs[0].type)
