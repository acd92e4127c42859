/** Live preview of a grade that the kernel has not rendered yet: the input and the lookup table to draw it with. */

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

/** Null if the stored results are up to date. */
export function useGradePreview(results: readonly ViewedResult[]): GradePreview | null {
  const [only] = results
  const live = useGrade(results.length === 1 ? (only?.nodeId ?? "") : "")
  const grade = live?.grade
  const table = useMemo(() => (grade ? gradeTable(grade) : null), [grade])
  if (!live || !only) return null
  const key = coordinateKey(only.cell.coordinate)
  const input = live.cells.find((candidate) => candidate.key === key) ?? live.cells[0]
  return input ? { cell: input.cell, table } : null
}
