/** Corner handle that resizes a group or comment; also works with the arrow keys. */

import { useReactFlow } from "@xyflow/react"
import { useRef } from "react"
import { useBridge } from "../bridge/context"
import { MIN_NOTE_SIZE, type Note } from "../state/notes"

const STEP = 20

export function ResizeHandle({ note }: { note: Note }) {
  const { editing } = useBridge()
  const { getZoom } = useReactFlow()
  const start = useRef<{ x: number; y: number; note: Note } | null>(null)
  // All steps of one drag, or of consecutive key presses, are one undo step.
  const resize = (width: number, height: number) =>
    editing.setNote(
      note.id,
      {
        width: Math.round(Math.max(MIN_NOTE_SIZE.width, width)),
        height: Math.round(Math.max(MIN_NOTE_SIZE.height, height)),
      },
      `${note.id}.size`,
    )
  const end = () => {
    start.current = null
  }
  return (
    <button
      type="button"
      className="ff-corner nodrag nopan"
      aria-label={`Size: ${note.width} by ${note.height}. Use the arrow keys to resize.`}
      onPointerDown={(event) => {
        event.stopPropagation()
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { x: event.clientX, y: event.clientY, note }
      }}
      onPointerMove={(event) => {
        const from = start.current
        if (!from) return
        const zoom = getZoom()
        resize(from.note.width + (event.clientX - from.x) / zoom, from.note.height + (event.clientY - from.y) / zoom)
      }}
      onPointerUp={end}
      onPointerCancel={end}
      onKeyDown={(event) => {
        const x = event.key === "ArrowRight" ? STEP : event.key === "ArrowLeft" ? -STEP : 0
        const y = event.key === "ArrowDown" ? STEP : event.key === "ArrowUp" ? -STEP : 0
        if (x === 0 && y === 0) return
        event.preventDefault()
        event.stopPropagation()
        resize(note.width + x, note.height + y)
      }}
    />
  )
}
