/** Generation facts of a result, requested from the kernel once and cached. */

import { useEffect, useState } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { KernelError } from "../state/kernel-reply"
import type { GenerationFacts } from "../wire/run"

export interface Generation {
  facts: GenerationFacts | null
  /** Error message; empty if there is none. */
  problem: string
  isLoading: boolean
}

const EMPTY: Generation = { facts: null, problem: "", isLoading: false }
const LOADING: Generation = { ...EMPTY, isLoading: true }
/** Generations are immutable, so replies are cached for the lifetime of the canvas. */
const cache = new WeakMap<Bridge, Map<string, Promise<Generation>>>()

export function useGeneration(generationId: string | null): Generation {
  const bridge = useBridge()
  const [loaded, setLoaded] = useState<{ id: string; generation: Generation } | null>(null)
  useEffect(() => {
    if (generationId === null) return
    let isMounted = true
    void loadGeneration(bridge, generationId).then(
      (generation) => isMounted && setLoaded({ id: generationId, generation }),
    )
    return () => {
      isMounted = false
    }
  }, [bridge, generationId])
  if (generationId === null) return EMPTY
  return loaded?.id === generationId ? loaded.generation : LOADING
}

function loadGeneration(bridge: Bridge, id: string): Promise<Generation> {
  const cached = cache.get(bridge) ?? new Map<string, Promise<Generation>>()
  cache.set(bridge, cached)
  let promise = cached.get(id)
  if (!promise) {
    promise = bridge.session.request({ type: "ask", what: "generation", generation_id: id }).then(
      ({ reply }) => ({ ...EMPTY, facts: reply.generation ?? null }),
      (error) => {
        if (!(error instanceof KernelError)) throw error
        cached.delete(id) // request again next time
        return { ...EMPTY, problem: error.message }
      },
    )
    cached.set(id, promise)
  }
  return promise
}
