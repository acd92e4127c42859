/**
 * Tape strip along the bottom: recent generations of this flow or of all flows. Drag a frame onto the canvas to use its
 * file; double-click restores the nodes that generated it.
 */

import { memo, useCallback, useEffect, useRef } from "react"
import { offeredUrl } from "../bridge/bytes"

import { useBridge, useCanvas } from "../bridge/context"
import { useBytes } from "../bridge/use-bytes"
import { formatSeconds, formatUsd } from "../state/format"
import type { Point } from "../state/store"
import { placeFrame } from "../state/tape"
import { isSameRef, type ResultRef } from "../state/viewer-state"
import type { TapeFrame } from "../wire/run"
import { showSql } from "./source"
import { type TapeScope, useTapeFrames } from "./tape-frames"

/** MIME type of a dragged frame; the data is the frame as JSON. */
export const FRAME_MIME_TYPE = "application/x-fusionflow-frame"
const SCOPES: [TapeScope, string][] = [
  ["flow", "This flow"],
  ["all", "All"],
]
/** Distance to the end, in pixels, at which older frames are loaded. */
const LOAD_MORE_PX = 200

export function TapeStrip({ viewCenter }: { viewCenter: () => Point }) {
  const bridge = useBridge()
  const { session, store, editing } = bridge
  const { of, show, tape, frames, loadOlder } = useTapeFrames()
  const isOpen = useCanvas((state) => state.isTapeOpen)
  const isReady = useCanvas((state) => state.isReady)
  const toggle = () => store.setState({ isTapeOpen: !isOpen })
  const strip = useRef<HTMLDivElement>(null)
  const loadMoreNearEnd = useCallback(() => {
    if (!strip.current) return
    const { scrollLeft, clientWidth, scrollWidth } = strip.current
    if (scrollLeft + clientWidth > scrollWidth - LOAD_MORE_PX) void loadOlder()
  }, [loadOlder])
  // biome-ignore lint/correctness/useExhaustiveDependencies: load more if the frames do not fill the strip
  useEffect(loadMoreNearEnd, [loadMoreNearEnd, frames.length, isOpen])
  if (!isReady) return null
  if (!isOpen) {
    return (
      <button type="button" className="ff-tape-tab" aria-expanded="false" onClick={toggle} title="Show tape (T)">
        Tape <span className="ff-muted">{tape.generations.toLocaleString("en")} takes</span>
      </button>
    )
  }
  const restore = (frame: TapeFrame) => {
    const at = viewCenter()
    const position = { x: Math.round(at.x), y: Math.round(at.y) }
    void session.requestOrNotify({ type: "restore", generation_id: frame.generation_id, position })
  }
  const use = (frame: TapeFrame) => {
    const at = viewCenter()
    if (!placeFrame(editing, frame, editing.freePlace(at))) session.notify("This frame has no file to place.")
  }
  return (
    <section className="ff-tape" aria-label="Tape">
      <div className="ff-tape-side">
        <button type="button" className="ff-tape-label" aria-expanded="true" onClick={toggle} title="Hide tape (T)">
          <b>Tape</b>
          <span>{tape.generations.toLocaleString("en")} takes</span>
          <span>{formatUsd(tape.cost_micro_usd)} total</span>
        </button>
        <fieldset className="ff-scopes">
          <legend className="ff-unseen">Show</legend>
          {SCOPES.map(([scope, label]) => (
            <button key={scope} type="button" aria-pressed={of === scope} onClick={() => show(scope)}>
              {label}
            </button>
          ))}
        </fieldset>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: handles the arrow keys of the frames inside */}
      <div
        ref={strip}
        className="ff-frames nowheel"
        onWheel={scrollSideways}
        onScroll={loadMoreNearEnd}
        onKeyDown={moveFocus}
      >
        {frames.map((frame) => (
          <Frame key={frame.generation_id} frame={frame} onRestore={restore} onUse={use} />
        ))}
        {frames.length === 0 && (
          <p className="ff-none">No generations yet. Results of your runs appear here, with recipe and price.</p>
        )}
      </div>
      <button
        type="button"
        className="ff-button"
        onClick={() => void showSql(bridge)}
        title="SQL cell that queries the tape for this flow"
      >
        Query in SQL
      </button>
    </section>
  )
}

const scrollSideways = (event: React.WheelEvent<HTMLElement>) => {
  if (Math.abs(event.deltaY) > Math.abs(event.deltaX)) event.currentTarget.scrollLeft += event.deltaY
}

/** Arrow keys move the focus between frames. */
const moveFocus = (event: React.KeyboardEvent<HTMLElement>) => {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0
  const frames = [...event.currentTarget.querySelectorAll<HTMLElement>(".ff-frame")]
  const next = frames[frames.indexOf(document.activeElement as HTMLElement) + step]
  if (step === 0 || !next) return
  event.preventDefault()
  event.stopPropagation()
  next.focus()
}

interface FrameProps {
  frame: TapeFrame
  onRestore: (frame: TapeFrame) => void
  onUse: (frame: TapeFrame) => void
}

const Frame = memo(function Frame({ frame, onRestore, onUse }: FrameProps) {
  const { cell } = frame
  const length = cell?.duration_s ? `${formatSeconds(cell.duration_s).replace(".0", "")} ` : ""
  const cost = frame.is_cached
    ? "cached"
    : `${length}${frame.cost_is_exact === false ? "~" : ""}${formatUsd(frame.cost_micro_usd)}`
  const preview = useBytes(cell, "preview", cell !== null && offeredUrl(cell, "preview") !== undefined)
  const { viewer } = useBridge()
  const ref: ResultRef = { kind: "tape", frame }
  const mark = useCanvas((state) => state.marked.findIndex((marked) => isSameRef(marked, ref)))
  return (
    <span className={`ff-frame-slot${mark >= 0 ? " is-marked" : ""}`}>
      <button
        type="button"
        className="ff-frame"
        draggable
        title={`${frame.title}: drag to the canvas to place (Shift+Enter), double-click to restore (Enter), view (Space), mark for comparison (C)`}
        aria-label={`${frame.title}, ${cost}`}
        onDragStart={(event) => {
          event.dataTransfer.setData(FRAME_MIME_TYPE, JSON.stringify(frame))
          event.dataTransfer.effectAllowed = "copy"
        }}
        onDoubleClick={() => onRestore(frame)}
        onClick={(event) => {
          if (event.shiftKey) viewer.toggleMark(ref)
        }}
        onKeyDown={(event) => {
          if (event.key === " ") viewer.open(ref)
          else if (event.key === "c" && !event.ctrlKey && !event.metaKey) viewer.toggleMark(ref)
          else if (event.key !== "Enter") return
          else if (event.shiftKey) onUse(frame)
          else onRestore(frame)
          event.preventDefault()
          event.stopPropagation()
        }}
      >
        {preview.url !== undefined ? (
          <img src={preview.url} alt="" draggable={false} loading="lazy" decoding="async" onError={preview.onError} />
        ) : (
          <span className="ff-gist">{cell?.value !== undefined ? String(cell.value) : frame.state}</span>
        )}
        <span className="ff-label">{cost}</span>
        {mark >= 0 && <span className="ff-mark">{mark + 1}</span>}
      </button>
      {cell !== null && (
        <button
          type="button"
          className="ff-peek"
          aria-label={`View ${frame.title}`}
          title="View (Space)"
          onClick={() => viewer.open(ref)}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path
              d="M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9"
              fill="none"
              stroke="currentColor"
              strokeWidth="1.6"
            />
          </svg>
        </button>
      )}
    </span>
  )
})
