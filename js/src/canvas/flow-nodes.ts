/**
 * React Flow's nodes and edges: places, sizes and ports, never what runs. A node that stays as it is stays the same
 * object; sizes and ports are declared, so that React Flow mounts nothing to measure it.
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
  const known = handlesOfBox.get(box)
  if (known) return known
  const made = box.ports.map((port): NodeHandle => {
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
  handlesOfBox.set(box, made)
  return made
}

const ORIGIN: Point = { x: 0, y: 0 }

/** All nodes as React Flow takes them. */
export function useFlowNodes(): Node[] {
  const { derived, store } = useBridge()
  const document = useCanvas((state) => state.shared.document)
  const layouts = useCanvas((state) => derived.layouts(state))
  const selection = useCanvas((state) => state.selection)
  const dragged = useCanvas((state) => state.dragged)
  const cache = useRef({ known: new Map<string, CachedNode>(), nodes: [] as Node[] })
  const { known } = cache.current
  const autoPositions = derived.autoPositions(store.getState())
  const fresh = new Map<string, CachedNode>()
  let isSame = true
  for (const id of document.nodes.keys()) {
    const box = layouts.get(id)
    if (!box) continue
    const at = dragged.get(id) ?? document.looks.get(id) ?? autoPositions.get(id) ?? ORIGIN
    const isSelected = selection.has(id)
    const label = document.looks.get(id)?.title ?? id
    const old = known.get(id)
    const isKept =
      old !== undefined &&
      old.box === box &&
      old.isSelected === isSelected &&
      old.at.x === at.x &&
      old.at.y === at.y &&
      old.label === label
    if (isKept) fresh.set(id, old)
    else {
      isSame = false
      fresh.set(id, { at, box, isSelected, label, node: flowNode(id, at, box, isSelected, label) })
    }
  }
  for (const note of [...notesOf(document, "group"), ...notesOf(document, "comment")]) {
    const at = dragged.get(note.id) ?? note
    const isSelected = selection.has(note.id)
    const old = known.get(note.id)
    const isKept = old?.note === note && old.isSelected === isSelected && old.at.x === at.x && old.at.y === at.y
    isSame &&= isKept
    fresh.set(note.id, isKept ? old : knownNote(note, at, isSelected))
  }
  if (!isSame || fresh.size !== known.size) {
    cache.current = { known: fresh, nodes: [...fresh.values()].map((one) => one.node) }
  }
  return cache.current.nodes
}

/** Behind edges and nodes, also while it is selected: React Flow lifts what is selected by a thousand. */
const BEHIND = -1001

function knownNote(note: Note, at: Point, selected: boolean): CachedNode {
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
    // Inside a group the canvas is as it is outside: it pans, selects, and is right clicked.
    ...(isGroup && { zIndex: BEHIND, style: { pointerEvents: "none" as const } }),
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

/** All edges as React Flow takes them; colour and dashes are the edge's own business. */
export function useFlowEdges(): Edge[] {
  const edges = useCanvas((state) => state.shared.document.edges)
  const selection = useCanvas((state) => state.edgeSelection)
  const cache = useRef({ edges, selection, made: null as Edge[] | null, byEdge: new WeakMap<FlowEdge, Edge>() })
  const known = cache.current
  if (known.made === null || known.edges !== edges || known.selection !== selection) {
    known.made = edges.map((edge) => {
      const old = known.byEdge.get(edge)
      const id = old?.id ?? edgeKey(edge)
      const selected = selection.has(id)
      if (old?.selected === selected) return old
      const { source, sourceHandle, target, targetHandle } = edge
      const made: Edge = { id, source, sourceHandle, target, targetHandle, type: "flow", selected, ariaLabel: id }
      known.byEdge.set(edge, made)
      return made
    })
    known.edges = edges
    known.selection = selection
  }
  return known.made
}
