/** Draws graded pictures for many small canvas elements with one WebGL context: browsers hold few of them at once. */

import { type Picture, Renderer, WebGLUnavailableError } from "./renderer"

let isOffered: boolean | null = null

/** Whether this browser draws grades; found out once. */
export function canGrade(): boolean {
  if (isOffered === null) {
    const letGo = acquireGrader(() => undefined)
    isOffered = letGo !== null
    letGo?.()
  }
  return isOffered
}

let shared: { drawing: Renderer; users: number } | null = null
const listeners = new Set<() => void>()

/** Say that grades will be drawn; returns how to say that they are no more. Null where there is no WebGL2. */
export function acquireGrader(onBack: () => void): (() => void) | null {
  try {
    shared ??= {
      drawing: new Renderer(document.createElement("canvas"), () => {
        for (const tell of listeners) tell()
      }),
      users: 0,
    }
  } catch (error) {
    if (error instanceof WebGLUnavailableError) return null
    throw error
  }
  const mine = shared
  mine.users += 1
  listeners.add(onBack)
  let isHeld = true
  return () => {
    if (!isHeld) return
    isHeld = false
    listeners.delete(onBack)
    mine.users -= 1
    if (mine.users > 0) return
    mine.drawing.close()
    shared = null
  }
}

/** Draw a picture through a table onto an element, filling it as `object-fit: cover` does; false where it cannot be now. */
export function drawGraded(target: HTMLCanvasElement, picture: Picture, table: Float32Array | null): boolean {
  const onto = target.getContext("2d")
  if (!shared || !onto) return false
  const { width, height } = target
  const { canvas } = shared.drawing
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
  const size = { width: picture.naturalWidth, height: picture.naturalHeight }
  const scale = Math.max(width / size.width, height / size.height)
  const view = { x: (width - size.width * scale) / 2, y: (height - size.height * scale) / 2, scale }
  const isDrawn = shared.drawing.draw({
    pictures: [picture],
    places: [{ x: 0, y: 0, ...size }],
    view,
    mode: "beside",
    grid: [1, 1],
    dividers: [],
    onion: 0,
    strength: 1,
    checker: 0,
    table,
  })
  if (!isDrawn) return false
  onto.clearRect(0, 0, width, height)
  onto.drawImage(canvas, 0, 0)
  return true
}
