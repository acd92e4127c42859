/** The edge by which a node is made wider; arrow keys do it too. */

import { useReactFlow } from "@xyflow/react"
import { useRef, useState } from "react"
import { useBridge } from "../bridge/context"
import { MAX_WIDTH, MIN_WIDTH } from "../state/node-layout"

const STEP = 20

export function WidthHandle({ id, width }: { id: string; width: number }) {
  const { editing } = useBridge()
  const { getZoom } = useReactFlow()
  const start = useRef<{ x: number; width: number } | null>(null)
  const [wanted, setWanted] = useState<number | null>(null)
  const bounded = (value: number) => Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, value))
  const end = () => {
    if (wanted !== null && wanted !== width) editing.setWidth(id, wanted)
    start.current = null
    setWanted(null)
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
      style={{ left: wanted ?? width }}
      onPointerDown={(event) => {
        event.stopPropagation()
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { x: event.clientX, width }
      }}
      onPointerMove={(event) => {
        if (start.current) setWanted(bounded(start.current.width + (event.clientX - start.current.x) / getZoom()))
      }}
      onPointerUp={end}
      onPointerCancel={end}
      onKeyDown={(event) => {
        const by = event.key === "ArrowRight" ? STEP : event.key === "ArrowLeft" ? -STEP : 0
        if (by === 0) return
        event.preventDefault()
        event.stopPropagation()
        editing.setWidth(id, bounded(width + by))
      }}
    />
  )
}
