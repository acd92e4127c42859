/** The palette: all node types, found by a few letters; for a loose edge only those that fit. */

import { useReactFlow } from "@xyflow/react"
import { useBridge, useCanvas } from "../bridge/context"
import { words } from "../state/form"
import { offers } from "../state/searching"
import type { LooseEnd, Point } from "../state/store"
import { Choices } from "./choices"
import { Dialog } from "./dialog"

const WIDTH = 340
const HEIGHT = 420

export function Palette({ at, loose }: { at: Point; loose: LooseEnd | null }) {
  const { store, editing, root } = useBridge()
  const { flowToScreenPosition } = useReactFlow()
  const catalog = useCanvas((state) => state.catalog)
  const frame = root.current?.getBoundingClientRect() ?? new DOMRect()
  const point = flowToScreenPosition(at)
  const left = Math.max(12, Math.min(point.x - frame.left, frame.width - WIDTH - 12))
  const top = Math.max(12, Math.min(point.y - frame.top, frame.height - HEIGHT - 12))
  const find = (query: string) =>
    offers(catalog.values(), query, loose).map(({ type, port }) => ({
      key: type.name,
      group: query ? "" : type.category,
      content: (
        <span className={`ff-offer ff-type-${type.outputs[0]?.type ?? "json"}`}>
          <i className="ff-dot" aria-hidden="true" />
          <b>{type.title}</b>
          <span className="ff-muted">
            {port
              ? `${loose?.side === "source" ? "into" : "from"} ${words(port)}`
              : type.kind === "provider"
                ? "model"
                : ""}
          </span>
          <small>{type.summary}</small>
        </span>
      ),
    }))
  const choose = (name: string) => {
    const type = catalog.get(name)
    store.setState({ panel: null })
    if (type) editing.place(type, { x: loose?.side === "target" ? at.x - 300 : at.x, y: at.y - 20 }, loose)
  }
  return (
    <Dialog label="Add a node" className="ff-palette" style={{ left, top, width: WIDTH, maxHeight: HEIGHT }}>
      <Choices
        label="Node types"
        placeholder={loose ? `What ${loose.side === "source" ? "takes" : "gives"} ${loose.type}?` : "Add a node"}
        none={
          loose
            ? `Nothing of that name ${loose.side === "source" ? "takes" : "gives"} ${loose.type}.`
            : "No node of that name."
        }
        find={find}
        onChoose={choose}
      />
    </Dialog>
  )
}
