/** Connection rules, the same as in the kernel, so that an invalid edge is reported immediately. */

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
  const port = type?.inputs.find((input) => input.name === name)
  if (port) return port
  if (!type?.extra_inputs) return null
  return { name, type: type.extra_inputs, collects: "no", is_required: false, is_parameter: true, default: null }
}

export function outputOf(type: NodeType | undefined, name: string): OutputPort | null {
  const port = type?.outputs.find((output) => output.name === name)
  if (port) return port
  return type?.extra_outputs ? { name, type: type.extra_outputs, is_series: true } : null
}

/** Why an edge cannot be added, as a sentence; null if it can. */
export function connectionError(document: Document, catalog: Catalog, edge: FlowEdge): string | null {
  const source = document.nodes.get(edge.source)
  const target = document.nodes.get(edge.target)
  if (!source || !target) return "One of the nodes no longer exists."
  const output = outputOf(catalog.get(source.type), edge.sourceHandle)
  const input = inputOf(catalog.get(target.type), edge.targetHandle)
  if (!output || !input) return "This port does not exist."
  if (!isPortCompatible(input.type, output.type)) return `${input.name} takes ${input.type}, this is ${output.type}.`
  if (edge.source === edge.target) return "A node cannot be connected to itself."
  if (document.edges.some((other) => isSameEdge(other, edge))) return "These ports are already connected."
  if (reachable(document, [edge.target], "down").has(edge.source)) return "This connection would create a cycle."
  return null
}

/** The edge that a new edge replaces: a port that does not collect accepts a single edge. */
export function replacedEdge(document: Document, catalog: Catalog, edge: FlowEdge): FlowEdge | null {
  const target = document.nodes.get(edge.target)
  const input = target && inputOf(catalog.get(target.type), edge.targetHandle)
  if (input?.collects !== "no") return null
  return document.edges.find((old) => old.target === edge.target && old.targetHandle === edge.targetHandle) ?? null
}

/** Ports of a node type that can be connected to this loose end, best match first. */
export function compatiblePorts(type: NodeType, loose: { type: PortType; side: "source" | "target" }): string[] {
  if (loose.side === "target")
    return type.outputs.filter((output) => isPortCompatible(loose.type, output.type)).map(({ name }) => name)
  const rank = (port: InputPort) =>
    (port.type === loose.type ? 0 : 4) + (port.is_required ? 0 : 2) + (port.is_parameter && isMedia(loose.type) ? 1 : 0)
  return type.inputs
    .filter((port) => isPortCompatible(port.type, loose.type))
    .sort((a, b) => rank(a) - rank(b))
    .map((port) => port.name)
}

/** All edges that could be added to or from a node. */
export function possibleConnections(document: Document, catalog: Catalog, nodeId: string): FlowEdge[] {
  const node = document.nodes.get(nodeId)
  const type = node && catalog.get(node.type)
  if (!type) return []
  const edges: FlowEdge[] = []
  for (const other of document.nodes.values()) {
    const otherType = catalog.get(other.type)
    if (!otherType || other.id === nodeId) continue
    for (const [source, sourceType, target, targetType] of [
      [nodeId, type, other.id, otherType],
      [other.id, otherType, nodeId, type],
    ] as const) {
      for (const output of sourceType.outputs) {
        for (const targetHandle of compatiblePorts(targetType, { type: output.type, side: "source" })) {
          edges.push({ source, sourceHandle: output.name, target, targetHandle })
        }
      }
    }
  }
  return edges.filter((edge) => connectionError(document, catalog, edge) === null)
}
