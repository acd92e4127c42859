/** Whether a grade node is to be drawn here: from the first move of a slider until the kernel's result is there. */

import { useMemo, useRef } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { type Grade, parseGrade } from "../gl/grade-table"
import { canGrade } from "../gl/grader"
import { gradeFingerprint, gradeInput, type UngradedCell } from "../state/grade-input"

export interface LiveGrade {
  grade: Grade
  cells: readonly UngradedCell[]
}

/** Null: what the kernel gave is to be shown. */
export function useGrade(nodeId: string): LiveGrade | null {
  const { store, derived } = useBridge()
  // A short text instead of the input itself: the node draws again only where it changed.
  const said = useCanvas((state) => {
    const input = gradeInput(state, derived, nodeId)
    return input ? `${input.isSettled} ${gradeFingerprint(input)}` : ""
  })
  const settled = useRef("")
  return useMemo(() => {
    if (said === "") return null
    const space = said.indexOf(" ")
    const print = said.slice(space)
    // Other edits make every plan old for a moment; a grade that has not changed is left as it is.
    if (said.startsWith("true")) settled.current = print
    if (settled.current === print || !canGrade()) return null
    const input = gradeInput(store.getState(), derived, nodeId)
    const grade = input && parseGrade(input.params)
    return grade ? { grade, cells: input.cells } : null
  }, [said, store, derived, nodeId])
}
