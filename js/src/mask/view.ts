/** Position and zoom of the image on the painter's stage. */

export interface View {
  /** Position of the image's corner, in page pixels. */
  x: number
  y: number
  zoom: number
}

const MIN_ZOOM = 0.02
const MAX_ZOOM = 16
const MARGIN = 24

/** Fits the whole image, centered. Enlarges small images at most twice. */
export function fitView(stage: { width: number; height: number }, picture: { width: number; height: number }): View {
  const available = { width: Math.max(1, stage.width - 2 * MARGIN), height: Math.max(1, stage.height - 2 * MARGIN) }
  const zoom = Math.max(MIN_ZOOM, Math.min(2, available.width / picture.width, available.height / picture.height))
  return { zoom, x: (stage.width - picture.width * zoom) / 2, y: (stage.height - picture.height * zoom) / 2 }
}

/** Zooms around a fixed point. */
export function zoomView(view: View, factor: number, at: { x: number; y: number }): View {
  const zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, view.zoom * factor))
  const ratio = zoom / view.zoom
  return { zoom, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio }
}

export const toPicturePoint = (view: View, at: { x: number; y: number }): { x: number; y: number } => ({
  x: (at.x - view.x) / view.zoom,
  y: (at.y - view.y) / view.zoom,
})
