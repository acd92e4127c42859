/** Frames of the tape strip: of this flow or of all flows. Loads older frames on request. */

import { useCallback, useEffect, useRef, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { mergeFrames } from "../state/tape"
import type { Tape, TapeFrame } from "../wire/run"

export type TapeScope = "flow" | "all"

interface Loaded {
  of: TapeScope
  /** Newest frames of all flows; null for this flow, whose frames the kernel pushes. */
  newest: Tape | null
  older: readonly TapeFrame[]
  isAtEnd: boolean
}

export function useTapeFrames() {
  const { session } = useBridge()
  const flowTape = useCanvas((state) => state.tape)
  const [loaded, setLoaded] = useState<Loaded>({ of: "flow", newest: null, older: [], isAtEnd: false })
  const isRequesting = useRef(false)
  const { of, newest, older, isAtEnd } = loaded
  const tape = (of === "all" && newest) || flowTape
  const frames = mergeFrames(tape.frames, older)

  const show = useCallback((scope: TapeScope) => {
    setLoaded({ of: scope, newest: null, older: [], isAtEnd: false })
  }, [])

  // A new generation of this flow is also the newest of all flows.
  // biome-ignore lint/correctness/useExhaustiveDependencies: reload when the tape of this flow changes
  useEffect(() => {
    if (of !== "all") return
    let isDisposed = false
    void session.requestOrNotify({ type: "ask", what: "tape", of }).then((reply) => {
      const tape = reply?.tape
      if (tape && !isDisposed) setLoaded((before) => (before.of === "all" ? { ...before, newest: tape } : before))
    })
    return () => {
      isDisposed = true
    }
  }, [session, of, flowTape])

  const last = frames[frames.length - 1]?.generation_id
  const loadOlder = useCallback(async () => {
    if (isRequesting.current || isAtEnd || last === undefined) return
    isRequesting.current = true
    const reply = await session.requestOrNotify({ type: "ask", what: "tape", of, before: last })
    isRequesting.current = false
    const olderFrames = reply?.tape?.frames ?? []
    setLoaded((before) =>
      before.of === of
        ? { ...before, older: mergeFrames(before.older, olderFrames), isAtEnd: olderFrames.length === 0 }
        : before,
    )
  }, [session, of, last, isAtEnd])

  return { of, show, tape, frames, loadOlder }
}
