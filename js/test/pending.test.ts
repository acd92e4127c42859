import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { applyEdits } from "../src/state/apply"
import { type Document, emptyDocument, toWire } from "../src/state/document"
import { EditError } from "../src/state/json-values"
import {
  addPendingEdits,
  confirmEdits,
  dropRefusedEdits,
  emptySharedDocument,
  resetToSnapshot,
  type SharedDocument,
} from "../src/state/pending"
import type { Edit } from "../src/wire/flow"
import type { FromKernel } from "../src/wire/messages"
import { anyEdit } from "./arbitrary"

const history = { can_undo: false, can_redo: false }

/** A kernel and two views, joined by ordered pipes that may lose what the kernel says. */
class World {
  document: Document = emptyDocument
  rev = 0
  count = 0
  views = ["one", "two"].map((name) => ({
    name,
    shared: { ...emptySharedDocument, rev: 0 } as SharedDocument,
    up: [] as ({ id: string; edits: Edit[] } | { ask: string })[],
    down: [] as FromKernel[],
    asked: null as string | null,
    sentSince: new Set<string>(),
  }))

  edit(index: number, edits: Edit[]): void {
    const view = this.view(index)
    const id = `m${this.count++}`
    try {
      view.shared = addPendingEdits(view.shared, { id, edits })
    } catch (error) {
      if (error instanceof EditError) return
      throw error
    }
    if (view.asked) view.sentSince.add(id)
    view.up.push({ id, edits })
  }

  kernelHears(index: number): void {
    const view = this.view(index)
    const message = view.up.shift()
    if (!message) return
    if ("ask" in message) {
      view.down.push({ type: "snapshot", id: message.ask, rev: this.rev, flow: toWire(this.document) } as FromKernel)
      return
    }
    try {
      this.document = applyEdits(this.document, message.edits).document
      this.rev += 1
      for (const one of this.views) {
        one.down.push({ type: "edits", rev: this.rev, origin: view.name, ...message, history })
      }
    } catch (error) {
      if (!(error instanceof EditError)) throw error
      view.down.push({ type: "reply", id: message.id, error: { code: "gone", message: "" } })
    }
  }

  viewHears(index: number, isLost: boolean): void {
    const view = this.view(index)
    const message = view.down[0]
    if (!message) return
    view.down.shift()
    // Replies and snapshots are asked again for by a timer; here they arrive. Broadcasts may be lost.
    if (isLost && message.type === "edits") return
    if (message.type === "reply") view.shared = dropRefusedEdits(view.shared, message.id)
    if (message.type === "snapshot") {
      view.shared = resetToSnapshot(view.shared, message, view.sentSince)
      view.asked = null
    }
    if (message.type === "edits" && !view.asked) {
      const after = confirmEdits(view.shared, message)
      if (after === "gap") this.ask(index)
      else view.shared = after
    }
  }

  ask(index: number): void {
    const view = this.view(index)
    view.asked = `ask${this.count++}`
    view.sentSince = new Set()
    view.up.push({ ask: view.asked })
  }

  drain(): void {
    for (const index of [0, 1]) this.ask(index)
    while (this.views.some((view) => view.up.length + view.down.length > 0)) {
      for (const index of [0, 1]) {
        this.kernelHears(index)
        this.viewHears(index, false)
      }
    }
  }

  view(index: number) {
    const view = this.views[index]
    if (!view) throw new Error("no such view")
    return view
  }
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("edit" as const),
      view: fc.nat(1),
      edits: fc.array(anyEdit, { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("kernel" as const), view: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("hear" as const), view: fc.nat(1), isLost: fc.boolean() }) },
)

function play(steps: unknown[], isLossy: boolean): World {
  const world = new World()
  for (const one of steps as { do: string; view: number; edits: Edit[]; isLost: boolean }[]) {
    if (one.do === "edit") world.edit(one.view, one.edits)
    if (one.do === "kernel") world.kernelHears(one.view)
    if (one.do === "hear") world.viewHears(one.view, one.isLost && isLossy)
  }
  return world
}

describe("two views and a kernel", () => {
  it("show the kernel's document once all is heard, whatever the order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = play(steps, false)
        for (let round = 0; round < 200; round++)
          for (const index of [0, 1]) {
            world.kernelHears(index)
            world.viewHears(index, false)
          }
        for (const view of world.views) {
          expect(view.asked).toBeNull()
          expect(view.shared.pending).toEqual([])
          expect(toWire(view.shared.document)).toEqual(toWire(world.document))
        }
      }),
      { numRuns: 300 },
    )
  })

  it("come to the kernel's document again through a snapshot when broadcasts are lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = play(steps, true)
        world.drain()
        for (const view of world.views) {
          expect(view.shared.pending).toEqual([])
          expect(toWire(view.shared.document)).toEqual(toWire(world.document))
        }
      }),
      { numRuns: 300 },
    )
  })

  it("keep what is shown as it is when their own edit is confirmed", () => {
    const edits: Edit[] = [{ kind: "add_node", node: { id: "a", type: "text" } }]
    const before = addPendingEdits({ ...emptySharedDocument, rev: 0 }, { id: "m", edits })
    const after = confirmEdits(before, { type: "edits", rev: 1, origin: "me", id: "m", edits, history })
    expect(after !== "gap" && after.document).toBe(before.document)
  })
})
