/** The tape along the bottom: what was made lately. Drag a frame onto the canvas; double click restores how it was made. */

import { memo } from "react"
import { offeredBy } from "../bridge/bytes"
import { useBridge, useCanvas } from "../bridge/context"
import { useBytes } from "../bridge/use-bytes"
import { seconds, usd } from "../state/money"
import type { Point } from "../state/store"
import type { TapeFrame } from "../wire/run"

export function TapeStrip({ middle }: { middle: () => Point }) {
  const { session, store } = useBridge()
  const tape = useCanvas((state) => state.tape)
  const isOpen = useCanvas((state) => state.isTapeOpen)
  const isReady = useCanvas((state) => state.isReady)
  const toggle = () => store.setState({ isTapeOpen: !isOpen })
  if (!isReady) return null
  if (!isOpen) {
    return (
      <button type="button" className="ff-tape-tab" aria-expanded="false" onClick={toggle} title="Show the tape (T)">
        Tape <span className="ff-muted">{tape.generations.toLocaleString("en")} takes</span>
      </button>
    )
  }
  const restore = (frame: TapeFrame) =>
    session.send({ type: "restore", generation_id: frame.generation_id, position: middle() })
  return (
    <section className="ff-tape" aria-label="Tape">
      <button
        type="button"
        className="ff-tape-label"
        aria-expanded="true"
        onClick={toggle}
        title="Fold the tape away (T)"
      >
        <b>Tape</b>
        <span>{tape.generations.toLocaleString("en")} takes</span>
        <span>{usd(tape.cost_micro_usd)} in all</span>
      </button>
      <div className="ff-frames nowheel" onWheel={scrollSideways}>
        {tape.frames.map((frame) => (
          <Frame key={frame.generation_id} frame={frame} onRestore={restore} />
        ))}
        {tape.frames.length === 0 && (
          <p className="ff-none">Nothing was made yet. What you run is kept here, with its recipe and its price.</p>
        )}
      </div>
      <button
        type="button"
        className="ff-button"
        onClick={() => session.send({ type: "ask_in_sql" })}
        title="Insert a cell that asks the tape"
      >
        Ask in SQL
      </button>
    </section>
  )
}

const scrollSideways = (event: React.WheelEvent<HTMLElement>) => {
  if (Math.abs(event.deltaY) > Math.abs(event.deltaX)) event.currentTarget.scrollLeft += event.deltaY
}

const Frame = memo(function Frame({ frame, onRestore }: { frame: TapeFrame; onRestore: (frame: TapeFrame) => void }) {
  const { cell } = frame
  const length = cell?.duration_s ? `${seconds(cell.duration_s).replace(".0", "")} ` : ""
  const cost = frame.is_cached ? "cached" : `${length}${usd(frame.cost_micro_usd)}`
  const still = useBytes(cell, "preview", cell !== null && offeredBy(cell, "preview") !== undefined)
  return (
    <button
      type="button"
      className="ff-frame"
      draggable
      title={`${frame.title}: double click, or Enter, restores how it was made`}
      aria-label={`${frame.title}, ${cost}`}
      onDragStart={(event) => {
        event.dataTransfer.setData("application/x-fusionflow-generation", frame.generation_id)
        event.dataTransfer.effectAllowed = "copy"
      }}
      onDoubleClick={() => onRestore(frame)}
      onKeyDown={(event) => {
        if (event.key === "Enter") onRestore(frame)
      }}
    >
      {still.url !== undefined ? (
        <img src={still.url} alt="" draggable={false} loading="lazy" decoding="async" onError={still.onError} />
      ) : (
        <span className="ff-gist">{cell?.value !== undefined ? String(cell.value) : frame.state}</span>
      )}
      <span className="ff-label">{cost}</span>
    </button>
  )
})
