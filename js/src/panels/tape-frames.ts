/** The frames that the strip shows: of this flow as the kernel sends them, or of all; older ones when asked for. */

import { useCallback, useEffect, useRef, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { mergeFrames } from "../state/tape"
import type { Tape, TapeFrame } from "../wire/run"

export type TapeScope = "flow" | "all"

interface Loaded {
  of: TapeScope
  /** Of all: the newest; of this flow the kernel sends them by itself. */
  newest: Tape | null
  older: readonly TapeFrame[]
  isAtEnd: boolean
}

export function useTapeFrames() {
  const { session } = useBridge()
  const own = useCanvas((state) => state.tape)
  const [loaded, setLoaded] = useState<Loaded>({ of: "flow", newest: null, older: [], isAtEnd: false })
  const isAsking = useRef(false)
  const { of, newest, older, isAtEnd } = loaded
  const tape = (of === "all" && newest) || own
  const frames = mergeFrames(tape.frames, older)

  const show = useCallback((wanted: TapeScope) => {
    setLoaded({ of: wanted, newest: null, older: [], isAtEnd: false })
  }, [])

  // Something was made here: it is the newest of all, too.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new tape of this flow is the occasion
  useEffect(() => {
    if (of !== "all") return
    let isGone = false
    void session.requestOrNotify({ type: "ask", what: "tape", of }).then((reply) => {
      const tape = reply?.tape as Tape | undefined
      if (tape && !isGone) setLoaded((before) => (before.of === "all" ? { ...before, newest: tape } : before))
    })
    return () => {
      isGone = true
    }
  }, [session, of, own])

  const last = frames[frames.length - 1]?.generation_id
  const loadOlder = useCallback(async () => {
    if (isAsking.current || isAtEnd || last === undefined) return
    isAsking.current = true
    const reply = await session.requestOrNotify({ type: "ask", what: "tape", of, before: last })
    isAsking.current = false
    const found = (reply?.tape as Tape | undefined)?.frames ?? []
    setLoaded((before) =>
      before.of === of ? { ...before, older: mergeFrames(before.older, found), isAtEnd: found.length === 0 } : before,
    )
  }, [session, of, last, isAtEnd])

  return { of, show, tape, frames, loadOlder }
}
