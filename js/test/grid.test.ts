import { describe, expect, it } from "vitest"
import type { CellView } from "../src/state/card"
import { layoutGrid, pickLabel, visibleCells } from "../src/state/grid"

const axis = (name: string, count: number) => ({ name, labels: Array.from({ length: count }, (_, i) => `${name}${i}`) })
const cells = (...axes: ReturnType<typeof axis>[]): CellView[] =>
  axes
    .reduce<[string, string][][]>(
      (all, { name, labels }) =>
        all.flatMap((one) => labels.map((label) => [...one, [name, label] as [string, string]])),
      [[]],
    )
    .map((coordinate) => ({
      key: coordinate.join(),
      label: coordinate[coordinate.length - 1]?.[1] ?? "",
      row: coordinate
        .slice(0, -1)
        .map(([, label]) => label)
        .join(" · "),
      coordinate,
      cell: null,
      progress: undefined,
      hole: null,
    }))
const facts = { isStrip: false, isSound: false, width: 280, aspect: 1 }

describe("the cells of a batch", () => {
  it("make a table where there are two axes: rows by the first, columns by the last", () => {
    const axes = [axis("prompt", 2), axis("seed", 3)]
    const all = cells(...axes)
    const grid = layoutGrid({ ...facts, axes, cells: all })
    expect(grid).toMatchObject({ kind: "table", columns: 3, rows: 2, axis: "seed", more: 0 })
    expect(grid.headers).toEqual(["seed0", "seed1", "seed2"])
    expect(grid.sides).toEqual(["prompt0", "prompt1"])
    expect(visibleCells(grid, all)).toEqual(all)
  })

  it("leave a hole in a table where one was not made", () => {
    const axes = [axis("prompt", 2), axis("seed", 2)]
    const all = cells(...axes).filter((one) => one.key !== "prompt,prompt0,seed,seed1")
    const shown = visibleCells(layoutGrid({ ...facts, axes, cells: all }), all)
    expect(shown.map((one) => one?.label ?? null)).toEqual(["seed0", null, "seed0", "seed1"])
  })

  it("say how many found no place", () => {
    const axes = [axis("prompt", 6), axis("seed", 7)]
    expect(layoutGrid({ ...facts, axes, cells: cells(...axes) }).more).toBe(42 - 20)
    const one = [axis("seed", 21)]
    expect(layoutGrid({ ...facts, axes: one, cells: cells(...one) }).more).toBe(5)
  })

  it("all stand in a strip, however many", () => {
    const axes = [axis("prompt", 6), axis("seed", 7)]
    const all = cells(...axes)
    const grid = layoutGrid({ ...facts, axes, cells: all, isStrip: true })
    expect(visibleCells(grid, all)).toHaveLength(42)
    expect(grid.more).toBe(0)
  })

  it("are known to a pick node by the labels of all axes", () => {
    const [first] = cells(axis("prompt", 1), axis("seed", 1))
    expect(first && pickLabel(first)).toBe("prompt0 / seed0")
  })
})
