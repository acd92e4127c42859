/** Drawing surface of the picture view: WebGL2, or plain elements side by side as a fallback. */

import { useEffect, useLayoutEffect, useRef, useState } from "react"
import { type CompareMode, type Picture, Renderer, WebGLUnavailableError } from "../gl/renderer"
import { compareGrid, type Size, within } from "../state/zoom"
import type { ZoomControl } from "./use-zoom"

export interface StageProps {
  pictures: readonly Picture[]
  frame: Size
  /** Size of the stage in CSS pixels. */
  size: Size
  zoom: ZoomControl
  mode: CompareMode
  dividers: readonly number[]
  onion: number
  strength: number
  table: Float32Array | null
  label: string
  /** Called if WebGL2 is unavailable. */
  onUnsupported: () => void
}

const CHECKER_SIZE = 10

export function Stage(props: StageProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const renderer = useRef<Renderer | null>(null)
  const [drawCount, setDrawCount] = useState(0)
  const { onUnsupported } = props
  useEffect(() => {
    if (!canvas.current) return
    try {
      renderer.current = new Renderer(canvas.current, () => setDrawCount((count) => count + 1))
      setDrawCount((count) => count + 1)
    } catch (error) {
      if (!(error instanceof WebGLUnavailableError)) throw error
      onUnsupported()
    }
    return () => {
      renderer.current?.close()
      renderer.current = null
    }
  }, [onUnsupported])
  const ratio = devicePixelRatio || 1
  const width = Math.round(props.size.width * ratio)
  const height = Math.round(props.size.height * ratio)
  // biome-ignore lint/correctness/useExhaustiveDependencies: draw again after a lost context is restored
  useLayoutEffect(() => {
    const { pictures, frame, zoom, mode, dividers, onion, strength, table } = props
    renderer.current?.draw({
      pictures,
      places: pictures.map((picture) => within({ width: picture.naturalWidth, height: picture.naturalHeight }, frame)),
      view: { x: zoom.transform.x * ratio, y: zoom.transform.y * ratio, scale: zoom.transform.scale * ratio },
      mode,
      grid: mode === "beside" ? compareGrid(pictures.length) : [1, 1],
      dividers,
      onion,
      strength,
      checker: CHECKER_SIZE * ratio,
      table,
    })
  }, [props, width, height, drawCount])
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={props.label} />
}

/** Fallback without WebGL2: one image element per picture, positioned by CSS. */
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
          // biome-ignore lint/suspicious/noArrayIndexKey: pictures have no other key
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
