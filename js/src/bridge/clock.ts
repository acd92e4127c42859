/** One shared clock for all components that show elapsed time; stops without subscribers. */

import { useSyncExternalStore } from "react"

const TICK_MS = 100
const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const notify of listeners) notify()
  }, TICK_MS)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Current time in milliseconds since the epoch, updated ten times a second. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now)
