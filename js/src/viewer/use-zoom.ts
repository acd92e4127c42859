/** Zoom and pan of a picture; fits the whole picture until the user zooms or pans. */

import { useCallback, useLayoutEffect, useState } from "react"
import type { Point } from "../state/store"
import { centerPicture, fitPicture, type PictureTransform, panBy, type Size, zoomAround } from "../state/zoom"

export interface ZoomControl {
  transform: PictureTransform
  /** Device pixels per picture pixel, in percent. */
  percent: number
  isFit: boolean
  /** Zoom around a point of the cell; its center by default. */
  zoomBy: (factor: number, at?: Point) => void
  pan: (x: number, y: number) => void
  fit: () => void
  /** Zoom to one picture pixel per device pixel. */
  actualSize: () => void
}

export function useZoom(picture: Size, cell: Size): ZoomControl {
  const [moved, setMoved] = useState<{ transform: PictureTransform; sizeKey: string } | null>(null)
  const sizeKey = `${picture.width} ${picture.height} ${cell.width} ${cell.height}`
  // The next picture of the same size keeps this transform, so that details can be compared.
  const isFit = moved?.sizeKey !== sizeKey
  const transform = isFit || !moved ? fitPicture(picture, cell) : moved.transform
  const move = useCallback((next: PictureTransform) => setMoved({ transform: next, sizeKey }), [sizeKey])
  const ratio = devicePixelRatio || 1
  return {
    transform,
    percent: Math.round(transform.scale * ratio * 100),
    isFit,
    zoomBy: (factor, at = { x: cell.width / 2, y: cell.height / 2 }) =>
      move(zoomAround(transform, factor, at, picture, cell)),
    pan: (x, y) => move(panBy(transform, x, y, picture, cell)),
    fit: () => setMoved(null),
    actualSize: () => move(centerPicture(picture, cell, 1 / ratio)),
  }
}

/** Size of an element in CSS pixels, at least 1 × 1. */
export function useElementSize(element: { current: HTMLElement | null }): Size {
  const [size, setSize] = useState<Size>({ width: 1, height: 1 })
  useLayoutEffect(() => {
    const target = element.current
    if (!target) return
    const update = () => setSize({ width: Math.max(1, target.clientWidth), height: Math.max(1, target.clientHeight) })
    update()
    const observer = new ResizeObserver(update)
    observer.observe(target)
    return () => observer.disconnect()
  }, [element])
  return size
}
