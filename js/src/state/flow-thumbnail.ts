/** Draws a flow as a thumbnail: a block per node, a curve per edge. */

import type { PortType } from "../wire/catalog"
import type { WireGraph } from "../wire/flow"
import { type Catalog, isMedia, outputOf } from "./ports"

export interface FlowThumbnail {
  width: number
  height: number
  blocks: { id: string; x: number; y: number; width: number; height: number; type: PortType; isMedia: boolean }[]
  curves: { key: string; path: string; type: PortType }[]
}

const WIDTH = 260
const HEIGHTS = { media: 250, value: 110 }
const MARGIN = 24

export function flowThumbnail(graph: WireGraph, catalog: Catalog): FlowThumbnail {
  const typeOf = (id: string, port?: string): PortType => {
    const type = catalog.get(graph.nodes.find((node) => node.id === id)?.type ?? "")
    return (port ? outputOf(type, port)?.type : type?.outputs[0]?.type) ?? "json"
  }
  const left = Math.min(...graph.nodes.map(({ position }) => position.x))
  const top = Math.min(...graph.nodes.map(({ position }) => position.y))
  const blocks = graph.nodes.map(({ id, position }) => {
    const type = typeOf(id)
    const showsMedia = isMedia(type)
    const height = showsMedia ? HEIGHTS.media : HEIGHTS.value
    return {
      id,
      x: position.x - left + MARGIN,
      y: position.y - top + MARGIN,
      width: WIDTH,
      height,
      type,
      isMedia: showsMedia,
    }
  })
  const byId = new Map(blocks.map((block) => [block.id, block]))
  const curves = graph.edges.flatMap(({ source, sourceHandle, target, targetHandle }) => {
    const [from, to] = [byId.get(source), byId.get(target)]
    if (!from || !to) return []
    const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + 56, to.x, to.y + 56]
    const bend = Math.max(40, (x2 - x1) / 2)
    const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
    return [{ key: `${source}.${sourceHandle} ${target}.${targetHandle}`, path, type: typeOf(source, sourceHandle) }]
  })
  return {
    width: Math.max(...blocks.map((block) => block.x + block.width)) + MARGIN,
    height: Math.max(...blocks.map((block) => block.y + block.height)) + MARGIN,
    blocks,
    curves,
  }
}
