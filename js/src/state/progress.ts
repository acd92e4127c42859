/** Describes the progress of a running node in words. */

import type { JobResult, JobState } from "../wire/run"
import { formatSeconds } from "./format"
import { isActive, type JobRun } from "./runs"

const WAIT_TEXTS: Record<string, string> = {
  lease: "waits for another run of the same call",
  rate_limit: "waits for the service's rate limit",
  upload: "waits for an upload",
  slot: "waits for a free slot at the service",
}

/** State of a run's jobs, and the duration of the previous run. */
export function progressFacts(
  jobs: readonly JobRun[],
  { results, isRequested }: { results: readonly JobResult[] | undefined; isRequested: boolean },
): string[] {
  const active = jobs.filter((job) => isActive(job.state))
  const count = (state: JobState) => active.filter((job) => job.state === state).length
  const facts: string[] = []
  if (jobs.length > 1) facts.push(`${jobs.length - active.length} of ${jobs.length} done`)
  const waiting = active.find((job) => job.state === "waiting")
  const queued = active.filter((job) => job.queuePosition !== null)
  if (waiting && count("running") === 0) {
    facts.push(WAIT_TEXTS[waiting.waitsFor] ?? `waits for ${waiting.waitsFor.replaceAll("_", " ") || "its turn"}`)
  } else if (queued.length > 0) {
    facts.push(`${ordinal(Math.min(...queued.map((job) => job.queuePosition ?? 0)))} in the service's queue`)
  } else if (count("queued") > 0 && count("running") === 0) facts.push("waits for upstream nodes")
  if (jobs.length === 0 && isRequested) facts.push("requested")
  const last = Math.max(0, ...(results ?? []).map((result) => result.elapsed_s ?? 0))
  if (last > 0) facts.push(`last run took ${formatSeconds(last)}`)
  return facts.length > 0 ? facts : ["in progress"]
}

const ordinal = (position: number) => {
  const suffix = position % 100 > 10 && position % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][position % 10] ?? "th")
  return position <= 0 ? "next" : `${position}${suffix}`
}
