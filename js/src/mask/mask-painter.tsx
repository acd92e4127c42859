/** Brush, eraser and the stage: by pointer, pen or keys. */

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
  onUse: (sheet: MaskCanvas) => Promise<void>
  onClose: () => void
}

export function MaskPainter({ title, note, loaded, onUse, onClose }: Props) {
  const { url, width, height, start, color } = loaded
  const [marks, setMarks] = useState<MaskHistory>(emptyHistory)
  const [brush, setBrush] = useState<Brush>({
    size: Math.max(8, Math.round(Math.min(width, height) / 12)),
    feather: 0,
    isEraser: false,
  })
  const [opacity, setOpacity] = useState(0.6)
  const [view, setView] = useState<View | null>(null)
  /** Where the brush is, in the picture's pixels; null: not over the stage. */
  const [spot, setSpot] = useState<{ x: number; y: number } | null>(null)
  const [isPanning, setPanning] = useState(false)
  const [isAsking, setAsking] = useState(false)
  const stage = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const sheet = useRef<MaskCanvas | null>(null)
  const live = useRef<Stroke | null>(null)
  const frame = useRef(0)

  const draw = () => {
    frame.current = 0
    sheet.current?.draw(activeSteps(marks), live.current)
  }
  const fitAll = () => {
    const room = stage.current
    if (room) setView(fitView({ width: room.clientWidth, height: room.clientHeight }, { width, height }))
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, for this picture
  useLayoutEffect(() => {
    if (canvas.current) sheet.current = new MaskCanvas(canvas.current, width, height, color, start)
    draw()
    fitAll()
  }, [])
  useEffect(() => stage.current?.focus({ preventScroll: true }), [])
  useLayoutEffect(draw, [marks])
  useEffect(() => () => cancelAnimationFrame(frame.current), [])

  const add = (mark: MaskStep) => setMarks((now) => addStep(now, mark))
  const close = () => (marks.index > 0 && !isAsking ? setAsking(true) : onClose())
  const use = () => {
    if (sheet.current) void onUse(sheet.current)
  }

  const at = (event: { clientX: number; clientY: number }) => {
    const place = stage.current?.getBoundingClientRect()
    return { x: event.clientX - (place?.left ?? 0), y: event.clientY - (place?.top ?? 0) }
  }
  const press = (event: React.PointerEvent<HTMLDivElement>) => {
    if (!view || event.button > 1) return
    event.currentTarget.setPointerCapture(event.pointerId)
    if (event.button === 1 || isPanning) {
      setPanning(true)
      return
    }
    const { x, y } = toPicturePoint(view, at(event))
    const hasPressure = event.pointerType === "pen" && event.pressure > 0
    live.current = { kind: "stroke", ...brush, hasPressure, spots: [[x, y, event.pressure]] }
    draw()
  }
  const move = (event: React.PointerEvent<HTMLDivElement>) => {
    if (!view) return
    setSpot(toPicturePoint(view, at(event)))
    if (isPanning && event.buttons > 0) {
      const { movementX, movementY } = event
      setView({ ...view, x: view.x + movementX, y: view.y + movementY })
      return
    }
    if (!live.current) return
    const all = event.nativeEvent.getCoalescedEvents?.() ?? []
    for (const one of all.length > 0 ? all : [event.nativeEvent]) {
      const { x, y } = toPicturePoint(view, at(one))
      live.current.spots.push([x, y, one.pressure])
    }
    frame.current ||= requestAnimationFrame(draw)
  }
  const lift = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button === 1) setPanning(false)
    const stroke = live.current
    live.current = null
    if (stroke) add(stroke)
  }
  const scroll = useRef<(event: WheelEvent) => void>(() => undefined)
  scroll.current = (event) => {
    event.stopPropagation()
    event.preventDefault() // the notebook stays where it is
    if (view) setView(zoomView(view, Math.exp(-event.deltaY / 400), at(event)))
  }
  useEffect(() => {
    const element = stage.current
    const hear = (event: WheelEvent) => scroll.current(event)
    element?.addEventListener("wheel", hear, { passive: false })
    return () => element?.removeEventListener("wheel", hear)
  }, [])

  /** The brush without a pointer: arrows move it, with Shift they paint, Enter dabs. */
  const walk = (key: string, isPainting: boolean): boolean => {
    const from = spot ?? { x: width / 2, y: height / 2 }
    const step = Math.max(1, brush.size / 3)
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0] }[key]
    if (!by) return false
    const to = { x: from.x + (by[0] ?? 0) * step, y: from.y + (by[1] ?? 0) * step }
    setSpot(to)
    const spots: StrokePoint[] = [
      [from.x, from.y, 0.5],
      [to.x, to.y, 0.5],
    ]
    if (isPainting || key === "Enter") add({ kind: "stroke", ...brush, hasPressure: false, spots })
    return true
  }
  const keys = (event: React.KeyboardEvent) => {
    const isMod = event.ctrlKey || event.metaKey
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const isOnStage = event.target === stage.current
    const middle = { x: (stage.current?.clientWidth ?? 0) / 2, y: (stage.current?.clientHeight ?? 0) / 2 }
    const acts: Record<string, () => void> = isMod
      ? {
          z: () => setMarks(event.shiftKey ? redoStep : undoStep),
          y: () => setMarks(redoStep),
          Enter: use,
        }
      : {
          "[": () => setBrush({ ...brush, size: resizeBrush(brush.size, -1) }),
          "]": () => setBrush({ ...brush, size: resizeBrush(brush.size, 1) }),
          x: () => setBrush({ ...brush, isEraser: !brush.isEraser }),
          i: () => add({ kind: "invert" }),
          Delete: () => add({ kind: "clear" }),
          "0": fitAll,
          "+": () => view && setView(zoomView(view, 1.25, middle)),
          "-": () => view && setView(zoomView(view, 0.8, middle)),
          Escape: close,
          ...(isOnStage && { " ": () => setPanning(true) }),
        }
    const act = acts[key]
    if (act) act()
    else if (isMod || !isOnStage || !walk(event.key, event.shiftKey)) return
    event.preventDefault()
    event.stopPropagation()
  }

  const ring = brush.size * (view?.zoom ?? 1)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys of all that stands in it
    <div className="ff-mask-body" onKeyDown={keys} onKeyUp={(event) => event.key === " " && setPanning(false)}>
      <MaskToolbar
        title={title}
        note={note}
        brush={brush}
        opacity={opacity}
        marks={marks}
        isAsking={isAsking}
        onBrush={setBrush}
        onOpacity={setOpacity}
        onMarks={setMarks}
        onFit={fitAll}
        onUse={use}
        onClose={close}
        onStay={() => setAsking(false)}
      />
      <div
        ref={stage}
        className={`ff-stage nowheel${isPanning ? " is-panning" : ""}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keys paint here
        tabIndex={0}
        role="application"
        aria-label="The picture. Arrows move the brush, with Shift they paint, Enter dabs."
        onPointerDown={press}
        onPointerMove={move}
        onPointerUp={lift}
        onPointerCancel={lift}
        onPointerLeave={() => live.current || setSpot(null)}
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
        {spot && view && !isPanning && (
          <i
            className={`ff-ring${brush.isEraser ? " is-eraser" : ""}`}
            style={{
              width: ring,
              height: ring,
              transform: `translate(${spot.x * view.zoom + view.x - ring / 2}px, ${spot.y * view.zoom + view.y - ring / 2}px)`,
            }}
          />
        )}
      </div>
    </div>
  )
}
