/** Keyboard shortcuts: one table for the key handler and the cheat sheet. */

import type { ReactFlowInstance } from "@xyflow/react"
import type { Bridge } from "../bridge/context"
import { saveFlow, toggleFullHeight, toggleFullScreen } from "../panels/file"
import { showPython } from "../panels/source"
import { addComment, addGroup } from "../state/note-commands"
import { staleNodes } from "../state/run-choices"
import { nearestNode } from "./keyboard-navigation"
import { fitView } from "./viewport"

export interface KeyBinding {
  /** Key combination, joined with `+`. `Mod` is Ctrl, or Cmd on a Mac. */
  keys: string
  label: string
  group: "Add" | "Edit" | "Arrange" | "Run" | "View"
  /** Handled by the browser or React Flow; only listed in the cheat sheet. */
  isListed?: boolean
  run?: (bridge: Bridge, flow: ReactFlowInstance) => void
}

const selectedNodes = (bridge: Bridge): string[] => bridge.editing.selectedNodes()

/** Center of the visible area, in flow coordinates. */
export function viewportCenter(bridge: Bridge, flow: ReactFlowInstance): { x: number; y: number } {
  const frame = bridge.root.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 800, 600)
  return flow.screenToFlowPosition({ x: frame.left + frame.width / 2, y: frame.top + frame.height / 2 })
}

const goToNeighbour = (x: number, y: number) => (bridge: Bridge, flow: ReactFlowInstance) => {
  const id = nearestNode(bridge, viewportCenter(bridge, flow), { x, y })
  if (id) {
    bridge.editing.select([id])
    bridge.store.setState({ focusTarget: id })
  }
}

export const KEY_BINDINGS: KeyBinding[] = [
  {
    keys: "Tab",
    label: "Add node (or double-click)",
    group: "Add",
    run: (bridge, flow) =>
      bridge.store.setState({ panel: { kind: "palette", at: viewportCenter(bridge, flow), loose: null } }),
  },
  {
    keys: "C",
    label: "Connect selected node",
    group: "Add",
    run: (bridge) => {
      const [nodeId] = selectedNodes(bridge)
      if (nodeId) bridge.store.setState({ panel: { kind: "connect", nodeId } })
    },
  },
  {
    keys: "G",
    label: "Group selected nodes",
    group: "Add",
    run: (bridge, flow) => addGroup(bridge.editing, viewportCenter(bridge, flow)),
  },
  {
    keys: "Shift+C",
    label: "Add comment",
    group: "Add",
    run: (bridge, flow) => addComment(bridge.editing, viewportCenter(bridge, flow)),
  },
  { keys: "Mod+C", label: "Copy", group: "Edit", isListed: true },
  { keys: "Mod+X", label: "Cut", group: "Edit", isListed: true },
  { keys: "Mod+V", label: "Paste (also from another notebook)", group: "Edit", isListed: true },
  { keys: "Mod+D", label: "Duplicate", group: "Edit", run: ({ editing }) => editing.duplicate() },
  { keys: "Mod+Z", label: "Undo", group: "Edit", run: ({ editing }) => editing.undo() },
  { keys: "Mod+Shift+Z", label: "Redo", group: "Edit", run: ({ editing }) => editing.redo() },
  { keys: "Mod+Y", label: "Redo", group: "Edit", run: ({ editing }) => editing.redo() },
  { keys: "Mod+A", label: "Select all", group: "Edit", run: ({ editing }) => editing.selectAll() },
  { keys: "Delete", label: "Remove", group: "Edit", run: ({ editing }) => editing.removeSelected() },
  { keys: "Backspace", label: "Remove", group: "Edit", run: ({ editing }) => editing.removeSelected() },
  {
    keys: "F2",
    label: "Rename node or edit comment",
    group: "Edit",
    run: ({ store }) => store.setState(({ selection }) => ({ renaming: [...selection][0] ?? null })),
  },
  { keys: "M", label: "Mute: skip in runs", group: "Edit", run: ({ editing }) => editing.toggleMuted() },
  { keys: "L", label: "Lock this result", group: "Edit", run: ({ editing }) => editing.toggleLocked() },
  { keys: "Arrows", label: "Move selection", group: "Arrange", isListed: true },
  { keys: "Alt", label: "Disable snapping while dragging", group: "Arrange", isListed: true },
  {
    keys: "Shift+T",
    label: "Tidy selected nodes, or all",
    group: "Arrange",
    run: ({ editing }) => void editing.tidy(),
  },
  { keys: "Shift+ArrowLeft", label: "Align left", group: "Arrange", run: ({ editing }) => editing.align("left") },
  { keys: "Shift+ArrowRight", label: "Align right", group: "Arrange", run: ({ editing }) => editing.align("right") },
  { keys: "Shift+M", label: "Align middles", group: "Arrange", run: ({ editing }) => editing.align("middle") },
  { keys: "Shift+ArrowUp", label: "Align tops", group: "Arrange", run: ({ editing }) => editing.align("top") },
  { keys: "Shift+ArrowDown", label: "Align bottoms", group: "Arrange", run: ({ editing }) => editing.align("bottom") },
  { keys: "Shift+H", label: "Distribute in a row", group: "Arrange", run: ({ editing }) => editing.align("row") },
  { keys: "Shift+V", label: "Distribute in a column", group: "Arrange", run: ({ editing }) => editing.align("column") },
  {
    keys: "Mod+Enter",
    label: "Run everything",
    group: "Run",
    run: ({ editing }) => editing.run(null),
  },
  {
    keys: "Shift+Enter",
    label: "Run selected nodes and their inputs",
    group: "Run",
    run: (bridge) => bridge.editing.run(selectedNodes(bridge)),
  },
  {
    keys: "Shift+R",
    label: "Run stale nodes",
    group: "Run",
    run: ({ store, editing }) => editing.run(staleNodes(store.getState())),
  },
  {
    keys: "Shift+Space",
    label: "Run options",
    group: "Run",
    run: ({ store }) => store.setState({ panel: { kind: "run" } }),
  },
  {
    keys: "R",
    label: "Run again: new take",
    group: "Run",
    run: (bridge) => bridge.editing.runAgain(selectedNodes(bridge)),
  },
  {
    keys: ".",
    label: "Cancel selected nodes",
    group: "Run",
    run: (bridge) => selectedNodes(bridge).forEach((id) => void bridge.editing.cancel(id)),
  },
  { keys: "Mod+.", label: "Cancel everything", group: "Run", run: ({ editing }) => editing.cancel() },
  {
    keys: "Mod+F",
    label: "Find node",
    group: "View",
    run: ({ store }) => store.setState({ panel: { kind: "find" } }),
  },
  {
    keys: "F",
    label: "Fit view",
    group: "View",
    run: (bridge, flow) => fitView(bridge, flow),
  },
  { keys: "+", label: "Zoom in", group: "View", run: (_, flow) => void flow.zoomIn({ duration: 120 }) },
  { keys: "-", label: "Zoom out", group: "View", run: (_, flow) => void flow.zoomOut({ duration: 120 }) },
  { keys: "Alt+ArrowLeft", label: "Go to the node on the left", group: "View", run: goToNeighbour(-1, 0) },
  { keys: "Alt+ArrowRight", label: "Go to the node on the right", group: "View", run: goToNeighbour(1, 0) },
  { keys: "Alt+ArrowUp", label: "Go to the node above", group: "View", run: goToNeighbour(0, -1) },
  { keys: "Alt+ArrowDown", label: "Go to the node below", group: "View", run: goToNeighbour(0, 1) },
  {
    keys: "V",
    label: "View result of selected node",
    group: "View",
    run: (bridge) => {
      const [nodeId] = selectedNodes(bridge)
      if (nodeId) bridge.viewer.openNode(nodeId)
    },
  },
  { keys: "Enter", label: "View focused result (C: mark to compare)", group: "View", isListed: true },
  {
    keys: "K",
    label: "Compare marked or selected results",
    group: "View",
    run: ({ store, viewer }) => {
      const { marked, selection } = store.getState()
      const [nodeId] = selection
      if (marked.length === 0 && nodeId !== undefined) viewer.compareNode(nodeId)
      else viewer.compare()
    },
  },
  {
    keys: "I",
    label: "Settings of selected node",
    group: "View",
    run: ({ store }) => store.setState((state) => ({ isInspectorOpen: !state.isInspectorOpen })),
  },
  { keys: "Mod+S", label: "Save", group: "Edit", run: (bridge) => saveFlow(bridge) },
  { keys: "P", label: "Show as Python", group: "View", run: (bridge) => void showPython(bridge) },
  { keys: "H", label: "Full height", group: "View", run: toggleFullHeight },
  { keys: "Shift+F", label: "Full screen", group: "View", run: toggleFullScreen },
  {
    keys: "T",
    label: "Show or hide tape",
    group: "View",
    run: ({ store }) => store.setState((state) => ({ isTapeOpen: !state.isTapeOpen })),
  },
  {
    keys: "?",
    label: "Keyboard shortcuts",
    group: "View",
    run: ({ store }) => store.setState({ panel: { kind: "keys" } }),
  },
  {
    keys: "Escape",
    label: "Close or clear selection",
    group: "View",
    run: ({ store, editing }) => {
      if (store.getState().panel) store.setState({ panel: null })
      else editing.select([])
    },
  },
]

/** Key combination of an event, in the format of `KeyBinding.keys`. */
export function keyCombination(event: KeyboardEvent): string {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key
  const isSymbol = event.key.length === 1 && !/[a-z ]/i.test(event.key)
  const parts = [
    event.ctrlKey || event.metaKey ? "Mod" : "",
    event.altKey ? "Alt" : "",
    event.shiftKey && !isSymbol ? "Shift" : "",
    key,
  ]
  return parts.filter(Boolean).join("+")
}

/** Whether the event target is an element that takes text input. */
export const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox]):not([type=range])"))
