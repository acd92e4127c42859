import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { clearRequested, emptyRuns, markRequested, reduceRunEvents } from "../src/state/runs"
import { checkSequence, FrameQueue } from "../src/state/sequence"
import type { RunEvent } from "../src/wire/run"
import { anyEvent } from "./arbitrary"

describe("run events", () => {
  it("give the same state for any batching", () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), fc.array(fc.nat(40), { maxLength: 6 }), (events, cuts) => {
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, events.length)).sort((a, b) => a - b), events.length]
        let batched = emptyRuns
        for (let i = 1; i < bounds.length; i++)
          batched = reduceRunEvents(batched, events.slice(bounds[i - 1], bounds[i]))
        expect(batched).toEqual(reduceRunEvents(emptyRuns, events))
      }),
    )
  })

  it("keep the objects of other nodes", () => {
    const before = reduceRunEvents(emptyRuns, [
      { kind: "job-start", run_id: "r", node_id: "a" },
      { kind: "job-start", run_id: "r", node_id: "b" },
    ])
    const after = reduceRunEvents(before, [{ kind: "job-progress", run_id: "r", node_id: "b", progress: 0.5 }])
    expect(after.nodes.get("a")).toBe(before.nodes.get("a"))
    expect(after.nodes.get("b")).not.toBe(before.nodes.get("b"))
  })

  it("never decrease the progress of a job", () => {
    const at = (progress: number): RunEvent => ({
      kind: "job-progress",
      run_id: "r",
      node_id: "a",
      state: "running",
      progress,
    })
    const after = reduceRunEvents(emptyRuns, [at(0.2), at(0.7), at(0.5)])
    expect(after.nodes.get("a")?.jobs.get("")?.progress).toBe(0.7)
  })

  it("replace the requested mark; an error clears it", () => {
    const requested = markRequested(emptyRuns, ["a", "b"], "m1")
    expect([
      ...reduceRunEvents(requested, [{ kind: "run-start", run_id: "r", scope: ["a"] }]).requested.keys(),
    ]).toEqual(["b"])
    expect(clearRequested(requested, "m1").requested.size).toBe(0)
    expect(clearRequested(requested, "m2")).toBe(requested)
  })
})

describe("sequence numbers", () => {
  it("distinguish next, old and missing messages", () => {
    expect([checkSequence(4, 5), checkSequence(4, 4), checkSequence(4, 6)]).toEqual(["next", "old", "gap"])
  })

  it("batch messages between frames in order", () => {
    const drawn: number[][] = []
    const frames: (() => void)[] = []
    const queue = new FrameQueue<number>(
      (items) => drawn.push(items),
      (run) => frames.push(run),
    )
    queue.push(1)
    queue.push(2, 3)
    expect(frames).toHaveLength(1)
    for (const run of frames) run()
    expect(drawn).toEqual([[1, 2, 3]])
  })
})
