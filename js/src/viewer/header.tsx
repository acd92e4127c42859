/** The viewer's head: what is shown, and everything that can be done with it. */

import type { ViewedResult } from "../state/viewer-state"
import type { CompareSettings } from "./picture-view"
import type { ZoomControl } from "./use-zoom"
import { COMPARE_MODES, type ViewerActions } from "./viewer-actions"

interface Props {
  shown: readonly ViewedResult[]
  only: ViewedResult | null
  /** Its place among its neighbours, and how many they are. */
  index: number
  count: number
  /** Null: nothing to zoom. */
  percent: number | null
  zoom: { current: ZoomControl | null }
  compareSettings: CompareSettings
  changeSettings: (more: Partial<CompareSettings>) => void
  commands: ViewerActions
  isDetailsOpen: boolean
  isFlat: boolean
}

export function Header(props: Props) {
  const { only, commands } = props
  return (
    <header className="ff-viewer-head">
      {only ? <ResultTitle {...props} only={only} /> : <CompareControls {...props} />}
      <span className="ff-spacer" />
      <ZoomControls {...props} />
      {only && <ResultActions {...props} only={only} />}
      <button type="button" className="ff-button" aria-label="Close" title="Close (Escape)" onClick={commands.close}>
        ✕
      </button>
    </header>
  )
}

function ResultTitle({ only, index, count, commands }: Props & { only: ViewedResult }) {
  const isTape = only.ref.kind === "tape"
  return (
    <>
      <h2>
        {only.title}
        {only.label && <span>{only.label}</span>}
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
        <legend className="ff-unseen">Go through</legend>
        {(["This node", "Tape"] as const).map((label) => (
          <button
            key={label}
            type="button"
            aria-pressed={(label === "Tape") === isTape}
            onClick={() => {
              if ((label === "Tape") !== isTape) commands.switchRow()
            }}
            title={`Go through ${label === "Tape" ? "the tape" : "the results of this node"} (T)`}
          >
            {label}
          </button>
        ))}
      </fieldset>
    </>
  )
}

function CompareControls({ shown, compareSettings, changeSettings, isFlat }: Props) {
  const { mode, onion, strength } = compareSettings
  return (
    <>
      <h2>
        Compare<span>{shown.length} pictures</span>
      </h2>
      <fieldset className="ff-choice">
        <legend className="ff-unseen">How</legend>
        {COMPARE_MODES.map(([one, label, key]) => (
          <button
            key={one}
            type="button"
            disabled={isFlat && one !== "beside"}
            aria-pressed={(isFlat ? "beside" : mode) === one}
            title={`${label} (${key.toUpperCase()})`}
            onClick={() => changeSettings({ mode: one })}
          >
            {label}
          </button>
        ))}
      </fieldset>
      {isFlat && <p className="ff-warn">This browser offers no WebGL2: only side by side can be shown.</p>}
      {!isFlat && mode === "onion" && (
        <Slider
          label="Blend"
          value={onion}
          max={shown.length - 1}
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
      <button type="button" className="ff-button" title="The whole picture (0)" onClick={() => zoom.current?.fit()}>
        Fit
      </button>
      <button
        type="button"
        className="ff-button"
        title="Pixel for pixel (1)"
        onClick={() => zoom.current?.actualSize()}
      >
        1:1
      </button>
    </span>
  )
}

function ResultActions({ only, commands, isDetailsOpen }: Props & { only: ViewedResult }) {
  const isFile = only.cell.sha256 !== undefined
  return (
    <span className="ff-steps">
      {(only.kind === "image" || only.kind === "value") && (
        <button type="button" className="ff-button" title="Copy (Ctrl C)" onClick={commands.copy}>
          Copy
        </button>
      )}
      {isFile && (
        <button
          type="button"
          className="ff-button"
          title="As a file with its recipe inside (Ctrl S)"
          onClick={commands.download}
        >
          Download
        </button>
      )}
      {only.generationId !== null && (
        <button type="button" className="ff-button" title="Place again how it was made (R)" onClick={commands.restore}>
          Restore
        </button>
      )}
      {isFile && (
        <button
          type="button"
          className="ff-button"
          title="Place it on the canvas as a file (P)"
          onClick={commands.place}
        >
          Place
        </button>
      )}
      <button
        type="button"
        className="ff-button"
        aria-pressed={isDetailsOpen}
        title="How it was made (I)"
        onClick={commands.toggleDetails}
      >
        Facts
      </button>
    </span>
  )
}
