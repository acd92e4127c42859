/** Scenes of the dev page: flows with fake results in procedural pictures. */

import { fromWire } from "../src/state/document"
import type { Model, NodeType, Template } from "../src/wire/catalog"
import type { JsonObject, WireEdge, WireFlow, WireNode } from "../src/wire/flow"
import type { Coordinate, JobResult, ResultCell, TapeFrame } from "../src/wire/run"
import catalog from "./catalog.json"
import { tone } from "./fake-bytes"
import type { World } from "./fake-kernel"
import { digest, type NodeResults, planFlow } from "./fake-plan"

const PICTURES: Record<string, [width: number, height: number]> = {
  city: [1536, 1024],
  sheet: [1440, 960],
  neon: [1024, 1024],
  aurora: [1024, 1024],
  "still-life": [1024, 1024],
  current: [2048, 1365],
  butterfly: [1280, 720],
  opal: [1152, 768],
  coral: [1024, 1024],
  dunes: [1536, 1024],
  mist: [1536, 1024],
}
const NAMES = Object.keys(PICTURES).filter((name) => name !== "sheet")
const BY_LABEL: Record<string, string> = { "7": "neon", "21": "aurora", "42": "still-life" }
// Absolute URLs, so that no bytes are requested by digest. Tests without a page use a placeholder host.
const HERE = globalThis.location?.href ?? "http://dev/"
const url = (name: string) => new URL(`pictures/${name}.webp`, HERE).href

function picture(name: string, coordinate: Coordinate, port = "image"): ResultCell {
  const [width, height] = PICTURES[name] ?? [1024, 1024]
  return {
    port,
    coordinate,
    media_type: "image/webp",
    url: url(name),
    preview_url: url(name),
    sha256: digest({ name }).repeat(8).slice(0, 64),
    width,
    height,
    size_bytes: 180_000,
  }
}

function result(
  node: { id: string; type: string; params: Record<string, unknown> },
  coordinate: Coordinate,
): JobResult {
  const label = coordinate[coordinate.length - 1]?.[1] ?? ""
  const base = {
    coordinate,
    generation_id: digest({ id: node.id, label }),
    finished_at_us: Date.now() * 1000,
    elapsed_s: 2.3,
  }
  const isHosted = String(node.params.model ?? "").startsWith("fal")
  if (label === "99") {
    const error = { code: "refused", message: "The model refused this prompt.", hint: "Change the words or the model." }
    return { ...base, state: "refused", cells: [], error }
  }
  if (node.id === "broken") {
    const error = {
      code: "timeout",
      message: "runway did not answer within 120 s.",
      hint: "Nothing was paid. Run it again, or choose another model.",
    }
    return { ...base, state: "failed", cells: [], error }
  }
  if (node.type === "generate_audio") {
    const peaks = Array.from({ length: 64 }, (_, at) => Math.abs(Math.sin(at * 0.7) * Math.sin(at * 0.13)))
    const audioUrl = URL.createObjectURL(tone(8))
    const cell = { port: "audio", coordinate, media_type: "audio/wav", url: audioUrl, duration_s: 8, peaks }
    return { ...base, state: "succeeded", cells: [cell], provider: "local" }
  }
  const isVideo = ["generate_video", "ken_burns", "trim"].includes(node.type)
  const byType: Record<string, string> = {
    contact_sheet: "sheet",
    text_overlay: "dunes",
    generate_image: "dunes",
    grade: "dunes",
  }
  const ofCity = ["hero", "large", "film"].includes(node.id) ? "city" : undefined
  const name =
    ofCity ??
    BY_LABEL[label] ??
    byType[node.type] ??
    NAMES[Number.parseInt(digest({ i: node.id, label }), 16) % NAMES.length] ??
    "neon"
  const cell = picture(name, coordinate, isVideo ? "video" : node.type.startsWith("mask") ? "mask" : "image")
  if (node.type === "upscale") Object.assign(cell, { width: (cell.width ?? 0) * 4, height: (cell.height ?? 0) * 4 })
  if (isVideo) Object.assign(cell, { media_type: "video/webm", url: "pictures/drift.webm", duration_s: 3 })
  const provider = isHosted ? "fal" : isVideo && node.params.model ? "runway" : "local"
  return { ...base, state: "succeeded", cells: [cell], cost_micro_usd: isHosted ? 40_000 : 0, provider }
}

const MODELS: Model[] = [
  hosted("fal/flux-pro", "flux-pro", ["text-to-image", "edit-image"], "$0.04 each", { has_key: true }),
  hosted("runway/gen4_turbo", "gen4_turbo", ["text-to-video", "image-to-video"], "$0.42 for 5 s", { has_key: true }),
  hosted("acme/retiring", "Old Faithful", ["text-to-image"], "$0.025 each", {
    retires_on: "2026-12-31",
    has_key: false,
  }),
  ...(catalog.models as unknown as Model[]),
]

function hosted(id: string, title: string, tasks: string[], price: string, more: Partial<Model>): Model {
  const guidance = { kind: "number" as const, default: 3.5, minimum: 1, maximum: 8 }
  const seed = { kind: "integer" as const, minimum: 0, maximum: 2 ** 31 }
  const duration = { kind: "number" as const, default: 5, minimum: 1, maximum: 10 }
  const isVideo = tasks[0] === "text-to-video"
  return {
    id,
    provider: id.split("/")[0] ?? "",
    title,
    tasks,
    method: "hosted",
    says_how: "",
    parameters: isVideo
      ? { seed, duration_s: duration }
      : { guidance, seed, count: { kind: "integer", default: 1, minimum: 1, maximum: 4 } },
    is_free: false,
    price_text: price,
    retires_on: null,
    successor: null,
    has_key: true,
    ...more,
  }
}

const node = (id: string, type: string, x: number, y: number, params: JsonObject = {}, title?: string): WireNode => ({
  id,
  type,
  position: { x, y },
  data: { params },
  ...(title && { look: { title } }),
})

const edge = (from: string, to: string): WireEdge => {
  const [source, sourceHandle] = from.split(".") as [string, string]
  const [target, targetHandle] = to.split(".") as [string, string]
  return { source, sourceHandle, target, targetHandle }
}

const flow = (name: string, nodes: WireNode[], edges: WireEdge[], variables: JsonObject = {}): WireFlow => ({
  id: "dev",
  name,
  variables,
  graph: { nodes, edges, layout: {} },
})

const city = () =>
  flow(
    "Neon city",
    [
      node("prompt", "text", 0, 0, { text: "neon city at {{time}}, wet streets, long lens" }),
      node("hero", "generate_image", 336, 0, { model: "fal/flux-pro", guidance: 3.5 }, "Hero"),
      node("large", "upscale", 696, 0, { model: "local/upscale-x4" }, "Upscale ×4"),
      node("film", "generate_video", 1056, 0, { model: "runway/gen4_turbo", duration_s: 5 }, "Image to video"),
      node("seeds", "seeds", 0, 400, { values: [7, 21, 42, 99] }),
      node("still", "generate_image", 336, 400, { model: "fal/flux-pro" }, "Variations"),
      node("sheet", "contact_sheet", 696, 400, { title: "Four seeds" }),
    ],
    [
      edge("prompt.text", "hero.prompt"),
      edge("hero.image", "large.image"),
      edge("large.image", "film.image"),
      edge("prompt.text", "still.prompt"),
      edge("seeds.seed", "still.seed"),
      edge("still.image", "sheet.images"),
    ],
    { time: "midnight" },
  )

/** The city scene with groups and comments. */
function cityWithNotes(): WireFlow {
  const document = city()
  document.graph.layout = {
    groups: [
      { id: "g1", title: "Hero shot", color: "#5b86e5", x: 316, y: -56, width: 1080, height: 430 },
      { id: "g2", title: "Variations", color: "#2f9e75", x: -20, y: 404, width: 1020, height: 560 },
    ],
    comments: [
      {
        id: "c1",
        text: "Ask Mira whether the skyline may be this pink.\nSeed 7 is the favourite.",
        color: "#c98a1b",
        x: 1060,
        y: 440,
        width: 260,
        height: 110,
      },
    ],
  }
  for (const node of document.graph.nodes) if (["seeds", "still", "sheet"].includes(node.id)) node.position.y += 60
  return document
}

/** World of a scene: `city`, `running`, `silent`, `empty`, `batch`, `error`, `media`, `grade`, `wide` (five hundred nodes) or a number of nodes. */
export function worldOf(scene: string): World {
  const world: World = {
    flow: flow("Untitled", [], []),
    node_types: [...(catalog.node_types as unknown as NodeType[]), ...PICKS],
    models: MODELS,
    templates: TEMPLATES,
    results: new Map(),
    tape: { frames: TAPE, generations: 1284, cost_micro_usd: 38_100_000 },
    budgets: [{ label: "today", spent_micro_usd: 1_200_000, cap_micro_usd: 5_000_000 }],
    result,
    speed: 1,
    bytes: "server",
  }
  if (scene === "city" || scene === "running" || scene === "silent") {
    world.flow = city()
    addResults(world, ["still", "hero", "large", "film", "sheet"])
    const film = world.results.get("film") as NodeResults
    film.ingredients = { ...film.ingredients, params: { ...(film.ingredients.params as JsonObject), duration_s: 3 } }
    const large = world.results.get("large") as NodeResults
    large.jobs = large.jobs.map((job) => ({ ...job, state: "cached", cost_micro_usd: 0 }))
    if (scene !== "city") {
      world.isSilent = scene === "silent"
      world.results.delete("still")
      world.speed = 0
    }
  }
  if (scene === "batch") {
    world.flow = flow(
      "Three prompts, three seeds",
      [
        node("prompts", "prompts", 0, 0, {
          values: ["aurora over a pine forest", "desert dunes at sunset", "misty mountains at dawn"],
        }),
        node("seeds", "seeds", 0, 240, { values: [7, 21, 42] }),
        node("sweep", "generate_image", 344, 0, { model: "local/landscape" }),
        node("music", "generate_audio", 0, 420, { model: "local/ambient", prompt: "slow pads" }),
      ],
      [edge("prompts.text", "sweep.prompt"), edge("seeds.seed", "sweep.seed")],
    )
    addResults(world, ["sweep", "music"])
  }
  if (scene === "notes") {
    world.flow = cityWithNotes()
    addResults(world, ["still", "hero", "large", "sheet"])
  }
  if (scene === "large") {
    world.flow = city()
    world.needsConfirmation = true
  }
  if (scene === "many") {
    const values = Array.from({ length: 7 }, (_, i) => i + 1)
    world.flow = flow(
      "Seven seeds, six moods",
      [
        node("moods", "prompts", 0, 0, { values: ["dawn", "noon", "dusk", "midnight", "storm", "snow"] }),
        node("seeds", "seeds", 0, 240, { values }),
        node("sweep", "generate_image", 344, 0, { model: "local/landscape" }),
        node("strip", "generate_image", 700, 0, { model: "local/landscape" }),
      ],
      [edge("moods.text", "sweep.prompt"), edge("seeds.seed", "sweep.seed"), edge("seeds.seed", "strip.seed")],
    )
    const strip = world.flow.graph.nodes[3]
    if (strip) Object.assign(strip, { look: { is_strip: true }, data: { params: { prompt: "harbour" } } })
    addResults(world, ["sweep", "strip"])
  }
  if (scene === "error") {
    world.flow = flow(
      "Something went wrong",
      [
        node("still", "generate_image", 0, 0, { model: "fal/flux-pro", prompt: "a lighthouse in fog" }),
        node("broken", "generate_video", 380, 0, { model: "runway/gen4_turbo", prompt: "waves" }),
        node("loose", "blend", 760, 0, { mode: "screen" }),
      ],
      [edge("still.image", "broken.image"), edge("still.image", "loose.base")],
    )
    addResults(world, ["still", "broken"])
    const broken = world.results.get("broken") as NodeResults
    broken.ingredients = {}
  }
  if (scene === "media") {
    world.flow = flow(
      "Media in and out",
      [
        node("still", "generate_image", 0, 0, { model: "fal/flux-pro", prompt: "a lighthouse in fog" }, "Still"),
        node("edit", "edit_image", 360, 0, { model: "local/landscape", prompt: "a red boat in the water" }),
        node("film", "generate_video", 720, 0, { model: "runway/gen4_turbo", prompt: "waves" }),
        node("music", "generate_audio", 720, 400, { model: "local/ambient", prompt: "slow pads" }),
        node("file", "load_image", 0, 400),
        node("bigger", "upscale", 360, 480, { model: "local/upscale-x4" }),
      ],
      [edge("still.image", "edit.image")],
    )
    addResults(world, ["still", "edit", "film", "music"])
  }
  if (scene === "grade") {
    world.flow = flow(
      "Light and colour",
      [
        node("still", "generate_image", 0, 0, { model: "local/landscape", prompt: "desert dunes at sunset" }),
        node("grade", "grade", 360, 0, { exposure: 0, temperature: 0, hue: 0, contrast: 0 }),
      ],
      [edge("still.image", "grade.image")],
    )
    addResults(world, ["still", "grade"])
  }
  const count = scene === "wide" ? 500 : Number(scene)
  if (count > 0) fillGrid(world, count)
  return world
}

function fillGrid(world: World, count: number): void {
  const rows = Math.ceil(Math.sqrt(count / 2))
  const types = ["generate_image", "upscale", "grade", "text_overlay", "generate_video"]
  const nodes = Array.from({ length: count }, (_, i) =>
    node(
      `n_${i}`,
      types[i % types.length] ?? "grade",
      Math.floor(i / rows) * 360,
      (i % rows) * 420,
      i % 5 === 0 ? { model: "local/landscape", prompt: `shot ${i}` } : {},
    ),
  )
  const edges = nodes.slice(rows).flatMap((node, i) => {
    const port = node.type === "generate_image" ? "references" : "image"
    return i % 7 === 6
      ? []
      : [edge(`n_${i}.${nodes[i]?.type === "generate_video" ? "video" : "image"}`, `${node.id}.${port}`)]
  })
  world.flow = flow(
    `${count} nodes`,
    nodes,
    edges.filter((candidate) => candidate.sourceHandle === "image"),
  )
  for (const node of nodes) {
    if (Number(node.id.slice(2)) % 11 === 0) continue
    world.results.set(node.id, { ingredients: {}, jobs: [result({ id: node.id, type: node.type, params: {} }, [])] })
  }
  refresh(world)
}

/** Add fresh results to nodes. */
function addResults(world: World, ids: string[]): void {
  const { coordinates } = plan(world)
  for (const id of ids) {
    const node = world.flow.graph.nodes.find((candidate) => candidate.id === id)
    if (!node) continue
    const places = coordinates.get(id) ?? [[]]
    world.results.set(id, {
      ingredients: {},
      jobs: places.map((place) => result({ id, type: node.type, params: node.data.params ?? {} }, place)),
    })
  }
  refresh(world)
}

const plan = (world: World) =>
  planFlow(
    fromWire(world.flow),
    new Map(world.node_types.map((nodeType) => [nodeType.name, nodeType])),
    0,
    world.results,
  )

function refresh(world: World): void {
  const { ingredients } = plan(world)
  for (const [id, nodeResults] of world.results) nodeResults.ingredients = ingredients.get(id) ?? {}
}

/** Pick nodes, unless the catalog has them. */
const PICKS = ["image", "video", "audio", "text"]
  .filter((medium) => !catalog.node_types.some((nodeType) => nodeType.name === `pick_${medium}`))
  .map(
    (medium) =>
      ({
        name: `pick_${medium}`,
        title: `Pick ${medium}`,
        category: "Batch",
        summary: "One cell of a batch, by its label.",
        kind: "structural",
        task: null,
        inputs: [
          { name: "items", type: medium, collects: "cells", is_required: true, is_parameter: false, default: null },
          { name: "label", type: "text", collects: "no", is_required: false, is_parameter: true, default: "" },
        ],
        outputs: [{ name: medium, type: medium, is_series: false }],
        extra_inputs: null,
        extra_outputs: null,
        params_schema: { type: "object", properties: { label: { type: "string", default: "", title: "Label" } } },
        volatile: null,
      }) as NodeType,
  )

const TAPE: TapeFrame[] = [...NAMES, ...NAMES].map((name, index) => ({
  generation_id: `g${index}`,
  node_id: "still",
  node_type: "generate_image",
  title: name,
  state: "succeeded",
  cell: { ...picture(name, []), sha256: `${index}`.padStart(64, "0"), ...(name === "butterfly" && { duration_s: 5 }) },
  cost_micro_usd: name === "butterfly" ? 420_000 : index % 3 === 2 ? 0 : 40_000,
  is_cached: name === "current",
  finished_at_us: Date.now() * 1000 - index * 1e9,
}))

const graph = (nodes: WireNode[], edges: WireEdge[] = []): JsonObject =>
  ({ nodes, edges, layout: {} }) as unknown as JsonObject

const TEMPLATES: Template[] = [
  {
    id: "still",
    title: "A still",
    summary: "A prompt and a picture from it.",
    graph: graph(
      [
        node("prompt", "text", 0, 0, { text: "dunes under a full moon" }),
        node("still", "generate_image", 340, 0, { model: "local/landscape", seed: 7 }),
      ],
      [edge("prompt.text", "still.prompt")],
    ),
  },
  {
    id: "sweep",
    title: "A sweep",
    summary: "Two prompts by three seeds: six pictures, one sheet.",
    graph: graph(
      [
        node("prompts", "prompts", 0, 0, { values: ["aurora", "dunes"] }),
        node("seeds", "seeds", 0, 220, { values: [7, 21, 42] }),
        node("sweep", "generate_image", 340, 0, { model: "local/landscape" }),
        node("sheet", "contact_sheet", 700, 0, { title: "Sweep" }),
      ],
      [edge("prompts.text", "sweep.prompt"), edge("seeds.seed", "sweep.seed"), edge("sweep.image", "sheet.images")],
    ),
  },
  {
    id: "film",
    title: "Image to video",
    summary: "A still that begins to move.",
    graph: graph(
      [
        node("still", "generate_image", 0, 0, { model: "local/landscape", prompt: "misty mountains at dawn", seed: 9 }),
        node("film", "generate_video", 360, 0, { model: "local/ken-burns", duration_s: 3 }),
      ],
      [edge("still.image", "film.image")],
    ),
  },
  {
    id: "python",
    title: "Light and colour",
    summary: "A picture, graded live and titled.",
    graph: graph(
      [
        node("still", "generate_image", 0, 0, { model: "local/landscape", prompt: "neon city", seed: 3 }),
        node("grade", "grade", 360, 0, { exposure: 0.3, saturation: 0.2 }),
        node("title", "text_overlay", 720, 0, { text: "Dawn" }),
      ],
      [edge("still.image", "grade.image"), edge("grade.image", "title.image")],
    ),
  },
]
