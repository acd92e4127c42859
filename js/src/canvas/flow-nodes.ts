/**
 * Nodes and edges for React Flow: positions, sizes and ports, but no run state. An unchanged node keeps its object
 * identity. Sizes and ports are declared, so React Flow does not mount nodes to measure them.
 */

import { type Edge, type Node, type NodeHandle, Position } from "@xyflow/react"
import { useRef } from "react"
import { useBridge, useCanvas } from "../bridge/context"
import { PORT_SIZE } from "../nodes/ports"
import { edgeKey, type FlowEdge } from "../state/document"
import type { NodeLayout } from "../state/node-layout"
import { type Note, notesOf } from "../state/notes"
import type { Point } from "../state/store"

interface CachedNode {
  at: Point
  box: NodeLayout | null
  isSelected: boolean
  label: string
  node: Node
  note?: Note
}

const EMPTY = {}
const handlesOfBox = new WeakMap<NodeLayout, NodeHandle[]>()

function handlesOf(box: NodeLayout): NodeHandle[] {
  const cached = handlesOfBox.get(box)
  if (cached) return cached
  const handles = box.ports.map((port): NodeHandle => {
    const isLeft = port.side === "left"
    return {
      id: port.name,
      type: isLeft ? "target" : "source",
      position: isLeft ? Position.Left : Position.Right,
      x: (isLeft ? 0 : box.width) - PORT_SIZE / 2,
      y: port.y - PORT_SIZE / 2,
      width: PORT_SIZE,
      height: PORT_SIZE,
    }
  })
  handlesOfBox.set(box, handles)
  return handles
}

const ORIGIN: Point = { x: 0, y: 0 }

/** All nodes, groups and comments as React Flow nodes. */
export function useFlowNodes(): Node[] {
  const { derived, store } = useBridge()
  const document = useCanvas((state) => state.shared.document)
  const layouts = useCanvas((state) => derived.layouts(state))
  const selection = useCanvas((state) => state.selection)
  const dragged = useCanvas((state) => state.dragged)
  const cache = useRef({ byId: new Map<string, CachedNode>(), nodes: [] as Node[] })
  const { byId } = cache.current
  const autoPositions = derived.autoPositions(store.getState())
  const next = new Map<string, CachedNode>()
  let isSame = true
  for (const id of document.nodes.keys()) {
    const box = layouts.get(id)
    if (!box) continue
    const at = dragged.get(id) ?? document.looks.get(id) ?? autoPositions.get(id) ?? ORIGIN
    const isSelected = selection.has(id)
    const label = document.looks.get(id)?.title ?? id
    const old = byId.get(id)
    const isUnchanged =
      old !== undefined &&
      old.box === box &&
      old.isSelected === isSelected &&
      old.at.x === at.x &&
      old.at.y === at.y &&
      old.label === label
    if (isUnchanged) next.set(id, old)
    else {
      isSame = false
      next.set(id, { at, box, isSelected, label, node: flowNode(id, at, box, isSelected, label) })
    }
  }
  for (const note of [...notesOf(document, "group"), ...notesOf(document, "comment")]) {
    const at = dragged.get(note.id) ?? note
    const isSelected = selection.has(note.id)
    const old = byId.get(note.id)
    const isUnchanged = old?.note === note && old.isSelected === isSelected && old.at.x === at.x && old.at.y === at.y
    isSame &&= isUnchanged
    next.set(note.id, isUnchanged ? old : cachedNote(note, at, isSelected))
  }
  if (!isSame || next.size !== byId.size) {
    cache.current = { byId: next, nodes: [...next.values()].map((entry) => entry.node) }
  }
  return cache.current.nodes
}

/** Keeps groups behind edges and nodes: React Flow adds 1000 to the z-index of selected nodes. */
const GROUP_Z_INDEX = -1001

function cachedNote(note: Note, at: Point, selected: boolean): CachedNode {
  const { id, kind, width, height, text } = note
  const isGroup = kind === "group"
  const node: Node = {
    id,
    type: kind,
    position: { x: at.x, y: at.y },
    data: EMPTY,
    selected,
    width,
    height,
    measured: { width, height },
    connectable: false,
    dragHandle: isGroup ? ".ff-region-head" : ".ff-comment",
    ariaLabel: `${isGroup ? "Group" : "Comment"}: ${text}`,
    // The inside of a group behaves like the pane: it pans, selects and opens the context menu.
    ...(isGroup && { zIndex: GROUP_Z_INDEX, style: { pointerEvents: "none" as const } }),
  }
  return { at, box: null, isSelected: selected, label: text, node, note }
}

function flowNode(id: string, at: Point, box: NodeLayout, selected: boolean, label: string): Node {
  const { width, height } = box
  return {
    id,
    type: "card",
    position: { x: at.x, y: at.y },
    data: EMPTY,
    selected,
    width,
    height,
    measured: { width, height },
    handles: handlesOf(box),
    dragHandle: ".ff-card",
    ariaLabel: label,
  }
}

/** All edges as React Flow edges. `FlowEdge` reads color and dashes from the store. */
export function useFlowEdges(): Edge[] {
  const edges = useCanvas((state) => state.shared.document.edges)
  const selection = useCanvas((state) => state.edgeSelection)
  const cache = useRef({ edges, selection, flowEdges: null as Edge[] | null, byEdge: new WeakMap<FlowEdge, Edge>() })
  const cached = cache.current
  if (cached.flowEdges === null || cached.edges !== edges || cached.selection !== selection) {
    cached.flowEdges = edges.map((edge) => {
      const old = cached.byEdge.get(edge)
      const id = old?.id ?? edgeKey(edge)
      const selected = selection.has(id)
      if (old?.selected === selected) return old
      const { source, sourceHandle, target, targetHandle } = edge
      const flowEdge: Edge = { id, source, sourceHandle, target, targetHandle, type: "flow", selected, ariaLabel: id }
      cached.byEdge.set(edge, flowEdge)
      return flowEdge
    })
    cached.edges = edges
    cached.selection = selection
  }
  return cached.flowEdges
}
