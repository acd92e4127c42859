/** Which `events` messages are to be heard: each once, in order, none after one that is missing. */

export type SequenceCheck = "next" | "old" | "gap"

export const checkSequence = (known: number, seq: number): SequenceCheck =>
  seq <= known ? "old" : seq === known + 1 ? "next" : "gap"

/** Messages that came between two frames, so that many of them cost one drawing. */
export class FrameQueue<T> {
  #waiting: T[] = []
  #isPlanned = false

  /** `later` runs a function before the next drawing. */
  constructor(
    private readonly handle: (items: T[]) => void,
    private readonly later: (run: () => void) => void,
  ) {}

  push(...items: T[]): void {
    this.#waiting.push(...items)
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.later(() => this.flush())
  }

  /** Handle what waits now. */
  flush(): void {
    this.#isPlanned = false
    const items = this.#waiting
    this.#waiting = []
    if (items.length > 0) this.handle(items)
  }
}

/** Before the next drawing; soon after, where the page is hidden and never drawn. */
export function onNextFrame(run: () => void): void {
  if (typeof document === "undefined" || document.hidden) setTimeout(run, 50)
  else requestAnimationFrame(run)
}
