/** The ports of a node: round for one value, square for a batch, coloured by type, named when it helps. */

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
        <OnePort
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
  /** The node has room for its name. */
  isNamedInside: boolean
  /** It needs an edge and has none. */
  isOpen: boolean
}

function OnePort({ port, isNamedInside, isOpen }: Props) {
  const isLeft = port.side === "left"
  const said = `${humanize(port.name)}: ${port.isSquare ? "batch of " : ""}${port.type}${isOpen ? ", needed" : ""}`
  return (
    <>
      <Handle
        id={port.name}
        type={isLeft ? "target" : "source"}
        position={isLeft ? Position.Left : Position.Right}
        className={`ff-port ff-type-${port.type}${port.isSquare ? " is-square" : ""}${isOpen ? " is-open" : ""}${port.isQuiet ? " is-quiet" : ""}`}
        style={{ top: port.y }}
        role="img"
        aria-label={said}
        title={said}
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
