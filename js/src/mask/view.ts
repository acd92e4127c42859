/** Where the picture stands on the painter's stage, and what a point there means in its pixels. */

export interface View {
  /** Of the picture's corner, in pixels of the page. */
  x: number
  y: number
  zoom: number
}

const LEAST = 0.02
const MOST = 16
const MARGIN = 24

/** All of the picture in the middle; small ones not larger than twice their size. */
export function fitView(stage: { width: number; height: number }, picture: { width: number; height: number }): View {
  const room = { width: Math.max(1, stage.width - 2 * MARGIN), height: Math.max(1, stage.height - 2 * MARGIN) }
  const zoom = Math.max(LEAST, Math.min(2, room.width / picture.width, room.height / picture.height))
  return { zoom, x: (stage.width - picture.width * zoom) / 2, y: (stage.height - picture.height * zoom) / 2 }
}

/** Closer or farther; what is under the point stays under it. */
export function zoomView(view: View, factor: number, at: { x: number; y: number }): View {
  const zoom = Math.min(MOST, Math.max(LEAST, view.zoom * factor))
  const by = zoom / view.zoom
  return { zoom, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by }
}

export const toPicturePoint = (view: View, at: { x: number; y: number }): { x: number; y: number } => ({
  x: (at.x - view.x) / view.zoom,
  y: (at.y - view.y) / view.zoom,
})
