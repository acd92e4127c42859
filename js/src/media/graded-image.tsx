/** A picture through a grade that the kernel has not made yet: drawn here, at once, with the kernel's own table. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react"
import { useBytes } from "../bridge/use-bytes"
import { type Grade, gradeTable } from "../gl/grade-table"
import { acquireGrader, drawGraded } from "../gl/grader"
import { loadPicture } from "../gl/picture"
import type { Picture } from "../gl/renderer"
import type { ResultCell } from "../wire/run"
import { MissingMedia } from "./preview-image"

/** Device pixels for one of the page's: nodes are looked at closely, and screens are finer than they say. */
const FINENESS = 2

export function GradedImage({ cell, grade, name }: { cell: ResultCell; grade: Grade; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const { url, isMissing, onError } = useBytes(cell, "preview")
  const picture = usePicture(url, onError)
  const said = JSON.stringify(grade)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `said` is the grade by its values
  const table = useMemo(() => gradeTable(grade), [said])
  const [drawings, setDrawings] = useState(0)
  useEffect(() => acquireGrader(() => setDrawings((count) => count + 1)) ?? undefined, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a context that came back is drawn on again
  useLayoutEffect(() => {
    const element = canvas.current
    if (!element || !picture) return
    const draw = () => {
      const width = Math.max(1, element.clientWidth * FINENESS)
      const height = Math.max(1, element.clientHeight * FINENESS)
      if (element.width !== width) element.width = width
      if (element.height !== height) element.height = height
      drawGraded(element, picture, table)
    }
    draw()
    const observer = new ResizeObserver(draw)
    observer.observe(element)
    return () => observer.disconnect()
  }, [picture, table, drawings])
  if (isMissing) return <MissingMedia />
  return (
    <>
      <canvas ref={canvas} className="ff-graded" role="img" aria-label={`${name}, as it would be graded`} />
      <span className="ff-label">live</span>
    </>
  )
}

/** The picture at an address; null until it has come. */
function usePicture(url: string | undefined, onError: () => void): Picture | null {
  const [loaded, setLoaded] = useState<{ url: string; picture: Picture } | null>(null)
  useEffect(() => {
    if (url === undefined) return
    let isOn = true
    loadPicture(url).then(
      (picture) => isOn && setLoaded({ url, picture }),
      () => isOn && onError(),
    )
    return () => {
      isOn = false
    }
  }, [url, onError])
  return loaded?.picture ?? null
}
