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

async function opened(scene: string) {
  const kernel = new FakeKernel(worldOf(scene))
  const session = new Session(kernel, (run) => void setTimeout(run, 16))
  const derived = new DerivedState()
  await vi.advanceTimersByTimeAsync(100)
  const state = () => session.store.getState()
  return { kernel, session, derived, state, looking: new ViewerCommands(session, derived) }
}

describe("what is looked at", () => {
  it("is every result of a node but its holes, with its labels and its generation", async () => {
    const { state, derived } = await opened("city")
    const refs = nodeResults(state(), derived, "still")
    const shown = refs.map((ref) => resolveResult(state(), derived, ref))
    expect(shown.map((one) => one?.label)).toEqual(["seed 7", "seed 21", "seed 42"])
    expect(new Set(shown.map((one) => one?.generationId)).size).toBe(3)
    expect(shown[0]?.title).toBe("Variations")
  })

  it("is gone when its node is", async () => {
    const { session, state, derived, looking } = await opened("city")
    looking.openNode("hero")
    const [ref] = state().viewing?.refs ?? []
    session.edit([{ kind: "remove_node", node_id: "hero" }])
    expect(ref && resolveResult(state(), derived, ref)).toBeNull()
  })

  it("goes round: after the last result comes the first", async () => {
    const { state, looking } = await opened("city")
    looking.openNode("still")
    const first = state().viewing?.refs[0] as ResultRef
    for (let i = 0; i < 3; i++) {
      const shown = looking.shown(state().viewing?.refs[0] as ResultRef)
      if (shown) looking.step(shown, 1)
    }
    expect(refId(state().viewing?.refs[0] as ResultRef)).toBe(refId(first))
  })

  it("crosses to the tape and goes through its frames, also from one the strip no longer holds", async () => {
    const { state, derived, looking } = await opened("city")
    looking.openNode("hero")
    const shown = looking.shown(state().viewing?.refs[0] as ResultRef)
    if (shown) looking.switchRow(shown)
    const [ref] = state().viewing?.refs ?? []
    expect(ref?.kind).toBe("tape")
    const old = { ...state().tape.frames[0], generation_id: "long ago" } as never
    expect(siblingResults(state(), derived, { kind: "tape", frame: old })).toHaveLength(state().tape.frames.length + 1)
  })
})

describe("what is compared", () => {
  it("is chosen one by one; the fifth pushes out the first", () => {
    const ref = (key: string): ResultRef => ({ kind: "node", nodeId: "n", key })
    let marked: readonly ResultRef[] = []
    for (const key of ["a", "b", "c", "d", "e"]) marked = toggleMarked(marked, ref(key))
    expect(marked).toHaveLength(MAX_COMPARED)
    expect(marked.map((one) => (one as { key: string }).key)).toEqual(["b", "c", "d", "e"])
    expect(toggleMarked(marked, ref("c"))).toHaveLength(MAX_COMPARED - 1)
  })

  it("is two pictures at least, and nothing but pictures", async () => {
    const { state, looking } = await opened("city")
    looking.compareNode("hero")
    expect(state().viewing).toBeNull()
    looking.toggleMark({ kind: "node", nodeId: "film", key: "" })
    expect(state().marked).toEqual([])
    expect(state().notice?.text).toBe("Only pictures can be compared.")
    looking.compareNode("still")
    expect(state().viewing).toMatchObject({ isComparing: true })
    expect(state().viewing?.refs).toHaveLength(3)
  })

  it("has dividers that never pass each other", () => {
    expect(moveDivider([0.3, 0.6], 0, 0.9)).toEqual([0.6, 0.6])
    expect(moveDivider([0.3, 0.6], 1, 0.1)).toEqual([0.3, 0.3])
    expect(moveDivider([0.3], 0, -4)).toEqual([0])
  })
})

describe("a grade that the kernel has not made yet", () => {
  it("is settled until a slider moves, and again when it is moved back", async () => {
    const { session, state, derived } = await opened("grade")
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

  it("is none where a port feeds a setting, and where a result is kept", async () => {
    const { session, state, derived } = await opened("grade")
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
