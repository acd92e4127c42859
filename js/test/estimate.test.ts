import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import { statusChips } from "../src/state/card"
import { estimateProgress, progressText } from "../src/state/estimate"
import { Previews } from "../src/state/previews"
import { emptyRuns, reduceRunEvents } from "../src/state/runs"
import type { RunEvent } from "../src/wire/run"

const recordedEstimates: { elapsed_s: number; typical_s: number; fraction: number }[] = JSON.parse(
  readFileSync(new URL("./fixtures/estimates.json", import.meta.url), "utf8"),
)
const running = (more: Partial<RunEvent>): RunEvent => ({
  kind: "job-progress",
  run_id: "r",
  node_id: "a",
  state: "running",
  ...more,
})
const expected = { since_us: 5_000_000, typical_s: 10 }
const jobs = (...events: RunEvent[]) => [...(reduceRunEvents(emptyRuns, events).nodes.get("a")?.jobs.values() ?? [])]

describe("estimates", () => {
  it("equal the kernel's estimates", () => {
    for (const { elapsed_s, typical_s, fraction } of recordedEstimates)
      expect(estimateProgress({ since_us: 5_000_000, typical_s }, (5 + elapsed_s) * 1000)).toBeCloseTo(fraction, 12)
  })

  it("never reach 100 %", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e6, noNaN: true }), fc.nat(), (typical_s, nowMs) => {
        expect(estimateProgress({ since_us: 0, typical_s }, nowMs)).toBeLessThanOrEqual(0.99)
      }),
    )
  })

  it("are marked with ~; reported progress is not", () => {
    expect(progressText(jobs(running({ expected })), 9_500)).toBe("~40 %")
    expect(progressText(jobs(running({ progress: 0.4 })), 9_500)).toBe("40 %")
    expect(progressText(jobs(running({ expected }), running({ progress: 0.3 })), 9_500)).toBe("30 %")
    const two = jobs(
      running({ expected, coordinate: [["seed", "1"]] }),
      running({ coordinate: [["seed", "2"]], progress: 0.2 }),
    )
    expect(progressText(two, 9_500)).toBe("~30 %")
  })

  it("start after the queue", () => {
    expect(progressText(jobs(running({ expected, queue_position: 2 })), 9_500)).toBe("0 %")
  })

  it("have their own chip that explains the estimate", () => {
    const run = reduceRunEvents(emptyRuns, [running({ expected })]).nodes.get("a")
    const facts = { node: {} as never, type: undefined, plan: undefined, run, results: undefined, isRequested: false }
    const [chip] = statusChips(facts)
    expect(chip).toMatchObject({ isEstimated: true })
    expect(chip?.title).toContain("reports no progress")
  })
})

describe("preview images", () => {
  it("replace each other and are revoked at the end of the job", () => {
    const revoked = vi.spyOn(URL, "revokeObjectURL")
    const previews = new Previews()
    const buffer = new DataView(new ArrayBuffer(4))
    const urls = [1, 2, 3].map(() => previews.withPreviewUrls([running({ preview: 0 })], [buffer])[0]?.preview_url)
    expect(new Set(urls).size).toBe(3)
    expect(revoked.mock.calls.flat()).toEqual([urls[0]])
    previews.withPreviewUrls([{ kind: "job-end", run_id: "r", node_id: "a", state: "succeeded" }], [])
    expect(revoked.mock.calls.flat()).toEqual(urls)
    revoked.mockRestore()
  })

  it("leave events without a preview unchanged", () => {
    const event = running({ progress: 0.5 })
    expect(new Previews().withPreviewUrls([event], [])[0]).toBe(event)
  })
})
