/** What a right click offers; the same commands as the keys. */

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
const ROW = 30

export function ContextMenu({ at, nodeId, viewCenter }: { at: Point; nodeId: string | null; viewCenter: () => Point }) {
  const { store, derived, editing, viewer, root, flow } = useBridge()
  const items = nodeId ? nodeItems() : paneItems()
  const frame = root.current?.getBoundingClientRect() ?? new DOMRect()
  const left = Math.min(at.x, frame.width - WIDTH - 8)
  const top = Math.max(8, Math.min(at.y, frame.height - items.length * ROW - 16))

  const here = () => ({ x: at.x + frame.left, y: at.y + frame.top })

  function nodeItems(): Item[] {
    const ids = editing.selectedNodes()
    if (nodeId && isNoteId(nodeId) && ids.length === 0) return noteItems(nodeId)
    const { shared, plan, runs } = store.getState()
    const price = estimatePrice(shared.document, plan, ids)
    const cost = price.nodes.length > 0 ? ` ${formatUsdRange(price.low, price.high)}` : ""
    const isOne = ids.length === 1
    return [
      [`Run to here${cost}`, "⇧↵", () => editing.run(ids), price.nodes.length === 0],
      ["Again: another take", "R", () => editing.runAgain(ids)],
      ["Cancel this", ".", () => ids.forEach((id) => void editing.cancel(id)), runs.live.size === 0],
      ["Cancel this and below", "", () => ids.forEach((id) => void editing.cancel(id, true)), runs.live.size === 0],
      null,
      ["Look at the result", "V", () => void viewer.openNode(ids[0] ?? ""), !isOne],
      ["Compare its results", "K", () => viewer.compareNode(ids[0] ?? ""), !isOne || !isBatch(ids[0] ?? "")],
      null,
      ["Keep this result", "L", () => editing.toggleKept()],
      ["Mute", "M", () => editing.toggleMuted()],
      ["Connect…", "C", () => store.setState({ panel: { kind: "connect", nodeId: ids[0] ?? "" } }), !isOne],
      ["Rename", "F2", () => store.setState({ renaming: nodeId }), !isOne],
      ...masks().map(
        (port): Item => [
          `Paint ${humanize(port)}…`,
          "",
          () => store.setState({ panel: { kind: "mask", nodeId: nodeId ?? "", port } }),
          !isOne,
        ],
      ),
      ["All settings", "I", () => store.setState({ isInspectorOpen: true }), !isOne],
      null,
      ["Group", "G", () => addGroup(editing, viewCenter())],
      ["Copy", "Ctrl C", () => void navigator.clipboard?.writeText(editing.copy() ?? "")],
      ["Duplicate", "Ctrl D", () => editing.duplicate()],
      ["Remove", "Del", () => editing.removeSelected()],
      ...(isOne
        ? []
        : ([
            null,
            ["Align right", "⇧→", () => editing.align("right")],
            ["Align bottoms", "⇧↓", () => editing.align("bottom")],
            ["Align left", "⇧←", () => editing.align("left")],
            ["Align tops", "⇧↑", () => editing.align("top")],
            ["Spread in a row", "⇧H", () => editing.align("row")],
            ["Spread in a column", "⇧V", () => editing.align("column")],
            ["Tidy", "⇧T", () => void editing.tidy()],
          ] as Item[])),
    ]
  }

  /** The mask ports of the node. */
  function masks(): string[] {
    const { shared, catalog } = store.getState()
    const type = catalog.get(shared.document.nodes.get(nodeId ?? "")?.type ?? "")
    return (type?.inputs ?? []).filter((port) => port.type === "mask").map((port) => port.name)
  }

  function noteItems(id: string): Item[] {
    return [
      ["Rename, or write", "F2", () => store.setState({ renaming: id })],
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
      ["Add a node…", "Tab", () => store.setState({ panel: { kind: "palette", at: viewCenter(), loose: null } })],
      ["Write a comment", "⇧C", () => addComment(editing, flow.current?.screenToFlowPosition(here()) ?? viewCenter())],
      ["Draw a group", "G", () => addGroup(editing, flow.current?.screenToFlowPosition(here()) ?? viewCenter())],
      ["Find…", "Ctrl F", () => store.setState({ panel: { kind: "find" } })],
      ["Select all", "Ctrl A", () => editing.selectAll()],
      ["Tidy", "⇧T", () => void editing.tidy()],
      null,
      ["Run everything", "Ctrl ↵", () => editing.run(null)],
      ["Map", "", () => store.setState((state) => ({ isMapOpen: !state.isMapOpen }))],
      ["All keys", "?", () => store.setState({ panel: { kind: "keys" } })],
    ]
  }

  return (
    <Dialog
      label={nodeId ? "What to do with this" : "What to do"}
      className="ff-menu"
      style={{ left, top, width: WIDTH }}
    >
      <MenuRows
        rows={items.map((item) => item && { label: item[0], keys: item[1], run: item[2], isDisabled: item[3] })}
      />
    </Dialog>
  )
}
