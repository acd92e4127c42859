/** Decides whether a grade node shows a live preview: from a change of its settings until the kernel's result arrives. */

import { useMemo, useRef } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { type Grade, parseGrade } from "../gl/grade-table"
import { canGrade } from "../gl/grader"
import { gradeFingerprint, gradeInput, type UngradedCell } from "../state/grade-input"

export interface LiveGrade {
  grade: Grade
  cells: readonly UngradedCell[]
}

/** The live grade; null if the kernel's result is up to date. */
export function useGrade(nodeId: string): LiveGrade | null {
  const { store, derived } = useBridge()
  // Select a short string instead of the input itself, so that the component re-renders only on changes.
  const inputKey = useCanvas((state) => {
    const input = gradeInput(state, derived, nodeId)
    return input ? `${input.isSettled} ${gradeFingerprint(input)}` : ""
  })
  const settled = useRef("")
  return useMemo(() => {
    if (inputKey === "") return null
    const space = inputKey.indexOf(" ")
    const fingerprint = inputKey.slice(space)
    // Any edit outdates the plan for a moment; keep showing the result of an unchanged grade.
    if (inputKey.startsWith("true")) settled.current = fingerprint
    if (settled.current === fingerprint || !canGrade()) return null
    const input = gradeInput(store.getState(), derived, nodeId)
    const grade = input && parseGrade(input.params)
    return grade ? { grade, cells: input.cells } : null
  }, [inputKey, store, derived, nodeId])
}
