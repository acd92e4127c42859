import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { FakeKernel } from "../dev/fake-kernel"
import { worldOf } from "../dev/scenes"
import { dagreLayout } from "../src/layout/dagre"
import { DerivedState } from "../src/state/derived"
import { toWire } from "../src/state/document"
import { Editing } from "../src/state/editing"
import { Session } from "../src/state/session"
import type { Channel, FromKernel } from "../src/wire/messages"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const openSession = (scene = "city") => {
  const kernel = new FakeKernel(worldOf(scene))
  const session = new Session(kernel, (run) => void setTimeout(run, 16))
  vi.advanceTimersByTime(100)
  const editing = new Editing(session, new DerivedState(), () => 0.5)
  const state = () => session.store.getState()
  return { kernel, session, editing, state }
}

describe("a session", () => {
  it("applies edits immediately and waits for confirmation", () => {
    const { kernel, session, state } = openSession()
    session.edit([{ kind: "set_param", node_id: "hero", name: "guidance", value: 5 }])
    expect(state().shared.document.nodes.get("hero")?.params.guidance).toBe(5)
    expect(state().shared.pending).toHaveLength(1)
    vi.advanceTimersByTime(50)
    expect(state().shared.pending).toHaveLength(0)
    expect(toWire(state().shared.document)).toEqual(toWire(kernel.document))
  })

  it("synchronizes two views with a common undo history", () => {
    const { kernel, session, state, editing } = openSession()
    const other = new Session(kernel, (run) => void setTimeout(run, 16))
    vi.advanceTimersByTime(100)
    session.edit([{ kind: "remove_node", node_id: "hero" }])
    other.edit([{ kind: "set_param", node_id: "hero", name: "guidance", value: 5 }])
    vi.advanceTimersByTime(100)
    for (const view of [session, other])
      expect(toWire(view.store.getState().shared.document)).toEqual(toWire(kernel.document))
    expect(other.store.getState().notice?.tone).toBe("bad")
    editing.undo()
    vi.advanceTimersByTime(100)
    expect(state().shared.document.edges).toHaveLength(6)
    expect(other.store.getState().shared.document.nodes.has("hero")).toBe(true)
  })

  it("marks a requested run, follows it and shows its result", () => {
    const { state, editing } = openSession()
    editing.run(["film"])
    expect(state().runs.requested.has("film")).toBe(true)
    vi.advanceTimersByTime(600)
    expect(state().runs.requested.size).toBe(0)
    expect(state().runs.nodes.get("film")?.jobs.get("")?.progress).toBeGreaterThan(0)
    vi.advanceTimersByTime(6000)
    expect(state().plan.nodes.film?.state).toBe("fresh")
    expect(state().runs.live.size).toBe(0)
  })

  it("cancels a run and keeps finished results", () => {
    const { state, editing } = openSession()
    editing.runAgain(["film"])
    vi.advanceTimersByTime(300)
    editing.cancel()
    vi.advanceTimersByTime(1000)
    expect(state().runs.nodes.get("film")?.jobs.get("")?.state).toBe("cancelled")
    expect(state().plan.nodes.hero?.state).toBe("fresh")
  })

  it("requests a snapshot after a missing events message", () => {
    const { kernel, editing, state } = openSession()
    const requestCount = () => kernel.sent.filter((message) => message.type === "ask").length
    editing.run(["film"])
    vi.advanceTimersByTime(200)
    kernel.seq += 1 // a message is lost
    vi.advanceTimersByTime(400)
    expect(requestCount()).toBe(2)
    expect(state().runs.nodes.get("film")?.jobs.size).toBe(1)
    vi.advanceTimersByTime(6000)
    expect(state().plan.nodes.film?.state).toBe("fresh")
  })

  it("shows a lost connection and recovers from it", () => {
    const { kernel, state, editing } = openSession()
    kernel.isSilent = true
    kernel.seq += 5
    kernel.edit([{ kind: "set_variable", name: "time", value: "dawn" }])
    editing.run(["film"])
    kernel.rev += 1
    kernel.edit([{ kind: "set_variable", name: "time", value: "noon" }]) // a gap: the view's request gets no reply
    vi.advanceTimersByTime(6000)
    expect(state().isDisconnected).toBe(true)
    expect(state().shared.document.nodes.size).toBe(7)
    kernel.isSilent = false
    vi.advanceTimersByTime(6000)
    expect(state().isDisconnected).toBe(false)
    expect(state().shared.document.variables.time).toBe("noon")
  })

  it("retries idempotent requests only", async () => {
    const { kernel, session } = openSession()
    kernel.isSilent = true
    const response = session.request({ type: "ask", what: "tape", of: "all" })
    session.requestOrNotify({ type: "run", targets: ["film"] })
    const sent = (type: string) => kernel.sent.filter((message) => message.type === type && "id" in message).length
    const before = sent("ask")
    vi.advanceTimersByTime(4900)
    expect(sent("ask")).toBe(before)
    kernel.isSilent = false
    vi.advanceTimersByTime(200)
    await expect(response).resolves.toMatchObject({ reply: { type: "reply" } })
    expect(sent("ask")).toBe(before + 1)
    vi.advanceTimersByTime(30_000)
    expect(sent("ask")).toBe(before + 1)
    expect(sent("run")).toBe(1)
  })

  it("shows a lost connection if an edit is not confirmed", () => {
    const { kernel, session, state } = openSession()
    kernel.isSilent = true
    session.edit([{ kind: "set_variable", name: "time", value: "dawn" }])
    vi.advanceTimersByTime(4000)
    expect(state().isDisconnected).toBe(false)
    vi.advanceTimersByTime(2000)
    expect(state().isDisconnected).toBe(true)
  })

  it("removes all listeners and timers on close", () => {
    const listeners = new Set<unknown>()
    const channel: Channel = {
      send: () => undefined,
      listen(listener: (message: FromKernel, buffers: DataView[]) => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }
    const session = new Session(channel)
    session.notify("hello")
    session.edit([{ kind: "set_variable", name: "time", value: "dawn" }])
    session.close()
    expect(listeners.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it("shows news and budgets from facts messages", () => {
    const listeners = new Set<(message: FromKernel, buffers: DataView[]) => void>()
    const session = new Session({
      send: () => undefined,
      listen(listener: (message: FromKernel, buffers: DataView[]) => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    })
    const deliver = (message: FromKernel) => listeners.forEach((listener) => void listener(message, []))
    deliver({ type: "facts", news: "Resuming 1 call of “City” (film.ipynb)." })
    expect(session.store.getState().notice).toEqual({ text: "Resuming 1 call of “City” (film.ipynb).", tone: "plain" })
    deliver({ type: "facts", budgets: [{ label: "today", spent_micro_usd: 1, cap_micro_usd: 2 }] })
    expect(session.store.getState().budgets).toHaveLength(1)
    session.close()
  })
})

describe("editing", () => {
  it("connects a new node and sets its model and seed", () => {
    const { editing, state } = openSession()
    const type = state().catalog.get("generate_video")
    if (!type) throw new Error("no type")
    const id = editing.place(type, { x: 0, y: 0 }, { nodeId: "hero", port: "image", side: "source", type: "image" })
    const node = state().shared.document.nodes.get(id ?? "")
    expect(state().models.get(String(node?.params.model))?.tasks).toContain("image-to-video")
    expect(node?.params.seed).toBe(2 ** 30)
    expect(
      state().shared.document.edges.some(
        (edge) => edge.source === "hero" && edge.target === id && edge.targetHandle === "image",
      ),
    ).toBe(true)
  })

  it("requests a run if the plan is outdated or has work", () => {
    const { kernel, editing, state } = openSession()
    const runs = () => kernel.sent.filter((message) => message.type === "run").length
    editing.run(["prompt"])
    expect(state().notice?.text).toContain("nothing to run")
    expect(runs()).toBe(0)
    const field = { name: "text", isSetting: false } as Parameters<typeof editing.set>[1]
    editing.set("prompt", field, "another prompt")
    editing.run(["prompt"]) // before the plan is updated
    expect(runs()).toBe(1)
  })

  it("switches the model if an edge changes the task", () => {
    const { editing, state } = openSession()
    const type = state().catalog.get("generate_video")
    if (!type) throw new Error("no type")
    const id = editing.place(type, { x: 0, y: 0 }) ?? ""
    const tasks = () => state().models.get(String(state().shared.document.nodes.get(id)?.params.model))?.tasks
    expect(tasks()).toContain("text-to-video")
    editing.connect({ source: "hero", sourceHandle: "image", target: id, targetHandle: "image" })
    expect(tasks()).toContain("image-to-video")
  })

  it("copies nodes and their edges to another flow", () => {
    const source = openSession()
    const target = openSession("empty")
    source.editing.select(["prompt", "hero"])
    const text = source.editing.copy() ?? ""
    expect(target.editing.paste(text, { x: 50, y: 60 })).toBe(true)
    vi.advanceTimersByTime(50)
    const { nodes, edges, looks } = target.state().shared.document
    expect([...nodes.keys()]).toEqual(["text_1", "generate_image_1"])
    expect(edges).toHaveLength(1)
    expect(looks.get("text_1")).toMatchObject({ x: 50, y: 60 })
    expect(target.editing.paste("something else", { x: 0, y: 0 })).toBe(false)
  })

  it("draws a new seed for a new take unless it is locked", () => {
    const { editing, session, state } = openSession()
    session.edit([{ kind: "set_param", node_id: "hero", name: "seed", value: 7 }])
    editing.setSeedLocked("hero", true)
    editing.runAgain(["hero"])
    expect(state().shared.document.nodes.get("hero")).toMatchObject({ take: 1, params: { seed: 7 } })
    editing.setSeedLocked("hero", false)
    editing.runAgain(["hero"])
    expect(state().shared.document.nodes.get("hero")).toMatchObject({ take: 2, params: { seed: 2 ** 30 } })
  })

  it("lays out edges from left to right without overlap", async () => {
    const { editing, state } = openSession()
    editing.session.store.setState({ layering: dagreLayout })
    await editing.tidy()
    const rects = editing.rects(state().shared.document.nodes.keys())
    const by = new Map(rects.map((rect) => [rect.id, rect]))
    for (const edge of state().shared.document.edges) {
      const [from, to] = [by.get(edge.source), by.get(edge.target)]
      expect((from?.x ?? 0) + (from?.width ?? 0)).toBeLessThan(to?.x ?? 0)
    }
    for (const a of rects)
      for (const b of rects) {
        const isApart =
          a === b || a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
        expect(isApart, `${a.id} ${b.id}`).toBe(true)
      }
  })
})
