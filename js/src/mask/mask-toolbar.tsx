/** Toolbar of the mask painter. */

import type { Brush } from "./mask-painter"
import { addStep, MAX_BRUSH_PX, type MaskHistory, type MaskStep, MIN_BRUSH_PX, redoStep, undoStep } from "./strokes"

interface Props {
  title: string
  note: string
  brush: Brush
  opacity: number
  history: MaskHistory
  /** The user closes the painter with unsaved strokes. */
  isConfirming: boolean
  onBrush: (brush: Brush) => void
  onOpacity: (opacity: number) => void
  onHistory: (change: (history: MaskHistory) => MaskHistory) => void
  onFit: () => void
  onUse: () => void
  onClose: () => void
  onStay: () => void
}

export function MaskToolbar(props: Props) {
  const { title, note, brush, history, isConfirming, onBrush, onHistory } = props
  const addToHistory = (mark: MaskStep) => onHistory((current) => addStep(current, mark))
  const tool = (text: string, isEraser: boolean) => (
    <button
      type="button"
      className="ff-button"
      aria-pressed={brush.isEraser === isEraser}
      title={`${text} (X switches)`}
      onClick={() => onBrush({ ...brush, isEraser })}
    >
      {text}
    </button>
  )
  return (
    <header className="ff-mask-bar">
      <div className="ff-mask-title">
        <b>{title}</b>
        <span className="ff-muted">{note || "painted areas will change"}</span>
      </div>
      <div className="ff-group" role="toolbar" aria-label="Tools">
        {tool("Brush", false)}
        {tool("Eraser", true)}
        <Slide
          label="Size"
          title="Size ([ and ])"
          // Logarithmic: sizes are perceived as ratios.
          value={Math.log(brush.size)}
          min={Math.log(MIN_BRUSH_PX)}
          max={Math.log(MAX_BRUSH_PX)}
          valueText={`${brush.size} px`}
          onChange={(value) => onBrush({ ...brush, size: Math.round(Math.exp(value)) })}
        />
        <Slide
          label="Feather"
          title="Softness of the edge"
          value={brush.feather}
          min={0}
          max={1}
          valueText={`${Math.round(brush.feather * 100)} %`}
          onChange={(feather) => onBrush({ ...brush, feather })}
        />
        <Slide
          label="Show"
          title="Opacity of the mask"
          value={props.opacity}
          min={0.1}
          max={1}
          valueText={`${Math.round(props.opacity * 100)} %`}
          onChange={props.onOpacity}
        />
      </div>
      <div className="ff-group" role="toolbar" aria-label="Mask">
        <button
          type="button"
          className="ff-button"
          aria-label="Undo"
          title="Undo (Ctrl+Z)"
          disabled={history.index === 0}
          onClick={() => onHistory(undoStep)}
        >
          ↶
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Redo"
          title="Redo (Ctrl+Shift+Z)"
          disabled={history.index === history.steps.length}
          onClick={() => onHistory(redoStep)}
        >
          ↷
        </button>
        <button type="button" className="ff-button" title="Invert (I)" onClick={() => addToHistory({ kind: "invert" })}>
          Invert
        </button>
        <button
          type="button"
          className="ff-button"
          title="Clear (Delete)"
          onClick={() => addToHistory({ kind: "clear" })}
        >
          Clear
        </button>
        <button type="button" className="ff-button" title="Fit (0); wheel zooms, Space pans" onClick={props.onFit}>
          Fit
        </button>
      </div>
      <span className="ff-spacer" />
      {isConfirming ? (
        <div className="ff-group" role="alertdialog" aria-label="Discard the strokes?">
          <span className="ff-mask-ask">Discard the strokes?</span>
          <button type="button" className="ff-button" onClick={props.onClose}>
            Discard
          </button>
          <button type="button" className="ff-button" onClick={props.onStay}>
            Continue painting
          </button>
        </div>
      ) : (
        <div className="ff-group">
          <button type="button" className="ff-button" onClick={props.onClose}>
            Cancel
          </button>
          <button
            type="button"
            className="ff-button is-primary"
            title="Use this mask (Ctrl+Enter)"
            disabled={history.index === 0}
            onClick={props.onUse}
          >
            Use mask
          </button>
        </div>
      )}
    </header>
  )
}

interface SlideProps {
  label: string
  title: string
  value: number
  min: number
  max: number
  valueText: string
  onChange: (value: number) => void
}

const Slide = ({ label, title, value, min, max, valueText, onChange }: SlideProps) => (
  <label className="ff-slide" title={title}>
    <span>{label}</span>
    <input
      type="range"
      min={min}
      max={max}
      step={(max - min) / 200}
      value={value}
      aria-valuetext={valueText}
      onInput={(event) => onChange(Number(event.currentTarget.value))}
    />
    <output className="ff-mono">{valueText}</output>
  </label>
)
