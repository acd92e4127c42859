/** Which connections fit, and why one does not: the same rules as the kernel's, so that a refusal is said at once. */

import type { InputPort, NodeType, OutputPort, PortType } from "../wire/catalog"
import { type Document, type FlowEdge, isSameEdge, reachable } from "./document"

const ALSO_ACCEPTS: Record<PortType, PortType[]> = {
  image: ["mask"],
  mask: ["image"],
  text: ["number", "json"],
  number: ["json"],
  json: ["text", "number"],
  video: [],
  audio: [],
}

/** Whether an output of type `source` may be connected to an input of type `target`. */
export const isPortCompatible = (target: PortType, source: PortType): boolean =>
  target === source || ALSO_ACCEPTS[target].includes(source)

const MEDIA = new Set<PortType>(["image", "mask", "video", "audio"])

export const isMedia = (type: PortType): boolean => MEDIA.has(type)

export type Catalog = ReadonlyMap<string, NodeType>

export function inputOf(type: NodeType | undefined, name: string): InputPort | null {
  const port = type?.inputs.find((one) => one.name === name)
  if (port) return port
  if (!type?.extra_inputs) return null
  return { name, type: type.extra_inputs, collects: "no", is_required: false, is_parameter: true, default: null }
}

export function outputOf(type: NodeType | undefined, name: string): OutputPort | null {
  const port = type?.outputs.find((one) => one.name === name)
  if (port) return port
  return type?.extra_outputs ? { name, type: type.extra_outputs, is_series: true } : null
}

/** Why an edge cannot be drawn, as a sentence; null where it can. */
export function connectionError(document: Document, catalog: Catalog, edge: FlowEdge): string | null {
  const source = document.nodes.get(edge.source)
  const target = document.nodes.get(edge.target)
  if (!source || !target) return "One of the nodes is gone."
  const output = outputOf(catalog.get(source.type), edge.sourceHandle)
  const input = inputOf(catalog.get(target.type), edge.targetHandle)
  if (!output || !input) return "There is no such port."
  if (!isPortCompatible(input.type, output.type)) return `${input.name} takes ${input.type}, this gives ${output.type}.`
  if (edge.source === edge.target) return "A node cannot feed itself."
  if (document.edges.some((other) => isSameEdge(other, edge))) return "They are connected already."
  if (reachable(document, [edge.target], "down").has(edge.source)) return "That would close a circle."
  return null
}

/** The edge that a new one takes the place of: a port that does not collect holds one. */
export function replacedEdge(document: Document, catalog: Catalog, edge: FlowEdge): FlowEdge | null {
  const target = document.nodes.get(edge.target)
  const input = target && inputOf(catalog.get(target.type), edge.targetHandle)
  if (input?.collects !== "no") return null
  return document.edges.find((one) => one.target === edge.target && one.targetHandle === edge.targetHandle) ?? null
}

/** The ports of a node type that an edge with this loose end could go to, the best first. */
export function compatiblePorts(type: NodeType, loose: { type: PortType; side: "source" | "target" }): string[] {
  if (loose.side === "target")
    return type.outputs.filter((one) => isPortCompatible(loose.type, one.type)).map((one) => one.name)
  const rank = (port: InputPort) =>
    (port.type === loose.type ? 0 : 4) + (port.is_required ? 0 : 2) + (port.is_parameter && isMedia(loose.type) ? 1 : 0)
  return type.inputs
    .filter((port) => isPortCompatible(port.type, loose.type))
    .sort((a, b) => rank(a) - rank(b))
    .map((port) => port.name)
}

/** Every edge that could be drawn to or from a node. */
export function possibleConnections(document: Document, catalog: Catalog, nodeId: string): FlowEdge[] {
  const node = document.nodes.get(nodeId)
  const type = node && catalog.get(node.type)
  if (!type) return []
  const found: FlowEdge[] = []
  for (const other of document.nodes.values()) {
    const otherType = catalog.get(other.type)
    if (!otherType || other.id === nodeId) continue
    for (const [source, from, target, to] of [
      [nodeId, type, other.id, otherType],
      [other.id, otherType, nodeId, type],
    ] as const) {
      for (const output of from.outputs) {
        for (const targetHandle of compatiblePorts(to, { type: output.type, side: "source" })) {
          found.push({ source, sourceHandle: output.name, target, targetHandle })
        }
      }
    }
  }
  return found.filter((edge) => connectionError(document, catalog, edge) === null)
}
