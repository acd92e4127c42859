/** Zoom and pan of what is looked at; until a person moves it, the whole picture is shown. */

import { useCallback, useLayoutEffect, useState } from "react"
import type { Point } from "../state/store"
import { centerPicture, fitPicture, type PictureTransform, panBy, type Size, zoomAround } from "../state/zoom"

export interface ZoomControl {
  transform: PictureTransform
  /** In hundredths of a device pixel for each of the picture's. */
  percent: number
  isFit: boolean
  /** About a point of the cell; its middle where none is given. */
  zoomBy: (factor: number, at?: Point) => void
  pan: (x: number, y: number) => void
  fit: () => void
  /** One pixel of the picture is one of the screen. */
  actualSize: () => void
}

export function useZoom(picture: Size, cell: Size): ZoomControl {
  const [own, setOwn] = useState<{ placed: PictureTransform; of: string } | null>(null)
  const of = `${picture.width} ${picture.height} ${cell.width} ${cell.height}`
  // The next picture of the same size stays where this one was moved to, so that details can be told apart.
  const isFit = own?.of !== of
  const placed = isFit || !own ? fitPicture(picture, cell) : own.placed
  const take = useCallback((next: PictureTransform) => setOwn({ placed: next, of }), [of])
  const ratio = devicePixelRatio || 1
  return {
    transform: placed,
    percent: Math.round(placed.scale * ratio * 100),
    isFit,
    zoomBy: (factor, at = { x: cell.width / 2, y: cell.height / 2 }) =>
      take(zoomAround(placed, factor, at, picture, cell)),
    pan: (x, y) => take(panBy(placed, x, y, picture, cell)),
    fit: () => setOwn(null),
    actualSize: () => take(centerPicture(picture, cell, 1 / ratio)),
  }
}

/** How large an element is, in pixels of the page. */
export function useElementSize(element: { current: HTMLElement | null }): Size {
  const [size, setSize] = useState<Size>({ width: 1, height: 1 })
  useLayoutEffect(() => {
    const watched = element.current
    if (!watched) return
    const tell = () => setSize({ width: Math.max(1, watched.clientWidth), height: Math.max(1, watched.clientHeight) })
    tell()
    const observer = new ResizeObserver(tell)
    observer.observe(watched)
    return () => observer.disconnect()
  }, [element])
  return size
}
