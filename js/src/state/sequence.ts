/** Decides which `events` messages to apply: each one once, in order, none after a gap. */

export type SequenceCheck = "next" | "old" | "gap"

export const checkSequence = (last: number, seq: number): SequenceCheck =>
  seq <= last ? "old" : seq === last + 1 ? "next" : "gap"

/** Batches messages between frames, so that many of them cause one render. */
export class FrameQueue<T> {
  #queue: T[] = []
  #isScheduled = false

  /** `later` schedules a function before the next render. */
  constructor(
    private readonly handle: (items: T[]) => void,
    private readonly later: (run: () => void) => void,
  ) {}

  push(...items: T[]): void {
    this.#queue.push(...items)
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.later(() => this.flush())
  }

  /** Handles queued items immediately. */
  flush(): void {
    this.#isScheduled = false
    const items = this.#queue
    this.#queue = []
    if (items.length > 0) this.handle(items)
  }
}

/** Runs a function on the next frame, or after 50 ms on a hidden page, which gets no frames. */
export function onNextFrame(run: () => void): void {
  if (typeof document === "undefined" || document.hidden) setTimeout(run, 50)
  else requestAnimationFrame(run)
}
