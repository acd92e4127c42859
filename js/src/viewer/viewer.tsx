/** Viewer: one result over the whole canvas, or two to four compared. */

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

/** `viewCenter`: position for placed results, in flow coordinates. */
export function Viewer({ viewCenter }: { viewCenter: () => Point }) {
  const viewing = useCanvas((state) => state.viewing)
  return viewing ? <ViewerDialog viewCenter={viewCenter} /> : null
}

const evenDividers = (count: number): number[] => Array.from({ length: count - 1 }, (_, index) => (index + 1) / count)

function ViewerDialog({ viewCenter }: { viewCenter: () => Point }) {
  const bridge = useBridge()
  const { derived, viewer, store } = bridge
  const viewing = useCanvas((state) => state.viewing)
  // Re-render on any change of these slices; the viewer covers the canvas, so the cost is low.
  useCanvas((state) => state.runs)
  useCanvas((state) => state.shared)
  useCanvas((state) => state.plan)
  const tape = useCanvas((state) => state.tape)
  const element = useRef<HTMLDivElement>(null)
  const zoom = useRef<ZoomControl | null>(null)
  const [percent, setPercent] = useState<number | null>(null)
  const [isFlat, setFlat] = useState(false)
  const setUnsupported = useCallback(() => setFlat(true), [])
  const [isDetailsOpen, setDetailsOpen] = useState(true)
  const [compareSettings, setCompareSettings] = useState<CompareSettings>({
    mode: "wipe",
    dividers: evenDividers(viewing?.refs.length ?? 2),
    onion: ((viewing?.refs.length ?? 2) - 1) / 2,
    strength: 1,
  })
  const state = store.getState()
  const results = (viewing?.refs ?? []).flatMap((ref) => resolveResult(state, derived, ref) ?? [])
  const single: ViewedResult | null = viewing?.isComparing ? null : (results[0] ?? null)
  const isGone = results.length < (viewing?.refs.length ?? 0)
  useRestoreFocus(element, bridge.root)
  useEffect(() => {
    if (!isGone) return
    viewer.close()
    bridge.session.notify("The viewed result no longer exists.")
  }, [isGone, viewer, bridge])
  const first = viewing?.refs[0]
  const firstId = first ? refId(first) : ""
  // Take the focus back when the focused player, divider or button was removed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: run when another result or mode is shown
  useLayoutEffect(() => {
    if (!element.current?.contains(document.activeElement)) element.current?.focus({ preventScroll: true })
  }, [firstId, compareSettings.mode])
  if (!viewing || results.length === 0 || isGone) return null
  const siblings = single ? siblingResults({ ...state, tape }, derived, single.ref).map(refId) : []
  const changeSettings = (more: Partial<CompareSettings>) =>
    setCompareSettings((previous) => ({ ...previous, ...more }))
  const commands = createViewerActions({
    bridge,
    single,
    zoom,
    compareSettings,
    changeSettings,
    setDetailsOpen,
    viewCenter,
    isFlat,
  })
  const onKeyDown = (event: React.KeyboardEvent) => {
    event.stopPropagation() // keep key presses from the canvas and the notebook
    if (event.defaultPrevented) return
    if (event.key === "Tab") trapTabFocus(event, element.current)
    else commands.onKeyDown(event)
  }
  const isPicture = results.every((result) => result.kind === "image")
  return (
    <div
      ref={element}
      className="ff-viewer"
      role="dialog"
      aria-modal="true"
      aria-label={
        single ? [single.title, single.label].filter(Boolean).join(", ") : `Compare ${results.length} pictures`
      }
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onKeyUp={(event) => event.stopPropagation()}
      onPaste={(event) => event.stopPropagation()}
    >
      <Header
        results={results}
        single={single}
        index={single ? siblings.indexOf(single.id) : 0}
        count={siblings.length}
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
            results={results}
            compareSettings={compareSettings}
            onDivide={(index, at) => changeSettings({ dividers: moveDivider(compareSettings.dividers, index, at) })}
            zoom={zoom}
            onPercent={setPercent}
            isFlat={isFlat}
            onFlat={setUnsupported}
          />
        ) : (
          single && <Player result={single} />
        )}
        {single && isDetailsOpen && <GenerationDetails key={single.id} result={single} />}
      </div>
    </div>
  )
}
