/**
 * Many nodes from afar: blocks of colour and thumbnails on one canvas element, while React Flow holds none of them.
 * A click selects, a drag moves, a double click goes there.
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

/** Below this zoom nothing on a node can be read. */
export const OVERVIEW_ZOOM = 0.25
/** So few nodes need no overview. */
export const OVERVIEW_MIN_NODES = 120
/** Runs say something in every frame; from afar one sees of it which nodes run and what they gave, and that can wait. */
const RUN_REPAINT_MS = 100

export function Overview() {
  const bridge = useBridge()
  const flow = useReactFlow()
  const canvas = useRef<HTMLCanvasElement>(null)
  const [x, y, zoom] = useFlowStore((state) => state.transform)
  const size = useFlowStore((state) => `${state.width} ${state.height}`)
  const images = useRef<ThumbnailLoader | null>(null)
  const drawing = useRef({ x, y, zoom })
  drawing.current = { x, y, zoom }

  useEffect(() => {
    let frame = 0
    const draw = () => {
      frame = 0
      if (canvas.current && images.current) paintOverview(canvas.current, bridge, drawing.current, images.current)
    }
    const plan = () => {
      frame ||= requestAnimationFrame(draw)
    }
    let timer: ReturnType<typeof setTimeout> | undefined
    let seen = runSnapshot(bridge.store.getState())
    const later = () => {
      timer ??= setTimeout(() => {
        timer = undefined
        const before = seen
        seen = runSnapshot(bridge.store.getState())
        if (seen.some((one, index) => one !== before[index])) plan()
      }, RUN_REPAINT_MS)
    }
    images.current ??= createThumbnailLoader(bridge.bytes, plan)
    plan()
    const stop = bridge.store.subscribe((now, before) => {
      const { shared, selection, dragged } = now
      // What a hand does is seen in its own frame.
      if (shared !== before.shared || selection !== before.selection || dragged !== before.dragged) plan()
      else later()
    })
    // Its own size and its colours are nobody else's to tell.
    const sizes = new ResizeObserver(plan)
    if (canvas.current) sizes.observe(canvas.current)
    const unwatch = watchTheme(plan)
    return () => {
      stop()
      sizes.disconnect()
      unwatch()
      clearTimeout(timer)
      cancelAnimationFrame(frame)
    }
  }, [bridge])

  // biome-ignore lint/correctness/useExhaustiveDependencies: what is seen has changed
  useEffect(() => {
    if (canvas.current && images.current) paintOverview(canvas.current, bridge, { x, y, zoom }, images.current)
  }, [bridge, x, y, zoom, size])

  useEffect(() => {
    const pane = bridge.root.current?.querySelector<HTMLElement>(".react-flow")
    if (!pane) return
    const hit = (event: MouseEvent): Rect | undefined => {
      if (!(event.target as HTMLElement).closest(".react-flow__pane")) return undefined
      const at = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }, { snapToGrid: false })
      const rects = bridge.editing.rects(bridge.store.getState().shared.document.nodes.keys())
      return rects.findLast(
        (one) => at.x >= one.x && at.x <= one.x + one.width && at.y >= one.y && at.y <= one.y + one.height,
      )
    }
    const press = (event: PointerEvent) => {
      const rect = event.button === 0 && !event.shiftKey ? hit(event) : undefined
      if (!rect) return
      event.stopPropagation()
      const { selection } = bridge.store.getState()
      if (event.ctrlKey || event.metaKey) bridge.editing.select([...selection, rect.id])
      else if (!selection.has(rect.id)) bridge.editing.select([rect.id])
      drag(event)
    }
    const drag = (start: PointerEvent) => {
      const rects = bridge.editing.rects(bridge.store.getState().selection)
      const places = new Map<string, Point>()
      const move = (event: PointerEvent) => {
        const by = {
          x: (event.clientX - start.clientX) / flow.getZoom(),
          y: (event.clientY - start.clientY) / flow.getZoom(),
        }
        if (places.size === 0 && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 4) return
        for (const one of rects) places.set(one.id, { x: Math.round(one.x + by.x), y: Math.round(one.y + by.y) })
        bridge.store.setState({ dragged: new Map(places) })
      }
      const end = () => {
        removeEventListener("pointermove", move)
        removeEventListener("pointerup", end)
        bridge.store.setState({ dragged: new Map() })
        if (places.size > 0) bridge.editing.move(places)
      }
      addEventListener("pointermove", move)
      addEventListener("pointerup", end)
    }
    // React Flow pans on mousedown and deselects on click: what was meant for a node is kept from it.
    const keep = (event: MouseEvent) => {
      if (event.button === 0 && !event.shiftKey && hit(event)) event.stopPropagation()
    }
    const enter = (event: MouseEvent) => {
      const rect = hit(event)
      if (!rect) return
      event.stopPropagation()
      fitView(bridge, flow, [rect.id])
    }
    pane.addEventListener("pointerdown", press, true)
    pane.addEventListener("mousedown", keep, true)
    pane.addEventListener("click", keep, true)
    pane.addEventListener("dblclick", enter, true)
    return () => {
      pane.removeEventListener("pointerdown", press, true)
      pane.removeEventListener("mousedown", keep, true)
      pane.removeEventListener("click", keep, true)
      pane.removeEventListener("dblclick", enter, true)
    }
  }, [bridge, flow])

  return <canvas ref={canvas} className="ff-overview" role="img" aria-label="All nodes from afar" />
}

/** What the overview shows of runs and plans: the same values as long as it need not be painted again. */
function runSnapshot({ runs, plan, catalog }: CanvasState): readonly unknown[] {
  const running = [...runs.nodes].filter(([, run]) => isRunning({ run, isRequested: false })).map(([id]) => id)
  return [running.join(" "), runs.requested, runs.results, plan, catalog]
}
