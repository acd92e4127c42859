/** Drops of files on the canvas, on a node or on a port. */

import type { ReactFlowInstance } from "@xyflow/react"
import type { Bridge } from "../bridge/context"
import { type FileKind, type FileTarget, fileTargetOnNode } from "../state/files"
import { DEFAULT_WIDTH } from "../state/node-layout"
import type { Point } from "../state/store"

/** Files per row when several are dropped. */
const COLUMNS = 4
const STEP = { x: DEFAULT_WIDTH + 40, y: 280 }

export interface DropHit {
  nodeId: string | null
  port: string | null
}

export const hasFiles = (event: React.DragEvent): boolean => event.dataTransfer.types.includes("Files")

/** Node and input port under the pointer. */
export function dropTargetOf(event: { target: EventTarget | null }): DropHit {
  const element = event.target instanceof Element ? event.target : null
  const port = element?.closest<HTMLElement>(".react-flow__handle.target")
  const node = element?.closest<HTMLElement>(".react-flow__node")
  return { nodeId: node?.dataset.id ?? null, port: port?.dataset.handleid ?? null }
}

/** Upload dropped files. The first goes to the node or port under the pointer, the others beside it. */
export function uploadFiles(bridge: Bridge, files: readonly File[], at: Point, hit: DropHit): void {
  const place = (index: number): FileTarget => ({
    kind: "place",
    at: { x: at.x + (index % COLUMNS) * STEP.x, y: at.y + Math.floor(index / COLUMNS) * STEP.y },
  })
  const { uploader, store, editing } = bridge
  uploader.add(files, (kind: FileKind, index) => {
    const { shared, catalog } = store.getState()
    const node = hit.nodeId === null ? undefined : shared.document.nodes.get(hit.nodeId)
    if (!node || index > 0) return place(index)
    const [rect] = editing.rects([node.id])
    const before = rect ? { x: rect.x - STEP.x, y: rect.y } : at
    if (hit.port !== null) return { kind: "port", nodeId: node.id, port: hit.port, at: before }
    return fileTargetOnNode(shared.document, catalog, kind, node, before) ?? place(index)
  })
}

/** Drag event handlers for the canvas element. */
export function fileDropHandlers(bridge: Bridge, flow: ReactFlowInstance) {
  const { store } = bridge
  return {
    over(event: React.DragEvent): void {
      event.preventDefault()
      if (!hasFiles(event)) return
      event.dataTransfer.dropEffect = "copy"
      const hit = dropTargetOf(event)
      const old = store.getState().dropTarget
      if (old?.nodeId !== hit.nodeId || old?.port !== hit.port) store.setState({ dropTarget: hit })
    },
    leave(event: React.DragEvent): void {
      if (event.currentTarget.contains(event.relatedTarget as Node | null)) return
      store.setState({ dropTarget: null })
    },
    /** Returns whether the drop contained files. */
    drop(event: React.DragEvent): boolean {
      store.setState({ dropTarget: null })
      const files = [...event.dataTransfer.files]
      if (files.length === 0) return false
      event.preventDefault()
      uploadFiles(bridge, files, flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }), dropTargetOf(event))
      return true
    },
  }
}
