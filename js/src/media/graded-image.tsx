/** Live preview of a grade: draws the input image with the kernel's table before the kernel has run the node. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { type Grade, gradeTable } from "../gl/grade-table"
import { acquireGrader, drawGraded } from "../gl/grader"
import { loadPicture } from "../gl/picture"
import type { Picture } from "../gl/renderer"
import type { ResultCell } from "../wire/run"
import { MissingMedia } from "./preview-image"

/** Canvas pixels per CSS pixel, for zoomed nodes and high-density screens. */
const PIXEL_RATIO = 2

export function GradedImage({ cell, grade, name }: { cell: ResultCell; grade: Grade; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const { url, isMissing, onError } = useBytes(cell, "preview")
  const picture = usePicture(url, onError)
  const gradeKey = JSON.stringify(grade)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `gradeKey` compares the grade by value
  const table = useMemo(() => gradeTable(grade), [gradeKey])
  const [restoreCount, setRestoreCount] = useState(0)
  useEffect(() => acquireGrader(() => setRestoreCount((count) => count + 1)) ?? undefined, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: redraw after the context was restored
  useLayoutEffect(() => {
    const element = canvas.current
    if (!element || !picture) return
    const draw = () => {
      const width = Math.max(1, element.clientWidth * PIXEL_RATIO)
      const height = Math.max(1, element.clientHeight * PIXEL_RATIO)
      if (element.width !== width) element.width = width
      if (element.height !== height) element.height = height
      drawGraded(element, picture, table)
    }
    draw()
    const observer = new ResizeObserver(draw)
    observer.observe(element)
    return () => observer.disconnect()
  }, [picture, table, restoreCount])
  if (isMissing) return <MissingMedia />
  return (
    <>
      <canvas ref={canvas} className="ff-graded" role="img" aria-label={`${name}, graded preview`} />
      <span className="ff-label">live</span>
    </>
  )
}

/** Loads the image at a URL; null until it is loaded. */
function usePicture(url: string | undefined, onError: () => void): Picture | null {
  const [loaded, setLoaded] = useState<{ url: string; picture: Picture } | null>(null)
  useEffect(() => {
    if (url === undefined) return
    let isMounted = true
    loadPicture(url).then(
      (picture) => isMounted && setLoaded({ url, picture }),
      () => isMounted && onError(),
    )
    return () => {
      isMounted = false
    }
  }, [url, onError])
  return loaded?.picture ?? null
}
