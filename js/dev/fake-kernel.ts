/** Kernel of the dev page: the same protocol with fake results, without Python and without costs. */

import { applyEdits } from "../src/state/apply"
import { type Document, fromWire, reachable, toWire } from "../src/state/document"
import { EditError } from "../src/state/json-values"
import type { Catalog } from "../src/state/ports"
import type { Model, NodeType, Template } from "../src/wire/catalog"
import type { Edit, WireFlow } from "../src/wire/flow"
import {
  type Channel,
  type FileFacts,
  type FromKernel,
  type Snapshot,
  type ToKernel,
  WIRE_VERSION,
} from "../src/wire/messages"
import type { Budget, Coordinate, JobResult, RunEvent, Tape } from "../src/wire/run"
import { FakeBytes } from "./fake-bytes"
import { digest, type FakePlan, type NodeResults, PRICES, planFlow } from "./fake-plan"
import { replyTo } from "./fake-recipes"

const BATCH_MS = 33
const BYTE_REQUESTS = new Set<ToKernel["type"]>([
  "sign",
  "media",
  "place_upload",
  "confirm_upload",
  "upload",
  "download",
])
const isAsync = (message: ToKernel): boolean =>
  BYTE_REQUESTS.has(message.type) ||
  (message.type === "ask" && (message.what === "generation" || message.what === "layering"))

/** Tape frames per reply. */
const PAGE_SIZE = 12
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
  results: Map<string, NodeResults>
  tape: Tape
  budgets: Budget[]
  /** Returns the fake result of a job. */
  result: (node: { id: string; type: string; params: Record<string, unknown> }, coordinate: Coordinate) => JobResult
  /** Services report no progress. */
  isSilent?: boolean
  /** Speed of runs; 0 freezes jobs at a fixed progress. */
  speed: number
  /** Source of bytes: URLs of the dev server, or buffers from this kernel. */
  bytes: "server" | "kernel"
  /** Runs need a confirmation. */
  needsConfirmation?: boolean
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
  #queued: RunEvent[] = []
  #live: RunEvent[] = []
  #timers = new Set<ReturnType<typeof setInterval>>()
  #catalog: Catalog
  #run: { id: string; cancelled: Set<string>; isCancelled: boolean } | null = null

  constructor(readonly world: World) {
    this.document = fromWire(world.flow)
    this.#catalog = new Map(world.node_types.map((nodeType) => [nodeType.name, nodeType]))
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
    setTimeout(() => this.#handle(structuredClone(message), buffers), 15)
  }

  /** Apply edits as if they came from a cell. */
  edit(edits: Edit[], origin = "python", id?: string): void {
    const done = applyEdits(this.document, edits)
    this.document = done.document
    this.#undo.push(done.inverse)
    this.#redo = []
    this.#broadcastEdits(edits, origin, id)
  }

  plan(): FakePlan {
    return planFlow(this.document, this.#catalog, this.rev, this.world.results)
  }

  #broadcastEdits(edits: Edit[], origin: string, id?: string): void {
    this.rev += 1
    this.#post({ type: "edits", rev: this.rev, origin, id, edits, history: this.#history() })
    this.#post({ type: "plan", plan: this.plan().plan })
  }

  #history = () => ({ can_undo: this.#undo.length > 0, can_redo: this.#redo.length > 0 })

  #post(message: FromKernel, buffers: DataView[] = []): void {
    for (const listener of [...this.#listeners]) listener(structuredClone(message), buffers)
  }

  /** Byte requests are asynchronous; all other messages are answered in order. */
  #handle(message: ToKernel, buffers: ArrayBuffer[]): void {
    if (isAsync(message)) {
      const reply = this.#bytes.answer(message, buffers).then((fakeReply) => fakeReply ?? replyTo(this.world, message))
      void reply.then((fakeReply) =>
        this.#post({ type: "reply", id: message.id, ...fakeReply?.fields }, fakeReply?.buffers),
      )
      return
    }
    try {
      switch (message.type) {
        case "ask":
          if (message.what === "snapshot") this.#post(this.snapshot(message.id))
          else this.#reply(message)
          break
        case "ask_in_sql":
          this.#post({ type: "reply", id: message.id, source: SQL })
          break
        case "save":
          this.file = { ...this.file, saved_at_us: Date.now() * 1000, is_conflicting: false }
          this.#post({ type: "facts", file: this.file })
          this.#post({ type: "reply", id: message.id })
          break
        case "edits":
          this.edit(message.edits, message.client_id, message.id)
          break
        case "undo":
        case "redo":
          this.#stepHistory(message.type)
          break
        case "run":
          if (this.world.needsConfirmation && !message.is_confirmed) {
            const text = "This run is large: more than 100 paid calls, or more than $10."
            const error = { code: "unconfirmed", message: text, hint: "Run it anyway, or run fewer nodes." }
            this.#post({ type: "reply", id: message.id, error })
          } else {
            this.#post({ type: "reply", id: message.id, run_id: `run_${message.id}` })
            this.#start(message.id, message.targets)
          }
          break
        case "cancel":
          this.#cancel(message.node_id, message.branch ?? false)
          break
        case "restore":
          this.#post({
            type: "reply",
            id: message.id,
            error: { code: "fake", message: "The dev page cannot restore nodes." },
          })
          break
        default:
          this.#post({ type: "reply", id: message.id })
      }
    } catch (error) {
      if (!(error instanceof EditError)) throw error
      this.#post({
        type: "reply",
        id: message.id,
        error: { code: error.code, message: error.message, node_id: error.nodeId },
      })
    }
  }

  snapshot(id?: string): Snapshot {
    const { node_types: catalog, models, templates, tape, budgets, results } = this.world
    this.#flush()
    return {
      type: "snapshot",
      wire: WIRE_VERSION,
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
      results: Object.fromEntries([...results].map(([node, nodeResult]) => [node, nodeResult.jobs])),
      live: this.#live,
      history: this.#history(),
      file: this.file,
      bytes: { nonce: "0".repeat(32), answer: this.world.bytes === "kernel" ? "another disk" : "dev" },
    }
  }

  #reply(message: Extract<ToKernel, { type: "ask" }>): void {
    if (message.what === "python") this.#post({ type: "reply", id: message.id, python: PYTHON })
    else if (message.what === "tape") {
      const { frames } = this.world.tape
      const from = message.before ? frames.findIndex((frame) => frame.generation_id === message.before) + 1 : 0
      const page = message.of === "all" ? frames.slice(from, from + PAGE_SIZE) : message.before ? [] : frames
      const tape = { ...this.world.tape, frames: page, generations: message.of === "all" ? 9210 : 1284 }
      this.#post({ type: "reply", id: message.id, tape })
    } else {
      const error = { code: "fake", message: "The dev page has no recipes." }
      this.#post({ type: "reply", id: message.id, error })
    }
  }

  /** Simulate a change of the file by another process. */
  conflict(): void {
    this.file = { ...this.file, is_conflicting: true }
    this.#post({ type: "facts", file: this.file })
  }

  #stepHistory(which: "undo" | "redo"): void {
    const [from, to] = which === "undo" ? [this.#undo, this.#redo] : [this.#redo, this.#undo]
    const step = from.pop()
    if (!step) return
    const done = applyEdits(this.document, [step])
    this.document = done.document
    to.push(done.inverse)
    this.#broadcastEdits([step], which)
  }

  #start(request: string, targets: string[]): void {
    const { plan, order, coordinates, ingredients } = this.plan()
    const included = targets.length > 0 ? reachable(this.document, targets, "up") : new Set(order)
    const scope = order.filter((id) => included.has(id) && !["fresh", "invalid"].includes(plan.nodes[id]?.state ?? ""))
    const run = { id: `run_${request}`, cancelled: new Set<string>(), isCancelled: false }
    this.#run = run
    this.#live = []
    this.#emit({ kind: "run-start", run_id: run.id, scope, at_us: Date.now() * 1000 })
    for (const id of scope) {
      for (const coordinate of coordinates.get(id) ?? [[]]) {
        this.#emit({ kind: "job-start", run_id: run.id, node_id: id, coordinate, state: "queued" })
      }
    }
    const remaining = [...scope]
    const next = () => {
      const id = remaining.shift()
      if (id === undefined || run.isCancelled) {
        this.#emit({ kind: "run-end", run_id: run.id, state: run.isCancelled ? "cancelled" : "succeeded" })
        this.#live = []
        this.#flush()
        this.#post({ type: "plan", plan: this.plan().plan })
        return
      }
      this.#runNode(run, id, coordinates.get(id) ?? [[]], () => {
        const node = this.document.nodes.get(id)
        if (node && !run.cancelled.has(id) && !run.isCancelled) {
          const jobs = (coordinates.get(id) ?? [[]]).map((coordinate) =>
            this.world.result({ ...node, params: node.params }, coordinate),
          )
          this.world.results.set(id, { ingredients: ingredients.get(id) ?? {}, jobs })
        }
        next()
      })
    }
    next()
  }

  #runNode(
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
      this.#emit({ kind: "job-start", run_id: run.id, node_id: id, coordinate, state: "running", at_us: start * 1000 })
    }
    const running = new Map(places.map((place, index) => [place, 0.35 + (0.65 * (index + 1)) / places.length]))
    const timer = this.#every(60, () => {
      const passed = this.world.speed === 0 ? 0.62 : (Date.now() - start) / length
      for (const [coordinate, end] of running) {
        const isCancelled = run.isCancelled || run.cancelled.has(id)
        const base = { run_id: run.id, node_id: id, coordinate }
        if (isCancelled) {
          running.delete(coordinate)
          this.#emit({ ...base, kind: "job-end", state: "cancelled" })
        } else if (passed >= end) {
          running.delete(coordinate)
          const result = this.world.result({ ...node, params: node.params }, coordinate)
          const cost = PRICES[String(node.params.model)] ?? 0
          this.#emit({
            ...base,
            kind: "job-end",
            state: result.state,
            result,
            error: result.error,
            cost_micro_usd: cost,
          })
        } else
          this.#emit({
            ...base,
            kind: "job-progress",
            state: "running",
            ...(this.world.isSilent
              ? { expected: { since_us: (start - passed * length * 10) * 1000, typical_s: length / 100 } }
              : { progress: Math.min(0.99, passed / end) }),
            preview_url: this.#preview(node, coordinate),
          })
      }
      if (running.size > 0) return
      clearInterval(timer)
      this.#timers.delete(timer)
      done()
    })
  }

  /** URL of a partial preview while the job runs. */
  #preview(node: { id: string; type: string; params: object }, coordinate: Coordinate): string | undefined {
    return this.world.result({ ...node, params: { ...node.params } }, coordinate).cells[0]?.preview_url
  }

  #cancel(nodeId: string | undefined, isBranch: boolean): void {
    if (!this.#run) return
    if (nodeId === undefined) this.#run.isCancelled = true
    else for (const id of isBranch ? reachable(this.document, [nodeId], "down") : [nodeId]) this.#run.cancelled.add(id)
  }

  #emit(event: RunEvent): void {
    this.#queued.push(event)
    this.#live.push(event)
  }

  #flush(): void {
    if (this.#queued.length === 0) return
    const events = this.#queued
    this.#queued = []
    this.seq += 1
    this.#post({ type: "events", seq: this.seq, events })
  }

  #every(ms: number, run: () => void): ReturnType<typeof setInterval> {
    const timer = setInterval(run, ms)
    this.#timers.add(timer)
    return timer
  }
}
