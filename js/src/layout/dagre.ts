/**
 * Layered layout with dagre. It is a tenth of the bundle and rarely used, so it is a separate file that a view requests
 * from the kernel (`state/auto-layout.ts`). No other module imports it.
 */

import { Graph, layout } from "@dagrejs/dagre"
import type { Layering } from "../state/arrange"

/** For larger graphs the network simplex ranker takes seconds. */
const MAX_SIMPLEX_NODES = 400

export const dagreLayout: Layering = (rects, edges, groups) => {
  const isGrouped = groups.some((members) => members.length > 0)
  const graph = new Graph({ compound: isGrouped })
  graph.setGraph({
    rankdir: "LR",
    nodesep: 44,
    ranksep: 84,
    ranker: rects.length > MAX_SIMPLEX_NODES ? "longest-path" : "network-simplex",
  })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id, width, height } of rects) graph.setNode(id, { width, height })
  for (const [source, target] of edges) graph.setEdge(source, target)
  // A node in several groups belongs to the first.
  const ungrouped = new Set(rects.map(({ id }) => id))
  groups.forEach((members, index) => {
    for (const id of members) {
      if (!ungrouped.delete(id)) continue
      graph.setNode(`/${index}`, {})
      graph.setParent(id, `/${index}`)
    }
  })
  layout(graph)
  return new Map(
    rects.map(({ id, width, height }) => {
      const { x, y } = graph.node(id) as { x: number; y: number }
      return [id, { x: x - width / 2, y: y - height / 2 }]
    }),
  )
}
