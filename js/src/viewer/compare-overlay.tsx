/** Overlay of compared pictures: labels and wipe dividers. */

import { useRef } from "react"
import type { ViewedResult } from "../state/viewer-state"
import { compareGrid } from "../state/zoom"
import type { CompareSettings } from "./picture-view"
import { useGeneration } from "./use-generation"

const STEP = 0.02

export function CompareLabels({
  results,
  mode,
  compareSettings,
}: {
  results: readonly ViewedResult[]
  mode: CompareSettings["mode"]
  compareSettings: CompareSettings
}) {
  if (mode === "difference" || mode === "onion") {
    return (
      <p className="ff-against">
        {results.map((result, index) => (
          <span key={result.id} style={{ opacity: mode === "onion" ? labelOpacity(index, compareSettings.onion) : 1 }}>
            {index > 0 && <i>{mode === "onion" ? "→" : "−"}</i>}
            <Name results={result} at={index} />
          </span>
        ))}
      </p>
    )
  }
  const [columns, rows] = mode === "beside" ? compareGrid(results.length) : [1, 1]
  const ends = [0, ...compareSettings.dividers.slice(0, results.length - 1), 1]
  return (
    <>
      {results.map((result, index) => {
        const isWipe = mode === "wipe"
        const left = isWipe ? (ends[index] ?? 0) : (index % columns) / columns
        const width = isWipe ? Math.max(0, (ends[index + 1] ?? 1) - left) : 1 / columns
        const top = isWipe ? 0 : Math.floor(index / columns) / rows
        return (
          <p
            key={result.id}
            className="ff-against is-own"
            style={{ left: `${left * 100}%`, width: `${width * 100}%`, top: `${top * 100}%` }}
          >
            <Name results={result} at={index} />
          </p>
        )
      })}
    </>
  )
}

/** Opacity of a label in onion skin mode; at least 0.45, so that it stays legible. */
const labelOpacity = (index: number, onion: number): number => Math.max(0.45, 1 - Math.abs(index - onion))

function Name({ results, at }: { results: ViewedResult; at: number }) {
  const generation = useGeneration(results.generationId)
  const seed = generation.facts?.seed
  const hasSeed = seed == null || results.label.includes(`seed ${seed}`)
  const parts = [results.title, results.label, hasSeed ? "" : `seed ${seed}`].filter(Boolean)
  return (
    <span className="ff-tag">
      <b>{at + 1}</b> {parts.join(" · ")}
    </span>
  )
}

interface DividersProps {
  at: readonly number[]
  width: number
  onMove: (index: number, at: number) => void
}

export function WipeDividers({ at, width, onMove }: DividersProps) {
  const dragStart = useRef<{ x: number; at: number } | null>(null)
  return (
    <>
      {at.map((place, index) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: dividers have no other key
          key={index}
          className="ff-divider"
          role="slider"
          tabIndex={0}
          aria-label={`Divider between ${index + 1} and ${index + 2}`}
          aria-valuenow={Math.round(place * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
          style={{ left: `${place * 100}%` }}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId)
            dragStart.current = { x: event.clientX, at: place }
          }}
          onPointerMove={(event) => {
            const from = dragStart.current
            if (from) onMove(index, from.at + (event.clientX - from.x) / width)
          }}
          onPointerUp={() => {
            dragStart.current = null
          }}
          onPointerCancel={() => {
            dragStart.current = null
          }}
          onKeyDown={(event) => {
            const step = event.key === "ArrowRight" ? STEP : event.key === "ArrowLeft" ? -STEP : 0
            const end = event.key === "Home" ? 0 : event.key === "End" ? 1 : null
            if (step === 0 && end === null) return
            event.preventDefault()
            event.stopPropagation()
            onMove(index, end ?? place + step * (event.shiftKey ? 5 : 1))
          }}
        />
      ))}
    </>
  )
}

/** Positions of the dividers after a move; a divider stops at its neighbors. */
export function moveDivider(dividers: readonly number[], index: number, at: number): readonly number[] {
  const low = dividers[index - 1] ?? 0
  const high = dividers[index + 1] ?? 1
  return dividers.map((position, place) => (place === index ? Math.min(high, Math.max(low, at)) : position))
}
