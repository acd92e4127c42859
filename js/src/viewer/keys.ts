/** What the viewer does, each by a key and by a button. */

import type { Bridge } from "../bridge/context"
import type { CompareMode } from "../gl/drawing"
import type { Point } from "../state/store"
import type { ViewedResult } from "../state/viewer-state"
import { moveDivider } from "./compare-overlay"
import { copyResult, downloadResult, placeResult } from "./export"
import type { CompareSettings } from "./pictures"
import type { ZoomControl } from "./use-zoom"

export interface ViewerActions {
  previous: () => void
  next: () => void
  /** To the tape, or back to the node. */
  cross: () => void
  tell: () => void
  copy: () => void
  download: () => void
  restore: () => void
  place: () => void
  mark: () => void
  close: () => void
  press: (event: React.KeyboardEvent) => void
}

interface Given {
  bridge: Bridge
  only: ViewedResult | null
  zoom: { current: ZoomControl | null }
  comparing: CompareSettings
  change: (more: Partial<CompareSettings>) => void
  setTelling: (change: (is: boolean) => boolean) => void
  middle: () => Point
  isFlat: boolean
}

export const COMPARE_MODES: readonly (readonly [mode: CompareMode, says: string, key: string])[] = [
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
  comparing,
  change,
  setTelling,
  middle,
  isFlat,
}: Given): ViewerActions {
  const { session, looking } = bridge
  const withOne = (run: (shown: ViewedResult) => void) => () => {
    if (only) run(only)
  }
  const commands = {
    previous: withOne((one) => looking.step(one, -1)),
    next: withOne((one) => looking.step(one, 1)),
    cross: withOne((one) => looking.cross(one)),
    tell: () => setTelling((is) => !is),
    copy: withOne((one) => void copyResult(bridge, one)),
    download: withOne((one) => void downloadResult(bridge, one)),
    restore: withOne(({ generationId }) => {
      if (generationId === null) {
        session.say("It is no generation: there is nothing to restore.")
        return
      }
      session.send({ type: "restore", generation_id: generationId, position: rounded(middle()) })
      looking.close()
    }),
    place: withOne((one) => {
      if (placeResult(bridge, one, middle())) looking.close()
      else session.say("This result is no file: there is nothing to place.")
    }),
    mark: withOne((one) => {
      looking.mark(one.ref)
      session.say(looking.isMarked(one.ref) ? "Marked to compare." : "No longer marked.")
    }),
    close: () => looking.close(),
  }
  /** A step to the left or right: to the next result, or of what the comparison turns on. */
  const step = (by: number) => {
    if (only) looking.step(only, by)
    else if (comparing.mode === "wipe") {
      const at = (comparing.dividers[0] ?? 0.5) + by * DIVIDE
      change({ dividers: moveDivider(comparing.dividers, 0, at) })
    } else if (comparing.mode === "onion") {
      change({ onion: Math.min(comparing.dividers.length, Math.max(0, comparing.onion + by * ONION)) })
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
    "+": () => zoom.current?.by(1.25),
    "=": () => zoom.current?.by(1.25),
    "-": () => zoom.current?.by(0.8),
    "0": () => zoom.current?.fit(),
    "1": () => zoom.current?.one(),
    ...(only && {
      t: commands.cross,
      i: commands.tell,
      r: commands.restore,
      p: commands.place,
      c: commands.mark,
      k: () => looking.compare(),
      "Mod+c": commands.copy,
      "Mod+s": commands.download,
    }),
    ...(!only && !isFlat && Object.fromEntries(COMPARE_MODES.map(([mode, , key]) => [key, () => change({ mode })]))),
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
  return { ...commands, press }
}

const rounded = ({ x, y }: Point): Point => ({ x: Math.round(x), y: Math.round(y) })
