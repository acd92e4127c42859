/**
 * The mask itself, as large as its picture: a canvas whose alpha is the mask, in the colour it is shown in. Done marks
 * are kept drawn; the stroke that goes on is laid over them at each step.
 */

import { brightness, type MaskStep, type Stroke, strokeOutline } from "./strokes"

/** Shadows are drawn this far from what casts them: a shadow alone is a soft shape, in every browser. */
const AWAY = 20_000

const sheet = (width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] => {
  const canvas = document.createElement("canvas")
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext("2d")
  if (!context) throw new Error("This browser draws on no canvas.")
  return [canvas, context]
}

export class MaskCanvas {
  readonly #done: CanvasRenderingContext2D
  #drawn: readonly MaskStep[] = []

  /** `start`: the mask to go on from, of any size. */
  constructor(
    readonly shown: HTMLCanvasElement,
    readonly width: number,
    readonly height: number,
    readonly color: string,
    private readonly start: CanvasImageSource | null,
  ) {
    shown.width = width
    shown.height = height
    this.#done = sheet(width, height)[1]
    this.#begin()
  }

  /** Draw marks, and over them the stroke that goes on. */
  draw(marks: readonly MaskStep[], live: Stroke | null): void {
    const isMore = this.#drawn.every((mark, index) => marks[index] === mark)
    if (!isMore) this.#begin()
    for (const mark of marks.slice(this.#drawn.length)) this.#lay(this.#done, mark)
    this.#drawn = marks
    const context = this.shown.getContext("2d")
    if (!context) return
    context.globalCompositeOperation = "copy"
    context.drawImage(this.#done.canvas, 0, 0)
    context.globalCompositeOperation = "source-over"
    if (live) this.#lay(context, live)
  }

  /** The mask: a byte a pixel, 255 where it is painted. */
  grey(): Uint8Array {
    const { data } = this.#done.getImageData(0, 0, this.width, this.height)
    const grey = new Uint8Array(this.width * this.height)
    for (let at = 0; at < grey.length; at++) grey[at] = data[at * 4 + 3] as number
    return grey
  }

  #begin(): void {
    this.#drawn = []
    this.#done.globalCompositeOperation = "source-over"
    this.#done.clearRect(0, 0, this.width, this.height)
    if (!this.start) return
    const [, context] = sheet(this.width, this.height)
    context.drawImage(this.start, 0, 0, this.width, this.height)
    const image = context.getImageData(0, 0, this.width, this.height)
    const { data } = image
    for (let at = 0; at < data.length; at += 4) {
      const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(at, at + 4)
      data[at + 3] = brightness(red, green, blue, alpha)
    }
    context.putImageData(image, 0, 0)
    // Only the alpha is the mask; the colour is how it is shown.
    context.globalCompositeOperation = "source-in"
    context.fillStyle = this.color
    context.fillRect(0, 0, this.width, this.height)
    this.#done.drawImage(context.canvas, 0, 0)
  }

  #lay(context: CanvasRenderingContext2D, mark: MaskStep): void {
    context.fillStyle = this.color
    switch (mark.kind) {
      case "clear":
        context.clearRect(0, 0, this.width, this.height)
        return
      case "invert":
        context.globalCompositeOperation = "source-out"
        context.fillRect(0, 0, this.width, this.height)
        context.globalCompositeOperation = "source-over"
        return
      case "stroke":
        this.#stroke(context, mark)
    }
  }

  #stroke(context: CanvasRenderingContext2D, mark: Stroke): void {
    const points = strokeOutline(mark)
    if (points.length === 0) return
    context.save()
    context.globalCompositeOperation = mark.isEraser ? "destination-out" : "source-over"
    const soft = mark.feather * mark.size
    // Half of a soft edge lies inside the brush: its size stays what the circle shows.
    const by = soft >= 1 ? AWAY : 0
    if (by > 0) {
      context.shadowColor = this.color
      context.shadowBlur = soft
      context.shadowOffsetX = by
    }
    context.beginPath()
    for (const [x, y] of points) context.lineTo(x - by, y)
    context.closePath()
    context.fill()
    context.restore()
  }
}
