/** Header of the viewer: title, navigation, compare controls, zoom and actions. */

import type { ViewedResult } from "../state/viewer-state"
import type { CompareSettings } from "./picture-view"
import type { ZoomControl } from "./use-zoom"
import { COMPARE_MODES, type ViewerActions } from "./viewer-actions"

interface Props {
  results: readonly ViewedResult[]
  single: ViewedResult | null
  /** Position among the sibling results; -1 if unknown. */
  index: number
  count: number
  /** Zoom; null if the result cannot be zoomed. */
  percent: number | null
  zoom: { current: ZoomControl | null }
  compareSettings: CompareSettings
  changeSettings: (more: Partial<CompareSettings>) => void
  commands: ViewerActions
  isDetailsOpen: boolean
  isFlat: boolean
}

export function Header(props: Props) {
  const { single, commands } = props
  return (
    <header className="ff-viewer-head">
      {single ? <ResultTitle {...props} single={single} /> : <CompareControls {...props} />}
      <span className="ff-spacer" />
      <ZoomControls {...props} />
      {single && <ResultActions {...props} single={single} />}
      <button type="button" className="ff-button" aria-label="Close" title="Close (Escape)" onClick={commands.close}>
        ✕
      </button>
    </header>
  )
}

function ResultTitle({ single, index, count, commands }: Props & { single: ViewedResult }) {
  const isTape = single.ref.kind === "tape"
  return (
    <>
      <h2>
        {single.title}
        {single.label && <span>{single.label}</span>}
      </h2>
      {count > 1 && (
        <span className="ff-steps">
          <button
            type="button"
            className="ff-button"
            aria-label="Previous"
            title="Previous (←)"
            onClick={commands.previous}
          >
            ‹
          </button>
          <span className="ff-mono" aria-live="polite">{`${index + 1} of ${count}`}</span>
          <button type="button" className="ff-button" aria-label="Next" title="Next (→)" onClick={commands.next}>
            ›
          </button>
        </span>
      )}
      <fieldset className="ff-choice">
        <legend className="ff-unseen">Browse</legend>
        {(["This node", "Tape"] as const).map((label) => (
          <button
            key={label}
            type="button"
            aria-pressed={(label === "Tape") === isTape}
            onClick={() => {
              if ((label === "Tape") !== isTape) commands.switchRow()
            }}
            title={`Browse ${label === "Tape" ? "the tape" : "the results of this node"} (T)`}
          >
            {label}
          </button>
        ))}
      </fieldset>
    </>
  )
}

function CompareControls({ results, compareSettings, changeSettings, isFlat }: Props) {
  const { mode, onion, strength } = compareSettings
  return (
    <>
      <h2>
        Compare<span>{results.length} pictures</span>
      </h2>
      <fieldset className="ff-choice">
        <legend className="ff-unseen">Compare mode</legend>
        {COMPARE_MODES.map(([option, label, key]) => (
          <button
            key={option}
            type="button"
            disabled={isFlat && option !== "beside"}
            aria-pressed={(isFlat ? "beside" : mode) === option}
            title={`${label} (${key.toUpperCase()})`}
            onClick={() => changeSettings({ mode: option })}
          >
            {label}
          </button>
        ))}
      </fieldset>
      {isFlat && <p className="ff-warn">WebGL2 is unavailable in this browser: only side by side works.</p>}
      {!isFlat && mode === "onion" && (
        <Slider
          label="Blend"
          value={onion}
          max={results.length - 1}
          step={0.01}
          onChange={(next) => changeSettings({ onion: next })}
        />
      )}
      {!isFlat && mode === "difference" && (
        <Slider
          label={`Strength ×${strength}`}
          value={strength}
          min={1}
          max={16}
          step={1}
          onChange={(next) => changeSettings({ strength: next })}
        />
      )}
    </>
  )
}

interface SliderProps {
  label: string
  value: number
  min?: number
  max: number
  step: number
  onChange: (value: number) => void
}

function Slider({ label, value, min = 0, max, step, onChange }: SliderProps) {
  const filled = `${((value - min) / (max - min)) * 100}%`
  return (
    <label className="ff-turned">
      <span>{label}</span>
      <span className="ff-box ff-slider">
        <input
          type="range"
          min={min}
          max={max}
          step={step}
          value={value}
          style={{ "--filled": filled } as React.CSSProperties}
          onChange={(event) => onChange(Number(event.currentTarget.value))}
        />
      </span>
    </label>
  )
}

function ZoomControls({ percent, zoom }: Props) {
  if (percent === null) return null
  return (
    <span className="ff-steps">
      <button
        type="button"
        className="ff-button"
        aria-label="Zoom out"
        title="Zoom out (−)"
        onClick={() => zoom.current?.zoomBy(0.8)}
      >
        −
      </button>
      <span className="ff-mono ff-percent">{percent} %</span>
      <button
        type="button"
        className="ff-button"
        aria-label="Zoom in"
        title="Zoom in (+)"
        onClick={() => zoom.current?.zoomBy(1.25)}
      >
        +
      </button>
      <button type="button" className="ff-button" title="Fit to view (0)" onClick={() => zoom.current?.fit()}>
        Fit
      </button>
      <button type="button" className="ff-button" title="Actual size (1)" onClick={() => zoom.current?.actualSize()}>
        1:1
      </button>
    </span>
  )
}

function ResultActions({ single, commands, isDetailsOpen }: Props & { single: ViewedResult }) {
  const isFile = single.cell.sha256 !== undefined
  return (
    <span className="ff-steps">
      {(single.kind === "image" || single.kind === "value") && (
        <button type="button" className="ff-button" title="Copy (Ctrl+C)" onClick={commands.copy}>
          Copy
        </button>
      )}
      {isFile && (
        <button
          type="button"
          className="ff-button"
          title="Download the file with its recipe embedded (Ctrl+S)"
          onClick={commands.download}
        >
          Download
        </button>
      )}
      {single.generationId !== null && (
        <button
          type="button"
          className="ff-button"
          title="Restore the nodes that generated this result (R)"
          onClick={commands.restore}
        >
          Restore
        </button>
      )}
      {isFile && (
        <button
          type="button"
          className="ff-button"
          title="Place on the canvas as a file node (P)"
          onClick={commands.place}
        >
          Place
        </button>
      )}
      <button
        type="button"
        className="ff-button"
        aria-pressed={isDetailsOpen}
        title="Details (I)"
        onClick={commands.toggleDetails}
      >
        Details
      </button>
    </span>
  )
}
