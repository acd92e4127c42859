/** One clock for everything that shows passing time; it stands still where nobody looks. */

import { useSyncExternalStore } from "react"

const TICK_MS = 100
const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function listen(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const one of listeners) one()
  }, TICK_MS)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Milliseconds since the epoch, ten times a second. */
export const useNow = (): number => useSyncExternalStore(listen, () => now)
