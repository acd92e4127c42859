/**
 * Layers of boxes, by dagre. A tenth of the canvas and seldom needed, so it is a file of its own, which a view asks the
 * kernel for (`state/auto-layout.ts`); nothing else imports it.
 */

import { Graph, layout } from "@dagrejs/dagre"
import type { Layering } from "../state/arrange"

/** Beyond that the better ranker takes seconds. */
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
  // What stands in one group stays together; a node in several counts for the first.
  const free = new Set(rects.map((one) => one.id))
  groups.forEach((members, index) => {
    for (const id of members) {
      if (!free.delete(id)) continue
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
