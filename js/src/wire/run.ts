/** Plans, runs and results as the kernel sends them. Money is integer micro-dollars, times are UTC microseconds. */

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

/** Why a node would run. With `field`, the UI shows a diff of `old` and `new`. */
export interface Reason {
  text: string
  field?: string
  old?: Json
  new?: Json
}

export interface NodePlan {
  state: PlanState
  reasons?: Reason[]
  /** Problems to know before a run: ignored settings, a model that retires soon. */
  warnings?: string[]
  /** Cost of the jobs that would run at this node. Pending work counts in `high` only. */
  low_micro_usd?: number
  high_micro_usd?: number
  /** Number of jobs that would run; null while the size of a batch is unknown. */
  jobs?: number | null
  /** Axes of the node's output, with their labels. */
  axes?: { name: string; labels: string[] }[]
}

export interface Plan {
  /** Revision of the planned document. */
  rev: number
  nodes: Record<string, NodePlan>
  /** Models without a price rule. A run requires an allowance for them. */
  unpriced: string[]
}

export interface ErrorFacts {
  code: string
  message: string
  /** What the user can do. */
  hint?: string
  node_id?: string
}

/** One output of a port at one coordinate. Media are referenced by URL, never embedded. */
export interface ResultCell {
  port: string
  coordinate: Coordinate
  media_type?: string
  sha256?: string
  /** Signed URL relative to the server's base URL, valid for some hours; absent if no server can serve it. */
  url?: string
  /** Thumbnail of an image, or poster frame of a video. */
  preview_url?: string
  width?: number | null
  height?: number | null
  duration_s?: number | null
  size_bytes?: number
  /** Evenly spaced peaks of an audio file, 0 to 1. */
  peaks?: number[]
  /** Set if the result is a plain value. */
  value?: Json
}

/** Stored result of a job, shown while nothing runs. */
export interface JobResult {
  coordinate: Coordinate
  state: JobState
  cells: ResultCell[]
  generation_id?: string | null
  cost_micro_usd?: number
  /** False if the cost comes from the price table because the service reported none. */
  cost_is_exact?: boolean
  elapsed_s?: number | null
  finished_at_us?: number | null
  /** Provider of the model, or `local`. */
  provider?: string | null
  /** The fallback model that produced the result, and whether it is the same model at another provider. */
  served_by?: string
  is_same_model?: boolean
  error?: ErrorFacts | null
}

/** When the service started a call, and the usual duration of such calls. */
export interface Expected {
  since_us: number
  typical_s: number
}

/** A run event. Fields with default values are omitted. */
export interface RunEvent {
  kind: "run-start" | "job-start" | "job-progress" | "job-end" | "run-end"
  run_id: string
  node_id?: string
  coordinate?: Coordinate
  /** State of the job or of the run. */
  state?: string
  /** Reported progress, 0 to 1; null if the service reports none. Never an estimate. */
  progress?: number | null
  /** Input of the progress estimate while the service reports no progress. */
  expected?: Expected
  queue_position?: number | null
  waits_for?: string
  at_us?: number
  cost_micro_usd?: number
  generation_id?: string | null
  error?: ErrorFacts | null
  /** Index of the message buffer with a preview image (WebP). Previews are not stored. */
  preview?: number
  /** Object URL of the preview, set by the page. */
  preview_url?: string
  /** At `job-end`: the complete result. */
  result?: JobResult
  /** At `run-start`: nodes of the run. */
  scope?: string[]
}

/** Recorded facts of a generation. */
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
  /** Inputs by port: earlier generations and files. */
  inputs: {
    port: string
    index: number
    sha256: string
    source_generation_id: string | null
    cell: ResultCell | null
  }[]
}

/** A frame of the tape. */
export interface TapeFrame {
  generation_id: string
  node_id: string
  node_type: string
  title: string
  state: JobState
  cell: ResultCell | null
  cost_micro_usd: number
  /** False if the cost comes from the price table. */
  cost_is_exact?: boolean
  /** A cache hit: no call was made. */
  is_cached?: boolean
  finished_at_us: number
}

export interface Tape {
  /** Newest first. */
  frames: TapeFrame[]
  generations: number
  cost_micro_usd: number
}

/** A budget cap and its use, reservations included. */
export interface Budget {
  /** `today`, `this month`, `project`, or `a run`, which has no spending yet. */
  label: string
  spent_micro_usd: number
  cap_micro_usd: number
}
