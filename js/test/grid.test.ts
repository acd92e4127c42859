import { describe, expect, it } from "vitest"
import type { CellView } from "../src/state/card"
import { layoutGrid, pickLabel, visibleCells } from "../src/state/grid"

const axis = (name: string, count: number) => ({ name, labels: Array.from({ length: count }, (_, i) => `${name}${i}`) })
const cells = (...axes: ReturnType<typeof axis>[]): CellView[] =>
  axes
    .reduce<[string, string][][]>(
      (coordinates, { name, labels }) =>
        coordinates.flatMap((coordinate) => labels.map((label) => [...coordinate, [name, label] as [string, string]])),
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
  it("form a table for two axes: first as rows, last as columns", () => {
    const axes = [axis("prompt", 2), axis("seed", 3)]
    const views = cells(...axes)
    const grid = layoutGrid({ ...facts, axes, cells: views })
    expect(grid).toMatchObject({ kind: "table", columns: 3, rows: 2, axis: "seed", more: 0 })
    expect(grid.headers).toEqual(["seed0", "seed1", "seed2"])
    expect(grid.sides).toEqual(["prompt0", "prompt1"])
    expect(visibleCells(grid, views)).toEqual(views)
  })

  it("leave missing table cells empty", () => {
    const axes = [axis("prompt", 2), axis("seed", 2)]
    const views = cells(...axes).filter((view) => view.key !== "prompt,prompt0,seed,seed1")
    const shown = visibleCells(layoutGrid({ ...facts, axes, cells: views }), views)
    expect(shown.map((view) => view?.label ?? null)).toEqual(["seed0", null, "seed0", "seed1"])
  })

  it("count the cells that are not shown", () => {
    const axes = [axis("prompt", 6), axis("seed", 7)]
    expect(layoutGrid({ ...facts, axes, cells: cells(...axes) }).more).toBe(42 - 20)
    const seeds = [axis("seed", 21)]
    expect(layoutGrid({ ...facts, axes: seeds, cells: cells(...seeds) }).more).toBe(5)
  })

  it("are all shown in a strip", () => {
    const axes = [axis("prompt", 6), axis("seed", 7)]
    const views = cells(...axes)
    const grid = layoutGrid({ ...facts, axes, cells: views, isStrip: true })
    expect(visibleCells(grid, views)).toHaveLength(42)
    expect(grid.more).toBe(0)
  })

  it("are labeled for pick nodes by all axes", () => {
    const [first] = cells(axis("prompt", 1), axis("seed", 1))
    expect(first && pickLabel(first)).toBe("prompt0 / seed0")
  })
})
