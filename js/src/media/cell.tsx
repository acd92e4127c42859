/** One result on a node: picture, video, sound or value, with its label, its progress, or the hole where it is not. */

import { memo } from "react"
import type { CellView } from "../state/card"
import { clock } from "../state/money"
import type { PortType } from "../wire/catalog"
import { Film } from "./film"
import { Sound } from "./sound"

interface Props {
  view: CellView
  type: PortType
  /** Alone on its node: facts instead of a label. */
  isAlone: boolean
  isStale: boolean
  /** The first of its row: it names what the row has in common. */
  isFirst: boolean
}

export const MediaCell = memo(function MediaCell({ view, type, isAlone, isStale, isFirst }: Props) {
  const { cell, hole, progress } = view
  const isRunning = progress !== undefined
  const tone = `ff-cell${isRunning ? " is-running" : ""}${isStale ? " is-stale" : ""}`
  if (hole !== null) {
    return (
      <div className="ff-cell ff-hole" role="img" aria-label={`${view.label} ${hole}`}>
        <span>{hole}</span>
        {view.label && <span className="ff-label">{view.label}</span>}
      </div>
    )
  }
  return (
    <div className={tone} title={view.row ? `${view.row} · ${view.label}` : undefined}>
      {cell?.media_type?.startsWith("video/") && cell.url ? (
        <Film url={cell.url} poster={cell.preview_url} duration={cell.duration_s ?? null} />
      ) : type === "audio" && cell?.url ? (
        <Sound url={cell.url} peaks={cell.peaks ?? []} duration={cell.duration_s ?? null} />
      ) : cell?.preview_url || cell?.url ? (
        <img
          src={cell.preview_url ?? cell.url}
          alt={`${type} ${view.row} ${view.label}`.trim()}
          draggable={false}
          decoding="async"
        />
      ) : (
        <span className="ff-empty" aria-hidden="true" />
      )}
      {isFirst && view.row && <span className="ff-label is-row">{view.row}</span>}
      {!isAlone && view.label && <span className="ff-label">{view.label}</span>}
      {isAlone && !isRunning && cell && !cell.media_type?.startsWith("audio/") && <Size cell={cell} />}
      {isRunning && <Progress value={progress} label={view.label} />}
    </div>
  )
})

function Size({ cell }: { cell: NonNullable<CellView["cell"]> }) {
  if (cell.duration_s) return <span className="ff-label">{clock(cell.duration_s)}</span>
  return cell.width && cell.height ? <span className="ff-label">{`${cell.width} × ${cell.height}`}</span> : null
}

function Progress({ value, label }: { value: number | null | undefined; label: string }) {
  return (
    <span
      className={`ff-progress${value === null ? " is-unknown" : ""}`}
      role="progressbar"
      aria-label={label || "progress"}
      aria-valuenow={value == null ? undefined : Math.round(value * 100)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ transform: `scaleX(${value ?? 1})` }} />
    </span>
  )
}
