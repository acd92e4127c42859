/** What stands around the canvas; one panel at a time is open over it. */

import { useCanvas } from "../bridge/context"
import type { Point } from "../state/store"
import { CheatSheet } from "./cheat-sheet"
import { Connect } from "./connect"
import { FileMenu } from "./file"
import { Find } from "./find"
import { Inspector } from "./inspector"
import { Menu } from "./menu"
import { Notices } from "./notices"
import { Palette } from "./palette"
import { Confirm, RunMenu } from "./run"
import { Source } from "./source"
import { Start } from "./start"
import { TapeStrip } from "./tape-strip"
import { Toolbar } from "./toolbar"

export function Panels({ middle, keys }: { middle: () => Point; keys: readonly KeyLine[] }) {
  const panel = useCanvas((state) => state.panel)
  const isEmpty = useCanvas((state) => state.isReady && state.shared.shown.nodes.size === 0)
  return (
    <>
      <Toolbar middle={middle} />
      {isEmpty && panel === null && <Start middle={middle} />}
      <Inspector />
      <TapeStrip middle={middle} />
      <Notices />
      {panel?.kind === "palette" && <Palette key={`${panel.at.x} ${panel.at.y}`} at={panel.at} loose={panel.loose} />}
      {panel?.kind === "find" && <Find />}
      {panel?.kind === "connect" && <Connect nodeId={panel.nodeId} />}
      {panel?.kind === "run" && <RunMenu />}
      {panel?.kind === "confirm" && <Confirm panel={panel} />}
      {panel?.kind === "source" && <Source panel={panel} />}
      {panel?.kind === "file" && <FileMenu />}
      {panel?.kind === "keys" && <CheatSheet keys={keys} />}
      {panel?.kind === "menu" && <Menu at={panel.at} nodeId={panel.nodeId} middle={middle} />}
    </>
  )
}

/** A key as the cheat sheet lists it. */
export interface KeyLine {
  keys: string
  says: string
  group: string
}
