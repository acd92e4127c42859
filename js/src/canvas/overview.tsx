/**
 * Zoomed-out view of large flows: blocks of color and thumbnails on one canvas element, without React Flow nodes.
 * A click selects a node, a drag moves it, a double click zooms to it.
 */

import { useStore as useFlowStore, useReactFlow } from "@xyflow/react"
import { useEffect, useRef } from "react"
import { useBridge } from "../bridge/context"
import { watchTheme } from "../bridge/theme"
import type { Rect } from "../state/arrange"
import { isRunning } from "../state/card"
import type { CanvasState, Point } from "../state/store"
import { createThumbnailLoader, paintOverview, type ThumbnailLoader } from "./overview-painter"
import { fitView } from "./viewport"

/** Below this zoom, text on nodes is illegible. */
export const OVERVIEW_ZOOM = 0.25
/** Flows up to this size are always rendered as nodes. */
export const OVERVIEW_MIN_NODES = 120
/** Throttle of repaints caused by runs, which change state in every frame. */
const RUN_REPAINT_MS = 100

export function Overview() {
  const bridge = useBridge()
  const flow = useReactFlow()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [x, y, zoom] = useFlowStore((state) => state.transform)
  const size = useFlowStore((state) => `${state.width} ${state.height}`)
  const thumbnails = useRef<ThumbnailLoader | null>(null)
  const viewport = useRef({ x, y, zoom })
  viewport.current = { x, y, zoom }

  useEffect(() => {
    let frame = 0
    const paint = () => {
      frame = 0
      if (canvas.current && thumbnails.current)
        paintOverview(canvas.current, bridge, viewport.current, thumbnails.current)
    }
    const schedulePaint = () => {
      frame ||= requestAnimationFrame(paint)
    }
    let timer: ReturnType<typeof setTimeout> | undefined
    let lastSnapshot = runSnapshot(bridge.store.getState())
    const scheduleRunPaint = () => {
      timer ??= setTimeout(() => {
        timer = undefined
        const before = lastSnapshot
        lastSnapshot = runSnapshot(bridge.store.getState())
        if (lastSnapshot.some((value, index) => value !== before[index])) schedulePaint()
      }, RUN_REPAINT_MS)
    }
    thumbnails.current ??= createThumbnailLoader(bridge.bytes, schedulePaint)
    schedulePaint()
    const unsubscribe = bridge.store.subscribe((now, before) => {
      const { shared, selection, dragged } = now
      // User input is painted in the next frame; run progress is throttled.
      if (shared !== before.shared || selection !== before.selection || dragged !== before.dragged) schedulePaint()
      else scheduleRunPaint()
    })
    // Changes of size and theme are not in the store.
    const resizeObserver = new ResizeObserver(schedulePaint)
    if (canvas.current) resizeObserver.observe(canvas.current)
    const unwatch = watchTheme(schedulePaint)
    return () => {
      unsubscribe()
      resizeObserver.disconnect()
      unwatch()
      clearTimeout(timer)
      cancelAnimationFrame(frame)
    }
  }, [bridge])

  // biome-ignore lint/correctness/useExhaustiveDependencies: repaint when viewport or size change
  useEffect(() => {
    if (canvas.current && thumbnails.current) paintOverview(canvas.current, bridge, { x, y, zoom }, thumbnails.current)
  }, [bridge, x, y, zoom, size])

  useEffect(() => {
    const pane = bridge.root.current?.querySelector<HTMLElement>(".react-flow")
    if (!pane) return
    const rectAt = (event: MouseEvent): Rect | undefined => {
      if (!(event.target as HTMLElement).closest(".react-flow__pane")) return undefined
      const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: false })
      const rects = bridge.editing.rects(bridge.store.getState().shared.document.nodes.keys())
      return rects.findLast(
        (rect) => at.x >= rect.x && at.x <= rect.x + rect.width && at.y >= rect.y && at.y <= rect.y + rect.height,
      )
    }
    const onPointerDown = (event: PointerEvent) => {
      const rect = event.button === 0 && !event.shiftKey ? rectAt(event) : undefined
      if (!rect) return
      event.stopPropagation()
      const { selection } = bridge.store.getState()
      if (event.ctrlKey || event.metaKey) bridge.editing.select([...selection, rect.id])
      else if (!selection.has(rect.id)) bridge.editing.select([rect.id])
      startDrag(event)
    }
    const startDrag = (start: PointerEvent) => {
      const rects = bridge.editing.rects(bridge.store.getState().selection)
      const positions = new Map<string, Point>()
      const onPointerMove = (event: PointerEvent) => {
        const by = {
          x: (event.clientX - start.clientX) / flow.getZoom(),
          y: (event.clientY - start.clientY) / flow.getZoom(),
        }
        if (positions.size === 0 && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 4) return
        for (const rect of rects) positions.set(rect.id, { x: Math.round(rect.x + by.x), y: Math.round(rect.y + by.y) })
        bridge.store.setState({ dragged: new Map(positions) })
      }
      const onPointerUp = () => {
        removeEventListener("pointermove", onPointerMove)
        removeEventListener("pointerup", onPointerUp)
        bridge.store.setState({ dragged: new Map() })
        if (positions.size > 0) bridge.editing.move(positions)
      }
      addEventListener("pointermove", onPointerMove)
      addEventListener("pointerup", onPointerUp)
    }
    // React Flow pans on mousedown and deselects on click: stop both over a node.
    const stopOnNode = (event: MouseEvent) => {
      if (event.button === 0 && !event.shiftKey && rectAt(event)) event.stopPropagation()
    }
    const zoomToNode = (event: MouseEvent) => {
      const rect = rectAt(event)
      if (!rect) return
      event.stopPropagation()
      fitView(bridge, flow, [rect.id])
    }
    pane.addEventListener("pointerdown", onPointerDown, true)
    pane.addEventListener("mousedown", stopOnNode, true)
    pane.addEventListener("click", stopOnNode, true)
    pane.addEventListener("dblclick", zoomToNode, true)
    return () => {
      pane.removeEventListener("pointerdown", onPointerDown, true)
      pane.removeEventListener("mousedown", stopOnNode, true)
      pane.removeEventListener("click", stopOnNode, true)
      pane.removeEventListener("dblclick", zoomToNode, true)
    }
  }, [bridge, flow])

  return <canvas ref={canvas} className="ff-overview" role="img" aria-label="Overview of all nodes" />
}

/** Run and plan state that the overview shows; equal values mean no repaint. */
function runSnapshot({ runs, plan: schedulePaint, catalog }: CanvasState): readonly unknown[] {
  const running = [...runs.nodes].filter(([, run]) => isRunning({ run, isRequested: false })).map(([id]) => id)
  return [running.join(" "), runs.requested, runs.results, schedulePaint, catalog]
}
