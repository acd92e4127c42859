/** Frames of the tape on the canvas: a picture, video or sound that was made before is a file like any other. */

import type { TapeFrame } from "../wire/run"
import type { Editing } from "./editing"
import { assetOf } from "./files"
import type { Point } from "./store"

/** Place what a frame shows as a file node; false where it shows no media that can be. */
export function placeFrame(editing: Editing, frame: TapeFrame, at: Point): boolean {
  const { cell } = frame
  const medium = cell?.media_type?.split("/")[0]
  const type = editing.session.store.getState().catalog.get(`load_${medium}`)
  const asset = assetOf(cell)
  if (!type || !asset) return false
  return editing.place(type, at, null, { asset, name: frame.title }) !== null
}

/** Frames and those that were loaded before, each once, the newest first. */
export function mergeFrames(newest: readonly TapeFrame[], older: readonly TapeFrame[]): readonly TapeFrame[] {
  if (older.length === 0) return newest
  const known = new Set(newest.map((one) => one.generation_id))
  return [...newest, ...older.filter((one) => !known.has(one.generation_id))]
}
