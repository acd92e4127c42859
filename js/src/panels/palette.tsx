/** Palette: searchable list of node types; for a loose edge, only the compatible types. */

import { useReactFlow } from "@xyflow/react"
import { type Bridge, useBridge, useCanvas } from "../bridge/context"
import { humanize } from "../state/form"
import { searchNodeTypes } from "../state/search"
import type { LooseEnd, Point } from "../state/store"
import { Combobox } from "./combobox"
import { Dialog } from "./dialog"

/** MIME type of a dragged row; the data is the name of the node type. */
const NODE_TYPE_MIME_TYPE = "application/x-fusionflow-node-type"
const WIDTH = 340
const HEIGHT = 420
/** Heights that the toolbar and the tape cover. */
const COVERED_HEIGHT = { top: 72, bottom: 120 }

export function NodePalette({ at, loose }: { at: Point; loose: LooseEnd | null }) {
  const { store, editing, root } = useBridge()
  const flow = useReactFlow()
  const catalog = useCanvas((state) => state.catalog)
  const frame = root.current?.getBoundingClientRect() ?? new DOMRect()
  const point = flow.flowToScreenPosition(at)
  const left = Math.max(12, Math.min(point.x - frame.left, frame.width - WIDTH - 12))
  const top = Math.max(12, Math.min(point.y - frame.top, frame.height - HEIGHT - 12))
  const find = (query: string) =>
    searchNodeTypes(catalog.values(), query, loose).map(({ type, port }) => ({
      key: type.name,
      group: query ? "" : type.category,
      content: (
        <span className={`ff-offer ff-type-${type.outputs[0]?.type ?? "json"}`}>
          <i className="ff-dot" aria-hidden="true" />
          <b>{type.title}</b>
          <span className="ff-muted">
            {port
              ? `${loose?.side === "source" ? "into" : "from"} ${humanize(port)}`
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
    if (!type) return
    const start = { x: loose?.side === "target" ? at.x - 300 : at.x, y: at.y - 20 }
    const id = editing.place(type, loose ? start : editing.freePlace(start), loose)
    if (id) reveal(id)
  }
  /** Scroll a new node into view if it is covered or off-screen. */
  const reveal = (id: string) => {
    const [rect] = editing.rects([id])
    if (!rect) return
    const [zoom, corner] = [flow.getZoom(), flow.flowToScreenPosition(rect)]
    const isSeen =
      corner.x >= frame.left &&
      corner.y >= frame.top + COVERED_HEIGHT.top &&
      corner.x + rect.width * zoom <= frame.right &&
      corner.y + rect.height * zoom <= frame.bottom - COVERED_HEIGHT.bottom
    if (!isSeen) void flow.setCenter(rect.x + rect.width / 2, rect.y + rect.height / 2, { zoom, duration: 160 })
  }
  return (
    <Dialog label="Add node" className="ff-palette" style={{ left, top, width: WIDTH, maxHeight: HEIGHT }}>
      <Combobox
        label="Node types"
        placeholder={
          loose ? `Find a node that ${loose.side === "source" ? "takes" : "outputs"} ${loose.type}` : "Add node"
        }
        emptyText={
          loose
            ? `No matching node ${loose.side === "source" ? "takes" : "outputs"} ${loose.type}`
            : "No matching nodes"
        }
        find={find}
        onChoose={choose}
        onDrag={(name, data) => {
          data.setData(NODE_TYPE_MIME_TYPE, name)
          data.effectAllowed = "copy"
        }}
      />
    </Dialog>
  )
}

/** Place a palette row dropped on the canvas. Returns false if the drop is not a palette row. */
export function dropNodeType({ editing, store }: Bridge, data: DataTransfer, at: Point): boolean {
  const type = store.getState().catalog.get(data.getData(NODE_TYPE_MIME_TYPE))
  if (!type) return false
  store.setState({ panel: null })
  editing.place(type, at)
  return true
}
