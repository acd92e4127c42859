/** The layered layout, asked of the kernel when it is first needed: most flows have been placed already. */

import type { Layering } from "./arrange"
import type { Session } from "./session"

export class AutoLayout {
  #asked: Promise<Layering | null> | null = null

  constructor(private readonly session: Session) {
    const stop = session.store.subscribe(({ isReady, layering, shared: { shown } }) => {
      if (!isReady || shown.looks.size >= shown.nodes.size) return
      stop()
      if (layering === null) void this.get()
    })
  }

  /** Null where it cannot be had; the person is told, and the next call asks again. */
  get(): Promise<Layering | null> {
    const { layering } = this.session.store.getState()
    if (typeof layering === "function") return Promise.resolve(layering)
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = null
    })
    return this.#asked
  }

  async #ask(): Promise<Layering | null> {
    const { store } = this.session
    try {
      const { buffers } = await this.session.ask({ type: "ask", what: "layering" })
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
