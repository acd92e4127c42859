/** Fuzzy search for node types and nodes. */

import type { NodeType, PortType } from "../wire/catalog"
import type { Document } from "./document"
import { compatiblePorts } from "./ports"

/** How well a text matches a query, 0 for no match. Exact match ranks first, then word prefix, then letters in order. */
export function fuzzyScore(query: string, text: string): number {
  const needle = query.trim().toLowerCase()
  const haystack = text.toLowerCase()
  if (needle === "") return 1
  if (haystack === needle) return 120
  if (haystack.startsWith(needle)) return 100 - haystack.length / 100
  if (haystack.split(/[\s_-]+/).some((word) => word.startsWith(needle))) return 80 - haystack.length / 100
  if (haystack.includes(needle)) return 60 - haystack.length / 100
  const parts = needle.split(/\s+/)
  if (parts.length > 1 && parts.every((part) => haystack.includes(part))) return 50
  let at = 0
  let gaps = 0
  for (const letter of needle) {
    const next = haystack.indexOf(letter, at)
    if (next < 0) return 0
    gaps += next - at
    at = next + 1
  }
  return gaps > needle.length * 2 ? 0 : 20 - gaps
}

export interface LooseEdge {
  type: PortType
  /** The connected end: with `source`, search for an input. */
  side: "source" | "target"
}

export interface NodeTypeMatch {
  type: NodeType
  /** The port that the loose edge would connect to. */
  port: string | null
}

/** Node types that match a query, best match first; with a loose edge, only those with a compatible port. */
export function searchNodeTypes(catalog: Iterable<NodeType>, query: string, loose: LooseEdge | null): NodeTypeMatch[] {
  const matches: (NodeTypeMatch & { rank: number })[] = []
  for (const type of catalog) {
    const port = loose ? (compatiblePorts(type, loose)[0] ?? null) : null
    if (loose && port === null) continue
    const nameScore = Math.max(fuzzyScore(query, type.title), fuzzyScore(query, type.name) - 1)
    const rank = Math.max(
      nameScore,
      fuzzyScore(query, type.category) / 2,
      query ? fuzzyScore(query, type.summary) / 3 : 0,
    )
    if (rank > 0) matches.push({ type, port, rank })
  }
  return query ? matches.sort((a, b) => b.rank - a.rank) : matches
}

/** Ids of nodes whose title, id or text parameters match a query, best match first. */
export function searchNodes(document: Document, query: string, titleOf: (id: string) => string): string[] {
  const ranked = [...document.nodes.values()].map((node) => {
    const texts = Object.values(node.params).filter((value) => typeof value === "string")
    const score = Math.max(
      fuzzyScore(query, titleOf(node.id)),
      fuzzyScore(query, node.id),
      ...texts.map((text) => (query && text.toLowerCase().includes(query.toLowerCase()) ? 30 : 0)),
    )
    return { id: node.id, score }
  })
  return ranked
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ id }) => id)
}
