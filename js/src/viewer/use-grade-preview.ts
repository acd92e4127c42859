/** The grade of what is looked at, where the kernel has not made it yet: its input, and the table to draw it through. */

import { useMemo } from "react"
import { gradeTable } from "../gl/grade-table"
import { useGrade } from "../media/use-grade"
import { coordinateKey } from "../state/runs"
import type { ViewedResult } from "../state/viewer-state"
import type { ResultCell } from "../wire/run"

export interface GradePreview {
  cell: ResultCell
  table: Float32Array | null
}

/** Null: the results are shown as they are. */
export function useGradePreview(shown: readonly ViewedResult[]): GradePreview | null {
  const [only] = shown
  const live = useGrade(shown.length === 1 ? (only?.nodeId ?? "") : "")
  const grade = live?.grade
  const table = useMemo(() => (grade ? gradeTable(grade) : null), [grade])
  if (!live || !only) return null
  const key = coordinateKey(only.cell.coordinate)
  const input = live.cells.find((one) => one.key === key) ?? live.cells[0]
  return input ? { cell: input.cell, table } : null
}
