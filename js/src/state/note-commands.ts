/** New groups and comments, ready to be named. */

import type { Editing } from "./editing"
import { addNoteEdits, frameAround, NOTE_COLORS, type Note } from "./notes"
import type { Point } from "./store"

/** Draw a group around what is selected, or an empty one at a place. */
export function addGroup(editing: Editing, at: Point): void {
  const { selection } = editing.session.store.getState()
  const frame = frameAround(editing.allRects().filter((one) => selection.has(one.id)))
  const empty = { x: at.x - 200, y: at.y - 130, width: 400, height: 260 }
  add(editing, { kind: "group", text: "Group", color: NOTE_COLORS[0][1], ...(frame ?? empty) })
}

export const addComment = (editing: Editing, at: Point): void =>
  add(editing, { kind: "comment", text: "", color: NOTE_COLORS[2][1], x: at.x, y: at.y, width: 240, height: 120 })

function add({ session }: Editing, note: Omit<Note, "id">): void {
  const { edits, ids } = addNoteEdits(session.store.getState().shared.document, [note])
  if (!session.edit(edits)) return
  session.store.setState({ selection: new Set(ids), edgeSelection: new Set(), renaming: ids[0] ?? null })
}
