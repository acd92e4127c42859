/** How a result was made, asked of the kernel once. */

import { useEffect, useState } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import { KernelError } from "../state/session"
import type { GenerationFacts } from "../wire/run"

export interface Generation {
  facts: GenerationFacts | null
  /** Why nothing is known. */
  problem: string
  isComing: boolean
}

const NOTHING: Generation = { facts: null, problem: "", isComing: false }
const COMING: Generation = { ...NOTHING, isComing: true }
/** What was made stays as it was made: an answer holds for as long as the canvas lives. */
const answers = new WeakMap<Bridge, Map<string, Promise<Generation>>>()

export function useGeneration(generationId: string | null): Generation {
  const bridge = useBridge()
  const [found, setFound] = useState<{ id: string; generation: Generation } | null>(null)
  useEffect(() => {
    if (generationId === null) return
    let isOn = true
    void asked(bridge, generationId).then((generation) => isOn && setFound({ id: generationId, generation }))
    return () => {
      isOn = false
    }
  }, [bridge, generationId])
  if (generationId === null) return NOTHING
  return found?.id === generationId ? found.generation : COMING
}

function asked(bridge: Bridge, id: string): Promise<Generation> {
  const known = answers.get(bridge) ?? new Map<string, Promise<Generation>>()
  answers.set(bridge, known)
  let answer = known.get(id)
  if (!answer) {
    answer = bridge.session.ask({ type: "ask", what: "generation", generation_id: id }).then(
      ({ reply }) => ({ ...NOTHING, facts: (reply.generation ?? null) as GenerationFacts | null }),
      (error) => {
        if (!(error instanceof KernelError)) throw error
        known.delete(id) // another look asks again
        return { ...NOTHING, problem: error.message }
      },
    )
    known.set(id, answer)
  }
  return answer
}
