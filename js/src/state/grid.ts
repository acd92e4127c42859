/** Lays out the cells of a batch on a node: as a table for two or more axes, as a grid, or as a strip. */

import type { NodePlan } from "../wire/run"
import type { CellView } from "./card"

export interface Grid {
  kind: "one" | "grid" | "table" | "strip"
  columns: number
  rows: number
  /** Of a table: column labels, row labels, and the name of the column axis. */
  headers: string[]
  sides: string[]
  axis: string
  /** Height of a row of cells, in pixels. */
  rowHeight: number
  height: number
  /** Number of cells that are not shown. */
  more: number
}

export interface GridInput {
  cells: readonly CellView[]
  axes: NonNullable<NodePlan["axes"]>
  isStrip: boolean
  isSound: boolean
  /** Width inside the node, in pixels. */
  width: number
  /** Aspect ratio of a cell, width by height. */
  aspect: number
}

export const GRID_GAP = 4
/** Height of a table header and of a row label. */
export const LABEL_HEIGHT = 16
const SOUND_HEIGHT = 60
const STRIP_HEIGHT = 132
export const MAX_CELLS = 16
const MAX_ROWS = 4
const MAX_COLUMNS = 5

const SINGLE: Grid = {
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

export function layoutGrid(input: GridInput): Grid {
  const { cells, axes, width, aspect, isSound } = input
  if (cells.length <= 1) {
    const rowHeight = isSound ? SOUND_HEIGHT : Math.round(width / aspect)
    return { ...SINGLE, rowHeight, height: rowHeight }
  }
  if (input.isStrip && !isSound) {
    return { ...SINGLE, kind: "strip", columns: cells.length, rowHeight: STRIP_HEIGHT, height: STRIP_HEIGHT }
  }
  const last = axes[axes.length - 1]
  const hasRows = axes.length > 1 && (cells[0]?.coordinate.length ?? 0) > 1
  if (hasRows && last && !isSound) return layoutTable(input, last)
  const count = Math.min(cells.length, MAX_CELLS)
  const columns = isSound ? 1 : count === 2 || count === 4 ? 2 : count <= 9 ? 3 : 4
  const rows = Math.ceil(count / columns)
  const rowHeight = isSound ? SOUND_HEIGHT : cellHeight(width, columns, aspect)
  const height = rows * rowHeight + (rows - 1) * GRID_GAP
  return { ...SINGLE, kind: "grid", columns, rows, rowHeight, height, more: cells.length - count }
}

const cellHeight = (width: number, columns: number, aspect: number) =>
  Math.round((width - (columns - 1) * GRID_GAP) / columns / aspect)

function layoutTable({ cells, axes, width, aspect }: GridInput, last: { name: string; labels: string[] }): Grid {
  const sides = [...new Set(cells.map(({ row }) => row))]
  const headers = last.labels.slice(0, MAX_COLUMNS)
  const rows = Math.min(sides.length, MAX_ROWS)
  const columns = headers.length
  const rowHeight = cellHeight(width, columns, aspect)
  const total = axes.reduce((count, axis) => count * axis.labels.length, 1)
  return {
    kind: "table",
    columns,
    rows,
    headers,
    sides: sides.slice(0, MAX_ROWS),
    axis: last.name,
    rowHeight,
    height: LABEL_HEIGHT + rows * (LABEL_HEIGHT + rowHeight + 2 * GRID_GAP),
    more: Math.max(0, Math.max(total, cells.length) - rows * columns),
  }
}

/** The cells to show, row by row; null for a table cell without a result. */
export function visibleCells(grid: Grid, cells: readonly CellView[]): (CellView | null)[] {
  if (grid.kind === "strip") return [...cells]
  if (grid.kind !== "table") return cells.slice(0, MAX_CELLS)
  const byLabels = new Map(cells.map((view) => [JSON.stringify([view.row, view.label]), view]))
  return grid.sides.flatMap((row) => grid.headers.map((label) => byLabels.get(JSON.stringify([row, label])) ?? null))
}

/** The label that a pick node uses for a cell: the labels on all its axes. */
export const pickLabel = (view: CellView): string => view.coordinate.map(([, label]) => label).join(" / ")
