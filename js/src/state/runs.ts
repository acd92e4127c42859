/** What runs tell, folded into what nodes show. Pure: the same events give the same state, however they are batched. */

import type { Coordinate, ErrorFacts, Expected, JobResult, JobState, RunEvent } from "../wire/run"

export interface JobRun {
  readonly coordinate: Coordinate
  readonly state: JobState
  readonly progress: number | null
  /** What an estimate is made of while `progress` is null. */
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
  /** By coordinate. */
  readonly jobs: ReadonlyMap<string, JobRun>
}

export interface RunFacts {
  readonly id: string
  readonly status: string
  readonly startedAtUs: number
}

export interface Runs {
  /** Runs that go on. */
  readonly live: ReadonlyMap<string, RunFacts>
  /** How the jobs of each node's latest run stand. */
  readonly nodes: ReadonlyMap<string, NodeRun>
  /** What each node gave last. */
  readonly results: ReadonlyMap<string, readonly JobResult[]>
  /** Nodes whose run was asked for and not yet heard of, with the id of the request. */
  readonly requested: ReadonlyMap<string, string>
}

export const emptyRuns: Runs = { live: new Map(), nodes: new Map(), results: new Map(), requested: new Map() }

const ACTIVE = new Set<JobState>(["queued", "waiting", "running"])

export const isActive = (state: JobState): boolean => ACTIVE.has(state)

export const coordinateKey = (coordinate: Coordinate): string => coordinate.map((pair) => pair.join("=")).join(" ")

/** The state after events, in their order. */
export function reduceRunEvents(runs: Runs, events: readonly RunEvent[]): Runs {
  if (events.length === 0) return runs
  const live = new Map(runs.live)
  const nodes = new Map(runs.nodes)
  const results = events.some((event) => event.result)
    ? new Map(runs.results)
    : (runs.results as Map<string, readonly JobResult[]>)
  const asked = runs.requested.size > 0 ? new Map(runs.requested) : (runs.requested as Map<string, string>)
  for (const event of events) {
    switch (event.kind) {
      case "run-start":
        live.set(event.run_id, { id: event.run_id, status: "running", startedAtUs: event.at_us ?? 0 })
        for (const id of event.scope ?? []) {
          asked.delete(id)
          nodes.set(id, { runId: event.run_id, jobs: new Map() })
        }
        break
      case "run-end":
        live.delete(event.run_id)
        break
      default:
        job(event, nodes, results)
        if (event.node_id !== undefined) asked.delete(event.node_id)
    }
  }
  return { live, nodes, results, requested: asked }
}

function job(event: RunEvent, nodes: Map<string, NodeRun>, results: Map<string, readonly JobResult[]>): void {
  const id = event.node_id
  if (id === undefined) return
  const coordinate = event.coordinate ?? []
  const key = coordinateKey(coordinate)
  const known = nodes.get(id)
  const before = known?.runId === event.run_id ? known.jobs : new Map<string, JobRun>()
  const old = before.get(key)
  const state = (event.state as JobState | undefined) ?? old?.state ?? "running"
  const after: JobRun = {
    coordinate,
    state,
    // Progress never runs backwards: a late word of an earlier step is passed over.
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
  nodes.set(id, { runId: event.run_id, jobs: new Map(before).set(key, after) })
  if (event.kind === "job-end" && event.result) {
    const others = (results.get(id) ?? []).filter((one) => coordinateKey(one.coordinate) !== key)
    // A result of other axes replaces everything: the batch has another shape now.
    const kept = others.filter((one) => hasSameAxes(one.coordinate, coordinate))
    results.set(id, [...kept, event.result])
  }
}

const hasSameAxes = (a: Coordinate, b: Coordinate): boolean =>
  a.length === b.length && a.every(([axis], index) => axis === b[index]?.[0])

/** The view's own word in the frame of the click, until the kernel's. */
export function markRequested(runs: Runs, nodeIds: Iterable<string>, requestId: string): Runs {
  const asked = new Map(runs.requested)
  for (const id of nodeIds) asked.set(id, requestId)
  return { ...runs, requested: asked }
}

/** A request was answered with an error, or forgotten. */
export function clearRequested(runs: Runs, requestId: string): Runs {
  const asked = new Map([...runs.requested].filter(([, id]) => id !== requestId))
  return asked.size === runs.requested.size ? runs : { ...runs, requested: asked }
}

export function withResults(runs: Runs, given: Record<string, JobResult[]>): Runs {
  const results = new Map(runs.results)
  for (const [id, jobs] of Object.entries(given)) results.set(id, jobs)
  return { ...runs, results }
}
