/** Zoom and pan of an image in its cell, in screen pixels. Pure functions. */

import type { Point } from "./store"

export interface Size {
  width: number
  height: number
}

/** Position of the image's corner in its cell, and screen pixels per image pixel. */
export interface PictureTransform extends Point {
  scale: number
}

const MARGIN = 0.96
const MAX_SCALE = 32
const MIN_FIT_SCALE = 0.5
/** Part of the image, or of the cell, that stays visible. */
const MIN_VISIBLE_PX = 48

/** Fits the whole image into the cell, centered. */
export function fitPicture(picture: Size, cell: Size): PictureTransform {
  const scale = MARGIN * Math.min(cell.width / picture.width, cell.height / picture.height)
  return centerPicture(picture, cell, scale)
}

export const centerPicture = (picture: Size, cell: Size, scale: number): PictureTransform => ({
  x: (cell.width - picture.width * scale) / 2,
  y: (cell.height - picture.height * scale) / 2,
  scale,
})

/** Zooms by a factor around a fixed point. */
export function zoomAround(
  placed: PictureTransform,
  factor: number,
  at: Point,
  picture: Size,
  cell: Size,
): PictureTransform {
  const minScale = Math.min(1, fitPicture(picture, cell).scale) * MIN_FIT_SCALE
  const scale = Math.min(MAX_SCALE, Math.max(minScale, placed.scale * factor))
  const by = scale / placed.scale
  return keepVisible({ x: at.x - (at.x - placed.x) * by, y: at.y - (at.y - placed.y) * by, scale }, picture, cell)
}

export const panBy = (placed: PictureTransform, x: number, y: number, picture: Size, cell: Size): PictureTransform =>
  keepVisible({ ...placed, x: placed.x + x, y: placed.y + y }, picture, cell)

/** Keeps a part of the image inside its cell. */
function keepVisible(placed: PictureTransform, picture: Size, cell: Size): PictureTransform {
  const fitWithin = (at: number, size: number, room: number) => {
    const visible = Math.min(MIN_VISIBLE_PX, size)
    return Math.min(room - visible, Math.max(visible - size, at))
  }
  return {
    ...placed,
    x: fitWithin(placed.x, picture.width * placed.scale, cell.width),
    y: fitWithin(placed.y, picture.height * placed.scale, cell.height),
  }
}

/** Fits an image into the frame of the first image, centered. */
export function within(picture: Size, frame: Size): { x: number; y: number } & Size {
  const scale = Math.min(frame.width / picture.width, frame.height / picture.height)
  const width = picture.width * scale
  const height = picture.height * scale
  return { x: (frame.width - width) / 2, y: (frame.height - height) / 2, width, height }
}

/** Columns and rows for this number of images. */
export const compareGrid = (count: number): readonly [columns: number, rows: number] =>
  count === 4 ? [2, 2] : [Math.max(1, count), 1]
