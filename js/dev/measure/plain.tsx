/**
 * Arms `card` and `label`: React Flow on React itself with default settings, and state in the nodes array as in its
 * guide. `?node=card` renders the node cards of this canvas; `?node=label` the default node, a label and two handles.
 */

import { type Edge, type Node, ReactFlow, type ReactFlowInstance, useEdgesState, useNodesState } from "@xyflow/react"
import "@xyflow/react/dist/style.css"
import { createRoot } from "react-dom/client"
import { BridgeContext } from "../../src/bridge/context"
import { createBridgeOver } from "../../src/index"
import { NodeCard } from "../../src/nodes/node-card"
import { count, createFakeChannel, measure, query } from "./arm"

type Data = { label: string; progress?: number }

const isCard = query.get("node") === "card"
const nodeTypes = { card: NodeCard }
let flow: ReactFlowInstance<Node<Data>> | null = null
let setNodes: ReturnType<typeof useNodesState<Node<Data>>>[1] = () => {}

function Plain({ nodes, edges }: { nodes: Node<Data>[]; edges: Edge[] }) {
  const [shown, set, onNodesChange] = useNodesState(nodes)
  const [currentEdges, , onEdgesChange] = useEdgesState(edges)
  setNodes = set
  return (
    <ReactFlow
      nodes={shown}
      edges={currentEdges}
      nodeTypes={nodeTypes}
      onNodesChange={onNodesChange}
      onEdgesChange={onEdgesChange}
      onInit={(instance) => {
        flow = instance
      }}
      fitView
      minZoom={0.01} // needed to show all nodes
    />
  )
}

const { channel, snapshot, sendEvents } = createFakeChannel()

measure({
  begin(place) {
    const nodes = snapshot.flow.graph.nodes.map(({ id, position }): Node<Data> => {
      return { id, position, data: { label: id }, ...(isCard && { type: "card" }) }
    })
    const edges = snapshot.flow.graph.edges.map(({ source, sourceHandle, target, targetHandle }): Edge => {
      const id = `${source}.${sourceHandle}-${target}.${targetHandle}`
      return isCard ? { id, source, sourceHandle, target, targetHandle } : { id, source, target }
    })
    const plain = <Plain nodes={nodes} edges={edges} />
    const root = createRoot(place)
    if (!isCard) return root.render(plain)
    // The holder's class defines the colors and sizes of the cards.
    place.className = "ff-holder is-dark"
    const bridge = createBridgeOver(channel)
    root.render(<BridgeContext.Provider value={bridge}>{plain}</BridgeContext.Provider>)
  },
  isDrawn() {
    const elements = document.querySelectorAll<HTMLElement>(".react-flow__node")
    const isMeasured = elements.length === count && elements[elements.length - 1]?.style.visibility === "visible"
    return isMeasured && document.querySelector(".react-flow__edge") !== null
  },
  update(events) {
    const progressById = new Map(events.map((event) => [event.node_id, event.progress ?? 0]))
    if (isCard) sendEvents(events)
    setNodes((current) =>
      current.map((node) => {
        const progress = progressById.get(node.id)
        if (progress === undefined) return node
        return { ...node, data: { label: `${node.id} ${Math.round(progress * 100)} %`, progress } }
      }),
    )
  },
  moveTo: (viewport) => void flow?.setViewport(viewport),
  fit: () => void flow?.fitView(),
})
