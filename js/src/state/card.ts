/** What a node says of itself: chips, cells, reason, facts. Pure, so that every state can be tested without a page. */

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
  /** Said in full to those who hover or listen. */
  title?: string
  /** It is reckoned by the clock: the node itself keeps it up to date. */
  isEstimated?: boolean
}

export interface CellView {
  key: string
  /** Its label on the last axis. */
  label: string
  /** Its labels on the axes before: what its row has in common. */
  row: string
  coordinate: readonly [string, string][]
  cell: ResultCell | null
  /** Of a job that goes on: how far it is; null where nobody says. */
  progress: number | null | undefined
  /** Of a job that goes on and does not say how far it is: what an estimate is made of. */
  expected?: Expected | null
  /** It is a picture in the making. */
  isPartial?: boolean
  /** Why there is nothing: `refused by the model`. */
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

const SAYS: Partial<Record<JobState, [text: string, tone: Tone]>> = {
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

/** When the first of the jobs that go on began; null where none does. */
export function runningSince(run: NodeRun | undefined): number | null {
  const begun = jobsOf(run).filter((job) => isActive(job.state) && job.startedAtUs > 0)
  return begun.length > 0 ? Math.min(...begun.map((job) => job.startedAtUs)) : null
}

/** State, then what it costs; time is added by the node itself while it runs. */
export function statusChips(facts: CardFacts): Chip[] {
  if (isRunning(facts)) return [running(facts)]
  const { node, type, plan, results } = facts
  const chips: Chip[] = []
  const batch = plan?.axes?.reduce((count, axis) => count * axis.labels.length, 1) ?? 1
  if (node.isMuted) return [{ text: "muted", tone: "plain", title: "Left out of runs, with all below it." }]
  if (node.locked) chips.push({ text: "kept", tone: "ok", title: "It keeps this result, whatever changes above it." })
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
      return [...chips, { ...price, title: "What running it would cost." }]
    case "pending":
      if (!ended) chips.push({ text: "pending", tone: "warn", title: reasonText(plan.reasons) })
      return [...chips, { ...price, title: "At most, once what is above it has run." }]
    case "lost":
      return [{ text: "lost", tone: "bad", title: "Its stored bytes are gone." }, price]
    case "invalid":
      return [...chips, { text: "incomplete", tone: "warn", title: reasonText(plan.reasons) }]
    default:
      return chips
  }
}

function running(facts: CardFacts): Chip {
  const active = jobsOf(facts.run).filter((job) => isActive(job.state))
  const all = jobsOf(facts.run)
  const said = all.filter((job) => job.progress !== null || !isActive(job.state))
  if (isEstimated(active)) {
    const title = "Reckoned by the time it usually takes: the service does not say how far it is."
    return { text: "generating…", tone: "run", title, isEstimated: true }
  }
  if (active.some((job) => job.progress !== null) && all.length > 0) {
    const done = said.reduce((sum, job) => sum + (isActive(job.state) ? (job.progress ?? 0) : 1), 0)
    return { text: `${Math.round((done / all.length) * 100)} %`, tone: "run" }
  }
  if (active.some((job) => job.state === "running")) return { text: "generating…", tone: "run" }
  const waiting = active.find((job) => job.state === "waiting")
  if (waiting) return { text: `waits: ${waiting.waitsFor.replaceAll("_", " ") || "its turn"}`, tone: "run" }
  const queued = active.find((job) => job.queuePosition !== null)
  if (queued) return { text: `queue: ${queued.queuePosition}`, tone: "run", title: "Its place in the service's queue." }
  return { text: facts.isRequested ? "generating…" : "queued", tone: "run" }
}

function freshChips(results: readonly JobResult[]): Chip[] {
  if (results.length === 0) return []
  if (results.every((one) => one.state === "cached")) {
    return [
      { text: "cached", tone: "ok", title: "Made before from the same things: nothing was paid." },
      { text: "$0", tone: "plain" },
    ]
  }
  const cost = results.reduce((sum, one) => sum + (one.cost_micro_usd ?? 0), 0)
  const time = Math.max(...results.map((one) => one.elapsed_s ?? 0))
  const chips: Chip[] = []
  if (time > 0) chips.push({ text: formatSeconds(time), tone: "plain", title: "How long it took." })
  const isExact = results.every((one) => one.cost_is_exact !== false)
  const says = isExact ? "What it cost." : "What it cost by the price table: the service has not said."
  return [...chips, { text: `${isExact ? "" : "~"}${formatUsd(cost)}`, tone: "plain", title: says }]
}

/** How the last run ended where it did not end well; a single hole in a batch says so in place. */
function worst(facts: CardFacts): [string, Tone] | null {
  const states = jobsOf(facts.run).map((job) => job.state)
  const jobs = states.length > 0 ? states : (facts.results ?? []).map((one) => one.state)
  const bad = jobs.filter((state) => state in SAYS)
  if (bad.length === 0) return null
  const [text, tone] = SAYS[bad.find((state) => SAYS[state]?.[1] === "bad") ?? (bad[0] as JobState)] ?? ["", "plain"]
  return [bad.length === jobs.length ? text : `${bad.length} ${text}`, tone]
}

/** The error to show on the node: of the last run, or what keeps it from running. */
export function cardError(facts: CardFacts): ErrorFacts | null {
  if (isRunning(facts)) return null
  const failed = jobsOf(facts.run).find((job) => job.error && job.state !== "skipped" && job.state !== "cancelled")
  if (failed?.error) return jobsOf(facts.run).length > 1 && failed.state === "refused" ? null : failed.error
  const results = facts.results ?? []
  const stored = results.find((one) => one.error)
  return results.length === 1 && stored?.error && facts.plan?.state !== "fresh" ? stored.error : null
}

/** Why it would run again, where there is something that it would replace. */
export function staleReasons(facts: CardFacts): Reason[] {
  const isSilent = isRunning(facts) || facts.plan?.state === "fresh" || cardError(facts) !== null
  if (isSilent || (facts.results?.length ?? 0) === 0) return []
  return (facts.plan?.reasons ?? []).filter((reason) => reason.field !== undefined).slice(0, 2)
}

const reasonText = (reasons: Reason[] | undefined): string => (reasons ?? []).map((one) => one.text).join(" · ")

/** What is shown of a value in a difference. */
const brief = (value: Json | undefined): string =>
  value === null || value === undefined ? "not set" : typeof value === "string" ? value : JSON.stringify(value)

/** Of two long texts the words that differ, and a few dots for those that do not: `… midnight, …` -> `… dawn, …`. */
export function textDiff(old: Json | undefined, now: Json | undefined): [string, string] {
  if (typeof old !== "string" || typeof now !== "string") return [brief(old), brief(now)]
  const [before, after] = [old.split(/(?<=\s)/), now.split(/(?<=\s)/)]
  const least = Math.min(before.length, after.length)
  let start = 0
  while (start < least && before[start] === after[start]) start += 1
  let end = 0
  while (end < least - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  const part = (words: string[]) =>
    `${start > 0 ? "… " : ""}${words
      .slice(start, words.length - end)
      .join("")
      .trim()}${end > 0 ? " …" : ""}`
  return [brief(part(before)), brief(part(after))]
}

/** The cells of the node's main output, in the order of its axes; those that go on stand in their places. */
export function resultCells(facts: CardFacts): CellView[] {
  const port = facts.type?.outputs[0]?.name
  const found = new Map<string, CellView>()
  const own = fileCell(facts.node, facts.type)
  const results = facts.results ?? []
  // What the kernel says of a file says more (loudness, addresses), but is of the file before until it has planned.
  const isSaid = results.some((result) => result.cells.some((cell) => cell.sha256 === own?.sha256))
  if (own && !isSaid)
    return [{ key: "", label: "", row: "", coordinate: [], cell: own, progress: undefined, hole: null }]
  for (const result of results) {
    const cells = result.cells.filter((cell) => cell.port === port)
    if (cells.length === 0 && result.state in HOLES) {
      add(found, result.coordinate, null, undefined, HOLES[result.state] ?? null)
    }
    for (const cell of cells) add(found, cell.coordinate, cell, undefined, null)
  }
  for (const job of jobsOf(facts.run)) {
    const key = coordinateKey(job.coordinate)
    if (isActive(job.state)) {
      const still = job.previewUrl
        ? { port: port ?? "", coordinate: job.coordinate, preview_url: job.previewUrl }
        : null
      add(found, job.coordinate, still ?? found.get(key)?.cell ?? null, job.progress, null)
      Object.assign(found.get(key) ?? {}, { expected: expectedDuration(job), isPartial: still !== null })
    } else if (job.state in HOLES) add(found, job.coordinate, null, undefined, HOLES[job.state] ?? null)
  }
  return sorted([...found.values()], facts.plan)
}

function add(
  found: Map<string, CellView>,
  coordinate: readonly [string, string][],
  cell: ResultCell | null,
  progress: number | null | undefined,
  hole: string | null,
): void {
  const key = coordinateKey([...coordinate])
  const labels = coordinate.map(([, label]) => label)
  const row = labels.slice(0, -1).join(" · ")
  const label = labels[labels.length - 1] ?? ""
  found.set(key, { key, label, row, coordinate, cell, progress, hole })
}

function sorted(cells: CellView[], plan: NodePlan | undefined): CellView[] {
  const places = new Map(plan?.axes?.map((axis) => [axis.name, new Map(axis.labels.map((label, at) => [label, at]))]))
  const place = (view: CellView, depth: number) => {
    const [axis, label] = view.coordinate[depth] ?? ["", ""]
    return places.get(axis)?.get(label) ?? Number.MAX_SAFE_INTEGER
  }
  const depth = Math.max(0, ...cells.map((view) => view.coordinate.length))
  return cells.sort((a, b) => {
    for (let at = 0; at < depth; at++) if (place(a, at) !== place(b, at)) return place(a, at) - place(b, at)
    return 0
  })
}

/** The line of facts at the foot. */
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
    return [`${cells.length} cells`, ...[...states].map(([state, count]) => `${count} ${SAYS[state]?.[0] ?? state}`)]
  }
  const result = results?.[0]
  const cell = cells[0]?.cell
  if (!result || !cell) return [model?.title ?? "not run yet"]
  const size = cell.width && cell.height ? [`${cell.width} × ${cell.height}`] : []
  const made = [result.provider ?? "", ...size, cell.duration_s ? `${Number(cell.duration_s.toFixed(1))} s` : ""]
  const stoodIn = result.served_by
    ? [`${result.served_by} stood in${result.is_same_model ? "" : ": another model"}`]
    : []
  return [...stoodIn, ...made.filter(Boolean), ...(result.finished_at_us ? [day(result.finished_at_us)] : [])]
}

/** Its name, and what is known of its bytes. */
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
  const reads = new Set([...text.matchAll(/(?<!\\)\{\{\s*(\w+)\s*\}\}/g)].map((found) => found[1])).size
  return [
    `${count} word${count === 1 ? "" : "s"}`,
    ...(reads ? [`reads ${reads} variable${reads === 1 ? "" : "s"}`] : []),
  ]
}

/** Made once: finding the locale again for each of thousands of nodes took most of the first frame. */
const TIME = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hour12: false })
const WEEKDAY = new Intl.DateTimeFormat([], { weekday: "long" })
const DATE = new Intl.DateTimeFormat()

function day(us: number): string {
  const then = new Date(us / 1000)
  const days = Math.floor((Date.now() - then.getTime()) / 86_400_000)
  if (days < 1) return TIME.format(then)
  return (days < 7 ? WEEKDAY : DATE).format(then)
}

/** Whether the node shows media at all. */
export const showsMedia = (type: NodeType | undefined): boolean =>
  type !== undefined && type.outputs[0] !== undefined && isMedia(type.outputs[0].type)
