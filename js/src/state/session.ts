/** Connects the channel to the store: applies messages of the kernel, sends requests, and edits optimistically. */

import type { Edit } from "../wire/flow"
import {
  type Channel,
  type FromKernel,
  newId,
  type ReplyTo,
  type RunEventsBroadcast,
  type Snapshot,
  type ToKernel,
  WIRE_VERSION,
} from "../wire/messages"
import type { ErrorFacts } from "../wire/run"
import { EditError } from "./json-values"
import { errorText, KernelError, type KernelReply, type Sendable, wireMismatch } from "./kernel-reply"
import { addPendingEdits, confirmEdits, dropRefusedEdits, resetToSnapshot } from "./pending"
import { Previews } from "./previews"
import { clearRequested, emptyRuns, markRequested, reduceRunEvents, withResults } from "./runs"
import { checkSequence, FrameQueue, onNextFrame } from "./sequence"
import { type CanvasStore, createCanvasStore } from "./store"

/** How long to wait for the kernel before the view shows that it is disconnected. */
const TIMEOUT_MS = 5000
/**
 * Idempotent requests and the delay before the first retry. A kernel restart replaces the comm and loses messages in
 * flight. The delay doubles with each retry, because the kernel may only be busy.
 */
const RETRY_MS: Partial<Record<ToKernel["type"], number>> = { ask: TIMEOUT_MS, sign: TIMEOUT_MS, media: 20_000 }

export class Session {
  readonly store: CanvasStore = createCanvasStore()
  readonly clientId = newId()
  #seq = -1
  /** The requested snapshot, and the edits sent since. */
  #pendingSnapshot: { id: string; sentSince: Set<string>; timer: ReturnType<typeof setTimeout> } | null = null
  readonly #previews = new Previews()
  readonly #events: FrameQueue<RunEventsBroadcast["events"]>
  readonly #stop: () => void
  #pendingEditTimer: ReturnType<typeof setTimeout> | null = null
  /** Ids of messages sent without a waiting request. Replies with other ids belong to other views. */
  readonly #sent = new Set<string>()
  readonly #requests = new Map<string, (response: KernelReply) => void>()
  #noticeTimer: ReturnType<typeof setTimeout> | undefined
  /** The kernel speaks another version of the protocol. Its broadcasts are ignored. */
  #isIncompatible = false

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

  /** Removes all listeners and timers; rejects open requests. */
  close(): void {
    this.#stop()
    this.#previews.close()
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    clearTimeout(this.#noticeTimer)
    const closed = { code: "closed", message: "The canvas was closed." }
    for (const settle of this.#requests.values())
      settle({ reply: { type: "reply", id: "", error: closed }, buffers: [] })
    if (this.#pendingEditTimer !== null) clearTimeout(this.#pendingEditTimer)
  }

  /**
   * Sends a request and resolves with its reply.
   *
   * Rejects with a `KernelError` on an error reply, or if there is no reply within `timeoutMs`.
   */
  request<const M extends Sendable<ToKernel>>(
    message: M,
    buffers?: ArrayBuffer[],
    timeoutMs = 60_000,
    id = newId(),
  ): Promise<KernelReply<ReplyTo<M>>> {
    const request = { ...message, id } as unknown as ToKernel
    return new Promise((resolve, reject) => {
      let retryTimer: ReturnType<typeof setTimeout> | undefined
      const retryAfter = (delayMs: number) => {
        retryTimer = setTimeout(() => {
          this.#transmit(request, buffers)
          retryAfter(2 * delayMs)
        }, delayMs)
      }
      const timer = setTimeout(() => {
        clearTimeout(retryTimer)
        this.#requests.delete(id)
        reject(new KernelError({ code: "silence", message: "The kernel does not answer.", hint: "Try again." }))
      }, timeoutMs)
      this.#requests.set(id, (response) => {
        clearTimeout(retryTimer)
        clearTimeout(timer)
        this.#requests.delete(id)
        if (response.reply.error) reject(new KernelError(response.reply.error))
        else resolve(response as KernelReply<ReplyTo<M>>)
      })
      const delayMs = RETRY_MS[request.type]
      if (delayMs !== undefined) retryAfter(delayMs)
      if (this.#transmit(request, buffers)) return
      const away = { code: "silence", message: "The kernel is disconnected.", hint: "Run this cell to reconnect." }
      this.#requests.get(id)?.({ reply: { type: "reply", id, error: away }, buffers: [] })
    })
  }

  /** Sends a message. Returns false and marks the kernel as disconnected if the channel is closed. */
  #transmit(message: ToKernel, buffers?: ArrayBuffer[]): boolean {
    try {
      this.channel.send(message, buffers)
      return true
    } catch (error) {
      console.warn("Cannot send a message to the kernel:", error)
      this.store.setState({ isDisconnected: true })
      return false
    }
  }

  /** Sends a message without waiting for a reply; returns its id. */
  send(message: Sendable<ToKernel>): string {
    const id = newId()
    this.#sent.add(id)
    this.#transmit({ ...message, id } as ToKernel)
    return id
  }

  /**
   * Applies edits optimistically and sends them. If they do not apply, notifies the user and returns false.
   * `gesture`: edits with the same name form one undo step.
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

  /** Marks the kernel as disconnected if an edit is not confirmed in time. */
  #watchPendingEdit(id: string): void {
    if (this.#pendingEditTimer !== null) return
    const isPending = () => this.store.getState().shared.pending.some((batch) => batch.id === id)
    this.#pendingEditTimer = setTimeout(() => {
      this.#pendingEditTimer = null
      if (isPending()) this.store.setState({ isDisconnected: true })
    }, TIMEOUT_MS)
  }

  /** Requests a run and marks its nodes immediately. The kernel may ask for confirmation of an expensive run. */
  run(targets: string[], nodes: Iterable<string>, isConfirmed = false): void {
    const id = newId()
    const nodeIds = [...nodes]
    this.store.setState(({ runs }) => ({ runs: markRequested(runs, nodeIds, id) }))
    const message = { type: "run" as const, targets, ...(isConfirmed && { is_confirmed: true }) }
    this.request(message, undefined, 60_000, id).catch((error) => {
      if (!(error instanceof KernelError)) throw error
      this.store.setState(({ runs }) => ({ runs: clearRequested(runs, id) }))
      if (error.facts.code !== "unconfirmed") this.#notifyError(error.facts)
      else this.store.setState({ panel: { kind: "confirm", targets, nodes: nodeIds, why: error.facts } })
    })
  }

  /** Sends a request; on failure notifies the user and returns null. */
  async requestOrNotify<const M extends Sendable<ToKernel>>(message: M): Promise<ReplyTo<M> | null> {
    try {
      return (await this.request(message)).reply
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#notifyError(error.facts)
      return null
    }
  }

  #notifyError(facts: ErrorFacts): void {
    if (facts.code !== "closed") this.notify(errorText(facts), "bad")
  }

  /** Shows a notice for a few seconds. */
  notify(text: string, tone: "plain" | "bad" = "plain"): void {
    this.store.setState({ notice: { text, tone } })
    clearTimeout(this.#noticeTimer)
    this.#noticeTimer = setTimeout(() => this.store.setState({ notice: null }), tone === "bad" ? 8000 : 4000)
  }

  #handleMessage(message: FromKernel, buffers: DataView[]): void {
    if (this.store.getState().isDisconnected) this.store.setState({ isDisconnected: false })
    if (this.#isIncompatible && message.type !== "snapshot" && message.type !== "reply") return
    switch (message.type) {
      case "snapshot":
        this.#loadSnapshot(message)
        break
      case "edits": {
        if (message.id !== undefined) this.#sent.delete(message.id)
        if (this.#pendingSnapshot) break // the snapshot will include this edit
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
        this.#events.flush() // results from earlier events come before those of the plan
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
        if (notice) this.notify(errorText(notice), "bad")
        if (news) this.notify(news)
        this.store.setState({
          ...(catalog && { catalog: new Map(catalog.map((type) => [type.name, type])) }),
          ...(models && { models: new Map(models.map((model) => [model.id, model])) }),
          ...(tape && { tape }),
          ...(budgets && { budgets }),
          ...(file && { file }),
        })
        break
      }
      case "reply": {
        const settle = this.#requests.get(message.id)
        if (settle) settle({ reply: message, buffers })
        // The snapshot request failed. It is retried after a delay; show the error meanwhile.
        if (message.error && message.id === this.#pendingSnapshot?.id) {
          if (message.error.code === "wire_version") this.#notifyMismatch(errorText(message.error))
          else this.#notifyError(message.error)
        }
        if (!this.#sent.delete(message.id) || !message.error) break
        this.store.setState(({ shared, runs }) => ({
          shared: dropRefusedEdits(shared, message.id),
          runs: clearRequested(runs, message.id),
        }))
        this.notify(errorText(message.error), "bad")
      }
    }
  }

  #loadSnapshot(snapshot: Snapshot): void {
    if (snapshot.id !== undefined && snapshot.id !== this.#pendingSnapshot?.id) return // for another view, or outdated
    const mismatch = wireMismatch(snapshot.wire)
    if (mismatch) {
      this.#notifyMismatch(mismatch)
      return
    }
    this.#isIncompatible = false
    const sentSince = this.#pendingSnapshot?.sentSince ?? new Set<string>()
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    this.#pendingSnapshot = null
    this.#events.flush()
    this.#seq = snapshot.seq
    this.store.setState(({ shared }) => ({
      isReady: true,
      isDisconnected: false,
      shared: resetToSnapshot(shared, snapshot, sentSince),
      catalog: new Map(snapshot.catalog.map((type) => [type.name, type])),
      models: new Map(snapshot.models.map((model) => [model.id, model])),
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

  /** Requests a snapshot, and retries if none arrives. */
  #requestSnapshot(): void {
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    const sentSince = new Set<string>()
    const id = newId()
    const timer = setTimeout(() => {
      this.store.setState({ isDisconnected: true })
      this.#requestSnapshot()
    }, TIMEOUT_MS)
    this.#pendingSnapshot = { id, sentSince, timer }
    this.#transmit({ type: "ask", id, what: "snapshot", wire: WIRE_VERSION })
  }

  /** Shows a mismatch of versions until a compatible kernel connects. Stops retrying, because retries cannot help. */
  #notifyMismatch(text: string): void {
    if (this.#pendingSnapshot) clearTimeout(this.#pendingSnapshot.timer)
    clearTimeout(this.#noticeTimer)
    this.#isIncompatible = true
    this.store.setState({ isDisconnected: false, notice: { text, tone: "bad" } })
  }
}
