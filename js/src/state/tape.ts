/** Places frames of the tape on the canvas as file nodes. */

import type { TapeFrame } from "../wire/run"
import type { Editing } from "./editing"
import { assetOf } from "./files"
import type { Point } from "./store"

/** Adds a file node for a frame; returns false if the frame has no media of a supported type. */
export function placeFrame(editing: Editing, frame: TapeFrame, at: Point): boolean {
  const { cell } = frame
  const family = cell?.media_type?.split("/")[0]
  const type = editing.session.store.getState().catalog.get(`load_${family}`)
  const asset = assetOf(cell)
  if (!type || !asset) return false
  return editing.place(type, at, null, { asset, name: frame.title }) !== null
}

/** Merges frames with previously loaded ones, without duplicates, newest first. */
export function mergeFrames(newest: readonly TapeFrame[], older: readonly TapeFrame[]): readonly TapeFrame[] {
  if (older.length === 0) return newest
  const ids = new Set(newest.map((frame) => frame.generation_id))
  return [...newest, ...older.filter((frame) => !ids.has(frame.generation_id))]
}
