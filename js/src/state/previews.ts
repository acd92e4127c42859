/** Pictures in the making: each takes the place of the one before, and all of a job go when it has ended. */

import type { RunEvent } from "../wire/run"
import { coordinateKey } from "./runs"

/** The one that is shown, and the one that a page may still be taking down. */
const KEPT = 2

export class Previews {
  /** By job, the oldest first. */
  readonly #urls = new Map<string, string[]>()

  /** The events with the addresses of what came along with them in buffers. */
  withPreviewUrls(events: readonly RunEvent[], buffers: readonly DataView[]): RunEvent[] {
    return events.map((event) => {
      const job = `${event.run_id} ${event.node_id} ${coordinateKey(event.coordinate ?? [])}`
      if (event.kind === "job-end") this.#drop(job, 0)
      const buffer = event.preview === undefined ? undefined : buffers[event.preview]
      if (!buffer) return event
      const url = URL.createObjectURL(new Blob([buffer as DataView<ArrayBuffer>], { type: "image/webp" }))
      this.#urls.set(job, [...(this.#urls.get(job) ?? []), url])
      this.#drop(job, KEPT)
      return { ...event, preview_url: url }
    })
  }

  close(): void {
    for (const job of [...this.#urls.keys()]) this.#drop(job, 0)
  }

  #drop(job: string, kept: number): void {
    const urls = this.#urls.get(job) ?? []
    for (const url of urls.splice(0, Math.max(0, urls.length - kept))) URL.revokeObjectURL(url)
    if (urls.length === 0) this.#urls.delete(job)
  }
}
