/** A kernel for the dev page: the same words over a channel, made-up results, no Python, no money. */

import { applyEdits } from "../src/state/apply"
import { type Document, fromWire, reachable, toWire } from "../src/state/document"
import { EditError } from "../src/state/json-values"
import type { Catalog } from "../src/state/ports"
import type { Model, NodeType, Template } from "../src/wire/catalog"
import type { Edit, WireFlow } from "../src/wire/flow"
import type { Channel, FileFacts, FromKernel, Snapshot, ToKernel } from "../src/wire/messages"
import type { Budget, Coordinate, JobResult, RunEvent, Tape } from "../src/wire/run"
import { FakeBytes } from "./fake-bytes"
import { digest, type Made, type Planned, PRICES, planned } from "./fake-plan"
import { answerOf } from "./fake-recipes"

const BATCH_MS = 33
const OF_BYTES = new Set<ToKernel["type"]>(["sign", "media", "place_upload", "confirm_upload", "upload", "download"])
const isSlow = (message: ToKernel): boolean =>
  OF_BYTES.has(message.type) ||
  (message.type === "ask" && (message.what === "generation" || message.what === "layering"))

/** Of the tape, in one answer. */
const FRAMES = 12
const PYTHON = `import fusionflow_nb as ff

flow = ff.Flow("Neon city")
prompt = flow.text("neon city at {{time}}, wet streets, long lens", name="prompt")
hero = flow.generate_image(prompt, model="fal/flux-pro", guidance=3.5, name="hero")
large = flow.upscale(hero, model="local/upscale-x4", name="large")
`
const SQL = `%%tape
SELECT model, count(*) AS takes, sum(cost_computation) AS usd
FROM generations WHERE project_id = 'dev'
GROUP BY model ORDER BY usd DESC
`

export interface World {
  flow: WireFlow
  node_types: NodeType[]
  models: Model[]
  templates: Template[]
  made: Map<string, Made>
  tape: Tape
  budgets: Budget[]
  /** The result of a job, made up. */
  result: (node: { id: string; type: string; params: Record<string, unknown> }, coordinate: Coordinate) => JobResult
  /** The services do not say how far they are. */
  isSilent?: boolean
  /** How fast time passes in runs; 0: jobs stand still at the progress they have. */
  speed: number
  /** Who gives bytes: the dev server by address, or this kernel as buffers. */
  bytes: "server" | "kernel"
  /** Whether it wants a yes before it runs. */
  asksFirst?: boolean
}

export class FakeKernel implements Channel {
  document: Document
  rev = 0
  seq = 0
  isSilent = false
  file: FileFacts = { path: "neon-city.flow.json", saved_at_us: Date.now() * 1000, is_conflicting: false }
  readonly sent: ToKernel[] = []
  #listeners = new Set<(message: FromKernel, buffers: DataView[]) => void>()
  readonly #bytes = new FakeBytes()
  #undo: Edit[] = []
  #redo: Edit[] = []
  #waiting: RunEvent[] = []
  #live: RunEvent[] = []
  #timers = new Set<ReturnType<typeof setInterval>>()
  #catalog: Catalog
  #run: { id: string; cancelled: Set<string>; isCancelled: boolean } | null = null

  constructor(readonly world: World) {
    this.document = fromWire(world.flow)
    this.#catalog = new Map(world.node_types.map((one) => [one.name, one]))
    this.#every(BATCH_MS, () => this.#flush())
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  listen(listener: (message: FromKernel, buffers: DataView[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  send(message: ToKernel, buffers: ArrayBuffer[] = []): void {
    this.sent.push(message)
    if (this.isSilent) return
    setTimeout(() => this.#hear(structuredClone(message), buffers), 15)
  }

  /** A change from a cell. */
  edit(edits: Edit[], origin = "python", id?: string): void {
    const done = applyEdits(this.document, edits)
    this.document = done.document
    this.#undo.push(done.inverse)
    this.#redo = []
    this.#told(edits, origin, id)
  }

  plan(): Planned {
    return planned(this.document, this.#catalog, this.rev, this.world.made)
  }

  #told(edits: Edit[], origin: string, id?: string): void {
    this.rev += 1
    this.#say({ type: "edits", rev: this.rev, origin, id, edits, history: this.#history() })
    this.#say({ type: "plan", plan: this.plan().plan })
  }

  #history = () => ({ can_undo: this.#undo.length > 0, can_redo: this.#redo.length > 0 })

  #say(message: FromKernel, buffers: DataView[] = []): void {
    for (const listener of [...this.#listeners]) listener(structuredClone(message), buffers)
  }

  /** Bytes take their time; everything else is answered in the order it came. */
  #hear(message: ToKernel, buffers: ArrayBuffer[]): void {
    if (isSlow(message)) {
      const answer = this.#bytes.answer(message, buffers).then((said) => said ?? answerOf(this.world, message))
      void answer.then((said) => this.#say({ type: "reply", id: message.id, ...said?.fields }, said?.buffers))
      return
    }
    try {
      switch (message.type) {
        case "ask":
          if (message.what === "snapshot") this.#say(this.snapshot(message.id))
          else this.#answer(message)
          break
        case "ask_in_sql":
          this.#say({ type: "reply", id: message.id, source: SQL })
          break
        case "save":
          this.file = { ...this.file, saved_at_us: Date.now() * 1000, is_conflicting: false }
          this.#say({ type: "facts", file: this.file })
          this.#say({ type: "reply", id: message.id })
          break
        case "edits":
          this.edit(message.edits, message.client_id, message.id)
          break
        case "undo":
        case "redo":
          this.#back(message.type)
          break
        case "run":
          if (this.world.asksFirst && !message.is_confirmed) {
            const said = "This run is large: more than 100 paid calls, or more than $10."
            const error = { code: "unconfirmed", message: said, hint: "Run it anyway, or run less." }
            this.#say({ type: "reply", id: message.id, error })
          } else {
            this.#say({ type: "reply", id: message.id, run_id: `run_${message.id}` })
            this.#start(message.id, message.targets)
          }
          break
        case "cancel":
          this.#cancel(message.node_id, message.branch ?? false)
          break
        case "restore":
          this.#say({
            type: "reply",
            id: message.id,
            error: { code: "fake", message: "The dev page restores nothing." },
          })
          break
        default:
          this.#say({ type: "reply", id: message.id })
      }
    } catch (error) {
      if (!(error instanceof EditError)) throw error
      this.#say({
        type: "reply",
        id: message.id,
        error: { code: error.code, message: error.message, node_id: error.nodeId },
      })
    }
  }

  snapshot(id?: string): Snapshot {
    const { node_types: catalog, models, templates, tape, budgets, made } = this.world
    this.#flush()
    return {
      type: "snapshot",
      id,
      rev: this.rev,
      seq: this.seq,
      flow: toWire(this.document),
      catalog,
      models,
      templates,
      tape,
      budgets,
      plan: this.plan().plan,
      results: Object.fromEntries([...made].map(([node, one]) => [node, one.jobs])),
      live: this.#live,
      history: this.#history(),
      file: this.file,
      bytes: { nonce: "0".repeat(32), answer: this.world.bytes === "kernel" ? "another disk" : "dev" },
    }
  }

  #answer(message: Extract<ToKernel, { type: "ask" }>): void {
    if (message.what === "python") this.#say({ type: "reply", id: message.id, python: PYTHON })
    else if (message.what === "tape") {
      const { frames } = this.world.tape
      const from = message.before ? frames.findIndex((one) => one.generation_id === message.before) + 1 : 0
      const page = message.of === "all" ? frames.slice(from, from + FRAMES) : message.before ? [] : frames
      const tape = { ...this.world.tape, frames: page, generations: message.of === "all" ? 9210 : 1284 }
      this.#say({ type: "reply", id: message.id, tape })
    } else {
      const error = { code: "fake", message: "The dev page knows no recipes." }
      this.#say({ type: "reply", id: message.id, error })
    }
  }

  /** Somebody else writes the file. */
  conflict(): void {
    this.file = { ...this.file, is_conflicting: true }
    this.#say({ type: "facts", file: this.file })
  }

  #back(which: "undo" | "redo"): void {
    const [from, to] = which === "undo" ? [this.#undo, this.#redo] : [this.#redo, this.#undo]
    const step = from.pop()
    if (!step) return
    const done = applyEdits(this.document, [step])
    this.document = done.document
    to.push(done.inverse)
    this.#told([step], which)
  }

  #start(request: string, targets: string[]): void {
    const { plan, order, coordinates, ingredients } = this.plan()
    const wanted = targets.length > 0 ? reachable(this.document, targets, "up") : new Set(order)
    const scope = order.filter((id) => wanted.has(id) && !["fresh", "invalid"].includes(plan.nodes[id]?.state ?? ""))
    const run = { id: `run_${request}`, cancelled: new Set<string>(), isCancelled: false }
    this.#run = run
    this.#live = []
    this.#tell({ kind: "run-start", run_id: run.id, scope, at_us: Date.now() * 1000 })
    for (const id of scope) {
      for (const coordinate of coordinates.get(id) ?? [[]]) {
        this.#tell({ kind: "job-start", run_id: run.id, node_id: id, coordinate, state: "queued" })
      }
    }
    const left = [...scope]
    const next = () => {
      const id = left.shift()
      if (id === undefined || run.isCancelled) {
        this.#tell({ kind: "run-end", run_id: run.id, state: run.isCancelled ? "cancelled" : "succeeded" })
        this.#live = []
        this.#flush()
        this.#say({ type: "plan", plan: this.plan().plan })
        return
      }
      this.#work(run, id, coordinates.get(id) ?? [[]], () => {
        const node = this.document.nodes.get(id)
        if (node && !run.cancelled.has(id) && !run.isCancelled) {
          const jobs = (coordinates.get(id) ?? [[]]).map((one) =>
            this.world.result({ ...node, params: node.params }, one),
          )
          this.world.made.set(id, { ingredients: ingredients.get(id) ?? {}, jobs })
        }
        next()
      })
    }
    next()
  }

  #work(
    run: { id: string; cancelled: Set<string>; isCancelled: boolean },
    id: string,
    places: Coordinate[],
    done: () => void,
  ): void {
    const node = this.document.nodes.get(id)
    if (!node) {
      done()
      return
    }
    const length = (1400 + (Number.parseInt(digest({ id }), 16) % 1200)) / (this.world.speed || 1)
    const start = Date.now()
    for (const coordinate of places) {
      this.#tell({ kind: "job-start", run_id: run.id, node_id: id, coordinate, state: "running", at_us: start * 1000 })
    }
    const open = new Map(places.map((place, index) => [place, 0.35 + (0.65 * (index + 1)) / places.length]))
    const timer = this.#every(60, () => {
      const passed = this.world.speed === 0 ? 0.62 : (Date.now() - start) / length
      for (const [coordinate, end] of open) {
        const isCancelled = run.isCancelled || run.cancelled.has(id)
        const base = { run_id: run.id, node_id: id, coordinate }
        if (isCancelled) {
          open.delete(coordinate)
          this.#tell({ ...base, kind: "job-end", state: "cancelled" })
        } else if (passed >= end) {
          open.delete(coordinate)
          const result = this.world.result({ ...node, params: node.params }, coordinate)
          const cost = PRICES[String(node.params.model)] ?? 0
          this.#tell({
            ...base,
            kind: "job-end",
            state: result.state,
            result,
            error: result.error,
            cost_micro_usd: cost,
          })
        } else
          this.#tell({
            ...base,
            kind: "job-progress",
            state: "running",
            ...(this.world.isSilent
              ? { expected: { since_us: (start - passed * length * 10) * 1000, typical_s: length / 100 } }
              : { progress: Math.min(0.99, passed / end) }),
            preview_url: this.#preview(node, coordinate),
          })
      }
      if (open.size > 0) return
      clearInterval(timer)
      this.#timers.delete(timer)
      done()
    })
  }

  /** What a service shows of a picture in the making. */
  #preview(node: { id: string; type: string; params: object }, coordinate: Coordinate): string | undefined {
    return this.world.result({ ...node, params: { ...node.params } }, coordinate).cells[0]?.preview_url
  }

  #cancel(nodeId: string | undefined, isBranch: boolean): void {
    if (!this.#run) return
    if (nodeId === undefined) this.#run.isCancelled = true
    else for (const id of isBranch ? reachable(this.document, [nodeId], "down") : [nodeId]) this.#run.cancelled.add(id)
  }

  #tell(event: RunEvent): void {
    this.#waiting.push(event)
    this.#live.push(event)
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    const events = this.#waiting
    this.#waiting = []
    this.seq += 1
    this.#say({ type: "events", seq: this.seq, events })
  }

  #every(ms: number, run: () => void): ReturnType<typeof setInterval> {
    const timer = setInterval(run, ms)
    this.#timers.add(timer)
    return timer
  }
}
