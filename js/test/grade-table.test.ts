import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type Grade, gradeTable, NEUTRAL_GRADE, parseGrade, TABLE_SIZE } from "../src/gl/grade-table"

interface Fixture {
  table_stride: number
  cases: { settings: Partial<Grade>; table: number[] }[]
}
const fixture: Fixture = JSON.parse(readFileSync(new URL("./fixtures/grade.json", import.meta.url), "utf8"))

describe("the table of a grade", () => {
  for (const { settings, table } of fixture.cases) {
    it(`is the kernel's within rounding: ${JSON.stringify(settings)}`, () => {
      const made = gradeTable({ ...NEUTRAL_GRADE, ...settings })
      if (Object.keys(settings).length === 0) {
        expect(made).toBeNull()
        return
      }
      expect(made).toHaveLength(TABLE_SIZE ** 3 * 3)
      const worst = Math.max(
        ...table.map((value, at) => Math.abs(value - (made?.[at * fixture.table_stride] ?? Number.NaN))),
      )
      expect(worst).toBeLessThan(1e-6)
    })
  }
})

describe("the settings of a grade", () => {
  it("are neutral where nothing is said", () => {
    expect(parseGrade({})).toEqual(NEUTRAL_GRADE)
    expect(parseGrade({ exposure: null, gain: 2 })).toEqual({ ...NEUTRAL_GRADE, gain: 2 })
  })
  it("are none where the kernel would refuse one", () => {
    expect(parseGrade({ contrast: 1.01 })).toBeNull()
    expect(parseGrade({ gamma: "{{g}}" })).toBeNull()
    expect(parseGrade({ gamma: Number.NaN })).toBeNull()
  })
})
