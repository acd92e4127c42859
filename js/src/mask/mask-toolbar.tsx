/** The painter's tools, and the way out. */

import type { Brush } from "./mask-painter"
import { addStep, MAX_BRUSH_PX, type MaskHistory, type MaskStep, MIN_BRUSH_PX, redoStep, undoStep } from "./strokes"

interface Props {
  title: string
  note: string
  brush: Brush
  opacity: number
  marks: MaskHistory
  /** The person wants to go, and strokes would be lost. */
  isAsking: boolean
  onBrush: (brush: Brush) => void
  onOpacity: (opacity: number) => void
  onMarks: (change: (marks: MaskHistory) => MaskHistory) => void
  onFit: () => void
  onUse: () => void
  onClose: () => void
  onStay: () => void
}

export function MaskToolbar(props: Props) {
  const { title, note, brush, marks, isAsking, onBrush, onMarks } = props
  const add = (mark: MaskStep) => onMarks((now) => addStep(now, mark))
  const tool = (text: string, isEraser: boolean) => (
    <button
      type="button"
      className="ff-button"
      aria-pressed={brush.isEraser === isEraser}
      title={`${text} (X changes)`}
      onClick={() => onBrush({ ...brush, isEraser })}
    >
      {text}
    </button>
  )
  return (
    <header className="ff-mask-bar">
      <div className="ff-mask-title">
        <b>{title}</b>
        <span className="ff-muted">{note || "what you paint is what changes"}</span>
      </div>
      <div className="ff-group" role="toolbar" aria-label="Tools">
        {tool("Brush", false)}
        {tool("Eraser", true)}
        <Slide
          label="Size"
          title="Size ([ and ])"
          // The eye sees steps of size as ratios.
          value={Math.log(brush.size)}
          min={Math.log(MIN_BRUSH_PX)}
          max={Math.log(MAX_BRUSH_PX)}
          said={`${brush.size} px`}
          onChange={(value) => onBrush({ ...brush, size: Math.round(Math.exp(value)) })}
        />
        <Slide
          label="Feather"
          title="How soft the edge is"
          value={brush.feather}
          min={0}
          max={1}
          said={`${Math.round(brush.feather * 100)} %`}
          onChange={(feather) => onBrush({ ...brush, feather })}
        />
        <Slide
          label="Show"
          title="How strongly the mask is shown"
          value={props.opacity}
          min={0.1}
          max={1}
          said={`${Math.round(props.opacity * 100)} %`}
          onChange={props.onOpacity}
        />
      </div>
      <div className="ff-group" role="toolbar" aria-label="Mask">
        <button
          type="button"
          className="ff-button"
          aria-label="Undo"
          title="Undo (Ctrl+Z)"
          disabled={marks.index === 0}
          onClick={() => onMarks(undoStep)}
        >
          ↶
        </button>
        <button
          type="button"
          className="ff-button"
          aria-label="Redo"
          title="Redo (Ctrl+Shift+Z)"
          disabled={marks.index === marks.steps.length}
          onClick={() => onMarks(redoStep)}
        >
          ↷
        </button>
        <button type="button" className="ff-button" title="Invert (I)" onClick={() => add({ kind: "invert" })}>
          Invert
        </button>
        <button type="button" className="ff-button" title="Clear (Delete)" onClick={() => add({ kind: "clear" })}>
          Clear
        </button>
        <button type="button" className="ff-button" title="Fit (0); wheel zooms, Space drags" onClick={props.onFit}>
          Fit
        </button>
      </div>
      <span className="ff-spacer" />
      {isAsking ? (
        <div className="ff-group" role="alertdialog" aria-label="Throw the strokes away?">
          <span className="ff-mask-ask">Throw the strokes away?</span>
          <button type="button" className="ff-button" onClick={props.onClose}>
            Throw away
          </button>
          <button type="button" className="ff-button" onClick={props.onStay}>
            Go on
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
            disabled={marks.index === 0}
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
  said: string
  onChange: (value: number) => void
}

const Slide = ({ label, title, value, min, max, said, onChange }: SlideProps) => (
  <label className="ff-slide" title={title}>
    <span>{label}</span>
    <input
      type="range"
      min={min}
      max={max}
      step={(max - min) / 200}
      value={value}
      aria-valuetext={said}
      onInput={(event) => onChange(Number(event.currentTarget.value))}
    />
    <output className="ff-mono">{said}</output>
  </label>
)
