/** Dragging nodes, groups and comments: local until it ends, lined up with what is near; Alt lets go of that. */

import { type NodeChange, useReactFlow, ViewportPortal } from "@xyflow/react"
import { useCallback, useRef, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import type { Rect } from "../state/arrange"
import { snapToGuides } from "../state/guides"
import type { Point } from "../state/store"

/** Pixels of the screen within which things line up. */
const SNAP_PX = 6
/** Among more than these, looking for lines would cost a frame. */
const MAX_SNAP_CANDIDATES = 2000

/** React Flow's callbacks for dragging; `isFree`: Alt is held, so nothing snaps. */
export function useNodeDrag() {
  const { store, editing } = useBridge()
  const flow = useReactFlow()
  const isDragging = useRef(false)
  const others = useRef<Rect[] | null>(null)
  const [isFree, setFree] = useState(false)

  /** Positions that React Flow gives: while dragging kept local, from arrow keys an edit. */
  const onMoved = useCallback(
    (changes: NodeChange[]) => {
      let moved: ReadonlyMap<string, Point> = new Map(
        changes.flatMap((one) => (one.type === "position" && one.position ? [[one.id, one.position]] : [])),
      )
      if (moved.size === 0) return
      if (!isDragging.current) {
        editing.move(moved, "move")
        return
      }
      const all = editing.withMembers(moved)
      const everything = editing.allRects()
      others.current ??= everything.length > MAX_SNAP_CANDIDATES ? [] : everything.filter((one) => !all.has(one.id))
      const rect = bounds(everything, moved)
      const found =
        rect && !isFree ? snapToGuides(rect, others.current, SNAP_PX / flow.getZoom()) : { dx: 0, dy: 0, guides: [] }
      if (found.dx !== 0 || found.dy !== 0) {
        moved = new Map([...moved].map(([id, { x, y }]) => [id, { x: x + found.dx, y: y + found.dy }]))
      }
      const dragged = new Map([...store.getState().dragged, ...editing.withMembers(moved)])
      store.setState({ dragged, guides: found.guides })
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

/** The rectangle around what is moved, at its new place. */
function bounds(everything: readonly Rect[], moved: ReadonlyMap<string, Point>): Rect | null {
  const rects = everything.flatMap((one) => {
    const at = moved.get(one.id)
    return at ? [{ ...one, ...at }] : []
  })
  if (rects.length === 0) return null
  const x = Math.min(...rects.map((one) => one.x))
  const y = Math.min(...rects.map((one) => one.y))
  const width = Math.max(...rects.map((one) => one.x + one.width)) - x
  const height = Math.max(...rects.map((one) => one.y + one.height)) - y
  return { id: "", x, y, width, height }
}

/** The lines that say what it lines up with. */
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
