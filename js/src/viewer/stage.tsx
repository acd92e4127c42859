/** Where pictures are drawn: with WebGL2, and where there is none, as plain elements side by side. */

import { useEffect, useLayoutEffect, useRef, useState } from "react"
import { type CompareMode, type Picture, Renderer, WebGLUnavailableError } from "../gl/renderer"
import { compareGrid, type Size, within } from "../state/zoom"
import type { ZoomControl } from "./use-zoom"

export interface StageProps {
  pictures: readonly Picture[]
  frame: Size
  /** Of the whole stage, in pixels of the page. */
  size: Size
  zoom: ZoomControl
  mode: CompareMode
  dividers: readonly number[]
  onion: number
  strength: number
  table: Float32Array | null
  label: string
  /** There is no WebGL2 after all. */
  onUnsupported: () => void
}

const CHECKER = 10

export function Stage(props: StageProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const drawing = useRef<Renderer | null>(null)
  const [drawings, setDrawings] = useState(0)
  const { onUnsupported } = props
  useEffect(() => {
    if (!canvas.current) return
    try {
      drawing.current = new Renderer(canvas.current, () => setDrawings((count) => count + 1))
      setDrawings((count) => count + 1)
    } catch (error) {
      if (!(error instanceof WebGLUnavailableError)) throw error
      onUnsupported()
    }
    return () => {
      drawing.current?.close()
      drawing.current = null
    }
  }, [onUnsupported])
  const ratio = devicePixelRatio || 1
  const width = Math.round(props.size.width * ratio)
  const height = Math.round(props.size.height * ratio)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a context that came back is drawn on again
  useLayoutEffect(() => {
    const { pictures, frame, zoom, mode, dividers, onion, strength, table } = props
    drawing.current?.draw({
      pictures,
      places: pictures.map((one) => within({ width: one.naturalWidth, height: one.naturalHeight }, frame)),
      view: { x: zoom.transform.x * ratio, y: zoom.transform.y * ratio, scale: zoom.transform.scale * ratio },
      mode,
      grid: mode === "beside" ? compareGrid(pictures.length) : [1, 1],
      dividers,
      onion,
      strength,
      checker: CHECKER * ratio,
      table,
    })
  }, [props, width, height, drawings])
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={props.label} />
}

/** Without WebGL2: each picture in its cell, moved by the style sheet. */
export function FallbackStage({
  pictures,
  frame,
  zoom,
  label,
}: Pick<StageProps, "pictures" | "frame" | "zoom" | "label">) {
  const [columns, rows] = compareGrid(pictures.length)
  const { x, y, scale } = zoom.transform
  return (
    <div
      className="ff-flat"
      role="img"
      aria-label={label}
      style={{ gridTemplate: `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)` }}
    >
      {pictures.map((picture, index) => {
        const place = within({ width: picture.naturalWidth, height: picture.naturalHeight }, frame)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a picture is its place
          <div key={index}>
            <img
              src={picture.src}
              alt=""
              draggable={false}
              style={{
                width: place.width,
                height: place.height,
                transform: `translate(${x + place.x * scale}px, ${y + place.y * scale}px) scale(${scale})`,
                imageRendering: scale >= 3 ? "pixelated" : "auto",
              }}
            />
          </div>
        )
      })}
    </div>
  )
}
