/** What a right click offers; the same commands as the keys. */

import { Fragment } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { words } from "../state/form"
import { priceOf, usdRange } from "../state/money"
import type { Point } from "../state/store"
import { Dialog } from "./dialog"

type Item = [says: string, keys: string, run: () => void, isOff?: boolean] | null

const WIDTH = 236
const ROW = 30

export function Menu({ at, nodeId, middle }: { at: Point; nodeId: string | null; middle: () => Point }) {
  const { store, editing, root } = useBridge()
  const selection = useCanvas((state) => state.selection)
  const items = nodeId ? nodeItems() : paneItems()
  const frame = root.current?.getBoundingClientRect() ?? new DOMRect()
  const left = Math.min(at.x, frame.width - WIDTH - 8)
  const top = Math.max(8, Math.min(at.y, frame.height - items.length * ROW - 16))

  function nodeItems(): Item[] {
    const ids = [...selection]
    const { shared, plan, runs } = store.getState()
    const price = priceOf(shared.shown, plan, ids)
    const cost = price.nodes.length > 0 ? ` ${usdRange(price.low, price.high)}` : ""
    const isOne = ids.length === 1
    return [
      [`Run to here${cost}`, "⇧↵", () => editing.run(ids), price.nodes.length === 0],
      ["Again: another take", "R", () => editing.again(ids)],
      ["Cancel this and below", "", () => ids.forEach((id) => void editing.cancel(id, true)), runs.live.size === 0],
      null,
      ["Keep this result", "L", () => editing.toggleKept()],
      ["Mute", "M", () => editing.toggleMuted()],
      ["Connect…", "C", () => store.setState({ panel: { kind: "connect", nodeId: ids[0] ?? "" } }), !isOne],
      ["Rename", "F2", () => store.setState({ renaming: nodeId }), !isOne],
      ...masks().map(
        (port): Item => [
          `Paint ${words(port)}…`,
          "",
          () => store.setState({ panel: { kind: "mask", nodeId: nodeId ?? "", port } }),
          !isOne,
        ],
      ),
      ["All settings", "I", () => store.setState({ isInspectorOpen: true }), !isOne],
      null,
      ["Copy", "Ctrl C", () => void navigator.clipboard?.writeText(editing.copy() ?? "")],
      ["Duplicate", "Ctrl D", () => editing.duplicate()],
      ["Remove", "Del", () => editing.removeSelected()],
      ...(isOne
        ? []
        : ([
            null,
            ["Align left", "⇧←", () => editing.align("left")],
            ["Align tops", "⇧↑", () => editing.align("top")],
            ["Spread in a row", "⇧H", () => editing.align("row")],
            ["Spread in a column", "⇧V", () => editing.align("column")],
            ["Tidy", "⇧T", () => editing.tidy()],
          ] as Item[])),
    ]
  }

  /** The mask ports of the node. */
  function masks(): string[] {
    const { shared, catalog } = store.getState()
    const type = catalog.get(shared.shown.nodes.get(nodeId ?? "")?.type ?? "")
    return (type?.inputs ?? []).filter((port) => port.type === "mask").map((port) => port.name)
  }

  function paneItems(): Item[] {
    return [
      ["Add a node…", "Tab", () => store.setState({ panel: { kind: "palette", at: middle(), loose: null } })],
      ["Find…", "Ctrl F", () => store.setState({ panel: { kind: "find" } })],
      ["Select all", "Ctrl A", () => editing.selectAll()],
      ["Tidy", "⇧T", () => editing.tidy()],
      null,
      ["Run everything", "Ctrl ↵", () => editing.run(null)],
      ["Map", "", () => store.setState((state) => ({ isMapOpen: !state.isMapOpen }))],
      ["All keys", "?", () => store.setState({ panel: { kind: "keys" } })],
    ]
  }

  const walk = (event: React.KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")]
    const here = rows.indexOf(document.activeElement as HTMLElement)
    rows[(here + step + rows.length) % rows.length]?.focus()
  }

  return (
    <Dialog
      label={nodeId ? "What to do with this node" : "What to do"}
      className="ff-menu"
      style={{ left, top, width: WIDTH }}
      onKeyDown={walk}
    >
      <div role="menu">
        {items.map((item, index) =>
          item === null ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
            <hr key={index} />
          ) : (
            <Fragment key={item[0]}>
              <button
                type="button"
                role="menuitem"
                disabled={item[3]}
                onClick={() => {
                  store.setState({ panel: null })
                  item[2]()
                }}
              >
                <span>{item[0]}</span>
                <kbd>{item[1]}</kbd>
              </button>
            </Fragment>
          ),
        )}
      </div>
    </Dialog>
  )
}
