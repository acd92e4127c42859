/** What the viewer does, each by a key and by a button. */

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
  /** To the tape, or back to the node. */
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
  only: ViewedResult | null
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

const PAN = 60
const DIVIDE = 0.02
const ONION = 0.05

export function createViewerActions({
  bridge,
  only,
  zoom,
  compareSettings,
  changeSettings,
  setDetailsOpen,
  viewCenter,
  isFlat,
}: ViewerActionsInput): ViewerActions {
  const { session, viewer } = bridge
  const withOne = (run: (shown: ViewedResult) => void) => () => {
    if (only) run(only)
  }
  const commands = {
    previous: withOne((one) => viewer.step(one, -1)),
    next: withOne((one) => viewer.step(one, 1)),
    switchRow: withOne((one) => viewer.switchRow(one)),
    toggleDetails: () => setDetailsOpen((is) => !is),
    copy: withOne((one) => void copyResult(bridge, one)),
    download: withOne((one) => void downloadResult(bridge, one)),
    restore: withOne(({ generationId }) => {
      if (generationId === null) {
        session.notify("It is no generation: there is nothing to restore.")
        return
      }
      session.send({ type: "restore", generation_id: generationId, position: rounded(viewCenter()) })
      viewer.close()
    }),
    place: withOne((one) => {
      if (placeResult(bridge, one, viewCenter())) viewer.close()
      else session.notify("This result is no file: there is nothing to place.")
    }),
    mark: withOne((one) => {
      viewer.toggleMark(one.ref)
      session.notify(viewer.isMarked(one.ref) ? "Marked to compare." : "No longer marked.")
    }),
    close: () => viewer.close(),
  }
  /** A step to the left or right: to the next result, or of what the comparison turns on. */
  const step = (by: number) => {
    if (only) viewer.step(only, by)
    else if (compareSettings.mode === "wipe") {
      const at = (compareSettings.dividers[0] ?? 0.5) + by * DIVIDE
      changeSettings({ dividers: moveDivider(compareSettings.dividers, 0, at) })
    } else if (compareSettings.mode === "onion") {
      changeSettings({
        onion: Math.min(compareSettings.dividers.length, Math.max(0, compareSettings.onion + by * ONION)),
      })
    }
  }
  const keys: Record<string, () => void> = {
    Escape: commands.close,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "Shift+ArrowLeft": () => zoom.current?.pan(PAN, 0),
    "Shift+ArrowRight": () => zoom.current?.pan(-PAN, 0),
    "Shift+ArrowUp": () => zoom.current?.pan(0, PAN),
    "Shift+ArrowDown": () => zoom.current?.pan(0, -PAN),
    "+": () => zoom.current?.zoomBy(1.25),
    "=": () => zoom.current?.zoomBy(1.25),
    "-": () => zoom.current?.zoomBy(0.8),
    "0": () => zoom.current?.fit(),
    "1": () => zoom.current?.actualSize(),
    ...(only && {
      t: commands.switchRow,
      i: commands.toggleDetails,
      r: commands.restore,
      p: commands.place,
      c: commands.mark,
      k: () => viewer.compare(),
      "Mod+c": commands.copy,
      "Mod+s": commands.download,
    }),
    ...(!only &&
      !isFlat &&
      Object.fromEntries(COMPARE_MODES.map(([mode, , key]) => [key, () => changeSettings({ mode })]))),
  }
  const press = (event: React.KeyboardEvent) => {
    const target = event.target as HTMLElement
    const isField = target.matches("input, textarea, select, video, audio")
    if (isField && event.key !== "Escape") return
    const isShifted = event.shiftKey && event.key.length > 1
    const mod = event.ctrlKey || event.metaKey ? "Mod+" : ""
    const run = keys[mod + (isShifted ? "Shift+" : "") + event.key]
    // What a person has marked in the text is what they want to copy.
    if (!run || event.altKey || (mod && event.key === "c" && String(getSelection()) !== "")) return
    event.preventDefault()
    run()
  }
  return { ...commands, onKeyDown: press }
}

const rounded = ({ x, y }: Point): Point => ({ x: Math.round(x), y: Math.round(y) })
