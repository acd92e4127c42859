/** One picture, or two to four set against each other: zoomed and panned by wheel, pointer and keys. */

import { useEffect, useRef, useState } from "react"
import type { CompareMode, Picture } from "../gl/renderer"
import type { ViewedResult } from "../state/viewer-state"
import { compareGrid } from "../state/zoom"
import { CompareLabels, WipeDividers } from "./compare-overlay"
import { FallbackStage, Stage } from "./stage"
import { useGradePreview } from "./use-grade-preview"
import { usePictures } from "./use-pictures"
import { useElementSize, useZoom, type ZoomControl } from "./use-zoom"

export interface CompareSettings {
  mode: CompareMode
  dividers: readonly number[]
  onion: number
  strength: number
}

interface Props {
  shown: readonly ViewedResult[]
  compareSettings: CompareSettings
  onDivide: (index: number, at: number) => void
  /** What the keys of the viewer move. */
  zoom: { current: ZoomControl | null }
  onPercent: (percent: number) => void
  isFlat: boolean
  onFlat: () => void
}

export function PictureView({ shown, compareSettings, onDivide, zoom: held, onPercent, isFlat, onFlat }: Props) {
  const element = useRef<HTMLDivElement>(null)
  const size = useElementSize(element)
  const graded = useGradePreview(shown)
  const coming = usePictures(graded ? [graded.cell] : shown.map((one) => one.cell))
  const mode = isFlat || shown.length === 1 ? "beside" : compareSettings.mode
  const [columns, rows] = mode === "beside" ? compareGrid(shown.length) : [1, 1]
  const cell = { width: size.width / columns, height: size.height / rows }
  const pictures = coming.filter((one): one is Picture => one !== null && one !== "lost")
  const first = pictures[0]
  const frame = { width: first?.naturalWidth ?? 1024, height: first?.naturalHeight ?? 1024 }
  const zoom = useZoom(frame, cell)
  held.current = zoom
  useEffect(() => onPercent(zoom.percent), [onPercent, zoom.percent])
  useWheel(element, held, cell)
  const [isHeld, setHeld] = useState(false)
  const label = shown.map((one) => [one.title, one.label].filter(Boolean).join(", ")).join(" against ")
  const isAll = pictures.length === coming.length
  const drawn = { pictures, frame, zoom, label }
  const { dividers } = compareSettings
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the viewer's keys do the same
    <div
      ref={element}
      className={`ff-stage${isHeld ? " is-held" : ""}`}
      onPointerDown={(event) => {
        if (event.button !== 0 || (event.target as HTMLElement).closest("[role=slider]")) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setHeld(true)
      }}
      onPointerMove={(event) => {
        if (isHeld) zoom.pan(event.movementX, event.movementY)
      }}
      onPointerUp={() => setHeld(false)}
      onPointerCancel={() => setHeld(false)}
      onDoubleClick={() => (zoom.isFit ? zoom.actualSize() : zoom.fit())}
    >
      {isAll &&
        (isFlat ? (
          <FallbackStage {...drawn} />
        ) : (
          <Stage
            {...drawn}
            {...compareSettings}
            mode={mode}
            size={size}
            table={graded?.table ?? null}
            onUnsupported={onFlat}
          />
        ))}
      {!isAll && (
        <p className="ff-wait" role="status">
          {coming.includes("lost") ? "The bytes of this picture are not to be had." : "loading…"}
        </p>
      )}
      {graded && isAll && (
        <p className="ff-against">
          <span className="ff-tag is-plain">live: the kernel has not made it yet</span>
        </p>
      )}
      {shown.length > 1 && isAll && <CompareLabels shown={shown} mode={mode} compareSettings={compareSettings} />}
      {shown.length > 1 && isAll && mode === "wipe" && (
        <WipeDividers at={dividers.slice(0, shown.length - 1)} width={size.width} onMove={onDivide} />
      )}
    </div>
  )
}

/** The wheel zooms about the pointer; React's own listener could not keep the page from scrolling. */
function useWheel(
  element: { current: HTMLElement | null },
  zoom: { current: ZoomControl | null },
  cell: { width: number; height: number },
): void {
  const known = useRef(cell)
  known.current = cell
  useEffect(() => {
    const stage = element.current
    if (!stage) return
    const turn = (event: WheelEvent) => {
      event.preventDefault()
      const frame = stage.getBoundingClientRect()
      const { width, height } = known.current
      const at = { x: (event.clientX - frame.left) % width, y: (event.clientY - frame.top) % height }
      // Lines instead of pixels in some browsers; a pinch comes as a wheel with Ctrl, in small steps.
      const pixels = event.deltaY * (event.deltaMode === 1 ? 18 : 1) * (event.ctrlKey ? 6 : 1)
      zoom.current?.zoomBy(2 ** (-pixels / 300), at)
    }
    stage.addEventListener("wheel", turn, { passive: false })
    return () => stage.removeEventListener("wheel", turn)
  }, [element, zoom])
}
