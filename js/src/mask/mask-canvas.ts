/**
 * The mask at the size of its image: a canvas whose alpha channel is the mask, in the display color. Finished steps are
 * cached; the active stroke is drawn on top for each frame.
 */

import { brightness, type MaskStep, type Stroke, strokeOutline } from "./strokes"

/** Offset between a shape and its shadow, so that only the shadow is visible: a soft shape in every browser. */
const SHADOW_OFFSET = 20_000

const createCanvas = (width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] => {
  const canvas = document.createElement("canvas")
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext("2d")
  if (!context) throw new Error("Canvas 2D is not available.")
  return [canvas, context]
}

export class MaskCanvas {
  readonly #finished: CanvasRenderingContext2D
  #drawnSteps: readonly MaskStep[] = []

  /** `start`: the initial mask, of any size. */
  constructor(
    readonly element: HTMLCanvasElement,
    readonly width: number,
    readonly height: number,
    readonly color: string,
    private readonly start: CanvasImageSource | null,
  ) {
    element.width = width
    element.height = height
    this.#finished = createCanvas(width, height)[1]
    this.#reset()
  }

  /** Draws finished steps and, on top, the active stroke. */
  draw(steps: readonly MaskStep[], live: Stroke | null): void {
    const isAppended = this.#drawnSteps.every((step, index) => steps[index] === step)
    if (!isAppended) this.#reset()
    for (const step of steps.slice(this.#drawnSteps.length)) this.#drawStep(this.#finished, step)
    this.#drawnSteps = steps
    const context = this.element.getContext("2d")
    if (!context) return
    context.globalCompositeOperation = "copy"
    context.drawImage(this.#finished.canvas, 0, 0)
    context.globalCompositeOperation = "source-over"
    if (live) this.#drawStep(context, live)
  }

  /** The mask as one byte per pixel; 255 is masked. */
  grey(): Uint8Array {
    const { data } = this.#finished.getImageData(0, 0, this.width, this.height)
    const grey = new Uint8Array(this.width * this.height)
    for (let index = 0; index < grey.length; index++) grey[index] = data[index * 4 + 3] as number
    return grey
  }

  #reset(): void {
    this.#drawnSteps = []
    this.#finished.globalCompositeOperation = "source-over"
    this.#finished.clearRect(0, 0, this.width, this.height)
    if (!this.start) return
    const [, context] = createCanvas(this.width, this.height)
    context.drawImage(this.start, 0, 0, this.width, this.height)
    const image = context.getImageData(0, 0, this.width, this.height)
    const { data } = image
    for (let offset = 0; offset < data.length; offset += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(offset, offset + 4)
      data[offset + 3] = brightness(red, green, blue, alpha)
    }
    context.putImageData(image, 0, 0)
    // The alpha channel is the mask; the color is for display.
    context.globalCompositeOperation = "source-in"
    context.fillStyle = this.color
    context.fillRect(0, 0, this.width, this.height)
    this.#finished.drawImage(context.canvas, 0, 0)
  }

  #drawStep(context: CanvasRenderingContext2D, step: MaskStep): void {
    context.fillStyle = this.color
    switch (step.kind) {
      case "clear":
        context.clearRect(0, 0, this.width, this.height)
        return
      case "invert":
        context.globalCompositeOperation = "source-out"
        context.fillRect(0, 0, this.width, this.height)
        context.globalCompositeOperation = "source-over"
        return
      case "stroke":
        this.#stroke(context, step)
    }
  }

  #stroke(context: CanvasRenderingContext2D, stroke: Stroke): void {
    const points = strokeOutline(stroke)
    if (points.length === 0) return
    context.save()
    context.globalCompositeOperation = stroke.isEraser ? "destination-out" : "source-over"
    const blur = stroke.feather * stroke.size
    // Half of a soft edge is inside the brush outline, so that the visible size matches the ring.
    const offset = blur >= 1 ? SHADOW_OFFSET : 0
    if (offset > 0) {
      context.shadowColor = this.color
      context.shadowBlur = blur
      context.shadowOffsetX = offset
    }
    context.beginPath()
    for (const [x, y] of points) context.lineTo(x - offset, y)
    context.closePath()
    context.fill()
    context.restore()
  }
}
