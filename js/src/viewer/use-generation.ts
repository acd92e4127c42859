/** How a result was made, asked of the kernel once. */

import { useEffect, useState } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { KernelError } from "../state/session"
import type { GenerationFacts } from "../wire/run"

export interface Generation {
  facts: GenerationFacts | null
  /** Why nothing is known. */
  problem: string
  isLoading: boolean
}

const EMPTY: Generation = { facts: null, problem: "", isLoading: false }
const LOADING: Generation = { ...EMPTY, isLoading: true }
/** What was made stays as it was made: an answer holds for as long as the canvas lives. */
const answers = new WeakMap<Bridge, Map<string, Promise<Generation>>>()

export function useGeneration(generationId: string | null): Generation {
  const bridge = useBridge()
  const [found, setFound] = useState<{ id: string; generation: Generation } | null>(null)
  useEffect(() => {
    if (generationId === null) return
    let isOn = true
    void loadGeneration(bridge, generationId).then((generation) => isOn && setFound({ id: generationId, generation }))
    return () => {
      isOn = false
    }
  }, [bridge, generationId])
  if (generationId === null) return EMPTY
  return found?.id === generationId ? found.generation : LOADING
}

function loadGeneration(bridge: Bridge, id: string): Promise<Generation> {
  const known = answers.get(bridge) ?? new Map<string, Promise<Generation>>()
  answers.set(bridge, known)
  let answer = known.get(id)
  if (!answer) {
    answer = bridge.session.request({ type: "ask", what: "generation", generation_id: id }).then(
      ({ reply }) => ({ ...EMPTY, facts: (reply.generation ?? null) as GenerationFacts | null }),
      (error) => {
        if (!(error instanceof KernelError)) throw error
        known.delete(id) // another look asks again
        return { ...EMPTY, problem: error.message }
      },
    )
    known.set(id, answer)
  }
  return answer
}
