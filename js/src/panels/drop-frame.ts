/** Drop of a tape frame on the canvas: adds its file or, without a file, restores the nodes that generated it. */

import type { Bridge } from "../bridge/context"
import type { Point } from "../state/store"
import { placeFrame } from "../state/tape"
import type { TapeFrame } from "../wire/run"
import { FRAME_MIME_TYPE } from "./tape-strip"

/** Returns false if the drop is not a tape frame. */
export function dropFrame({ session, editing }: Bridge, data: DataTransfer, at: Point): boolean {
  const text = data.getData(FRAME_MIME_TYPE)
  if (!text) return false
  const frame = JSON.parse(text) as TapeFrame
  const position = { x: Math.round(at.x), y: Math.round(at.y) }
  if (!placeFrame(editing, frame, position)) {
    void session.requestOrNotify({ type: "restore", generation_id: frame.generation_id, position })
  }
  return true
}
