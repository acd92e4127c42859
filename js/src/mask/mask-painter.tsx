/** Painting area of the mask painter: brush and eraser by mouse, pen or keyboard. */

import { useEffect, useLayoutEffect, useRef, useState } from "react"
import { MaskCanvas } from "./mask-canvas"
import { MaskToolbar } from "./mask-toolbar"
import {
  activeSteps,
  addStep,
  emptyHistory,
  type MaskHistory,
  type MaskStep,
  redoStep,
  resizeBrush,
  type Stroke,
  type StrokePoint,
  undoStep,
} from "./strokes"
import type { MaskPixels } from "./use-mask-pixels"
import { fitView, toPicturePoint, type View, zoomView } from "./view"

export interface Brush {
  size: number
  feather: number
  isEraser: boolean
}

interface Props {
  title: string
  note: string
  loaded: MaskPixels
  onUse: (maskCanvas: MaskCanvas) => Promise<void>
  onClose: () => void
}

export function MaskPainter({ title, note, loaded, onUse, onClose }: Props) {
  const { url, width, height, start, color } = loaded
  const [history, setHistory] = useState<MaskHistory>(emptyHistory)
  const [brush, setBrush] = useState<Brush>({
    size: Math.max(8, Math.round(Math.min(width, height) / 12)),
    feather: 0,
    isEraser: false,
  })
  const [opacity, setOpacity] = useState(0.6)
  const [view, setView] = useState<View | null>(null)
  /** Brush position in image pixels; null outside of the stage. */
  const [brushPosition, setBrushPosition] = useState<{ x: number; y: number } | null>(null)
  const [isPanning, setPanning] = useState(false)
  const [isConfirming, setConfirming] = useState(false)
  const stage = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const maskCanvas = useRef<MaskCanvas | null>(null)
  const live = useRef<Stroke | null>(null)
  const frame = useRef(0)

  const draw = () => {
    frame.current = 0
    maskCanvas.current?.draw(activeSteps(history), live.current)
  }
  const fitAll = () => {
    const element = stage.current
    if (element) setView(fitView({ width: element.clientWidth, height: element.clientHeight }, { width, height }))
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: runs once per image
  useLayoutEffect(() => {
    if (canvas.current) maskCanvas.current = new MaskCanvas(canvas.current, width, height, color, start)
    draw()
    fitAll()
  }, [])
  useEffect(() => stage.current?.focus({ preventScroll: true }), [])
  useLayoutEffect(draw, [history])
  useEffect(() => () => cancelAnimationFrame(frame.current), [])

  const addToHistory = (step: MaskStep) => setHistory((current) => addStep(current, step))
  const close = () => (history.index > 0 && !isConfirming ? setConfirming(true) : onClose())
  const use = () => {
    if (maskCanvas.current) void onUse(maskCanvas.current)
  }

  const positionOf = (event: { clientX: number; clientY: number }) => {
    const bounds = stage.current?.getBoundingClientRect()
    return { x: event.clientX - (bounds?.left ?? 0), y: event.clientY - (bounds?.top ?? 0) }
  }
  const press = (event: React.PointerEvent<HTMLDivElement>) => {
    if (!view || event.button > 1) return
    event.currentTarget.setPointerCapture(event.pointerId)
    if (event.button === 1 || isPanning) {
      setPanning(true)
      return
    }
    const { x, y } = toPicturePoint(view, positionOf(event))
    const hasPressure = event.pointerType === "pen" && event.pressure > 0
    live.current = { kind: "stroke", ...brush, hasPressure, spots: [[x, y, event.pressure]] }
    draw()
  }
  const move = (event: React.PointerEvent<HTMLDivElement>) => {
    if (!view) return
    setBrushPosition(toPicturePoint(view, positionOf(event)))
    if (isPanning && event.buttons > 0) {
      const { movementX, movementY } = event
      setView({ ...view, x: view.x + movementX, y: view.y + movementY })
      return
    }
    if (!live.current) return
    const events = event.nativeEvent.getCoalescedEvents?.() ?? []
    for (const moved of events.length > 0 ? events : [event.nativeEvent]) {
      const { x, y } = toPicturePoint(view, positionOf(moved))
      live.current.spots.push([x, y, moved.pressure])
    }
    frame.current ||= requestAnimationFrame(draw)
  }
  const lift = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button === 1) setPanning(false)
    const stroke = live.current
    live.current = null
    if (stroke) addToHistory(stroke)
  }
  const scroll = useRef<(event: WheelEvent) => void>(() => undefined)
  scroll.current = (event) => {
    event.stopPropagation()
    event.preventDefault() // do not scroll the notebook
    if (view) setView(zoomView(view, Math.exp(-event.deltaY / 400), positionOf(event)))
  }
  useEffect(() => {
    const element = stage.current
    const onWheel = (event: WheelEvent) => scroll.current(event)
    element?.addEventListener("wheel", onWheel, { passive: false })
    return () => element?.removeEventListener("wheel", onWheel)
  }, [])

  /** Moves the brush by keyboard: arrows move, Shift+arrows paint, Enter paints a dot. */
  const moveBrush = (key: string, isPainting: boolean): boolean => {
    const from = brushPosition ?? { x: width / 2, y: height / 2 }
    const step = Math.max(1, brush.size / 3)
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0] }[
      key
    ]
    if (!direction) return false
    const to = { x: from.x + (direction[0] ?? 0) * step, y: from.y + (direction[1] ?? 0) * step }
    setBrushPosition(to)
    const spots: StrokePoint[] = [
      [from.x, from.y, 0.5],
      [to.x, to.y, 0.5],
    ]
    if (isPainting || key === "Enter") addToHistory({ kind: "stroke", ...brush, hasPressure: false, spots })
    return true
  }
  const onKey = (event: React.KeyboardEvent) => {
    const isMod = event.ctrlKey || event.metaKey
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const isOnStage = event.target === stage.current
    const middle = { x: (stage.current?.clientWidth ?? 0) / 2, y: (stage.current?.clientHeight ?? 0) / 2 }
    const actions: Record<string, () => void> = isMod
      ? {
          z: () => setHistory(event.shiftKey ? redoStep : undoStep),
          y: () => setHistory(redoStep),
          Enter: use,
        }
      : {
          "[": () => setBrush({ ...brush, size: resizeBrush(brush.size, -1) }),
          "]": () => setBrush({ ...brush, size: resizeBrush(brush.size, 1) }),
          x: () => setBrush({ ...brush, isEraser: !brush.isEraser }),
          i: () => addToHistory({ kind: "invert" }),
          Delete: () => addToHistory({ kind: "clear" }),
          "0": fitAll,
          "+": () => view && setView(zoomView(view, 1.25, middle)),
          "-": () => view && setView(zoomView(view, 0.8, middle)),
          Escape: close,
          ...(isOnStage && { " ": () => setPanning(true) }),
        }
    const action = actions[key]
    if (action) action()
    else if (isMod || !isOnStage || !moveBrush(event.key, event.shiftKey)) return
    event.preventDefault()
    event.stopPropagation()
  }

  const ring = brush.size * (view?.zoom ?? 1)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: shortcuts for all controls inside
    <div className="ff-mask-body" onKeyDown={onKey} onKeyUp={(event) => event.key === " " && setPanning(false)}>
      <MaskToolbar
        title={title}
        note={note}
        brush={brush}
        opacity={opacity}
        history={history}
        isConfirming={isConfirming}
        onBrush={setBrush}
        onOpacity={setOpacity}
        onHistory={setHistory}
        onFit={fitAll}
        onUse={use}
        onClose={close}
        onStay={() => setConfirming(false)}
      />
      <div
        ref={stage}
        className={`ff-stage nowheel${isPanning ? " is-panning" : ""}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard painting needs focus
        tabIndex={0}
        role="application"
        aria-label="Image. Arrow keys move the brush, Shift and arrow keys paint, Enter paints a dot."
        onPointerDown={press}
        onPointerMove={move}
        onPointerUp={lift}
        onPointerCancel={lift}
        onPointerLeave={() => live.current || setBrushPosition(null)}
      >
        <div
          className="ff-sheet-place"
          style={{
            width,
            height,
            transform: `translate(${view?.x ?? 0}px, ${view?.y ?? 0}px) scale(${view?.zoom ?? 1})`,
          }}
        >
          {url !== null && <img src={url} alt="" width={width} height={height} draggable={false} />}
          <canvas ref={canvas} style={{ opacity }} />
        </div>
        {brushPosition && view && !isPanning && (
          <i
            className={`ff-ring${brush.isEraser ? " is-eraser" : ""}`}
            style={{
              width: ring,
              height: ring,
              transform: `translate(${brushPosition.x * view.zoom + view.x - ring / 2}px, ${brushPosition.y * view.zoom + view.y - ring / 2}px)`,
            }}
          />
        )}
      </div>
    </div>
  )
}
