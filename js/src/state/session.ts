/** Between the channel and the store: what the kernel says goes in, what a person does goes out and is shown at once. */

import type { Edit } from "../wire/flow"
import {
  type Channel,
  type FromKernel,
  newId,
  type Reply,
  type RunEventsBroadcast,
  type Snapshot,
  type ToKernel,
} from "../wire/messages"
import type { ErrorFacts } from "../wire/run"
import { EditError } from "./json-values"
import { addPendingEdits, confirmEdits, dropRefusedEdits, resetToSnapshot } from "./pending"
import { Previews } from "./previews"
import { clearRequested, emptyRuns, markRequested, reduceRunEvents, withResults } from "./runs"
import { checkSequence, FrameQueue, onNextFrame } from "./sequence"
import { type CanvasStore, createCanvasStore } from "./store"

/** How long the kernel may be silent after a question before the view says so. */
const TIMEOUT_MS = 5000
/**
 * Questions that may be asked twice, and after how long without an answer: a line that is made anew, as while a kernel
 * restarts, loses what was on it. Each time the wait is twice as long, for a kernel may only be busy.
 */
const RETRY_MS: Partial<Record<ToKernel["type"], number>> = { ask: TIMEOUT_MS, sign: TIMEOUT_MS, media: 20_000 }

type Sendable<T> = T extends ToKernel ? Omit<T, "id"> : never

export interface KernelReply {
  reply: Reply
  buffers: DataView[]
}

/** A question that the kernel did not answer as hoped. */
export class KernelError extends Error {
  constructor(readonly facts: ErrorFacts) {
    super([facts.message, facts.hint].filter(Boolean).join(" "))
  }
}

export class Session {
  readonly store: CanvasStore = createCanvasStore()
  readonly clientId = newId()
  #seq = -1
  /** The snapshot we wait for, and our edits since we asked for it. */
  #pendingSnapshot: { id: string; sentSince: Set<string>; timer: ReturnType<typeof setTimeout> } | null = null
  readonly #previews = new Previews()
  readonly #events: FrameQueue<RunEventsBroadcast["events"]>
  readonly #stop: () => void
  #pendingEditTimer: ReturnType<typeof setTimeout> | null = null
  /** Messages that nobody waits for, until they are answered: other views' replies are none of ours. */
  readonly #sent = new Set<string>()
  readonly #requests = new Map<string, (answer: KernelReply) => void>()
  #noticeTimer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly channel: Channel,
    later: (run: () => void) => void = onNextFrame,
  ) {
    this.#events = new FrameQueue((batches) => {
      this.store.setState(({ runs }) => ({ runs: reduceRunEvents(runs, batches.flat()) }))
    }, later)
    const stops = [
      channel.listen((message, buffers) => this.#handleMessage(message, buffers)),
      channel.onLineChange?.(() => this.#requestSnapshot()),
    ]
    this.#stop = () => {
      for (const stop of stops) stop?.()
    }
    this.#requestSnapshot()
  }

  /** Leave nothing behind: no listener, no timer. */
  close(): void {
    this.#stop()
    this.#previews.close()
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    clearTimeout(this.#noticeTimer)
    const closed = { code: "closed", message: "The canvas was closed." }
    for (const asked of this.#requests.values()) asked({ reply: { type: "reply", id: "", error: closed }, buffers: [] })
    if (this.#pendingEditTimer !== null) clearTimeout(this.#pendingEditTimer)
  }

  /**
   * Ask the kernel something that only this view wants to know.
   *
   * Rejects with a `KernelError` where the kernel says no, and where it says nothing for `patienceMs`.
   */
  request(
    message: Sendable<ToKernel>,
    buffers?: ArrayBuffer[],
    patienceMs = 60_000,
    id = newId(),
  ): Promise<KernelReply> {
    const asked = { ...message, id } as ToKernel
    return new Promise((resolve, reject) => {
      let again: ReturnType<typeof setTimeout> | undefined
      const askAfter = (waitMs: number) => {
        again = setTimeout(() => {
          this.#transmit(asked, buffers)
          askAfter(2 * waitMs)
        }, waitMs)
      }
      const timer = setTimeout(() => {
        clearTimeout(again)
        this.#requests.delete(id)
        reject(new KernelError({ code: "silence", message: "The kernel does not answer.", hint: "Try again." }))
      }, patienceMs)
      this.#requests.set(id, (answer) => {
        clearTimeout(again)
        clearTimeout(timer)
        this.#requests.delete(id)
        if (answer.reply.error) reject(new KernelError(answer.reply.error))
        else resolve(answer)
      })
      const waitMs = RETRY_MS[asked.type]
      if (waitMs !== undefined) askAfter(waitMs)
      if (this.#transmit(asked, buffers)) return
      const away = { code: "silence", message: "The kernel is away.", hint: "Run this cell to reconnect." }
      this.#requests.get(id)?.({ reply: { type: "reply", id, error: away }, buffers: [] })
    })
  }

  /** Hand a message over; where nobody takes it any more, the kernel is away, and false. */
  #transmit(message: ToKernel, buffers?: ArrayBuffer[]): boolean {
    try {
      this.channel.send(message, buffers)
      return true
    } catch (error) {
      console.warn("The kernel takes no message:", error)
      this.store.setState({ isDisconnected: true })
      return false
    }
  }

  /** Send a message; returns its id. */
  send(message: Sendable<ToKernel>): string {
    const id = newId()
    this.#sent.add(id)
    this.#transmit({ ...message, id } as ToKernel)
    return id
  }

  /**
   * Change the document: shown at once, corrected by the kernel. False where it does not fit; a notice says why.
   * `gesture`: steps under one name are undone together.
   */
  edit(edits: Edit[], gesture?: string): boolean {
    if (edits.length === 0) return true
    const { shared } = this.store.getState()
    const id = newId()
    try {
      this.store.setState({ shared: addPendingEdits(shared, { id, edits }) })
    } catch (error) {
      if (!(error instanceof EditError)) throw error
      this.notify(error.message, "bad")
      return false
    }
    this.#pendingSnapshot?.sentSince.add(id)
    this.#sent.add(id)
    this.#watchPendingEdit(id)
    this.#transmit({ type: "edits", id, client_id: this.clientId, base_rev: shared.rev, edits, gesture })
    return true
  }

  /** An edit that nobody confirms says that the kernel is away. */
  #watchPendingEdit(id: string): void {
    if (this.#pendingEditTimer !== null) return
    const isPending = () => this.store.getState().shared.pending.some((batch) => batch.id === id)
    this.#pendingEditTimer = setTimeout(() => {
      this.#pendingEditTimer = null
      if (isPending()) this.store.setState({ isDisconnected: true })
    }, TIMEOUT_MS)
  }

  /** Ask for a run; the nodes say so in the frame of the click. A large one is confirmed first. */
  run(targets: string[], nodes: Iterable<string>, isConfirmed = false): void {
    const id = newId()
    const wanted = [...nodes]
    this.store.setState(({ runs }) => ({ runs: markRequested(runs, wanted, id) }))
    const message = { type: "run" as const, targets, ...(isConfirmed && { is_confirmed: true }) }
    this.request(message, undefined, 60_000, id).catch((error) => {
      if (!(error instanceof KernelError)) throw error
      this.store.setState(({ runs }) => ({ runs: clearRequested(runs, id) }))
      if (error.facts.code !== "unconfirmed") this.#notifyError(error.facts)
      else this.store.setState({ panel: { kind: "confirm", targets, nodes: wanted, why: error.facts } })
    })
  }

  /** Ask for something to be done; what goes wrong is said. Answers null where it does. */
  async requestOrNotify(message: Sendable<ToKernel>): Promise<Reply | null> {
    try {
      return (await this.request(message)).reply
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#notifyError(error.facts)
      return null
    }
  }

  #notifyError({ code, message, hint }: ErrorFacts): void {
    if (code !== "closed") this.notify([message, hint].filter(Boolean).join(" "), "bad")
  }

  /** A sentence to the person, for a while. */
  notify(text: string, tone: "plain" | "bad" = "plain"): void {
    this.store.setState({ notice: { text, tone } })
    clearTimeout(this.#noticeTimer)
    this.#noticeTimer = setTimeout(() => this.store.setState({ notice: null }), tone === "bad" ? 8000 : 4000)
  }

  #handleMessage(message: FromKernel, buffers: DataView[]): void {
    if (this.store.getState().isDisconnected) this.store.setState({ isDisconnected: false })
    switch (message.type) {
      case "snapshot":
        this.#loadSnapshot(message)
        break
      case "edits": {
        if (message.id !== undefined) this.#sent.delete(message.id)
        if (this.#pendingSnapshot) break // what the snapshot will hold, or what comes after it in order
        const shared = confirmEdits(this.store.getState().shared, message)
        if (shared === "gap") this.#requestSnapshot()
        else this.store.setState({ shared, history: message.history })
        break
      }
      case "events":
        if (this.#pendingSnapshot) break
        switch (checkSequence(this.#seq, message.seq)) {
          case "next":
            this.#seq = message.seq
            this.#events.push(this.#previews.withPreviewUrls(message.events, buffers))
            break
          case "gap":
            this.#requestSnapshot()
        }
        break
      case "plan":
        this.#events.flush() // results said by events come before those of the plan
        if (message.plan.rev < this.store.getState().plan.rev) break
        this.store.setState(({ runs, plan }) => ({
          plan: message.is_partial
            ? { ...message.plan, nodes: { ...plan.nodes, ...message.plan.nodes } }
            : message.plan,
          ...(message.results && { runs: withResults(runs, message.results) }),
        }))
        break
      case "facts": {
        const { catalog, models, tape, budgets, file, notice, news } = message
        if (notice) this.notify([notice.message, notice.hint].filter(Boolean).join(" "), "bad")
        if (news) this.notify(news)
        this.store.setState({
          ...(catalog && { catalog: new Map(catalog.map((one) => [one.name, one])) }),
          ...(models && { models: new Map(models.map((one) => [one.id, one])) }),
          ...(tape && { tape }),
          ...(budgets && { budgets }),
          ...(file && { file }),
        })
        break
      }
      case "reply": {
        const asked = this.#requests.get(message.id)
        if (asked) asked({ reply: message, buffers })
        // A snapshot that the kernel cannot give: asked for again by and by, and said meanwhile.
        if (message.error && message.id === this.#pendingSnapshot?.id) this.#notifyError(message.error)
        if (!this.#sent.delete(message.id) || !message.error) break
        this.store.setState(({ shared, runs }) => ({
          shared: dropRefusedEdits(shared, message.id),
          runs: clearRequested(runs, message.id),
        }))
        this.notify([message.error.message, message.error.hint].filter(Boolean).join(" "), "bad")
      }
    }
  }

  #loadSnapshot(snapshot: Snapshot): void {
    if (snapshot.id !== undefined && snapshot.id !== this.#pendingSnapshot?.id) return // another view's, or an old one
    const sentSince = this.#pendingSnapshot?.sentSince ?? new Set<string>()
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    this.#pendingSnapshot = null
    this.#events.flush()
    this.#seq = snapshot.seq
    this.store.setState(({ shared }) => ({
      isReady: true,
      isDisconnected: false,
      shared: resetToSnapshot(shared, snapshot, sentSince),
      catalog: new Map(snapshot.catalog.map((one) => [one.name, one])),
      models: new Map(snapshot.models.map((one) => [one.id, one])),
      templates: snapshot.templates,
      plan: snapshot.plan,
      runs: reduceRunEvents(withResults(emptyRuns, snapshot.results), snapshot.live),
      tape: snapshot.tape,
      budgets: snapshot.budgets,
      history: snapshot.history,
      file: snapshot.file,
      bytes: snapshot.bytes,
    }))
  }

  /** Ask for a snapshot; again, where the question or its answer is lost. */
  #requestSnapshot(): void {
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    const sentSince = new Set<string>()
    const id = newId()
    const timer = setTimeout(() => {
      this.store.setState({ isDisconnected: true })
      this.#requestSnapshot()
    }, TIMEOUT_MS)
    this.#pendingSnapshot = { id, sentSince, timer }
    this.#transmit({ type: "ask", id, what: "snapshot" })
  }
}
