/** Draws graded images for many small canvas elements with a shared WebGL context: browsers limit their number. */

import { type Picture, Renderer, WebGLUnavailableError } from "./renderer"

let isSupported: boolean | null = null

/** Whether this browser supports WebGL grading; checked once. */
export function canGrade(): boolean {
  if (isSupported === null) {
    const release = acquireGrader(() => undefined)
    isSupported = release !== null
    release?.()
  }
  return isSupported
}

let shared: { renderer: Renderer; users: number } | null = null
const listeners = new Set<() => void>()

/** Acquires the shared renderer; returns the release function, or null without WebGL2. `onBack`: redraw, context restored. */
export function acquireGrader(onBack: () => void): (() => void) | null {
  try {
    shared ??= {
      renderer: new Renderer(document.createElement("canvas"), () => {
        for (const notify of listeners) notify()
      }),
      users: 0,
    }
  } catch (error) {
    if (error instanceof WebGLUnavailableError) return null
    throw error
  }
  const acquired = shared
  acquired.users += 1
  listeners.add(onBack)
  let isHeld = true
  return () => {
    if (!isHeld) return
    isHeld = false
    listeners.delete(onBack)
    acquired.users -= 1
    if (acquired.users > 0) return
    acquired.renderer.close()
    shared = null
  }
}

/** Draws a graded image, cropped to fill the element like `object-fit: cover`. Returns false if drawing is not possible. */
export function drawGraded(target: HTMLCanvasElement, picture: Picture, table: Float32Array | null): boolean {
  const context = target.getContext("2d")
  if (!shared || !context) return false
  const { width, height } = target
  const { canvas } = shared.renderer
  if (canvas.width !== width) canvas.width = width
  if (canvas.height !== height) canvas.height = height
  const size = { width: picture.naturalWidth, height: picture.naturalHeight }
  const scale = Math.max(width / size.width, height / size.height)
  const view = { x: (width - size.width * scale) / 2, y: (height - size.height * scale) / 2, scale }
  const isDrawn = shared.renderer.draw({
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
  context.clearRect(0, 0, width, height)
  context.drawImage(canvas, 0, 0)
  return true
}
