/** How the cells of a batch stand on a node: a table of rows by columns where it has two axes, a grid, or a strip. */

import type { NodePlan } from "../wire/run"
import type { CellView } from "./card"

export interface Grid {
  kind: "one" | "grid" | "table" | "strip"
  columns: number
  rows: number
  /** Of a table: the labels over its columns and before its rows, and what the columns are. */
  headers: string[]
  sides: string[]
  axis: string
  /** Of one row of cells, in pixels. */
  rowHeight: number
  height: number
  /** Cells that found no place. */
  more: number
}

export interface GridInput {
  cells: readonly CellView[]
  axes: NonNullable<NodePlan["axes"]>
  isStrip: boolean
  isSound: boolean
  /** Pixels inside the node. */
  width: number
  /** Width by height of a cell. */
  aspect: number
}

export const GRID_GAP = 4
/** Of a header, and of the line over a row. */
export const LABEL_HEIGHT = 16
const SOUND_HEIGHT = 60
const STRIP_HEIGHT = 132
export const MAX_CELLS = 16
const MOST_ROWS = 4
const MOST_COLUMNS = 5

const ONE: Grid = {
  kind: "one",
  columns: 1,
  rows: 1,
  headers: [],
  sides: [],
  axis: "",
  rowHeight: 0,
  height: 0,
  more: 0,
}

export function layoutGrid(facts: GridInput): Grid {
  const { cells, axes, width, aspect, isSound } = facts
  if (cells.length <= 1) {
    const rowHeight = isSound ? SOUND_HEIGHT : Math.round(width / aspect)
    return { ...ONE, rowHeight, height: rowHeight }
  }
  if (facts.isStrip && !isSound) {
    return { ...ONE, kind: "strip", columns: cells.length, rowHeight: STRIP_HEIGHT, height: STRIP_HEIGHT }
  }
  const last = axes[axes.length - 1]
  const hasRows = axes.length > 1 && (cells[0]?.coordinate.length ?? 0) > 1
  if (hasRows && last && !isSound) return table(facts, last)
  const count = Math.min(cells.length, MAX_CELLS)
  const columns = isSound ? 1 : count === 2 || count === 4 ? 2 : count <= 9 ? 3 : 4
  const rows = Math.ceil(count / columns)
  const rowHeight = isSound ? SOUND_HEIGHT : cellHeight(width, columns, aspect)
  const height = rows * rowHeight + (rows - 1) * GRID_GAP
  return { ...ONE, kind: "grid", columns, rows, rowHeight, height, more: cells.length - count }
}

const cellHeight = (width: number, columns: number, aspect: number) =>
  Math.round((width - (columns - 1) * GRID_GAP) / columns / aspect)

function table({ cells, axes, width, aspect }: GridInput, last: { name: string; labels: string[] }): Grid {
  const sides = [...new Set(cells.map((one) => one.row))]
  const headers = last.labels.slice(0, MOST_COLUMNS)
  const rows = Math.min(sides.length, MOST_ROWS)
  const columns = headers.length
  const rowHeight = cellHeight(width, columns, aspect)
  const all = axes.reduce((count, axis) => count * axis.labels.length, 1)
  return {
    kind: "table",
    columns,
    rows,
    headers,
    sides: sides.slice(0, MOST_ROWS),
    axis: last.name,
    rowHeight,
    height: LABEL_HEIGHT + rows * (LABEL_HEIGHT + rowHeight + 2 * GRID_GAP),
    more: Math.max(0, Math.max(all, cells.length) - rows * columns),
  }
}

/** The cells that are shown, row by row; null where a table has none. */
export function visibleCells(grid: Grid, cells: readonly CellView[]): (CellView | null)[] {
  if (grid.kind === "strip") return [...cells]
  if (grid.kind !== "table") return cells.slice(0, MAX_CELLS)
  const byPlace = new Map(cells.map((one) => [JSON.stringify([one.row, one.label]), one]))
  return grid.sides.flatMap((row) => grid.headers.map((label) => byPlace.get(JSON.stringify([row, label])) ?? null))
}

/** The label by which a pick node knows a cell: of all its axes. */
export const pickLabel = (view: CellView): string => view.coordinate.map(([, label]) => label).join(" / ")
