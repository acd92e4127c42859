/** Reduces run events to what nodes show. Pure: the result does not depend on how events are batched. */

import type { Coordinate, ErrorFacts, Expected, JobResult, JobState, RunEvent } from "../wire/run"

export interface JobRun {
  readonly coordinate: Coordinate
  readonly state: JobState
  readonly progress: number | null
  /** Input of the progress estimate while `progress` is null. */
  readonly expected: Expected | null
  readonly queuePosition: number | null
  readonly waitsFor: string
  readonly startedAtUs: number
  readonly costMicroUsd: number
  readonly error: ErrorFacts | null
  readonly previewUrl: string | null
}

export interface NodeRun {
  readonly runId: string
  /** Jobs by coordinate key. */
  readonly jobs: ReadonlyMap<string, JobRun>
}

export interface RunFacts {
  readonly id: string
  readonly status: string
  readonly startedAtUs: number
}

export interface Runs {
  /** Active runs. */
  readonly live: ReadonlyMap<string, RunFacts>
  /** Jobs of each node's latest run. */
  readonly nodes: ReadonlyMap<string, NodeRun>
  /** Each node's latest results. */
  readonly results: ReadonlyMap<string, readonly JobResult[]>
  /** Nodes with a requested run that has not started, and the id of the request. */
  readonly requested: ReadonlyMap<string, string>
}

export const emptyRuns: Runs = { live: new Map(), nodes: new Map(), results: new Map(), requested: new Map() }

const ACTIVE = new Set<JobState>(["queued", "waiting", "running"])

export const isActive = (state: JobState): boolean => ACTIVE.has(state)

export const coordinateKey = (coordinate: Coordinate): string => coordinate.map((pair) => pair.join("=")).join(" ")

/** The state after these events, in order. */
export function reduceRunEvents(runs: Runs, events: readonly RunEvent[]): Runs {
  if (events.length === 0) return runs
  const live = new Map(runs.live)
  const nodes = new Map(runs.nodes)
  const results = events.some((event) => event.result)
    ? new Map(runs.results)
    : (runs.results as Map<string, readonly JobResult[]>)
  const requested = runs.requested.size > 0 ? new Map(runs.requested) : (runs.requested as Map<string, string>)
  for (const event of events) {
    switch (event.kind) {
      case "run-start":
        live.set(event.run_id, { id: event.run_id, status: "running", startedAtUs: event.at_us ?? 0 })
        for (const id of event.scope ?? []) {
          requested.delete(id)
          nodes.set(id, { runId: event.run_id, jobs: new Map() })
        }
        break
      case "run-end":
        live.delete(event.run_id)
        break
      default:
        updateJob(event, nodes, results)
        if (event.node_id !== undefined) requested.delete(event.node_id)
    }
  }
  return { live, nodes, results, requested }
}

function updateJob(event: RunEvent, nodes: Map<string, NodeRun>, results: Map<string, readonly JobResult[]>): void {
  const id = event.node_id
  if (id === undefined) return
  const coordinate = event.coordinate ?? []
  const key = coordinateKey(coordinate)
  const nodeRun = nodes.get(id)
  const jobs = nodeRun?.runId === event.run_id ? nodeRun.jobs : new Map<string, JobRun>()
  const old = jobs.get(key)
  const state = (event.state as JobState | undefined) ?? old?.state ?? "running"
  const after: JobRun = {
    coordinate,
    state,
    // Progress never decreases: a late event with a lower value is ignored.
    progress:
      state === "running" ? Math.max(event.progress ?? 0, old?.progress ?? 0) || (event.progress ?? null) : null,
    expected: state === "running" ? (event.expected ?? old?.expected ?? null) : null,
    queuePosition: event.queue_position ?? null,
    waitsFor: event.waits_for ?? "",
    startedAtUs: old?.startedAtUs || (event.at_us ?? 0),
    costMicroUsd: event.cost_micro_usd ?? old?.costMicroUsd ?? 0,
    error: event.error ?? null,
    previewUrl: event.preview_url ?? old?.previewUrl ?? null,
  }
  nodes.set(id, { runId: event.run_id, jobs: new Map(jobs).set(key, after) })
  if (event.kind === "job-end" && event.result) {
    const others = (results.get(id) ?? []).filter((result) => coordinateKey(result.coordinate) !== key)
    // A result with other axes replaces all results: the batch has a new shape.
    const sameShape = others.filter((result) => hasSameAxes(result.coordinate, coordinate))
    results.set(id, [...sameShape, event.result])
  }
}

const hasSameAxes = (a: Coordinate, b: Coordinate): boolean =>
  a.length === b.length && a.every(([axis], index) => axis === b[index]?.[0])

/** Marks nodes as requested on click, before the kernel responds. */
export function markRequested(runs: Runs, nodeIds: Iterable<string>, requestId: string): Runs {
  const requested = new Map(runs.requested)
  for (const id of nodeIds) requested.set(id, requestId)
  return { ...runs, requested }
}

/** Clears the marks of a request that failed or was canceled. */
export function clearRequested(runs: Runs, requestId: string): Runs {
  const requested = new Map([...runs.requested].filter(([, id]) => id !== requestId))
  return requested.size === runs.requested.size ? runs : { ...runs, requested }
}

export function withResults(runs: Runs, resultsByNode: Record<string, JobResult[]>): Runs {
  const results = new Map(runs.results)
  for (const [id, jobs] of Object.entries(resultsByNode)) results.set(id, jobs)
  return { ...runs, results }
}
