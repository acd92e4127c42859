/**
 * Groups and comments. They are stored in the layout, so that no result depends on them. Membership is derived:
 * a node belongs to a group that covers the node's center.
 */

import type { Edit, Json, JsonObject } from "../wire/flow"
import type { Rect } from "./arrange"
import type { Document } from "./document"
import type { Point } from "./store"

export type NoteKind = "group" | "comment"

/** A group (its text is its title) or a comment, in canvas pixels. */
export interface Note extends Rect {
  kind: NoteKind
  text: string
  color: string
}

/** Colours of groups and comments, readable in both themes. The first is the default. */
export const NOTE_COLORS = [
  ["blue", "#5b86e5"],
  ["green", "#2f9e75"],
  ["amber", "#c98a1b"],
  ["rose", "#d1577f"],
  ["violet", "#8d6be8"],
  ["grey", "#7c8799"],
] as const

export const MIN_NOTE_SIZE = { width: 140, height: 80 }
/** Space around the nodes of a group; the top includes the title. */
const PAD = { x: 20, top: 56, bottom: 20 }

const FIELD = { group: "groups", comment: "comments" } as const
const TEXT_FIELD = { group: "title", comment: "text" } as const
const cache = new WeakMap<object, Note[]>()

const number = (value: Json | undefined, fallback: number) =>
  typeof value === "number" && Number.isFinite(value) ? value : fallback

/** All valid notes of a kind. Cached per stored list. */
export function notesOf(document: Document, kind: NoteKind): readonly Note[] {
  const stored = document.layout[FIELD[kind]]
  if (!Array.isArray(stored)) return NO_NOTES
  const cached = cache.get(stored)
  if (cached) return cached
  const notes = (stored as JsonObject[]).map((item, index): Note => {
    const words = item[TEXT_FIELD[kind]]
    return {
      kind,
      id: noteId(kind, typeof item.id === "string" ? item.id : String(index)),
      text: typeof words === "string" ? words : "",
      color: typeof item.color === "string" && /^#[0-9a-f]{6}$/i.test(item.color) ? item.color : NOTE_COLORS[0][1],
      x: number(item.x, 0),
      y: number(item.y, 0),
      width: Math.max(MIN_NOTE_SIZE.width, number(item.width, 320)),
      height: Math.max(MIN_NOTE_SIZE.height, number(item.height, 200)),
    }
  })
  cache.set(stored, notes)
  return notes
}

const NO_NOTES: readonly Note[] = []

/** Id of a note among node ids, which never contain `/`. */
const noteId = (kind: NoteKind, id: string) => `${kind}/${id}`

export const isNoteId = (id: string): boolean => id.includes("/")

export function findNote(document: Document, id: string): Note | null {
  if (!isNoteId(id)) return null
  return notesOf(document, id.startsWith("group/") ? "group" : "comment").find((note) => note.id === id) ?? null
}

/** Edits that change notes; `null` removes the note. Unknown fields of newer versions are kept. */
export function noteEdits(
  document: Document,
  changes: ReadonlyMap<string, Partial<Pick<Note, "text" | "color" | "x" | "y" | "width" | "height">> | null>,
): Edit[] {
  return (["group", "comment"] as const).flatMap((kind): Edit[] => {
    const notes = notesOf(document, kind)
    if (!notes.some((note) => changes.has(note.id))) return []
    const stored = document.layout[FIELD[kind]] as JsonObject[]
    const value = stored.flatMap((item, index): JsonObject[] => {
      const change = changes.get(notes[index]?.id ?? "")
      if (change === null) return []
      if (!change) return [item]
      const { text, ...rest } = change
      return [{ ...item, ...rest, ...(text !== undefined && { [TEXT_FIELD[kind]]: text }) }]
    })
    return [{ kind: "set_flow", field: FIELD[kind], value }]
  })
}

/** Edits that add notes, and their new ids. */
export function addNoteEdits(document: Document, notes: readonly Omit<Note, "id">[]): { edits: Edit[]; ids: string[] } {
  const ids: string[] = []
  const edits = (["group", "comment"] as const).flatMap((kind): Edit[] => {
    const added = notes.filter((note) => note.kind === kind)
    if (added.length === 0) return []
    const stored = (document.layout[FIELD[kind]] ?? []) as JsonObject[]
    const taken = new Set(stored.map((item) => item.id))
    let count = stored.length
    const items = added.map(({ text, color, x, y, width, height }): JsonObject => {
      do count += 1
      while (taken.has(`${kind}_${count}`))
      ids.push(noteId(kind, `${kind}_${count}`))
      return { id: `${kind}_${count}`, [TEXT_FIELD[kind]]: text, color, ...rounded({ x, y, width, height }) }
    })
    return [{ kind: "set_flow", field: FIELD[kind], value: [...stored, ...items] }]
  })
  return { edits, ids }
}

const rounded = (frame: Omit<Rect, "id">) => ({
  x: Math.round(frame.x),
  y: Math.round(frame.y),
  width: Math.round(frame.width),
  height: Math.round(frame.height),
})

/** The frame of a group around the rectangles; null for an empty list. */
export function frameAround(rects: readonly Rect[]): Omit<Rect, "id"> | null {
  if (rects.length === 0) return null
  const left = Math.min(...rects.map((rect) => rect.x))
  const top = Math.min(...rects.map((rect) => rect.y))
  const right = Math.max(...rects.map((rect) => rect.x + rect.width))
  const bottom = Math.max(...rects.map((rect) => rect.y + rect.height))
  return {
    x: left - PAD.x,
    y: top - PAD.top,
    width: right - left + 2 * PAD.x,
    height: bottom - top + PAD.top + PAD.bottom,
  }
}

/** Ids of nodes, comments and smaller groups whose center the group covers. */
export function groupMembers(group: Rect, rects: readonly Rect[]): string[] {
  return rects
    .filter((rect) => {
      const [x, y] = [rect.x + rect.width / 2, rect.y + rect.height / 2]
      const isInside = x > group.x && x < group.x + group.width && y > group.y && y < group.y + group.height
      return rect.id !== group.id && isInside && rect.width <= group.width && rect.height <= group.height
    })
    .map((rect) => rect.id)
}

/** Positions of the moved items plus those of all members of moved groups. */
export function withMembers(
  document: Document,
  rects: readonly Rect[],
  places: ReadonlyMap<string, Point>,
): ReadonlyMap<string, Point> {
  const moved = [...places].flatMap(([id, to]) => {
    const group = id.startsWith("group/") ? findNote(document, id) : null
    return group ? [{ group, by: { x: to.x - group.x, y: to.y - group.y } }] : []
  })
  if (moved.length === 0) return places
  const all = new Map(places)
  const byId = new Map(rects.map((rect) => [rect.id, rect]))
  for (const { group, by } of moved) {
    for (const id of groupMembers(group, rects)) {
      const rect = byId.get(id)
      if (rect && !all.has(id)) all.set(id, { x: rect.x + by.x, y: rect.y + by.y })
    }
  }
  return all
}
