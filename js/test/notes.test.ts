import { describe, expect, it } from "vitest"
import { dagreLayout } from "../src/layout/dagre"
import { applyEdit, applyEdits } from "../src/state/apply"
import { tidyEdits } from "../src/state/arrange"
import { emptyDocument } from "../src/state/document"
import { snapToGuides } from "../src/state/guides"
import { addNoteEdits, findNote, frameAround, groupMembers, noteEdits, notesOf, withMembers } from "../src/state/notes"

const note = (kind: "group" | "comment", x = 0, y = 0) =>
  ({ kind, text: "words", color: "#2f9e75", x, y, width: 400, height: 300 }) as const
const rect = (id: string, x: number, y: number, width = 100, height = 60) => ({ id, x, y, width, height })

describe("groups and comments", () => {
  it("are stored in the layout and can be undone", () => {
    const { edits, ids } = addNoteEdits(emptyDocument, [note("group"), note("comment"), note("group")])
    const { document, inverse } = applyEdits(emptyDocument, edits)
    expect(ids).toEqual(["group/group_1", "group/group_2", "comment/comment_1"])
    expect(notesOf(document, "group")).toHaveLength(2)
    expect(notesOf(document, "comment")[0]?.text).toBe("words")
    const back = applyEdit(document, inverse).document
    expect(notesOf(back, "group")).toEqual([])
  })

  it("keep fields of newer versions on changes", () => {
    const stored = { id: "a", title: "one", x: 0, y: 0, width: 300, height: 200, later: [1] }
    const before = applyEdits(emptyDocument, [{ kind: "set_flow", field: "groups", value: [stored] }]).document
    const after = applyEdits(before, noteEdits(before, new Map([["group/a", { text: "two", x: 5 }]]))).document
    expect(after.layout.groups).toEqual([{ ...stored, title: "two", x: 5 }])
    const gone = applyEdits(after, noteEdits(after, new Map([["group/a", null]]))).document
    expect(findNote(gone, "group/a")).toBeNull()
  })

  it("are valid even if the stored color or size is not", () => {
    const value = [{ color: "url(x)", width: "wide" }]
    const { document } = applyEdits(emptyDocument, [{ kind: "set_flow", field: "comments", value }])
    const [comment] = notesOf(document, "comment")
    expect(comment).toMatchObject({ id: "comment/0", text: "", x: 0 })
    expect(comment?.color).toMatch(/^#[0-9a-f]{6}$/)
    expect(comment?.width).toBeGreaterThan(0)
  })

  it("move their members exactly once", () => {
    const { edits } = addNoteEdits(emptyDocument, [note("group")])
    const { document } = applyEdits(emptyDocument, edits)
    const rects = [rect("in", 50, 50), rect("half", 370, 50), rect("out", 600, 0), rect("wide", -100, 0, 900, 100)]
    const group = notesOf(document, "group")[0]
    expect(group && groupMembers(group, rects)).toEqual(["in"])
    const moved = withMembers(document, rects, new Map([["group/group_1", { x: 10, y: -20 }]]))
    expect([...moved]).toEqual([
      ["group/group_1", { x: 10, y: -20 }],
      ["in", { x: 60, y: 30 }],
    ])
  })

  it("enclose the nodes they are created around", () => {
    const rects = [rect("a", 0, 0), rect("b", 300, 200)]
    const frame = frameAround(rects)
    expect(frame && groupMembers({ id: "", ...frame }, rects)).toEqual(["a", "b"])
    expect(frameAround([])).toBeNull()
  })

  it("do not overlap after auto-layout", () => {
    const ids = ["a", "b", "c", "d"]
    const rects = ids.map((id, index) => rect(id, index * 7, 0))
    const edges = [
      { source: "a", sourceHandle: "x", target: "b", targetHandle: "x" },
      { source: "c", sourceHandle: "x", target: "d", targetHandle: "x" },
    ]
    const positions = new Map(rects.map((item) => [item.id, item]))
    const groups = [
      ["a", "c"],
      ["b", "d"],
    ]
    for (const edit of tidyEdits(dagreLayout, { ...emptyDocument, edges }, rects, groups)) {
      if (edit.kind === "set_layout")
        positions.set(edit.node_id, { ...rect(edit.node_id, 0, 0), ...edit.fields } as never)
    }
    const frames = groups.map((members) => frameAround(members.flatMap((id) => positions.get(id) ?? [])))
    const [left, right] = frames
    if (!left || !right) throw new Error("no frames")
    expect(left.x + left.width <= right.x || left.y + left.height <= right.y).toBe(true)
  })
})

describe("alignment guides", () => {
  it("snap to the nearest edge or center", () => {
    const snapped = snapToGuides(rect("", 103, 300), [rect("a", 100, 0), rect("b", 106, 900)], 6)
    expect(snapped.dx).toBe(-3)
    expect(snapped.guides).toEqual([{ axis: "x", at: 100, from: 0, to: 360 }])
  })

  it("do not snap beyond the distance", () => {
    expect(snapToGuides(rect("", 120, 300), [rect("a", 100, 0)], 6)).toEqual({ dx: 0, dy: 0, guides: [] })
  })
})
