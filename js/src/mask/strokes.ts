/** Strokes and edit history of a mask as data, and the outline of a stroke. */

import { getStroke } from "perfect-freehand"

/** In image pixels; pressure is 0 to 1. */
export type StrokePoint = [x: number, y: number, pressure: number]

export interface Stroke {
  kind: "stroke"
  spots: StrokePoint[]
  /** Diameter in image pixels. */
  size: number
  /** Width of the soft edge as a fraction of the size, 0 to 1. */
  feather: number
  isEraser: boolean
  /** The pointer reports pressure. */
  hasPressure: boolean
}

export type MaskStep = Stroke | { kind: "invert" } | { kind: "clear" }

/** Steps before `index` are active; later ones are undone and can be redone. */
export interface MaskHistory {
  readonly steps: readonly MaskStep[]
  readonly index: number
}

export const emptyHistory: MaskHistory = { steps: [], index: 0 }

export const addStep = ({ steps, index }: MaskHistory, step: MaskStep): MaskHistory => ({
  steps: [...steps.slice(0, index), step],
  index: index + 1,
})
export const undoStep = (history: MaskHistory): MaskHistory => ({ ...history, index: Math.max(0, history.index - 1) })
export const redoStep = (history: MaskHistory): MaskHistory => ({
  ...history,
  index: Math.min(history.steps.length, history.index + 1),
})
export const activeSteps = ({ steps, index }: MaskHistory): readonly MaskStep[] => steps.slice(0, index)

export const MIN_BRUSH_PX = 2
export const MAX_BRUSH_PX = 800

/** Changes the size by a fifth, which is perceived as an even step. */
export function resizeBrush(size: number, direction: 1 | -1): number {
  const next = direction > 0 ? Math.max(size + 1, size * 1.2) : Math.min(size - 1, size / 1.2)
  return Math.round(Math.min(MAX_BRUSH_PX, Math.max(MIN_BRUSH_PX, next)))
}

/** Outline of a stroke as a closed polygon. */
export function strokeOutline({ spots, size, hasPressure }: Stroke): [x: number, y: number][] {
  const options = {
    size,
    thinning: hasPressure ? 0.6 : 0,
    smoothing: 0.5,
    streamline: 0.4,
    simulatePressure: false,
    last: true,
  }
  return getStroke(spots, options) as [number, number][]
}

/** Brightness 0 to 255 of a pixel over black. White marks the area to change. */
export const brightness = (red: number, green: number, blue: number, alpha: number): number =>
  Math.round(((0.299 * red + 0.587 * green + 0.114 * blue) * alpha) / 255)
