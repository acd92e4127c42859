import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type Grade, gradeTable, NEUTRAL_GRADE, parseGrade, TABLE_SIZE } from "../src/gl/grade-table"

interface Fixture {
  table_stride: number
  cases: { settings: Partial<Grade>; table: number[] }[]
}
const fixture: Fixture = JSON.parse(readFileSync(new URL("./fixtures/grade.json", import.meta.url), "utf8"))

describe("a grade table", () => {
  for (const { settings, table } of fixture.cases) {
    it(`equals the kernel's within rounding: ${JSON.stringify(settings)}`, () => {
      const computed = gradeTable({ ...NEUTRAL_GRADE, ...settings })
      if (Object.keys(settings).length === 0) {
        expect(computed).toBeNull()
        return
      }
      expect(computed).toHaveLength(TABLE_SIZE ** 3 * 3)
      const maxError = Math.max(
        ...table.map((value, index) => Math.abs(value - (computed?.[index * fixture.table_stride] ?? Number.NaN))),
      )
      expect(maxError).toBeLessThan(1e-6)
    })
  }
})

describe("grade settings", () => {
  it("default to neutral", () => {
    expect(parseGrade({})).toEqual(NEUTRAL_GRADE)
    expect(parseGrade({ exposure: null, gain: 2 })).toEqual({ ...NEUTRAL_GRADE, gain: 2 })
  })
  it("are null if the kernel would refuse one of them", () => {
    expect(parseGrade({ contrast: 1.01 })).toBeNull()
    expect(parseGrade({ gamma: "{{g}}" })).toBeNull()
    expect(parseGrade({ gamma: Number.NaN })).toBeNull()
  })
})
