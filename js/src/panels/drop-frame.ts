/** A frame of the tape that falls onto the canvas: its file, where it has one, else how it was made. */

import type { Bridge } from "../bridge/context"
import type { Point } from "../state/store"
import { placeFrame } from "../state/tape"
import type { TapeFrame } from "../wire/run"
import { FRAME_MIME_TYPE } from "./tape-strip"

/** False where something else was dropped. */
export function dropFrame({ session, editing }: Bridge, dropped: DataTransfer, at: Point): boolean {
  const text = dropped.getData(FRAME_MIME_TYPE)
  if (!text) return false
  const frame = JSON.parse(text) as TapeFrame
  const position = { x: Math.round(at.x), y: Math.round(at.y) }
  if (!placeFrame(editing, frame, position)) {
    void session.requestOrNotify({ type: "restore", generation_id: frame.generation_id, position })
  }
  return true
}
