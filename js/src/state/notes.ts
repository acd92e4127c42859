/**
 * Groups and comments: what a person draws around and beside nodes. They belong to the layout, so that no result
 * depends on them. A node belongs to the group that its middle stands in: nothing has to be kept in step.
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

/** Colours of groups and comments, quiet in both themes; the first is for a new one. */
export const NOTE_COLORS = [
  ["blue", "#5b86e5"],
  ["green", "#2f9e75"],
  ["amber", "#c98a1b"],
  ["rose", "#d1577f"],
  ["violet", "#8d6be8"],
  ["grey", "#7c8799"],
] as const

export const MIN_NOTE_SIZE = { width: 140, height: 80 }
/** Room around the nodes of a group; above it stands the title. */
const PAD = { x: 20, top: 56, bottom: 20 }

const FIELD = { group: "groups", comment: "comments" } as const
const TEXT_FIELD = { group: "title", comment: "text" } as const
const cache = new WeakMap<object, Note[]>()

const number = (value: Json | undefined, otherwise: number) =>
  typeof value === "number" && Number.isFinite(value) ? value : otherwise

/** All of one kind, as far as they can be read; the same list for the same document. */
export function notesOf(document: Document, kind: NoteKind): readonly Note[] {
  const stored = document.layout[FIELD[kind]]
  if (!Array.isArray(stored)) return NO_NOTES
  const before = cache.get(stored)
  if (before) return before
  const made = (stored as JsonObject[]).map((one, index): Note => {
    const words = one[TEXT_FIELD[kind]]
    return {
      kind,
      id: noteId(kind, typeof one.id === "string" ? one.id : String(index)),
      text: typeof words === "string" ? words : "",
      color: typeof one.color === "string" && /^#[0-9a-f]{6}$/i.test(one.color) ? one.color : NOTE_COLORS[0][1],
      x: number(one.x, 0),
      y: number(one.y, 0),
      width: Math.max(MIN_NOTE_SIZE.width, number(one.width, 320)),
      height: Math.max(MIN_NOTE_SIZE.height, number(one.height, 200)),
    }
  })
  cache.set(stored, made)
  return made
}

const NO_NOTES: readonly Note[] = []

/** The id of a group or comment among nodes: `/` is in no node's id. */
const noteId = (kind: NoteKind, id: string) => `${kind}/${id}`

export const isNoteId = (id: string): boolean => id.includes("/")

export function findNote(document: Document, id: string): Note | null {
  if (!isNoteId(id)) return null
  return notesOf(document, id.startsWith("group/") ? "group" : "comment").find((one) => one.id === id) ?? null
}

/** Edits that change some groups and comments; `null` takes one away. Fields of a newer version stay. */
export function noteEdits(
  document: Document,
  changes: ReadonlyMap<string, Partial<Pick<Note, "text" | "color" | "x" | "y" | "width" | "height">> | null>,
): Edit[] {
  return (["group", "comment"] as const).flatMap((kind): Edit[] => {
    const notes = notesOf(document, kind)
    if (!notes.some((one) => changes.has(one.id))) return []
    const stored = document.layout[FIELD[kind]] as JsonObject[]
    const value = stored.flatMap((one, index): JsonObject[] => {
      const change = changes.get(notes[index]?.id ?? "")
      if (change === null) return []
      if (!change) return [one]
      const { text, ...rest } = change
      return [{ ...one, ...rest, ...(text !== undefined && { [TEXT_FIELD[kind]]: text }) }]
    })
    return [{ kind: "set_flow", field: FIELD[kind], value }]
  })
}

/** Edits that add groups and comments, and the ids they get. */
export function addNoteEdits(document: Document, notes: readonly Omit<Note, "id">[]): { edits: Edit[]; ids: string[] } {
  const ids: string[] = []
  const edits = (["group", "comment"] as const).flatMap((kind): Edit[] => {
    const fresh = notes.filter((one) => one.kind === kind)
    if (fresh.length === 0) return []
    const stored = (document.layout[FIELD[kind]] ?? []) as JsonObject[]
    const taken = new Set(stored.map((one) => one.id))
    let at = stored.length
    const made = fresh.map(({ text, color, x, y, width, height }): JsonObject => {
      do at += 1
      while (taken.has(`${kind}_${at}`))
      ids.push(noteId(kind, `${kind}_${at}`))
      return { id: `${kind}_${at}`, [TEXT_FIELD[kind]]: text, color, ...rounded({ x, y, width, height }) }
    })
    return [{ kind: "set_flow", field: FIELD[kind], value: [...stored, ...made] }]
  })
  return { edits, ids }
}

const rounded = (frame: Omit<Rect, "id">) => ({
  x: Math.round(frame.x),
  y: Math.round(frame.y),
  width: Math.round(frame.width),
  height: Math.round(frame.height),
})

/** What a group must cover to hold these; null where there is nothing. */
export function frameAround(rects: readonly Rect[]): Omit<Rect, "id"> | null {
  if (rects.length === 0) return null
  const left = Math.min(...rects.map((one) => one.x))
  const top = Math.min(...rects.map((one) => one.y))
  const right = Math.max(...rects.map((one) => one.x + one.width))
  const bottom = Math.max(...rects.map((one) => one.y + one.height))
  return {
    x: left - PAD.x,
    y: top - PAD.top,
    width: right - left + 2 * PAD.x,
    height: bottom - top + PAD.top + PAD.bottom,
  }
}

/** What stands in a group: ids of nodes, comments and smaller groups whose middle it covers. */
export function groupMembers(group: Rect, rects: readonly Rect[]): string[] {
  return rects
    .filter((one) => {
      const [x, y] = [one.x + one.width / 2, one.y + one.height / 2]
      const isInside = x > group.x && x < group.x + group.width && y > group.y && y < group.y + group.height
      return one.id !== group.id && isInside && one.width <= group.width && one.height <= group.height
    })
    .map((one) => one.id)
}

/** Places of what was moved, and of what stands in the groups among it. */
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
  const byId = new Map(rects.map((one) => [one.id, one]))
  for (const { group, by } of moved) {
    for (const id of groupMembers(group, rects)) {
      const rect = byId.get(id)
      if (rect && !all.has(id)) all.set(id, { x: rect.x + by.x, y: rect.y + by.y })
    }
  }
  return all
}
