/** Actions of the viewer, used by its buttons and keyboard shortcuts. */

import type { Bridge } from "../bridge/context"
import type { CompareMode } from "../gl/renderer"
import type { Point } from "../state/store"
import type { ViewedResult } from "../state/viewer-state"
import { moveDivider } from "./compare-overlay"
import { copyResult, downloadResult, placeResult } from "./export"
import type { CompareSettings } from "./picture-view"
import type { ZoomControl } from "./use-zoom"

export interface ViewerActions {
  previous: () => void
  next: () => void
  /** Switch between the tape and the node's results. */
  switchRow: () => void
  toggleDetails: () => void
  copy: () => void
  download: () => void
  restore: () => void
  place: () => void
  mark: () => void
  close: () => void
  onKeyDown: (event: React.KeyboardEvent) => void
}

interface ViewerActionsInput {
  bridge: Bridge
  single: ViewedResult | null
  zoom: { current: ZoomControl | null }
  compareSettings: CompareSettings
  changeSettings: (more: Partial<CompareSettings>) => void
  setDetailsOpen: (change: (is: boolean) => boolean) => void
  viewCenter: () => Point
  isFlat: boolean
}

export const COMPARE_MODES: readonly (readonly [mode: CompareMode, label: string, key: string])[] = [
  ["wipe", "Wipe", "w"],
  ["beside", "Side by side", "s"],
  ["difference", "Difference", "d"],
  ["onion", "Onion skin", "o"],
]

const PAN_STEP = 60
const DIVIDER_STEP = 0.02
const ONION_STEP = 0.05

export function createViewerActions({
  bridge,
  single,
  zoom,
  compareSettings,
  changeSettings,
  setDetailsOpen,
  viewCenter,
  isFlat,
}: ViewerActionsInput): ViewerActions {
  const { session, viewer } = bridge
  const withSingle = (run: (result: ViewedResult) => void) => () => {
    if (single) run(single)
  }
  const commands = {
    previous: withSingle((result) => viewer.step(result, -1)),
    next: withSingle((result) => viewer.step(result, 1)),
    switchRow: withSingle((result) => viewer.switchRow(result)),
    toggleDetails: () => setDetailsOpen((is) => !is),
    copy: withSingle((result) => void copyResult(bridge, result)),
    download: withSingle((result) => void downloadResult(bridge, result)),
    restore: withSingle(({ generationId }) => {
      if (generationId === null) {
        session.notify("No generation is recorded for this result, so it cannot be restored.")
        return
      }
      session.send({ type: "restore", generation_id: generationId, position: rounded(viewCenter()) })
      viewer.close()
    }),
    place: withSingle((result) => {
      if (placeResult(bridge, result, viewCenter())) viewer.close()
      else session.notify("This result has no file to place.")
    }),
    mark: withSingle((result) => {
      viewer.toggleMark(result.ref)
      session.notify(viewer.isMarked(result.ref) ? "Marked for comparison." : "Mark removed.")
    }),
    close: () => viewer.close(),
  }
  /** Step to the previous or next result, or move the divider or blend of a comparison. */
  const step = (by: number) => {
    if (single) viewer.step(single, by)
    else if (compareSettings.mode === "wipe") {
      const at = (compareSettings.dividers[0] ?? 0.5) + by * DIVIDER_STEP
      changeSettings({ dividers: moveDivider(compareSettings.dividers, 0, at) })
    } else if (compareSettings.mode === "onion") {
      changeSettings({
        onion: Math.min(compareSettings.dividers.length, Math.max(0, compareSettings.onion + by * ONION_STEP)),
      })
    }
  }
  const keys: Record<string, () => void> = {
    Escape: commands.close,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "Shift+ArrowLeft": () => zoom.current?.pan(PAN_STEP, 0),
    "Shift+ArrowRight": () => zoom.current?.pan(-PAN_STEP, 0),
    "Shift+ArrowUp": () => zoom.current?.pan(0, PAN_STEP),
    "Shift+ArrowDown": () => zoom.current?.pan(0, -PAN_STEP),
    "+": () => zoom.current?.zoomBy(1.25),
    "=": () => zoom.current?.zoomBy(1.25),
    "-": () => zoom.current?.zoomBy(0.8),
    "0": () => zoom.current?.fit(),
    "1": () => zoom.current?.actualSize(),
    ...(single && {
      t: commands.switchRow,
      i: commands.toggleDetails,
      r: commands.restore,
      p: commands.place,
      c: commands.mark,
      k: () => viewer.compare(),
      "Mod+c": commands.copy,
      "Mod+s": commands.download,
    }),
    ...(!single &&
      !isFlat &&
      Object.fromEntries(COMPARE_MODES.map(([mode, , key]) => [key, () => changeSettings({ mode })]))),
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    const target = event.target as HTMLElement
    const isField = target.matches("input, textarea, select, video, audio")
    if (isField && event.key !== "Escape") return
    const isShifted = event.shiftKey && event.key.length > 1
    const mod = event.ctrlKey || event.metaKey ? "Mod+" : ""
    const run = keys[mod + (isShifted ? "Shift+" : "") + event.key]
    // Leave Ctrl+C to the browser if text is selected.
    if (!run || event.altKey || (mod && event.key === "c" && String(getSelection()) !== "")) return
    event.preventDefault()
    run()
  }
  return { ...commands, onKeyDown }
}

const rounded = ({ x, y }: Point): Point => ({ x: Math.round(x), y: Math.round(y) })
