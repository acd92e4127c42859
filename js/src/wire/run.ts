/** What the kernel says of plans, runs and results. Money is integer micro-dollars, times are UTC microseconds. */

import type { Json } from "./flow"

/** (axis, label) pairs in axis order; empty for a single job. */
export type Coordinate = [axis: string, label: string][]

export type JobState =
  | "queued"
  | "waiting"
  | "running"
  | "succeeded"
  | "cached"
  | "failed"
  | "refused"
  | "no_funds"
  | "over_budget"
  | "skipped"
  | "cancelled"
  | "unknown"

export type PlanState = "fresh" | "stale" | "pending" | "lost" | "invalid"

/** Why a node would run. With `field`, a difference that is drawn as one: old -> new. */
export interface Reason {
  text: string
  field?: string
  old?: Json
  new?: Json
}

export interface NodePlan {
  state: PlanState
  reasons?: Reason[]
  /** What to know before a run: settings that are left out, a model that ends soon. */
  warnings?: string[]
  /** Of exactly what would run at this node; pending work counts in `high` alone. */
  low_micro_usd?: number
  high_micro_usd?: number
  /** Jobs that would run; null while the length of a batch is not known. */
  jobs?: number | null
  /** Axes of what the node gives, with their labels. */
  axes?: { name: string; labels: string[] }[]
}

export interface Plan {
  /** The revision of the document that was planned. */
  rev: number
  nodes: Record<string, NodePlan>
  /** Models without a price rule: a run asks for an allowance. */
  unpriced: string[]
}

export interface ErrorFacts {
  code: string
  message: string
  /** What to do next. */
  hint?: string
  node_id?: string
}

/** One thing that a port gave at one coordinate. Media have URLs; nothing large ever travels here. */
export interface ResultCell {
  port: string
  coordinate: Coordinate
  media_type?: string
  sha256?: string
  /** Relative to the server's base URL, signed, for some hours; absent where nothing can serve it. */
  url?: string
  /** A small still: of a video its poster, of a picture a thumbnail. */
  preview_url?: string
  width?: number | null
  height?: number | null
  duration_s?: number | null
  size_bytes?: number
  /** Loudness of a sound, 0..1, evenly spaced. */
  peaks?: number[]
  /** Set where it is a value instead of media. */
  value?: Json
}

/** How a job of a node stands: what the node shows when nothing runs. */
export interface JobResult {
  coordinate: Coordinate
  state: JobState
  cells: ResultCell[]
  generation_id?: string | null
  cost_micro_usd?: number
  /** False: the cost is the table's; the service has not said what it charged. */
  cost_is_exact?: boolean
  elapsed_s?: number | null
  finished_at_us?: number | null
  /** Made by a model of this provider, or `local`. */
  provider?: string | null
  /** The model that made it, where a fallback stood in for the asked one, and whether it is known to be the same. */
  served_by?: string
  is_same_model?: boolean
  error?: ErrorFacts | null
}

/** Since when a service works on a call, and how long that usually takes. */
export interface Expected {
  since_us: number
  typical_s: number
}

/** One thing that happened. Fields at their default are left out. */
export interface RunEvent {
  kind: "run-start" | "job-start" | "job-progress" | "job-end" | "run-end"
  run_id: string
  node_id?: string
  coordinate?: Coordinate
  /** Job state, or the run's status. */
  state?: string
  /** Fraction of real work done, 0..1; null where nobody says. An estimate is never in here. */
  progress?: number | null
  /** What an estimate is made of, while the service itself says nothing. */
  expected?: Expected
  queue_position?: number | null
  waits_for?: string
  at_us?: number
  cost_micro_usd?: number
  generation_id?: string | null
  error?: ErrorFacts | null
  /** A picture in the making: which buffer of the message holds it (WebP). Nobody keeps it. */
  preview?: number
  /** Where the page has put it. */
  preview_url?: string
  /** At `job-end`: the whole result, so that the view need not ask. */
  result?: JobResult
  /** At `run-start`: nodes of the run. */
  scope?: string[]
}

/** How a generation was made, as it was at that moment. */
export interface GenerationFacts {
  generation_id: string
  node_id: string
  node_type: string
  status: string
  provider: string | null
  model: string | null
  prompt: string | null
  seed: number | null
  take: number
  settings: { [name: string]: Json }
  coordinate: Coordinate
  cost_micro_usd: number | null
  cost_is_exact: boolean
  queued_at_us: number | null
  started_at_us: number | null
  finished_at_us: number | null
  flow_name: string | null
  error: ErrorFacts | null
  cells: ResultCell[]
  /** What it was made of: earlier generations and files, by port. */
  inputs: {
    port: string
    index: number
    sha256: string
    source_generation_id: string | null
    cell: ResultCell | null
  }[]
}

/** A frame of the filmstrip. */
export interface TapeFrame {
  generation_id: string
  node_id: string
  node_type: string
  title: string
  state: JobState
  cell: ResultCell | null
  cost_micro_usd: number
  /** False: the cost is the table's. */
  cost_is_exact?: boolean
  /** A hit: nothing was made for it. */
  is_cached?: boolean
  finished_at_us: number
}

export interface Tape {
  /** Newest first. */
  frames: TapeFrame[]
  generations: number
  cost_micro_usd: number
}

/** A cap and what of it is gone, reservations included. */
export interface Budget {
  /** `today`, `this month`, `project`, or `a run`, of which nothing is spent yet. */
  label: string
  spent_micro_usd: number
  cap_micro_usd: number
}
