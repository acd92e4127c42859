/** Context menu, with the same commands as the keyboard shortcuts. */

import { useBridge } from "../bridge/context"
import { humanize } from "../state/form"
import { estimatePrice, formatUsdRange } from "../state/format"
import { addComment, addGroup } from "../state/note-commands"
import { isNoteId } from "../state/notes"
import type { Point } from "../state/store"
import { Dialog } from "./dialog"
import { MenuRows } from "./menu-rows"

type Item = [label: string, keys: string, run: () => void, isDisabled?: boolean] | null

const WIDTH = 236
const ROW_HEIGHT = 30

export function ContextMenu({ at, nodeId, viewCenter }: { at: Point; nodeId: string | null; viewCenter: () => Point }) {
  const { store, derived, editing, viewer, root, flow } = useBridge()
  const items = nodeId ? nodeItems() : paneItems()
  const frame = root.current?.getBoundingClientRect() ?? new DOMRect()
  const left = Math.min(at.x, frame.width - WIDTH - 8)
  const top = Math.max(8, Math.min(at.y, frame.height - items.length * ROW_HEIGHT - 16))

  const clientPoint = () => ({ x: at.x + frame.left, y: at.y + frame.top })

  function nodeItems(): Item[] {
    const ids = editing.selectedNodes()
    if (nodeId && isNoteId(nodeId) && ids.length === 0) return noteItems(nodeId)
    const { shared, plan, runs } = store.getState()
    const price = estimatePrice(shared.document, plan, ids)
    const cost = price.nodes.length > 0 ? ` ${formatUsdRange(price.low, price.high)}` : ""
    const isSingle = ids.length === 1
    return [
      [`Run to here${cost}`, "⇧↵", () => editing.run(ids), price.nodes.length === 0],
      ["Run again: new take", "R", () => editing.runAgain(ids)],
      ["Cancel", ".", () => ids.forEach((id) => void editing.cancel(id)), runs.live.size === 0],
      ["Cancel downstream", "", () => ids.forEach((id) => void editing.cancel(id, true)), runs.live.size === 0],
      null,
      ["View result", "V", () => void viewer.openNode(ids[0] ?? ""), !isSingle],
      ["Compare results", "K", () => viewer.compareNode(ids[0] ?? ""), !isSingle || !isBatch(ids[0] ?? "")],
      null,
      ["Lock this result", "L", () => editing.toggleLocked()],
      ["Mute", "M", () => editing.toggleMuted()],
      ["Connect…", "C", () => store.setState({ panel: { kind: "connect", nodeId: ids[0] ?? "" } }), !isSingle],
      ["Rename", "F2", () => store.setState({ renaming: nodeId }), !isSingle],
      ...maskPorts().map(
        (port): Item => [
          `Paint ${humanize(port)}…`,
          "",
          () => store.setState({ panel: { kind: "mask", nodeId: nodeId ?? "", port } }),
          !isSingle,
        ],
      ),
      ["Settings", "I", () => store.setState({ isInspectorOpen: true }), !isSingle],
      null,
      ["Group", "G", () => addGroup(editing, viewCenter())],
      ["Copy", "Ctrl C", () => void navigator.clipboard?.writeText(editing.copy() ?? "")],
      ["Duplicate", "Ctrl D", () => editing.duplicate()],
      ["Remove", "Del", () => editing.removeSelected()],
      ...(isSingle
        ? []
        : ([
            null,
            ["Align right", "⇧→", () => editing.align("right")],
            ["Align bottoms", "⇧↓", () => editing.align("bottom")],
            ["Align left", "⇧←", () => editing.align("left")],
            ["Align tops", "⇧↑", () => editing.align("top")],
            ["Distribute in a row", "⇧H", () => editing.align("row")],
            ["Distribute in a column", "⇧V", () => editing.align("column")],
            ["Tidy", "⇧T", () => void editing.tidy()],
          ] as Item[])),
    ]
  }

  /** Names of the node's mask ports. */
  function maskPorts(): string[] {
    const { shared, catalog } = store.getState()
    const type = catalog.get(shared.document.nodes.get(nodeId ?? "")?.type ?? "")
    return (type?.inputs ?? []).filter((port) => port.type === "mask").map((port) => port.name)
  }

  function noteItems(id: string): Item[] {
    return [
      ["Rename or edit text", "F2", () => store.setState({ renaming: id })],
      ["Copy", "Ctrl C", () => void navigator.clipboard?.writeText(editing.copy() ?? "")],
      ["Duplicate", "Ctrl D", () => editing.duplicate()],
      ["Remove", "Del", () => editing.removeSelected()],
    ]
  }

  function isBatch(id: string): boolean {
    return (derived.card(store.getState(), id)?.cells.length ?? 0) > 1
  }

  function paneItems(): Item[] {
    return [
      ["Add node…", "Tab", () => store.setState({ panel: { kind: "palette", at: viewCenter(), loose: null } })],
      [
        "Add comment",
        "⇧C",
        () => addComment(editing, flow.current?.screenToFlowPosition(clientPoint()) ?? viewCenter()),
      ],
      ["Add group", "G", () => addGroup(editing, flow.current?.screenToFlowPosition(clientPoint()) ?? viewCenter())],
      ["Find…", "Ctrl F", () => store.setState({ panel: { kind: "find" } })],
      ["Select all", "Ctrl A", () => editing.selectAll()],
      ["Tidy", "⇧T", () => void editing.tidy()],
      null,
      ["Run everything", "Ctrl ↵", () => editing.run(null)],
      ["Minimap", "", () => store.setState((state) => ({ isMapOpen: !state.isMapOpen }))],
      ["Keyboard shortcuts", "?", () => store.setState({ panel: { kind: "keys" } })],
    ]
  }

  return (
    <Dialog label={nodeId ? "Node actions" : "Canvas actions"} className="ff-menu" style={{ left, top, width: WIDTH }}>
      <MenuRows
        rows={items.map((item) => item && { label: item[0], keys: item[1], run: item[2], isDisabled: item[3] })}
      />
    </Dialog>
  )
}
