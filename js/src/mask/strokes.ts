/** What was painted, as data: steps that can be taken back, and the outline of a stroke. */

import { getStroke } from "perfect-freehand"

/** In the picture's own pixels; pressure is 0..1. */
export type StrokePoint = [x: number, y: number, pressure: number]

export interface Stroke {
  kind: "stroke"
  spots: StrokePoint[]
  /** Diameter, in the picture's pixels. */
  size: number
  /** Width of the soft edge, as a part of the size, 0..1. */
  feather: number
  isEraser: boolean
  /** The pen says how hard it is pressed. */
  hasPressure: boolean
}

export type MaskStep = Stroke | { kind: "invert" } | { kind: "clear" }

/** Marks up to `index` count; those after it were taken back and can come again. */
export interface MaskHistory {
  readonly steps: readonly MaskStep[]
  readonly index: number
}

export const emptyHistory: MaskHistory = { steps: [], index: 0 }

export const addStep = ({ steps, index }: MaskHistory, mark: MaskStep): MaskHistory => ({
  steps: [...steps.slice(0, index), mark],
  index: index + 1,
})
export const undoStep = (marks: MaskHistory): MaskHistory => ({ ...marks, index: Math.max(0, marks.index - 1) })
export const redoStep = (marks: MaskHistory): MaskHistory => ({
  ...marks,
  index: Math.min(marks.steps.length, marks.index + 1),
})
export const activeSteps = ({ steps, index }: MaskHistory): readonly MaskStep[] => steps.slice(0, index)

export const MIN_BRUSH_PX = 2
export const MAX_BRUSH_PX = 800

/** The next size up or down: a fifth, as the eye sees steps. */
export function resizeBrush(size: number, direction: 1 | -1): number {
  const next = direction > 0 ? Math.max(size + 1, size * 1.2) : Math.min(size - 1, size / 1.2)
  return Math.round(Math.min(MAX_BRUSH_PX, Math.max(MIN_BRUSH_PX, next)))
}

/** The outline of a stroke as a closed polygon. */
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

/** Brightness 0..255 of a pixel that is seen over black: white is where the picture is to change. */
export const brightness = (red: number, green: number, blue: number, alpha: number): number =>
  Math.round(((0.299 * red + 0.587 * green + 0.114 * blue) * alpha) / 255)
