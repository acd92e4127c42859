/** How far a node is that runs, in words. */

import type { JobResult, JobState } from "../wire/run"
import { formatSeconds } from "./format"
import { isActive, type JobRun } from "./runs"

const WAITS: Record<string, string> = {
  lease: "waits for another run of the same",
  rate_limit: "waits for the service's rate limit",
  upload: "waits for an upload",
  slot: "waits for a free place at the service",
}

/** How the jobs of a run stand, in words, and how long it took the last time. */
export function progressFacts(
  jobs: readonly JobRun[],
  { results, isRequested }: { results: readonly JobResult[] | undefined; isRequested: boolean },
): string[] {
  const active = jobs.filter((job) => isActive(job.state))
  const count = (state: JobState) => active.filter((job) => job.state === state).length
  const said: string[] = []
  if (jobs.length > 1) said.push(`${jobs.length - active.length} of ${jobs.length} done`)
  const waiting = active.find((job) => job.state === "waiting")
  const queued = active.filter((job) => job.queuePosition !== null)
  if (waiting && count("running") === 0) {
    said.push(WAITS[waiting.waitsFor] ?? `waits for ${waiting.waitsFor.replaceAll("_", " ") || "its turn"}`)
  } else if (queued.length > 0) {
    said.push(`${ordinal(Math.min(...queued.map((job) => job.queuePosition ?? 0)))} in the service's queue`)
  } else if (count("queued") > 0 && count("running") === 0) said.push("its turn comes after what is above")
  if (jobs.length === 0 && isRequested) said.push("asked for")
  const last = Math.max(0, ...(results ?? []).map((one) => one.elapsed_s ?? 0))
  if (last > 0) said.push(`took ${formatSeconds(last)} the last time`)
  return said.length > 0 ? said : ["under way"]
}

const ordinal = (place: number) => {
  const ending = place % 100 > 10 && place % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][place % 10] ?? "th")
  return place <= 0 ? "next" : `${place}${ending}`
}
