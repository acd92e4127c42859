/** Drawing an edge by hand: what fits lights up, what does not says why, and empty space offers what would. */

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

/** The loose end that a port holds: its type, and which side it is on. */
function looseEndAt({ store }: Bridge, nodeId: string, port: string, side: "source" | "target"): LooseEnd | null {
  const state = store.getState()
  const node = state.shared.document.nodes.get(nodeId)
  const type = node && state.catalog.get(node.type)
  const found = side === "source" ? outputOf(type, port) : inputOf(type, port)
  return found && { nodeId, port, side, type: found.type }
}

/** React Flow's callbacks for connections. */
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

/** The edge from a loose end to a node: to the port that was hit, else to its best one that is free. */
function edgeToNode({ store }: Bridge, loose: LooseEnd, nodeId: string, hit: string | null): FlowEdge {
  const { shared, catalog } = store.getState()
  const type = catalog.get(shared.document.nodes.get(nodeId)?.type ?? "")
  const ports = type ? compatiblePorts(type, loose) : []
  const isFree = (port: string) =>
    !shared.document.edges.some((edge) => edge.target === nodeId && edge.targetHandle === port)
  const port = hit ?? ports.find(isFree) ?? ports[0] ?? type?.inputs[0]?.name ?? ""
  return loose.side === "source"
    ? { source: loose.nodeId, sourceHandle: loose.port, target: nodeId, targetHandle: port }
    : { source: nodeId, sourceHandle: port, target: loose.nodeId, targetHandle: loose.port }
}

/** While an edge is drawn: ports that fit stay bright, and a port that does not says why. */
export function ConnectionHint() {
  const bridge = useBridge()
  const connection = useConnection()
  const { fromNode, fromHandle, toNode: over, toHandle, pointer, isValid } = connection
  const side = fromHandle?.type ?? null
  const loose = fromNode && fromHandle && side ? looseEndAt(bridge, fromNode.id, fromHandle.id ?? "", side) : null
  const drawn = loose ? `${loose.side} ${loose.type}` : ""
  useEffect(() => {
    const root = bridge.root.current
    if (!root || drawn === "") return
    const [from, type] = drawn.split(" ") as [string, PortType]
    const fits = TYPES.filter((other) =>
      from === "source" ? isPortCompatible(other, type) : isPortCompatible(type, other),
    )
    const classes = [
      "is-connecting",
      from === "source" ? "wants-target" : "wants-source",
      ...fits.map((one) => `fits-${one}`),
    ]
    root.classList.add(...classes)
    return () => root.classList.remove(...classes)
  }, [bridge, drawn])
  if (!loose || !over || !toHandle || isValid || !pointer) return null
  const { shared, catalog } = bridge.store.getState()
  const why = connectionError(shared.document, catalog, edgeToNode(bridge, loose, over.id, toHandle.id ?? null))
  if (!why) return null
  return (
    <div className="ff-refusal" role="status" style={{ left: pointer.x + 14, top: pointer.y + 14 }}>
      {why}
    </div>
  )
}
