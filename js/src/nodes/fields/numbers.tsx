/** Number field, slider and seed field. */

import { useEffect, useState } from "react"
import { useBridge, useCanvas } from "../../bridge/context"
import type { ControlProps } from "./field"

export function NumberControl({ id, field, value, onChange, problem }: ControlProps) {
  const [draft, setDraft] = useState<string | null>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: an external change discards the draft
  useEffect(() => setDraft(null), [value])
  const commit = (text: string) => {
    setDraft(text)
    const clean = text.trim()
    if (clean === "") onChange(null)
    else if (clean.includes("{{")) onChange(clean)
    else if (Number.isFinite(Number(clean))) onChange(Number(clean))
  }
  return (
    <input
      id={id}
      className="ff-box ff-mono"
      inputMode="decimal"
      autoComplete="off"
      aria-invalid={problem !== null}
      value={draft ?? (value === null ? "" : String(value))}
      placeholder={field.default === null ? "default" : String(field.default)}
      onChange={(event) => commit(event.currentTarget.value)}
      onBlur={() => setDraft(null)}
      onKeyDown={(event) => {
        const step = (event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0) * (field.step ?? 1)
        if (step === 0 || typeof value !== "number") return
        event.preventDefault()
        onChange(value + step * (event.shiftKey ? 10 : 1))
      }}
    />
  )
}

export function SliderControl({ id, field, value, onChange }: ControlProps) {
  const { min = 0, max = 1, step = 0.01 } = field
  const current = typeof value === "number" ? value : typeof field.default === "number" ? field.default : min
  const filled = `${((current - min) / (max - min || 1)) * 100}%`
  return (
    <span className="ff-box ff-slider">
      <input
        id={id}
        type="range"
        className="nodrag nopan"
        min={min}
        max={max}
        step={step}
        value={current}
        style={{ "--filled": filled } as React.CSSProperties}
        onChange={(event) => onChange(Number(event.currentTarget.value))}
        onDoubleClick={() => onChange(null)}
      />
    </span>
  )
}

/** Seed field. The dice button draws a new seed; a locked seed stays the same when the node runs again. */
export function SeedControl({ nodeId, ...props }: ControlProps & { nodeId: string }) {
  const { editing } = useBridge()
  const isLocked = useCanvas((state) => state.shared.document.looks.get(nodeId)?.is_seed_locked === true)
  return (
    <span className="ff-seed">
      <NumberControl {...props} />
      <button
        type="button"
        className="ff-icon"
        title="New random seed"
        aria-label="New random seed"
        onClick={() => props.onChange(editing.drawSeed())}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <rect x="2.5" y="2.5" width="11" height="11" rx="2.5" fill="none" stroke="currentColor" strokeWidth="1.4" />
          <circle cx="5.7" cy="5.7" r="1.1" />
          <circle cx="10.3" cy="10.3" r="1.1" />
          <circle cx="8" cy="8" r="1.1" />
        </svg>
      </button>
      <button
        type="button"
        className="ff-icon"
        aria-pressed={isLocked}
        title={isLocked ? "Seed locked: running again keeps it" : "Seed unlocked: running again draws a new one"}
        aria-label="Lock seed"
        onClick={() => editing.setSeedLocked(nodeId, !isLocked)}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <rect x="3" y="7" width="10" height="7" rx="1.8" />
          <path
            d={isLocked ? "M5 7V5a3 3 0 0 1 6 0v2" : "M5 7V5a3 3 0 0 1 5.6-1.5"}
            fill="none"
            stroke="currentColor"
            strokeWidth="1.5"
          />
        </svg>
      </button>
    </span>
  )
}
