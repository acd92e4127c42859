/** Results of a node: a single result, a table labeled by its axes, a grid, or a scrolling strip. */

import { memo } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { MediaCell } from "../media/cell"
import { GradedImage } from "../media/graded-image"
import { useGrade } from "../media/use-grade"
import { addPickNode, pickNodeType } from "../state/batches"
import { type CellView, isRunning } from "../state/card"
import type { CardData } from "../state/derived"
import { fileKindOf } from "../state/files"
import { type Grid, LABEL_HEIGHT, pickLabel, visibleCells } from "../state/grid"
import { isViewable } from "../state/viewer-state"
import type { ResultCell } from "../wire/run"
import { FilePickerButton } from "./file-picker-button"
import { ResultButton } from "./result-button"

/** Maximum number of pictures graded live before the node has results. */
const MAX_LIVE_CELLS = 16

export function ResultGrid({ id, card, style }: { id: string; card: CardData; style: React.CSSProperties }) {
  const { facts, cells, layout } = card
  const { grid } = layout
  const type = facts.type?.outputs[0]?.type ?? "image"
  const isRunningNow = isRunning(facts)
  const isStale = facts.plan?.state !== "fresh" && !isRunningNow
  const canPick = useCanvas((state) => cells.length > 1 && pickNodeType(state, id) !== null)
  const shown = visibleCells(grid, cells)
  const live = useGrade(id)
  const ungraded = new Map(live?.cells.map(({ key, cell }) => [key, cell]))
  const renderGraded = (cell: ResultCell | undefined) =>
    live &&
    cell && (
      <div className={`ff-cell${isRunningNow ? " is-running" : ""}`}>
        <GradedImage cell={cell} grade={live.grade} name={card.title} />
      </div>
    )
  const renderSlot = (view: CellView | null, index: number) =>
    view === null ? (
      <div key={`none ${index}`} className="ff-cell ff-hole" role="img" aria-label="empty">
        <span>empty</span>
      </div>
    ) : (
      <Slot key={view.key} id={id} view={view} canPick={canPick && view.cell !== null}>
        <ResultButton
          nodeId={id}
          cellKey={view.key}
          name={[card.title, view.row, view.label].filter(Boolean).join(" ")}
          isDisabled={!isViewable(view) && !ungraded.has(view.key)}
        >
          {renderGraded(ungraded.get(view.key)) ?? (
            <MediaCell view={view} type={type} isSingle={cells.length === 1} isStale={isStale} isFirst={false} />
          )}
        </ResultButton>
        {grid.more > 0 && index === shown.length - 1 && (
          <span className="ff-more" title={`${grid.more} more. Use the strip layout to see all.`}>
            +{grid.more}
          </span>
        )}
      </Slot>
    )
  return (
    <div
      className={`ff-part ff-media is-${grid.kind}${grid.kind === "strip" ? " nowheel nodrag" : ""}`}
      style={{ ...style, ...tracks(grid) }}
    >
      {shown.length === 0 && fileKindOf(facts.type) !== null && (
        <div className="ff-cell ff-nothing">
          <FilePickerButton id={id} card={card} text="Choose file" />
          <span>or drop a file here</span>
        </div>
      )}
      {shown.length === 0 &&
        live?.cells.slice(0, MAX_LIVE_CELLS).map(({ key, cell }) => (
          <div key={key} className="ff-slot">
            <ResultButton nodeId={id} cellKey={key} name={card.title}>
              {renderGraded(cell)}
            </ResultButton>
          </div>
        ))}
      {shown.length === 0 && !live && fileKindOf(facts.type) === null && (
        <div className={`ff-cell ff-nothing${isRunningNow ? " is-running" : ""}`}>
          <span>
            {isRunningNow
              ? "generating…"
              : facts.plan?.state === "invalid"
                ? (facts.plan.reasons?.[0]?.text ?? "incomplete")
                : "not run yet"}
          </span>
        </div>
      )}
      {grid.kind === "table" && <Headers grid={grid} />}
      {grid.kind === "table"
        ? grid.sides.flatMap((side, row) => [
            <span key={`side ${side}`} className="ff-side" title={side}>
              {side}
            </span>,
            ...shown
              .slice(row * grid.columns, (row + 1) * grid.columns)
              .map((view, at) => renderSlot(view, row * grid.columns + at)),
          ])
        : shown.map(renderSlot)}
    </div>
  )
}

function tracks({ kind, columns, rows, rowHeight }: Grid): React.CSSProperties {
  const gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`
  if (kind === "strip") return { gridAutoColumns: `${rowHeight}px` }
  if (kind !== "table") return { gridTemplateColumns }
  return {
    gridTemplateColumns,
    gridTemplateRows: `${LABEL_HEIGHT}px repeat(${rows}, ${LABEL_HEIGHT}px ${rowHeight}px)`,
  }
}

const Headers = memo(function Headers({ grid }: { grid: Grid }) {
  return (
    <>
      {grid.headers.map((label, index) => (
        <span key={label} className="ff-header" title={`${grid.axis} ${label}`}>
          {index === 0 && <i>{grid.axis}</i>} {label}
        </span>
      ))}
    </>
  )
})

interface SlotProps {
  id: string
  view: CellView
  canPick: boolean
  children: React.ReactNode
}

function Slot({ id, view, canPick, children }: SlotProps) {
  const { editing } = useBridge()
  return (
    <div className="ff-slot">
      {children}
      {canPick && (
        <button
          type="button"
          className="ff-pick nodrag"
          title={`Pick this result: ${pickLabel(view)}`}
          aria-label={`Pick ${pickLabel(view)}`}
          onClick={() => addPickNode(editing, id, view)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M3 8h9M8.5 4.5 12 8l-3.5 3.5" fill="none" stroke="currentColor" strokeWidth="1.8" />
          </svg>
        </button>
      )}
    </div>
  )
}
