/** Object URLs of preview images. A new preview replaces the previous one; the end of a job revokes all of its URLs. */

import type { RunEvent } from "../wire/run"
import { coordinateKey } from "./runs"

/** The current preview, and the previous one, which the page may still show. */
const MAX_URLS = 2

export class Previews {
  /** URLs by job, oldest first. */
  readonly #urls = new Map<string, string[]>()

  /** Replaces preview buffers with object URLs in the events. */
  withPreviewUrls(events: readonly RunEvent[], buffers: readonly DataView[]): RunEvent[] {
    return events.map((event) => {
      const job = `${event.run_id} ${event.node_id} ${coordinateKey(event.coordinate ?? [])}`
      if (event.kind === "job-end") this.#revoke(job, 0)
      const buffer = event.preview === undefined ? undefined : buffers[event.preview]
      if (!buffer) return event
      const url = URL.createObjectURL(new Blob([buffer as DataView<ArrayBuffer>], { type: "image/webp" }))
      this.#urls.set(job, [...(this.#urls.get(job) ?? []), url])
      this.#revoke(job, MAX_URLS)
      return { ...event, preview_url: url }
    })
  }

  close(): void {
    for (const job of [...this.#urls.keys()]) this.#revoke(job, 0)
  }

  #revoke(job: string, keep: number): void {
    const urls = this.#urls.get(job) ?? []
    for (const url of urls.splice(0, Math.max(0, urls.length - keep))) URL.revokeObjectURL(url)
    if (urls.length === 0) this.#urls.delete(job)
  }
}
