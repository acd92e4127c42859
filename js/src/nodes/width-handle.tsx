/** Handle on the right edge that changes the width of a node; also works with the arrow keys. */

import { useReactFlow } from "@xyflow/react"
import { useRef, useState } from "react"
import { useBridge } from "../bridge/context"
import { MAX_WIDTH, MIN_WIDTH } from "../state/node-layout"

const STEP = 20

export function WidthHandle({ id, width }: { id: string; width: number }) {
  const { editing } = useBridge()
  const { getZoom } = useReactFlow()
  const start = useRef<{ x: number; width: number } | null>(null)
  const [pendingWidth, setPendingWidth] = useState<number | null>(null)
  const clamp = (value: number) => Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, value))
  const end = () => {
    if (pendingWidth !== null && pendingWidth !== width) editing.setWidth(id, pendingWidth)
    start.current = null
    setPendingWidth(null)
  }
  return (
    <div
      className="ff-grip nodrag nopan"
      role="slider"
      tabIndex={0}
      aria-label="Width"
      aria-valuenow={width}
      aria-valuemin={MIN_WIDTH}
      aria-valuemax={MAX_WIDTH}
      style={{ left: pendingWidth ?? width }}
      onPointerDown={(event) => {
        event.stopPropagation()
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { x: event.clientX, width }
      }}
      onPointerMove={(event) => {
        if (start.current) setPendingWidth(clamp(start.current.width + (event.clientX - start.current.x) / getZoom()))
      }}
      onPointerUp={end}
      onPointerCancel={end}
      onKeyDown={(event) => {
        const by = event.key === "ArrowRight" ? STEP : event.key === "ArrowLeft" ? -STEP : 0
        if (by === 0) return
        event.preventDefault()
        event.stopPropagation()
        editing.setWidth(id, clamp(width + by))
      }}
    />
  )
}
