/** Connecting ports by dragging, with a hint while dragging. A drop on empty space opens the palette. */

import { type Connection, type FinalConnectionState, useConnection, useReactFlow } from "@xyflow/react"
import { useCallback, useEffect } from "react"
import { type Bridge, useBridge } from "../bridge/context"
import type { FlowEdge } from "../state/document"
import { compatiblePorts, connectionError, inputOf, isPortCompatible, outputOf } from "../state/ports"
import type { LooseEnd } from "../state/store"
import type { PortType } from "../wire/catalog"

const TYPES: PortType[] = ["image", "mask", "video", "audio", "text", "number", "json"]

const edgeFrom = (
  connection:
    | Connection
    | { source: string; target: string; sourceHandle?: string | null; targetHandle?: string | null },
): FlowEdge => ({
  source: connection.source,
  sourceHandle: connection.sourceHandle ?? "",
  target: connection.target,
  targetHandle: connection.targetHandle ?? "",
})

/** Loose end of an edge at a port: its type and side. */
function looseEndAt({ store }: Bridge, nodeId: string, port: string, side: "source" | "target"): LooseEnd | null {
  const state = store.getState()
  const node = state.shared.document.nodes.get(nodeId)
  const type = node && state.catalog.get(node.type)
  const portFacts = side === "source" ? outputOf(type, port) : inputOf(type, port)
  return portFacts && { nodeId, port, side, type: portFacts.type }
}

/** Connection callbacks of React Flow. */
export function useConnectHandlers() {
  const bridge = useBridge()
  const { screenToFlowPosition } = useReactFlow()
  const { store, editing } = bridge
  const isValidConnection = useCallback(
    (connection: Parameters<typeof edgeFrom>[0]) => {
      const state = store.getState()
      return connectionError(state.shared.document, state.catalog, edgeFrom(connection)) === null
    },
    [store],
  )
  const onConnect = useCallback((connection: Connection) => void editing.connect(edgeFrom(connection)), [editing])
  const onConnectEnd = useCallback(
    (event: MouseEvent | TouchEvent, end: FinalConnectionState) => {
      if (end.isValid || !end.fromNode || !end.fromHandle) return
      const side = end.fromHandle.type
      const loose = looseEndAt(bridge, end.fromNode.id, end.fromHandle.id ?? "", side)
      if (!loose) return
      const at = "clientX" in event ? event : event.changedTouches[0]
      if (!at) return
      const target = document.elementFromPoint(at.clientX, at.clientY)
      const nodeId = end.toNode?.id ?? target?.closest<HTMLElement>(".react-flow__node")?.dataset.id
      if (nodeId) {
        editing.connect(edgeToNode(bridge, loose, nodeId, end.toHandle?.id ?? null))
        return
      }
      if (!target?.closest(".react-flow")) return
      store.setState({ panel: { kind: "palette", at: screenToFlowPosition({ x: at.clientX, y: at.clientY }), loose } })
    },
    [bridge, editing, store, screenToFlowPosition],
  )
  return { isValidConnection, onConnect, onConnectEnd }
}

/** Edge from a loose end to a node: to the hit port, or to the best compatible port, free ports first. */
function edgeToNode({ store }: Bridge, loose: LooseEnd, nodeId: string, hitPort: string | null): FlowEdge {
  const { shared, catalog } = store.getState()
  const type = catalog.get(shared.document.nodes.get(nodeId)?.type ?? "")
  const ports = type ? compatiblePorts(type, loose) : []
  const isFree = (port: string) =>
    !shared.document.edges.some((edge) => edge.target === nodeId && edge.targetHandle === port)
  const port = hitPort ?? ports.find(isFree) ?? ports[0] ?? type?.inputs[0]?.name ?? ""
  return loose.side === "source"
    ? { source: loose.nodeId, sourceHandle: loose.port, target: nodeId, targetHandle: port }
    : { source: nodeId, sourceHandle: port, target: loose.nodeId, targetHandle: loose.port }
}

/** While an edge is dragged: dims incompatible ports, and shows why the hovered port is incompatible. */
export function ConnectionHint() {
  const bridge = useBridge()
  const connection = useConnection()
  const { fromNode, fromHandle, toNode: hovered, toHandle, pointer, isValid } = connection
  const side = fromHandle?.type ?? null
  const loose = fromNode && fromHandle && side ? looseEndAt(bridge, fromNode.id, fromHandle.id ?? "", side) : null
  const endKey = loose ? `${loose.side} ${loose.type}` : ""
  useEffect(() => {
    const root = bridge.root.current
    if (!root || endKey === "") return
    const [from, type] = endKey.split(" ") as [string, PortType]
    const compatible = TYPES.filter((other) =>
      from === "source" ? isPortCompatible(other, type) : isPortCompatible(type, other),
    )
    const classes = [
      "is-connecting",
      from === "source" ? "wants-target" : "wants-source",
      ...compatible.map((portType) => `fits-${portType}`),
    ]
    root.classList.add(...classes)
    return () => root.classList.remove(...classes)
  }, [bridge, endKey])
  if (!loose || !hovered || !toHandle || isValid || !pointer) return null
  const { shared, catalog } = bridge.store.getState()
  const reason = connectionError(shared.document, catalog, edgeToNode(bridge, loose, hovered.id, toHandle.id ?? null))
  if (!reason) return null
  return (
    <div className="ff-refusal" role="status" style={{ left: pointer.x + 14, top: pointer.y + 14 }}>
      {reason}
    </div>
  )
}
