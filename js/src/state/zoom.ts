/** Where a picture lies while a person zooms and pans: pure, in pixels of the screen. */

import type { Point } from "./store"

export interface Size {
  width: number
  height: number
}

/** Corner of the picture in its cell, and how many pixels of the screen one of the picture's takes. */
export interface PictureTransform extends Point {
  scale: number
}

const MARGIN = 0.96
const MAX_SCALE = 32
const MIN_FIT_SCALE = 0.5
/** This much of the picture, or of the cell, stays in sight. */
const MIN_VISIBLE_PX = 48

/** The whole picture, in the middle. */
export function fitPicture(picture: Size, cell: Size): PictureTransform {
  const scale = MARGIN * Math.min(cell.width / picture.width, cell.height / picture.height)
  return centerPicture(picture, cell, scale)
}

export const centerPicture = (picture: Size, cell: Size, scale: number): PictureTransform => ({
  x: (cell.width - picture.width * scale) / 2,
  y: (cell.height - picture.height * scale) / 2,
  scale,
})

/** Larger or smaller by a factor, while what is under a point stays there. */
export function zoomAround(
  placed: PictureTransform,
  factor: number,
  at: Point,
  picture: Size,
  cell: Size,
): PictureTransform {
  const least = Math.min(1, fitPicture(picture, cell).scale) * MIN_FIT_SCALE
  const scale = Math.min(MAX_SCALE, Math.max(least, placed.scale * factor))
  const by = scale / placed.scale
  return keepVisible({ x: at.x - (at.x - placed.x) * by, y: at.y - (at.y - placed.y) * by, scale }, picture, cell)
}

export const panBy = (placed: PictureTransform, x: number, y: number, picture: Size, cell: Size): PictureTransform =>
  keepVisible({ ...placed, x: placed.x + x, y: placed.y + y }, picture, cell)

/** Nobody loses a picture: some of it stays in its cell. */
function keepVisible(placed: PictureTransform, picture: Size, cell: Size): PictureTransform {
  const fitWithin = (at: number, size: number, room: number) => {
    const seen = Math.min(MIN_VISIBLE_PX, size)
    return Math.min(room - seen, Math.max(seen - size, at))
  }
  return {
    ...placed,
    x: fitWithin(placed.x, picture.width * placed.scale, cell.width),
    y: fitWithin(placed.y, picture.height * placed.scale, cell.height),
  }
}

/** A picture within the frame of the first: as large as it goes, in the middle. */
export function within(picture: Size, frame: Size): { x: number; y: number } & Size {
  const scale = Math.min(frame.width / picture.width, frame.height / picture.height)
  const width = picture.width * scale
  const height = picture.height * scale
  return { x: (frame.width - width) / 2, y: (frame.height - height) / 2, width, height }
}

/** Cells for so many pictures side by side. */
export const compareGrid = (count: number): readonly [columns: number, rows: number] =>
  count === 4 ? [2, 2] : [Math.max(1, count), 1]
