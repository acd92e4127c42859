/** Panels around and over the canvas. Only one dialog is open at a time. */

import { useCanvas } from "../bridge/context"
import type { Point } from "../state/store"
import { CheatSheet } from "./cheat-sheet"
import { ConnectPanel } from "./connect"
import { ContextMenu } from "./context-menu"
import { EmptyState } from "./empty-state"
import { FileMenu } from "./file"
import { FindPanel } from "./find"
import { Inspector } from "./inspector"
import { Notices } from "./notices"
import { NodePalette } from "./palette"
import { ConfirmRun, RunMenu } from "./run"
import { SourcePanel } from "./source"
import { TapeStrip } from "./tape-strip"
import { Toolbar } from "./toolbar"

export function Panels({ viewCenter, keys }: { viewCenter: () => Point; keys: readonly ShortcutLine[] }) {
  const panel = useCanvas((state) => state.panel)
  const isEmpty = useCanvas((state) => state.isReady && state.shared.document.nodes.size === 0)
  return (
    <>
      <Toolbar viewCenter={viewCenter} />
      {isEmpty && panel === null && <EmptyState viewCenter={viewCenter} />}
      <Inspector />
      <TapeStrip viewCenter={viewCenter} />
      <Notices />
      {panel?.kind === "palette" && (
        <NodePalette key={`${panel.at.x} ${panel.at.y}`} at={panel.at} loose={panel.loose} />
      )}
      {panel?.kind === "find" && <FindPanel />}
      {panel?.kind === "connect" && <ConnectPanel nodeId={panel.nodeId} />}
      {panel?.kind === "run" && <RunMenu />}
      {panel?.kind === "confirm" && <ConfirmRun panel={panel} />}
      {panel?.kind === "source" && <SourcePanel panel={panel} />}
      {panel?.kind === "file" && <FileMenu />}
      {panel?.kind === "keys" && <CheatSheet keys={keys} />}
      {panel?.kind === "menu" && <ContextMenu at={panel.at} nodeId={panel.nodeId} viewCenter={viewCenter} />}
    </>
  )
}

/** One line of the cheat sheet. */
export interface ShortcutLine {
  keys: string
  label: string
  group: string
}
