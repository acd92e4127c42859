/** Ports of a node: round for a single value, square for a batch, colored by type. */

import { Handle, Position } from "@xyflow/react"
import { memo } from "react"
import type { CardData } from "../state/derived"
import { humanize } from "../state/form"
import type { Port } from "../state/node-layout"

export const PORT_SIZE = 14

export const Ports = memo(function Ports({ id, card }: { id: string; card: CardData }) {
  const isNamed = card.layout.sections.some((section) => section.kind === "ports")
  const inRows = new Set(
    card.layout.sections.filter((section) => section.kind === "field").map((section) => section.name),
  )
  return (
    <>
      {card.layout.ports.map((port) => (
        <PortHandle
          key={port.side + port.name}
          nodeId={id}
          port={port}
          isNamedInside={isNamed && port.side === "left" && !inRows.has(port.name)}
          isOpen={port.isRequired && !card.connected.has(port.name) && !inRows.has(port.name)}
        />
      ))}
    </>
  )
})

interface Props {
  nodeId: string
  port: Port
  /** Show the name inside the node. */
  isNamedInside: boolean
  /** Required, but not connected. */
  isOpen: boolean
}

function PortHandle({ port, isNamedInside, isOpen }: Props) {
  const isLeft = port.side === "left"
  const label = `${humanize(port.name)}: ${port.isSquare ? "batch of " : ""}${port.type}${isOpen ? ", required" : ""}`
  return (
    <>
      <Handle
        id={port.name}
        type={isLeft ? "target" : "source"}
        position={isLeft ? Position.Left : Position.Right}
        className={`ff-port ff-type-${port.type}${port.isSquare ? " is-square" : ""}${isOpen ? " is-open" : ""}${port.isQuiet ? " is-quiet" : ""}`}
        style={{ top: port.y }}
        role="img"
        aria-label={label}
        title={label}
      />
      <span
        className={`ff-port-name ${isNamedInside ? "is-inside" : isLeft ? "is-left" : "is-right"}`}
        style={{ top: port.y }}
        aria-hidden="true"
      >
        {humanize(port.name)}
      </span>
    </>
  )
}
