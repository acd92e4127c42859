/** Every key and what it does: one table for the handler and the cheat sheet. */

import type { ReactFlowInstance } from "@xyflow/react"
import type { Bridge } from "../bridge/context"
import { saveFlow, toggleFullHeight, toggleFullScreen } from "../panels/file"
import { showPython } from "../panels/source"
import { addComment, addGroup } from "../state/note-commands"
import { staleNodes } from "../state/run-choices"
import { nearestNode } from "./keyboard-navigation"
import { fitView } from "./viewport"

export interface KeyBinding {
  /** As a person reads it. `Mod` is Ctrl, or Cmd on a Mac. */
  keys: string
  says: string
  group: "Add" | "Edit" | "Arrange" | "Run" | "See"
  /** Done by the browser or React Flow; only listed. */
  isListed?: boolean
  run?: (bridge: Bridge, flow: ReactFlowInstance) => void
}

const selected = (bridge: Bridge): string[] => bridge.editing.selectedNodes()

/** The middle of what is seen. */
export function viewportCenter(bridge: Bridge, flow: ReactFlowInstance): { x: number; y: number } {
  const frame = bridge.root.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 800, 600)
  return flow.screenToFlowPosition({ x: frame.left + frame.width / 2, y: frame.top + frame.height / 2 })
}

const walk = (x: number, y: number) => (bridge: Bridge, flow: ReactFlowInstance) => {
  const id = nearestNode(bridge, viewportCenter(bridge, flow), { x, y })
  if (id) {
    bridge.editing.select([id])
    bridge.store.setState({ sought: id })
  }
}

export const KEY_BINDINGS: KeyBinding[] = [
  {
    keys: "Tab",
    says: "Add a node (or double click)",
    group: "Add",
    run: (bridge, flow) =>
      bridge.store.setState({ panel: { kind: "palette", at: viewportCenter(bridge, flow), loose: null } }),
  },
  {
    keys: "C",
    says: "Connect the selected node",
    group: "Add",
    run: (bridge) => {
      const [nodeId] = selected(bridge)
      if (nodeId) bridge.store.setState({ panel: { kind: "connect", nodeId } })
    },
  },
  {
    keys: "G",
    says: "Group the selected nodes",
    group: "Add",
    run: (bridge, flow) => addGroup(bridge.editing, viewportCenter(bridge, flow)),
  },
  {
    keys: "Shift+C",
    says: "Write a comment",
    group: "Add",
    run: (bridge, flow) => addComment(bridge.editing, viewportCenter(bridge, flow)),
  },
  { keys: "Mod+C", says: "Copy", group: "Edit", isListed: true },
  { keys: "Mod+X", says: "Cut", group: "Edit", isListed: true },
  { keys: "Mod+V", says: "Paste, also from another notebook", group: "Edit", isListed: true },
  { keys: "Mod+D", says: "Duplicate", group: "Edit", run: ({ editing }) => editing.duplicate() },
  { keys: "Mod+Z", says: "Undo", group: "Edit", run: ({ editing }) => editing.undo() },
  { keys: "Mod+Shift+Z", says: "Redo", group: "Edit", run: ({ editing }) => editing.redo() },
  { keys: "Mod+Y", says: "Redo", group: "Edit", run: ({ editing }) => editing.redo() },
  { keys: "Mod+A", says: "Select all", group: "Edit", run: ({ editing }) => editing.selectAll() },
  { keys: "Delete", says: "Remove", group: "Edit", run: ({ editing }) => editing.removeSelected() },
  { keys: "Backspace", says: "Remove", group: "Edit", run: ({ editing }) => editing.removeSelected() },
  {
    keys: "F2",
    says: "Rename, or write in a comment",
    group: "Edit",
    run: ({ store }) => store.setState(({ selection }) => ({ renaming: [...selection][0] ?? null })),
  },
  { keys: "M", says: "Mute: leave out of runs", group: "Edit", run: ({ editing }) => editing.toggleMuted() },
  { keys: "L", says: "Keep this result", group: "Edit", run: ({ editing }) => editing.toggleKept() },
  { keys: "Arrows", says: "Move what is selected", group: "Arrange", isListed: true },
  { keys: "Alt", says: "While dragging: nothing snaps", group: "Arrange", isListed: true },
  {
    keys: "Shift+T",
    says: "Tidy the selected nodes, or all",
    group: "Arrange",
    run: ({ editing }) => void editing.tidy(),
  },
  { keys: "Shift+ArrowLeft", says: "Align left", group: "Arrange", run: ({ editing }) => editing.align("left") },
  { keys: "Shift+ArrowRight", says: "Align right", group: "Arrange", run: ({ editing }) => editing.align("right") },
  { keys: "Shift+M", says: "Align on a middle line", group: "Arrange", run: ({ editing }) => editing.align("middle") },
  { keys: "Shift+ArrowUp", says: "Align tops", group: "Arrange", run: ({ editing }) => editing.align("top") },
  { keys: "Shift+ArrowDown", says: "Align bottoms", group: "Arrange", run: ({ editing }) => editing.align("bottom") },
  { keys: "Shift+H", says: "Spread in a row", group: "Arrange", run: ({ editing }) => editing.align("row") },
  { keys: "Shift+V", says: "Spread in a column", group: "Arrange", run: ({ editing }) => editing.align("column") },
  {
    keys: "Mod+Enter",
    says: "Run everything that is not fresh",
    group: "Run",
    run: ({ editing }) => editing.run(null),
  },
  {
    keys: "Shift+Enter",
    says: "Run the selected nodes and what they need",
    group: "Run",
    run: (bridge) => bridge.editing.run(selected(bridge)),
  },
  {
    keys: "Shift+R",
    says: "Run what is stale",
    group: "Run",
    run: ({ store, editing }) => editing.run(staleNodes(store.getState())),
  },
  {
    keys: "Shift+Space",
    says: "Everything that can be run",
    group: "Run",
    run: ({ store }) => store.setState({ panel: { kind: "run" } }),
  },
  { keys: "R", says: "Again: another take", group: "Run", run: (bridge) => bridge.editing.again(selected(bridge)) },
  {
    keys: ".",
    says: "Cancel the selected nodes",
    group: "Run",
    run: (bridge) => selected(bridge).forEach((id) => void bridge.editing.cancel(id)),
  },
  { keys: "Mod+.", says: "Cancel everything", group: "Run", run: ({ editing }) => editing.cancel() },
  { keys: "Mod+F", says: "Find a node", group: "See", run: ({ store }) => store.setState({ panel: { kind: "find" } }) },
  {
    keys: "F",
    says: "Fit everything",
    group: "See",
    run: (bridge, flow) => fitView(bridge, flow),
  },
  { keys: "+", says: "Zoom in", group: "See", run: (_, flow) => void flow.zoomIn({ duration: 120 }) },
  { keys: "-", says: "Zoom out", group: "See", run: (_, flow) => void flow.zoomOut({ duration: 120 }) },
  { keys: "Alt+ArrowLeft", says: "Go to the node on the left", group: "See", run: walk(-1, 0) },
  { keys: "Alt+ArrowRight", says: "Go to the node on the right", group: "See", run: walk(1, 0) },
  { keys: "Alt+ArrowUp", says: "Go to the node above", group: "See", run: walk(0, -1) },
  { keys: "Alt+ArrowDown", says: "Go to the node below", group: "See", run: walk(0, 1) },
  {
    keys: "V",
    says: "Look at the result of the selected node",
    group: "See",
    run: (bridge) => {
      const [nodeId] = selected(bridge)
      if (nodeId) bridge.looking.lookAtNode(nodeId)
    },
  },
  { keys: "Enter", says: "Look at a result that has the focus; C marks it to compare", group: "See", isListed: true },
  {
    keys: "K",
    says: "Compare the marked results, or those of the selected node",
    group: "See",
    run: ({ store, looking }) => {
      const { marked, selection } = store.getState()
      const [nodeId] = selection
      if (marked.length === 0 && nodeId !== undefined) looking.compareNode(nodeId)
      else looking.compare()
    },
  },
  {
    keys: "I",
    says: "All settings of the selected node",
    group: "See",
    run: ({ store }) => store.setState((state) => ({ isInspectorOpen: !state.isInspectorOpen })),
  },
  { keys: "Mod+S", says: "Save now", group: "Edit", run: (bridge) => saveFlow(bridge) },
  { keys: "P", says: "This flow as Python", group: "See", run: (bridge) => void showPython(bridge) },
  { keys: "H", says: "Full height", group: "See", run: toggleFullHeight },
  { keys: "Shift+F", says: "Full screen", group: "See", run: toggleFullScreen },
  {
    keys: "T",
    says: "Fold the tape away",
    group: "See",
    run: ({ store }) => store.setState((state) => ({ isTapeOpen: !state.isTapeOpen })),
  },
  { keys: "?", says: "This list", group: "See", run: ({ store }) => store.setState({ panel: { kind: "keys" } }) },
  {
    keys: "Escape",
    says: "Close, or select nothing",
    group: "See",
    run: ({ store, editing }) => {
      if (store.getState().panel) store.setState({ panel: null })
      else editing.select([])
    },
  },
]

/** A key press as the table writes it. */
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

/** Whether a key press belongs to a field that is being typed in. */
export const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox]):not([type=range])"))
