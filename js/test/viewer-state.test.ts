import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { FakeKernel } from "../dev/fake-kernel"
import { worldOf } from "../dev/scenes"
import { DerivedState } from "../src/state/derived"
import { gradeFingerprint, gradeInput } from "../src/state/grade-input"
import { Session } from "../src/state/session"
import { ViewerCommands } from "../src/state/viewer-commands"
import {
  MAX_COMPARED,
  nodeResults,
  type ResultRef,
  refId,
  resolveResult,
  siblingResults,
  toggleMarked,
} from "../src/state/viewer-state"
import { moveDivider } from "../src/viewer/compare-overlay"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function openScene(scene: string) {
  const kernel = new FakeKernel(worldOf(scene))
  const session = new Session(kernel, (run) => void setTimeout(run, 16))
  const derived = new DerivedState()
  await vi.advanceTimersByTimeAsync(100)
  const state = () => session.store.getState()
  return { kernel, session, derived, state, viewer: new ViewerCommands(session, derived) }
}

describe("a viewed result", () => {
  it("can be any result of a node, with label and generation", async () => {
    const { state, derived } = await openScene("city")
    const refs = nodeResults(state(), derived, "still")
    const shown = refs.map((ref) => resolveResult(state(), derived, ref))
    expect(shown.map((result) => result?.label)).toEqual(["seed 7", "seed 21", "seed 42"])
    expect(new Set(shown.map((result) => result?.generationId)).size).toBe(3)
    expect(shown[0]?.title).toBe("Variations")
  })

  it("is null after its node was removed", async () => {
    const { session, state, derived, viewer } = await openScene("city")
    viewer.openNode("hero")
    const [ref] = state().viewing?.refs ?? []
    session.edit([{ kind: "remove_node", node_id: "hero" }])
    expect(ref && resolveResult(state(), derived, ref)).toBeNull()
  })

  it("wraps around after the last result", async () => {
    const { state, viewer } = await openScene("city")
    viewer.openNode("still")
    const first = state().viewing?.refs[0] as ResultRef
    for (let i = 0; i < 3; i++) {
      const shown = viewer.shown(state().viewing?.refs[0] as ResultRef)
      if (shown) viewer.step(shown, 1)
    }
    expect(refId(state().viewing?.refs[0] as ResultRef)).toBe(refId(first))
  })

  it("switches to the tape and steps through its frames", async () => {
    const { state, derived, viewer } = await openScene("city")
    viewer.openNode("hero")
    const shown = viewer.shown(state().viewing?.refs[0] as ResultRef)
    if (shown) viewer.switchRow(shown)
    const [ref] = state().viewing?.refs ?? []
    expect(ref?.kind).toBe("tape")
    const old = { ...state().tape.frames[0], generation_id: "long ago" } as never
    expect(siblingResults(state(), derived, { kind: "tape", frame: old })).toHaveLength(state().tape.frames.length + 1)
  })
})

describe("a comparison", () => {
  it("drops the oldest mark when a fifth is added", () => {
    const ref = (key: string): ResultRef => ({ kind: "node", nodeId: "n", key })
    let marked: readonly ResultRef[] = []
    for (const key of ["a", "b", "c", "d", "e"]) marked = toggleMarked(marked, ref(key))
    expect(marked).toHaveLength(MAX_COMPARED)
    expect(marked.map((mark) => (mark as { key: string }).key)).toEqual(["b", "c", "d", "e"])
    expect(toggleMarked(marked, ref("c"))).toHaveLength(MAX_COMPARED - 1)
  })

  it("needs at least two images", async () => {
    const { state, viewer } = await openScene("city")
    viewer.compareNode("hero")
    expect(state().viewing).toBeNull()
    viewer.toggleMark({ kind: "node", nodeId: "film", key: "" })
    expect(state().marked).toEqual([])
    expect(state().notice?.text).toBe("Only images can be compared.")
    viewer.compareNode("still")
    expect(state().viewing).toMatchObject({ isComparing: true })
    expect(state().viewing?.refs).toHaveLength(3)
  })

  it("has dividers that do not cross", () => {
    expect(moveDivider([0.3, 0.6], 0, 0.9)).toEqual([0.6, 0.6])
    expect(moveDivider([0.3, 0.6], 1, 0.1)).toEqual([0.3, 0.3])
    expect(moveDivider([0.3], 0, -4)).toEqual([0])
  })
})

describe("a live grade", () => {
  it("is settled while its settings are those of the result", async () => {
    const { session, state, derived } = await openScene("grade")
    const input = () => gradeInput(state(), derived, "grade")
    const before = input()
    expect(before?.isSettled).toBe(true)
    session.edit([{ kind: "set_param", node_id: "grade", name: "exposure", value: 1 }])
    expect(input()?.isSettled).toBe(false)
    expect(before && gradeFingerprint(before)).not.toBe(gradeFingerprint(input() as never))
    await vi.advanceTimersByTimeAsync(100)
    expect(input()?.isSettled).toBe(false)
    session.edit([{ kind: "set_param", node_id: "grade", name: "exposure", value: 0 }])
    await vi.advanceTimersByTimeAsync(100)
    expect(before && gradeFingerprint(before)).toBe(gradeFingerprint(input() as never))
  })

  it("is null for locked nodes and connected settings", async () => {
    const { session, state, derived } = await openScene("grade")
    session.edit([{ kind: "set_node", node_id: "grade", field: "locked", value: "g1" }])
    expect(gradeInput(state(), derived, "grade")).toBeNull()
    session.edit([{ kind: "set_node", node_id: "grade", field: "locked", value: null }])
    session.edit([
      { kind: "add_node", node: { id: "number", type: "number", params: { value: 1 } } },
      {
        kind: "add_edge",
        edge: { source: "number", sourceHandle: "number", target: "grade", targetHandle: "exposure" },
      },
    ])
    expect(gradeInput(state(), derived, "grade")).toBeNull()
  })
})
