/** Picture view: one picture, or two to four compared, with zoom and pan. */

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
  results: readonly ViewedResult[]
  compareSettings: CompareSettings
  onDivide: (index: number, at: number) => void
  /** Set to the zoom control, for the viewer's keyboard shortcuts. */
  zoom: { current: ZoomControl | null }
  onPercent: (percent: number) => void
  isFlat: boolean
  onFlat: () => void
}

export function PictureView({ results, compareSettings, onDivide, zoom: zoomRef, onPercent, isFlat, onFlat }: Props) {
  const element = useRef<HTMLDivElement>(null)
  const size = useElementSize(element)
  const gradePreview = useGradePreview(results)
  const pictureStates = usePictures(gradePreview ? [gradePreview.cell] : results.map((result) => result.cell))
  const mode = isFlat || results.length === 1 ? "beside" : compareSettings.mode
  const [columns, rows] = mode === "beside" ? compareGrid(results.length) : [1, 1]
  const cell = { width: size.width / columns, height: size.height / rows }
  const pictures = pictureStates.filter((picture): picture is Picture => picture !== null && picture !== "lost")
  const first = pictures[0]
  const frame = { width: first?.naturalWidth ?? 1024, height: first?.naturalHeight ?? 1024 }
  const zoom = useZoom(frame, cell)
  zoomRef.current = zoom
  useEffect(() => onPercent(zoom.percent), [onPercent, zoom.percent])
  useWheel(element, zoomRef, cell)
  const [isPanning, setPanning] = useState(false)
  const label = results.map((result) => [result.title, result.label].filter(Boolean).join(", ")).join(" compared with ")
  const isLoaded = pictures.length === pictureStates.length
  const stageProps = { pictures, frame, zoom, label }
  const { dividers } = compareSettings
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the viewer handles the same actions by keyboard
    <div
      ref={element}
      className={`ff-stage${isPanning ? " is-held" : ""}`}
      onPointerDown={(event) => {
        if (event.button !== 0 || (event.target as HTMLElement).closest("[role=slider]")) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setPanning(true)
      }}
      onPointerMove={(event) => {
        if (isPanning) zoom.pan(event.movementX, event.movementY)
      }}
      onPointerUp={() => setPanning(false)}
      onPointerCancel={() => setPanning(false)}
      onDoubleClick={() => (zoom.isFit ? zoom.actualSize() : zoom.fit())}
    >
      {isLoaded &&
        (isFlat ? (
          <FallbackStage {...stageProps} />
        ) : (
          <Stage
            {...stageProps}
            {...compareSettings}
            mode={mode}
            size={size}
            table={gradePreview?.table ?? null}
            onUnsupported={onFlat}
          />
        ))}
      {!isLoaded && (
        <p className="ff-wait" role="status">
          {pictureStates.includes("lost") ? "The file of this picture is unavailable." : "Loading…"}
        </p>
      )}
      {gradePreview && isLoaded && (
        <p className="ff-against">
          <span className="ff-tag is-plain">Live preview</span>
        </p>
      )}
      {results.length > 1 && isLoaded && (
        <CompareLabels results={results} mode={mode} compareSettings={compareSettings} />
      )}
      {results.length > 1 && isLoaded && mode === "wipe" && (
        <WipeDividers at={dividers.slice(0, results.length - 1)} width={size.width} onMove={onDivide} />
      )}
    </div>
  )
}

/** Wheel zoom around the pointer. Not a React listener: those are passive and cannot stop the page from scrolling. */
function useWheel(
  element: { current: HTMLElement | null },
  zoom: { current: ZoomControl | null },
  cell: { width: number; height: number },
): void {
  const cellRef = useRef(cell)
  cellRef.current = cell
  useEffect(() => {
    const stage = element.current
    if (!stage) return
    const onWheel = (event: WheelEvent) => {
      event.preventDefault()
      const frame = stage.getBoundingClientRect()
      const { width, height } = cellRef.current
      const at = { x: (event.clientX - frame.left) % width, y: (event.clientY - frame.top) % height }
      // Some browsers report lines instead of pixels. A pinch arrives as a wheel event with Ctrl, in small steps.
      const pixels = event.deltaY * (event.deltaMode === 1 ? 18 : 1) * (event.ctrlKey ? 6 : 1)
      zoom.current?.zoomBy(2 ** (-pixels / 300), at)
    }
    stage.addEventListener("wheel", onWheel, { passive: false })
    return () => stage.removeEventListener("wheel", onWheel)
  }, [element, zoom])
}
