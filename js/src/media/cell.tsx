/** One result on a node: image, video, audio or value, with label and progress, or the reason why it is empty. */

import { memo } from "react"
import { useNow } from "../bridge/clock"
import type { CellView } from "../state/card"
import { estimateProgress } from "../state/estimate"
import { formatClock } from "../state/format"
import type { PortType } from "../wire/catalog"
import type { Expected, ResultCell } from "../wire/run"
import { AudioPlayer } from "./audio-player"
import { PreviewImage } from "./preview-image"
import { VideoPlayer } from "./video-player"

interface Props {
  view: CellView
  type: PortType
  /** The only cell of its node: shows its size instead of a label. */
  isSingle: boolean
  isStale: boolean
  /** First cell of a row: shows the row label. */
  isFirst: boolean
}

export const MediaCell = memo(function MediaCell({ view, type, isSingle, isStale, isFirst }: Props) {
  const { cell, hole, progress } = view
  const isRunning = progress !== undefined
  const name = `${type} ${view.row} ${view.label}`.replace(/ +/g, " ").trim()
  const tone = `ff-cell${isRunning ? " is-running" : ""}${view.isPartial ? " is-partial" : ""}${isStale ? " is-stale" : ""}`
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
      {cell && hasBytes(cell) ? (
        cell.media_type?.startsWith("video/") ? (
          <VideoPlayer cell={cell} name={name} />
        ) : cell.media_type?.startsWith("audio/") ? (
          <AudioPlayer cell={cell} name={name} />
        ) : (
          <PreviewImage cell={cell} name={name} />
        )
      ) : (
        <span className="ff-empty" aria-hidden="true" />
      )}
      {isFirst && view.row && <span className="ff-label is-row">{view.row}</span>}
      {!isSingle && view.label && <span className="ff-label">{view.label}</span>}
      {isSingle && !isRunning && cell && !cell.media_type?.startsWith("audio/") && <Size cell={cell} />}
      {view.isPartial && <span className="ff-label is-row">preview</span>}
      {isRunning &&
        (view.expected ? (
          <Estimate expected={view.expected} label={view.label} />
        ) : (
          <Progress value={progress} label={view.label} />
        ))}
    </div>
  )
})

const hasBytes = (cell: ResultCell): boolean =>
  cell.sha256 !== undefined || cell.url !== undefined || cell.preview_url !== undefined

function Size({ cell }: { cell: NonNullable<CellView["cell"]> }) {
  if (cell.duration_s) return <span className="ff-label is-length">{formatClock(cell.duration_s)}</span>
  return cell.width && cell.height ? <span className="ff-label">{`${cell.width} × ${cell.height}`}</span> : null
}

/** Progress bar for an estimate. Striped, and announced as an estimate to screen readers. */
function Estimate({ expected, label }: { expected: Expected; label: string }) {
  const progress = estimateProgress(expected, useNow())
  return (
    <span
      className="ff-progress is-estimate"
      role="progressbar"
      aria-label={label || "progress"}
      aria-valuenow={Math.floor(progress * 100)}
      aria-valuetext={`about ${Math.floor(progress * 100)} %, an estimate`}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${progress * 100}%` }} />
    </span>
  )
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
