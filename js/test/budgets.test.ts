import { expect, test } from "vitest"
import { budgetStatuses, budgetTooltip } from "../src/state/format"

const cap = (label: string, spent: number, of: number) => ({
  label,
  spent_micro_usd: spent * 1e6,
  cap_micro_usd: of * 1e6,
})
const labels = (budgets: ReturnType<typeof cap>[], high = 0) => budgetStatuses(budgets, high).map(({ label }) => label)

test("a cap shows the share used, and a tone for that share", () => {
  const shown = budgetStatuses([cap("project", 12, 10), cap("this month", 41, 50), cap("today", 1, 5)], 0)
  expect(shown.map(({ share, tone, isPassed }) => [share, tone, isPassed])).toEqual([
    [1, "is-bad", false],
    [0.82, "is-warn", false],
    [0.2, "is-ok", false],
  ])
})

test("the cap with the largest share comes first", () => {
  expect(labels([cap("a run", 0, 2), cap("today", 0, 5)])).toEqual(["today", "a run"])
  expect(labels([cap("a run", 0, 2), cap("today", 1, 5), cap("project", 9, 10)])[0]).toBe("project")
})

test("caps that the planned run would exceed come first", () => {
  const budgets = [cap("a run", 0, 2), cap("today", 4.5, 5), cap("this month", 30, 31), cap("project", 3, 3000)]
  expect(labels(budgets, 2.4e6)).toEqual(["today", "this month", "a run", "project"])
  expect(budgetStatuses(budgets, 2.4e6)[2]).toMatchObject({ isPassed: true, tone: "is-warn" })
})

test("a free run exceeds no cap", () => {
  expect(budgetStatuses([cap("today", 5, 5)], 0)[0]).toMatchObject({ isPassed: false, tone: "is-bad" })
})

test("the tooltip lists all caps and how to change them", () => {
  const budgets = [cap("a run", 0, 2), cap("today", 4.5, 5)]
  expect(budgetTooltip(budgetStatuses(budgets, 0.8e6), 0.8e6).split("\n")).toEqual([
    "today: $4.50 of $5 spent or reserved; the planned run may cost $0.80",
    "a run: $2 at most",
    "Calls over a cap are refused; finished calls are kept.",
    "Change caps with ff.budget(…) in a cell or `fusionflow budget`.",
  ])
  expect(budgetTooltip(budgetStatuses(budgets, 0), 0)).not.toContain("refused")
})
