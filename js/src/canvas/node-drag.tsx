/** Dragging nodes, groups and comments, with alignment guides. Positions stay local until the drag ends. */

import { type NodeChange, useReactFlow, ViewportPortal } from "@xyflow/react"
import { useCallback, useRef, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import type { Rect } from "../state/arrange"
import { snapToGuides } from "../state/guides"
import type { Point } from "../state/store"

/** Snap distance in screen pixels. */
const SNAP_PX = 6
/** Above this count, searching for guides takes longer than a frame. */
const MAX_SNAP_CANDIDATES = 2000

/** Drag callbacks of React Flow. `isFree`: Alt is held, snapping is off. */
export function useNodeDrag() {
  const { store, editing } = useBridge()
  const flow = useReactFlow()
  const isDragging = useRef(false)
  const others = useRef<Rect[] | null>(null)
  const [isFree, setFree] = useState(false)

  /** Handle positions from React Flow: local while dragging, an edit when moved with the arrow keys. */
  const onMoved = useCallback(
    (changes: NodeChange[]) => {
      let moved: ReadonlyMap<string, Point> = new Map(
        changes.flatMap((change) =>
          change.type === "position" && change.position ? [[change.id, change.position]] : [],
        ),
      )
      if (moved.size === 0) return
      if (!isDragging.current) {
        editing.move(moved, "move")
        return
      }
      const draggedIds = editing.withMembers(moved)
      const allRects = editing.allRects()
      others.current ??=
        allRects.length > MAX_SNAP_CANDIDATES ? [] : allRects.filter((other) => !draggedIds.has(other.id))
      const bounding = bounds(allRects, moved)
      const snap =
        bounding && !isFree
          ? snapToGuides(bounding, others.current, SNAP_PX / flow.getZoom())
          : { dx: 0, dy: 0, guides: [] }
      if (snap.dx !== 0 || snap.dy !== 0) {
        moved = new Map([...moved].map(([id, { x, y }]) => [id, { x: x + snap.dx, y: y + snap.dy }]))
      }
      const dragged = new Map([...store.getState().dragged, ...editing.withMembers(moved)])
      store.setState({ dragged, guides: snap.guides })
    },
    [store, editing, flow, isFree],
  )
  const begin = useCallback(() => {
    isDragging.current = true
    others.current = null
  }, [])
  const end = useCallback(() => {
    isDragging.current = false
    setFree(false)
    editing.move(store.getState().dragged)
    store.setState({ dragged: new Map(), guides: [] })
  }, [store, editing])
  const onPointerMove = useCallback(
    (event: React.PointerEvent) => {
      if (isDragging.current && event.altKey !== isFree) setFree(event.altKey)
    },
    [isFree],
  )
  return { isFree, onMoved, begin, end, onPointerMove }
}

/** Bounding rectangle of the moved nodes at their new positions. */
function bounds(allRects: readonly Rect[], moved: ReadonlyMap<string, Point>): Rect | null {
  const rects = allRects.flatMap((item) => {
    const at = moved.get(item.id)
    return at ? [{ ...item, ...at }] : []
  })
  if (rects.length === 0) return null
  const x = Math.min(...rects.map((rect) => rect.x))
  const y = Math.min(...rects.map((rect) => rect.y))
  const width = Math.max(...rects.map((rect) => rect.x + rect.width)) - x
  const height = Math.max(...rects.map((rect) => rect.y + rect.height)) - y
  return { id: "", x, y, width, height }
}

/** Alignment guides of the current drag. */
export function AlignmentGuides() {
  const guides = useCanvas((state) => state.guides)
  if (guides.length === 0) return null
  return (
    <ViewportPortal>
      {guides.map(({ axis, at, from, to }) => (
        <i
          key={axis}
          className={`ff-guide is-${axis}`}
          style={
            axis === "x"
              ? { left: at, top: from - 12, height: to - from + 24 }
              : { top: at, left: from - 12, width: to - from + 24 }
          }
        />
      ))}
    </ViewportPortal>
  )
}
