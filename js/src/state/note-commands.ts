/** Commands that add groups and comments. */

import type { Editing } from "./editing"
import { addNoteEdits, frameAround, NOTE_COLORS, type Note } from "./notes"
import type { Point } from "./store"

/** Adds a group around the selection, or an empty group at a position. */
export function addGroup(editing: Editing, at: Point): void {
  const { selection } = editing.session.store.getState()
  const frame = frameAround(editing.allRects().filter((rect) => selection.has(rect.id)))
  const empty = { x: at.x - 200, y: at.y - 130, width: 400, height: 260 }
  addNote(editing, { kind: "group", text: "Group", color: NOTE_COLORS[0][1], ...(frame ?? empty) })
}

export const addComment = (editing: Editing, at: Point): void =>
  addNote(editing, { kind: "comment", text: "", color: NOTE_COLORS[2][1], x: at.x, y: at.y, width: 240, height: 120 })

function addNote({ session }: Editing, note: Omit<Note, "id">): void {
  const { edits, ids } = addNoteEdits(session.store.getState().shared.document, [note])
  if (!session.edit(edits)) return
  session.store.setState({ selection: new Set(ids), edgeSelection: new Set(), renaming: ids[0] ?? null })
}
