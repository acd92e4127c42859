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

/** A kernel and two views, connected by ordered channels. Broadcasts of the kernel may be lost. */
class World {
  document: Document = emptyDocument
  rev = 0
  count = 0
  views = ["one", "two"].map((name) => ({
    name,
    shared: { ...emptySharedDocument, rev: 0 } as SharedDocument,
    up: [] as ({ id: string; edits: Edit[] } | { ask: string })[],
    down: [] as FromKernel[],
    snapshotId: null as string | null,
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
    if (view.snapshotId) view.sentSince.add(id)
    view.up.push({ id, edits })
  }

  deliverToKernel(index: number): void {
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
      for (const receiver of this.views) {
        receiver.down.push({ type: "edits", rev: this.rev, origin: view.name, ...message, history })
      }
    } catch (error) {
      if (!(error instanceof EditError)) throw error
      view.down.push({ type: "reply", id: message.id, error: { code: "gone", message: "" } })
    }
  }

  deliverToView(index: number, isLost: boolean): void {
    const view = this.view(index)
    const message = view.down[0]
    if (!message) return
    view.down.shift()
    // The session requests lost snapshots again; here they always arrive. Broadcasts may be lost.
    if (isLost && message.type === "edits") return
    if (message.type === "reply") view.shared = dropRefusedEdits(view.shared, message.id)
    if (message.type === "snapshot") {
      view.shared = resetToSnapshot(view.shared, message, view.sentSince)
      view.snapshotId = null
    }
    if (message.type === "edits" && !view.snapshotId) {
      const after = confirmEdits(view.shared, message)
      if (after === "gap") this.requestSnapshot(index)
      else view.shared = after
    }
  }

  requestSnapshot(index: number): void {
    const view = this.view(index)
    view.snapshotId = `ask${this.count++}`
    view.sentSince = new Set()
    view.up.push({ ask: view.snapshotId })
  }

  drain(): void {
    for (const index of [0, 1]) this.requestSnapshot(index)
    while (this.views.some((view) => view.up.length + view.down.length > 0)) {
      for (const index of [0, 1]) {
        this.deliverToKernel(index)
        this.deliverToView(index, false)
      }
    }
  }

  view(index: number) {
    const view = this.views[index]
    if (!view) throw new Error("unknown view")
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
  { weight: 3, arbitrary: fc.record({ do: fc.constant("deliver" as const), view: fc.nat(1), isLost: fc.boolean() }) },
)

function play(actions: unknown[], isLossy: boolean): World {
  const world = new World()
  for (const action of actions as { do: string; view: number; edits: Edit[]; isLost: boolean }[]) {
    if (action.do === "edit") world.edit(action.view, action.edits)
    if (action.do === "kernel") world.deliverToKernel(action.view)
    if (action.do === "deliver") world.deliverToView(action.view, action.isLost && isLossy)
  }
  return world
}

describe("two views and a kernel", () => {
  it("show the same document after all messages, in any order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = play(steps, false)
        for (let round = 0; round < 200; round++)
          for (const index of [0, 1]) {
            world.deliverToKernel(index)
            world.deliverToView(index, false)
          }
        for (const view of world.views) {
          expect(view.snapshotId).toBeNull()
          expect(view.shared.pending).toEqual([])
          expect(toWire(view.shared.document)).toEqual(toWire(world.document))
        }
      }),
      { numRuns: 300 },
    )
  })

  it("recover from lost broadcasts with a snapshot", () => {
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

  it("keep the shown document when their own edit is confirmed", () => {
    const edits: Edit[] = [{ kind: "add_node", node: { id: "a", type: "text" } }]
    const before = addPendingEdits({ ...emptySharedDocument, rev: 0 }, { id: "m", edits })
    const after = confirmEdits(before, { type: "edits", rev: 1, origin: "me", id: "m", edits, history })
    expect(after !== "gap" && after.document).toBe(before.document)
  })
})
