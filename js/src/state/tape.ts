/** Frames of the tape on the canvas: a picture, video or sound that was made before is a file like any other. */

import type { JsonObject } from "../wire/flow"
import type { TapeFrame } from "../wire/run"
import type { Editing } from "./editing"
import type { Point } from "./store"

/** Place what a frame shows as a file node; false where it shows no media that can be. */
export function placeFrame(editing: Editing, frame: TapeFrame, at: Point): boolean {
  const { cell } = frame
  const medium = cell?.media_type?.split("/")[0]
  const type = editing.session.store.getState().catalog.get(`load_${medium}`)
  if (!type || !cell?.sha256 || !cell.media_type || cell.size_bytes === undefined) return false
  const asset: JsonObject = { sha256: cell.sha256, media_type: cell.media_type, size_bytes: cell.size_bytes }
  for (const name of ["width", "height", "duration_s"] as const) if (cell[name] != null) asset[name] = cell[name]
  return editing.place(type, at, null, { asset, name: frame.title }) !== null
}

/** Frames and those that were loaded before, each once, the newest first. */
export function joined(newest: readonly TapeFrame[], older: readonly TapeFrame[]): readonly TapeFrame[] {
  if (older.length === 0) return newest
  const known = new Set(newest.map((one) => one.generation_id))
  return [...newest, ...older.filter((one) => !known.has(one.generation_id))]
}
