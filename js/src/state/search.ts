/** What a few letters mean: nodes to add, nodes that are there. */

import type { NodeType, PortType } from "../wire/catalog"
import type { Document } from "./document"
import { compatiblePorts } from "./ports"

/** How well a text answers a query, 0 for not at all: just this, a word that begins so, then letters in their order. */
export function fuzzyScore(query: string, text: string): number {
  const wanted = query.trim().toLowerCase()
  const said = text.toLowerCase()
  if (wanted === "") return 1
  if (said === wanted) return 120
  if (said.startsWith(wanted)) return 100 - said.length / 100
  if (said.split(/[\s_-]+/).some((word) => word.startsWith(wanted))) return 80 - said.length / 100
  if (said.includes(wanted)) return 60 - said.length / 100
  const parts = wanted.split(/\s+/)
  if (parts.length > 1 && parts.every((part) => said.includes(part))) return 50
  let at = 0
  let gaps = 0
  for (const letter of wanted) {
    const next = said.indexOf(letter, at)
    if (next < 0) return 0
    gaps += next - at
    at = next + 1
  }
  return gaps > wanted.length * 2 ? 0 : 20 - gaps
}

export interface LooseEdge {
  type: PortType
  /** Which end is held already: from a `source` an input is looked for. */
  side: "source" | "target"
}

export interface NodeTypeMatch {
  type: NodeType
  /** The port that a loose edge would end in. */
  port: string | null
}

/** Node types that answer a query, the best first; with a loose edge only those it fits. */
export function searchNodeTypes(catalog: Iterable<NodeType>, query: string, loose: LooseEdge | null): NodeTypeMatch[] {
  const found: (NodeTypeMatch & { rank: number })[] = []
  for (const type of catalog) {
    const port = loose ? (compatiblePorts(type, loose)[0] ?? null) : null
    if (loose && port === null) continue
    const named = Math.max(fuzzyScore(query, type.title), fuzzyScore(query, type.name) - 1)
    const rank = Math.max(named, fuzzyScore(query, type.category) / 2, query ? fuzzyScore(query, type.summary) / 3 : 0)
    if (rank > 0) found.push({ type, port, rank })
  }
  return query ? found.sort((a, b) => b.rank - a.rank) : found
}

/** Ids of nodes whose title, id, type or words answer a query, the best first. */
export function searchNodes(document: Document, query: string, titleOf: (id: string) => string): string[] {
  const ranked = [...document.nodes.values()].map((node) => {
    const words = Object.values(node.params).filter((value) => typeof value === "string")
    const best = Math.max(
      fuzzyScore(query, titleOf(node.id)),
      fuzzyScore(query, node.id),
      ...words.map((word) => (query && word.toLowerCase().includes(query.toLowerCase()) ? 30 : 0)),
    )
    return { id: node.id, best }
  })
  return ranked
    .filter((one) => one.best > 0)
    .sort((a, b) => b.best - a.best)
    .map((one) => one.id)
}
