/** Estimates the progress of calls whose service reports none, from the usual duration. Shown with `~`, never 100 %. */

import type { Expected } from "../wire/run"
import { isActive, type JobRun } from "./runs"

const SHARE_AT_TYPICAL = 0.9
const MAX_SHARE = 0.99

/** Estimated progress of a call, 0 to less than 1. Same formula as the kernel's `engine/eta.py`. */
export function estimateProgress({ since_us, typical_s }: Expected, nowMs: number): number {
  const share = Math.max(0, nowMs / 1000 - since_us / 1e6) / typical_s
  return share <= 1 ? SHARE_AT_TYPICAL * share : Math.min(MAX_SHARE, 1 - (1 - SHARE_AT_TYPICAL) * Math.exp(1 - share))
}

/** Input of the estimate for this job; null if the service reports progress or a queue position. */
export const expectedDuration = (job: JobRun): Expected | null =>
  job.state === "running" && job.progress === null && !job.queuePosition ? job.expected : null

/** Whether the progress of any of these jobs is an estimate. */
export const isEstimated = (jobs: readonly JobRun[]): boolean => jobs.some((job) => expectedDuration(job) !== null)

/** Mean progress of the jobs, with `~` if it is an estimate: `~40 %`. */
export function progressText(jobs: readonly JobRun[], nowMs: number): string {
  const progress = (job: JobRun) => {
    const expected = expectedDuration(job)
    return !isActive(job.state) ? 1 : expected ? estimateProgress(expected, nowMs) : (job.progress ?? 0)
  }
  const share = jobs.reduce((sum, job) => sum + progress(job), 0) / jobs.length
  return `${isEstimated(jobs) ? "~" : ""}${Math.floor(share * 100)} %`
}
