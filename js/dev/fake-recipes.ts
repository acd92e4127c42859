/** Generation facts and downloads of the dev kernel. */

import type { JsonObject } from "../src/wire/flow"
import type { ToKernel } from "../src/wire/messages"
import type { GenerationFacts, ResultCell } from "../src/wire/run"
import type { FakeReply } from "./fake-bytes"
import type { World } from "./fake-kernel"

/** Returns null for other messages. */
export async function replyTo(world: World, message: ToKernel): Promise<FakeReply | null> {
  if (message.type === "ask" && message.what === "generation") {
    const facts = recipe(world, message.generation_id)
    const error = { code: "gone", message: "Generation not found." }
    return { fields: (facts ? { generation: facts } : { error }) as unknown as JsonObject }
  }
  if (message.type === "download") {
    const cell = cells(world).find((candidate) => candidate.sha256 === message.sha256)
    if (!cell?.url) return { fields: { error: { code: "lost", message: "Asset not found." } } }
    const bytes = await (await fetch(cell.url)).arrayBuffer()
    const name = `${message.node_id ?? "take"}-${message.sha256.slice(0, 6)}.webp`
    return { fields: { name, media_type: cell.media_type ?? "" }, buffers: [new DataView(bytes)] }
  }
  return null
}

const cells = (world: World): ResultCell[] => [
  ...[...world.results.values()].flatMap((nodeResults) => nodeResults.jobs.flatMap((job) => job.cells)),
  ...world.tape.frames.flatMap((frame) => frame.cell ?? []),
]

function recipe(world: World, id: string): GenerationFacts | null {
  const frame = world.tape.frames.find((candidate) => candidate.generation_id === id)
  const base = {
    generation_id: id,
    status: "succeeded",
    take: 0,
    cost_is_exact: true,
    flow_name: world.flow.name,
    error: null,
    settings: { width: 1024, height: 1024, guidance: 3.5 },
    inputs: [],
  }
  if (frame?.cell) {
    return {
      ...base,
      ...times(frame.finished_at_us),
      node_id: frame.node_id,
      node_type: frame.node_type,
      provider: "fal",
      model: "fal/flux-pro",
      prompt: `${frame.title}, wet streets, long lens`,
      seed: 21,
      coordinate: [],
      cost_micro_usd: frame.cost_micro_usd,
      cells: [frame.cell],
    }
  }
  for (const [nodeId, nodeResults] of world.results) {
    const job = nodeResults.jobs.find((candidate) => candidate.generation_id === id)
    if (!job) continue
    const node = world.flow.graph.nodes.find((candidate) => candidate.id === nodeId)
    const source = world.flow.graph.edges.find(
      (candidate) => candidate.target === nodeId && candidate.targetHandle === "image",
    )
    const [input] = source ? (world.results.get(source.source)?.jobs[0]?.cells ?? []) : []
    const axis = job.coordinate.find(([name]) => name === "seed")?.[1]
    return {
      ...base,
      ...times(job.finished_at_us ?? 0),
      node_id: nodeId,
      node_type: node?.type ?? "",
      provider: job.provider ?? null,
      model: typeof node?.data.params?.model === "string" ? node.data.params.model : null,
      prompt: node?.type === "grade" ? null : "neon city at midnight, wet streets, long lens",
      seed: node?.type === "grade" ? null : axis ? Number(axis) : 1_482_911,
      coordinate: job.coordinate,
      cost_micro_usd: job.cost_micro_usd ?? 0,
      cells: job.cells,
      inputs: input
        ? [{ port: "image", index: 0, sha256: input.sha256 ?? "", source_generation_id: null, cell: input }]
        : [],
    }
  }
  return null
}

const times = (finished: number) => ({
  queued_at_us: finished - 3_400_000,
  started_at_us: finished - 2_300_000,
  finished_at_us: finished,
})
