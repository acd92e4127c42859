/** How far calls are whose service does not say: by the time they have taken. Always marked, and never the end. */

import type { Expected } from "../wire/run"
import { isActive, type JobRun } from "./runs"

const AT_TYPICAL = 0.9
const MOST = 0.99

/** About how far a call is, as the kernel reckons it (`engine/expected.py`): less than 1, however long it takes. */
export function estimateProgress({ since_us, typical_s }: Expected, nowMs: number): number {
  const share = Math.max(0, nowMs / 1000 - since_us / 1e6) / typical_s
  return share <= 1 ? AT_TYPICAL * share : Math.min(MOST, 1 - (1 - AT_TYPICAL) * Math.exp(1 - share))
}

/** What an estimate of this job is made of; null where there is something better, or nothing. */
export const expectedDuration = (job: JobRun): Expected | null =>
  job.state === "running" && job.progress === null && !job.queuePosition ? job.expected : null

/** Whether how far these jobs are can be told by the clock alone. */
export const isEstimated = (jobs: readonly JobRun[]): boolean => jobs.some((job) => expectedDuration(job) !== null)

/** How far all of them are together, `~` before what is an estimate: `~40 %`. */
export function progressText(jobs: readonly JobRun[], nowMs: number): string {
  const far = (job: JobRun) => {
    const expected = expectedDuration(job)
    return !isActive(job.state) ? 1 : expected ? estimateProgress(expected, nowMs) : (job.progress ?? 0)
  }
  const share = jobs.reduce((sum, job) => sum + far(job), 0) / jobs.length
  return `${isEstimated(jobs) ? "~" : ""}${Math.floor(share * 100)} %`
}
