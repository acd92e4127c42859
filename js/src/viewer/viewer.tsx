/** The viewer: one result over the whole canvas, or two to four set against each other. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import type { Point } from "../state/store"
import { refId, resolveResult, siblingResults, type ViewedResult } from "../state/viewer-state"
import { moveDivider } from "./compare-overlay"
import { trapTabFocus, useRestoreFocus } from "./focus-trap"
import { GenerationDetails } from "./generation-details"
import { Header } from "./header"
import { type CompareSettings, PictureView } from "./picture-view"
import { Player } from "./player"
import type { ZoomControl } from "./use-zoom"
import { createViewerActions } from "./viewer-actions"

/** `viewCenter`: where on the canvas a result is put. */
export function Viewer({ viewCenter }: { viewCenter: () => Point }) {
  const viewing = useCanvas((state) => state.viewing)
  return viewing ? <ViewerDialog viewCenter={viewCenter} /> : null
}

const even = (count: number): number[] => Array.from({ length: count - 1 }, (_, index) => (index + 1) / count)

function ViewerDialog({ viewCenter }: { viewCenter: () => Point }) {
  const bridge = useBridge()
  const { derived, viewer, store } = bridge
  const viewing = useCanvas((state) => state.viewing)
  // Drawn again whenever anything changes that could be shown: the viewer is alone on the screen.
  useCanvas((state) => state.runs)
  useCanvas((state) => state.shared)
  useCanvas((state) => state.plan)
  const tape = useCanvas((state) => state.tape)
  const element = useRef<HTMLDivElement>(null)
  const zoom = useRef<ZoomControl | null>(null)
  const [percent, setPercent] = useState<number | null>(null)
  const [isFlat, setFlat] = useState(false)
  const flatten = useCallback(() => setFlat(true), [])
  const [isDetailsOpen, setDetailsOpen] = useState(true)
  const [compareSettings, setCompareSettings] = useState<CompareSettings>({
    mode: "wipe",
    dividers: even(viewing?.refs.length ?? 2),
    onion: ((viewing?.refs.length ?? 2) - 1) / 2,
    strength: 1,
  })
  const state = store.getState()
  const shown = (viewing?.refs ?? []).flatMap((ref) => resolveResult(state, derived, ref) ?? [])
  const only: ViewedResult | null = viewing?.isComparing ? null : (shown[0] ?? null)
  const isGone = shown.length < (viewing?.refs.length ?? 0)
  useRestoreFocus(element, bridge.root)
  useEffect(() => {
    if (!isGone) return
    viewer.close()
    bridge.session.notify("What was looked at is gone.")
  }, [isGone, viewer, bridge])
  const first = viewing?.refs[0]
  const firstId = first ? refId(first) : ""
  // Keys go to the viewer again when a player, a divider or a button that had them is gone.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever something else is shown
  useLayoutEffect(() => {
    if (!element.current?.contains(document.activeElement)) element.current?.focus({ preventScroll: true })
  }, [firstId, compareSettings.mode])
  if (!viewing || shown.length === 0 || isGone) return null
  const row = only ? siblingResults({ ...state, tape }, derived, only.ref).map(refId) : []
  const changeSettings = (more: Partial<CompareSettings>) => setCompareSettings((known) => ({ ...known, ...more }))
  const commands = createViewerActions({
    bridge,
    only,
    zoom,
    compareSettings,
    changeSettings,
    setDetailsOpen,
    viewCenter,
    isFlat,
  })
  const keys = (event: React.KeyboardEvent) => {
    event.stopPropagation() // neither the canvas nor the notebook hears
    if (event.defaultPrevented) return
    if (event.key === "Tab") trapTabFocus(event, element.current)
    else commands.onKeyDown(event)
  }
  const isPicture = shown.every((one) => one.kind === "image")
  return (
    <div
      ref={element}
      className="ff-viewer"
      role="dialog"
      aria-modal="true"
      aria-label={only ? [only.title, only.label].filter(Boolean).join(", ") : `Compare ${shown.length} pictures`}
      tabIndex={-1}
      onKeyDown={keys}
      onKeyUp={(event) => event.stopPropagation()}
      onPaste={(event) => event.stopPropagation()}
    >
      <Header
        shown={shown}
        only={only}
        index={only ? row.indexOf(only.id) : 0}
        count={row.length}
        percent={isPicture ? percent : null}
        zoom={zoom}
        compareSettings={compareSettings}
        changeSettings={changeSettings}
        commands={commands}
        isDetailsOpen={isDetailsOpen}
        isFlat={isFlat}
      />
      <div className="ff-view">
        {isPicture ? (
          <PictureView
            shown={shown}
            compareSettings={compareSettings}
            onDivide={(index, at) => changeSettings({ dividers: moveDivider(compareSettings.dividers, index, at) })}
            zoom={zoom}
            onPercent={setPercent}
            isFlat={isFlat}
            onFlat={flatten}
          />
        ) : (
          only && <Player shown={only} />
        )}
        {only && isDetailsOpen && <GenerationDetails key={only.id} shown={only} />}
      </div>
    </div>
  )
}
