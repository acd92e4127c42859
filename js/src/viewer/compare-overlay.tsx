/** What stands over pictures that are compared: their names, and the dividers of the wipe. */

import { useRef } from "react"
import type { ViewedResult } from "../state/viewer-state"
import { compareGrid } from "../state/zoom"
import type { CompareSettings } from "./picture-view"
import { useGeneration } from "./use-generation"

const STEP = 0.02

export function CompareLabels({
  shown,
  mode,
  compareSettings,
}: {
  shown: readonly ViewedResult[]
  mode: CompareSettings["mode"]
  compareSettings: CompareSettings
}) {
  if (mode === "difference" || mode === "onion") {
    return (
      <p className="ff-against">
        {shown.map((one, index) => (
          <span key={one.id} style={{ opacity: mode === "onion" ? weightOf(index, compareSettings.onion) : 1 }}>
            {index > 0 && <i>{mode === "onion" ? "→" : "−"}</i>}
            <Name shown={one} at={index} />
          </span>
        ))}
      </p>
    )
  }
  const [columns, rows] = mode === "beside" ? compareGrid(shown.length) : [1, 1]
  const ends = [0, ...compareSettings.dividers.slice(0, shown.length - 1), 1]
  return (
    <>
      {shown.map((one, index) => {
        const isWipe = mode === "wipe"
        const left = isWipe ? (ends[index] ?? 0) : (index % columns) / columns
        const width = isWipe ? Math.max(0, (ends[index + 1] ?? 1) - left) : 1 / columns
        const top = isWipe ? 0 : Math.floor(index / columns) / rows
        return (
          <p
            key={one.id}
            className="ff-against is-own"
            style={{ left: `${left * 100}%`, width: `${width * 100}%`, top: `${top * 100}%` }}
          >
            <Name shown={one} at={index} />
          </p>
        )
      })}
    </>
  )
}

/** How much of a picture the onion skin shows; even the one that shows nothing can be read. */
const weightOf = (index: number, onion: number): number => Math.max(0.45, 1 - Math.abs(index - onion))

function Name({ shown, at }: { shown: ViewedResult; at: number }) {
  const generation = useGeneration(shown.generationId)
  const seed = generation.facts?.seed
  const isSaid = seed == null || shown.label.includes(`seed ${seed}`)
  const words = [shown.title, shown.label, isSaid ? "" : `seed ${seed}`].filter(Boolean)
  return (
    <span className="ff-tag">
      <b>{at + 1}</b> {words.join(" · ")}
    </span>
  )
}

interface DividersProps {
  at: readonly number[]
  width: number
  onMove: (index: number, at: number) => void
}

export function WipeDividers({ at, width, onMove }: DividersProps) {
  const pulled = useRef<{ x: number; at: number } | null>(null)
  return (
    <>
      {at.map((place, index) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: a divider is its place
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
            pulled.current = { x: event.clientX, at: place }
          }}
          onPointerMove={(event) => {
            const from = pulled.current
            if (from) onMove(index, from.at + (event.clientX - from.x) / width)
          }}
          onPointerUp={() => {
            pulled.current = null
          }}
          onPointerCancel={() => {
            pulled.current = null
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

/** Dividers after one was moved: they never pass each other. */
export function moveDivider(dividers: readonly number[], index: number, at: number): readonly number[] {
  const low = dividers[index - 1] ?? 0
  const high = dividers[index + 1] ?? 1
  return dividers.map((one, place) => (place === index ? Math.min(high, Math.max(low, at)) : one))
}
