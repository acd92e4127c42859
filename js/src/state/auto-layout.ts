/** Loads the layered layout from the kernel on first use. Most flows are already placed and never need it. */

import type { Layering } from "./arrange"
import type { Session } from "./session"

export class AutoLayout {
  #pending: Promise<Layering | null> | null = null

  constructor(private readonly session: Session) {
    const stop = session.store.subscribe(({ isReady, layering, shared: { document } }) => {
      if (!isReady || document.looks.size >= document.nodes.size) return
      stop()
      if (layering === null) void this.load()
    })
  }

  /** Returns the layout function. On failure notifies the user and returns null; the next call retries. */
  load(): Promise<Layering | null> {
    const { layering } = this.session.store.getState()
    if (typeof layering === "function") return Promise.resolve(layering)
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = null
    })
    return this.#pending
  }

  async #fetch(): Promise<Layering | null> {
    const { store } = this.session
    try {
      const { buffers } = await this.session.request({ type: "ask", what: "layering" })
      const url = URL.createObjectURL(new Blob(buffers as DataView<ArrayBuffer>[], { type: "text/javascript" }))
      try {
        const { dagreLayout } = (await import(/* @vite-ignore */ url)) as { dagreLayout: Layering }
        store.setState({ layering: dagreLayout })
        return dagreLayout
      } finally {
        URL.revokeObjectURL(url)
      }
    } catch (error) {
      const text = `Nodes cannot be laid out. ${error instanceof Error ? error.message : ""}`
      store.setState({ layering: "missing", notice: { text, tone: "bad" } })
      return null
    }
  }
}
