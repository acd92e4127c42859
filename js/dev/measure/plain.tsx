/**
 * The other arm: React Flow on React itself, every setting at its default, state in the nodes array as its guide has it.
 * `?node=card`: our own nodes, the same that the other arm draws. `?node=label`: React Flow's default node, a label and
 * two handles; it draws no less than that.
 */

import { type Edge, type Node, ReactFlow, type ReactFlowInstance, useEdgesState, useNodesState } from "@xyflow/react"
import "@xyflow/react/dist/style.css"
import { createRoot } from "react-dom/client"
import { BridgeContext } from "../../src/bridge/context"
import { createBridgeOver } from "../../src/index"
import { NodeCard } from "../../src/nodes/node-card"
import { count, fed, measure, query } from "./arm"

type Data = { label: string; progress?: number }

const isCard = query.get("node") === "card"
const nodeTypes = { card: NodeCard }
let flow: ReactFlowInstance<Node<Data>> | null = null
let setNodes: ReturnType<typeof useNodesState<Node<Data>>>[1] = () => {}

function Plain({ nodes, edges }: { nodes: Node<Data>[]; edges: Edge[] }) {
  const [shown, set, onNodesChange] = useNodesState(nodes)
  const [drawn, , onEdgesChange] = useEdgesState(edges)
  setNodes = set
  return (
    <ReactFlow
      nodes={shown}
      edges={drawn}
      nodeTypes={nodeTypes}
      onNodesChange={onNodesChange}
      onEdgesChange={onEdgesChange}
      onInit={(instance) => {
        flow = instance
      }}
      fitView
      minZoom={0.01} // else it could not show them all, which is what is compared
    />
  )
}

const { channel, made, say } = fed()

measure({
  begin(place) {
    const nodes = made.flow.graph.nodes.map(({ id, position }): Node<Data> => {
      return { id, position, data: { label: id }, ...(isCard && { type: "card" }) }
    })
    const edges = made.flow.graph.edges.map(({ source, sourceHandle, target, targetHandle }): Edge => {
      const id = `${source}.${sourceHandle}-${target}.${targetHandle}`
      return isCard ? { id, source, sourceHandle, target, targetHandle } : { id, source, target }
    })
    const plain = <Plain nodes={nodes} edges={edges} />
    const root = createRoot(place)
    if (!isCard) return root.render(plain)
    // The holder's class carries the cards' colours and sizes.
    place.className = "ff-holder is-dark"
    const bridge = createBridgeOver(channel)
    root.render(<BridgeContext.Provider value={bridge}>{plain}</BridgeContext.Provider>)
  },
  isDrawn() {
    const there = document.querySelectorAll<HTMLElement>(".react-flow__node")
    const isMeasured = there.length === count && there[there.length - 1]?.style.visibility === "visible"
    return isMeasured && document.querySelector(".react-flow__edge") !== null
  },
  hear(events) {
    const heard = new Map(events.map((event) => [event.node_id, event.progress ?? 0]))
    if (isCard) say(events)
    setNodes((known) =>
      known.map((node) => {
        const progress = heard.get(node.id)
        if (progress === undefined) return node
        return { ...node, data: { label: `${node.id} ${Math.round(progress * 100)} %`, progress } }
      }),
    )
  },
  moveTo: (viewport) => void flow?.setViewport(viewport),
  fit: () => void flow?.fitView(),
})
