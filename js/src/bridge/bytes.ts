/**
 * Resolves the bytes of results: URLs of the Jupyter server, or buffers from the kernel.
 *
 * One probe (`BytesFacts`) selects the source for a session. Expired URLs are signed again, batched into one message.
 * Buffers become object URLs; unused ones are revoked in least recently used order when the cache exceeds its limit.
 */

import { KernelError } from "../state/kernel-reply"
import type { Session } from "../state/session"
import type { ResultCell } from "../wire/run"
import { currentPage, isAbsoluteUrl, resolveUrl, serverBaseUrl } from "./server"

export type MediaUse = "asset" | "preview"
export type BytesSource = "server" | "kernel"
/** The fields of a result that locate its bytes. */
export type MediaAddress = Pick<ResultCell, "sha256" | "url" | "preview_url" | "media_type">

/** The bytes are not available, or no reply arrived in time. */
export class BytesNotFoundError extends Error {}

const MAX_CACHED_BYTES = 256 << 20
const MAX_ADDRESSES = 5000
/** A URL signed within this time that fails has another cause than expiry. */
const FRESH_MS = 60_000
/** Limit of the kernel for one `sign` message. */
const MAX_SIGNED_PER_MESSAGE = 500
const MEDIA_TIMEOUT_MS = 180_000

interface CachedUrl {
  url: string
  size: number
  users: number
}

type Signed = Record<string, { url?: string; preview_url?: string }>

export class MediaBytes {
  readonly base: string
  #probe: { nonce: string; source: Promise<BytesSource>; resolved: BytesSource | null } | null = null
  /** URLs in use, by digest and use. The first URL is reused, so that the browser does not load an image twice. */
  readonly #addresses = new Map<string, string>()
  readonly #signedAt = new Map<string, number>()
  #pendingSign: { sha256: Set<string>; urls: Promise<Signed> } | null = null
  /** Object URLs of the kernel's buffers, least recently used first. */
  readonly #objectUrls = new Map<string, CachedUrl>()
  readonly #loading = new Map<string, Promise<CachedUrl>>()
  #isClosed = false

  constructor(
    private readonly session: Session,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    base?: string,
    private readonly clock: () => number = Date.now,
    private readonly maxCachedBytes = MAX_CACHED_BYTES,
  ) {
    this.base = base ?? (typeof document === "undefined" ? "" : serverBaseUrl(currentPage()))
  }

  /** The source of bytes, probed once per nonce. Falls back to the kernel on any unexpected response. */
  source(): Promise<BytesSource> {
    const facts = this.session.store.getState().bytes
    if (!facts) return this.#whenReady().then(() => this.source())
    if (this.#probe?.nonce === facts.nonce) return this.#probe.source
    const probe = {
      nonce: facts.nonce,
      source: this.#probeServer(facts.nonce, facts.answer),
      resolved: null as BytesSource | null,
    }
    this.#probe = probe
    void probe.source.then((source) => {
      probe.resolved = source
    })
    return probe.source
  }

  async #probeServer(nonce: string, answer: string): Promise<BytesSource> {
    try {
      const response = await this.fetcher(`${this.base}fusionflow/probe?nonce=${encodeURIComponent(nonce)}`, {
        credentials: "same-origin",
        cache: "no-store",
      })
      if (!response.ok) return "kernel"
      const echoed = ((await response.json()) as { answer?: unknown }).answer
      return answer !== "" && echoed === answer ? "server" : "kernel"
    } catch {
      return "kernel" // no server, a foreign page, or no JSON: use the kernel
    }
  }

  #whenReady(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.session.store.subscribe((state) => {
        if (!state.bytes) return
        stop()
        resolve()
      })
    })
  }

  /** The URL if it is known without a request; null otherwise. */
  cachedUrl(cell: MediaAddress, use: MediaUse): string | null {
    const offered = offeredUrl(cell, use)
    if (offered && isAbsoluteUrl(offered)) return offered
    const key = bytesKey(cell, use)
    const cached = this.#objectUrls.get(key)
    if (cached) return cached.url
    if (!offered && !this.#addresses.has(key)) return null
    // Without a digest the URL cannot be renewed: use it as it is.
    if (this.#probe?.resolved === "server" || !cell.sha256)
      return resolveUrl(this.base, this.#cacheAddress(key, offered))
    return null
  }

  /**
   * Resolves a URL for these bytes, with a request if needed. Call `retain` while it is shown.
   *
   * Rejects with `BytesNotFoundError` if no source has the bytes.
   */
  async resolveUrl(cell: MediaAddress, use: MediaUse): Promise<string> {
    const cached = this.cachedUrl(cell, use)
    if (cached !== null) return cached
    if (!cell.sha256) throw new BytesNotFoundError("This result has no bytes.")
    if ((await this.source()) === "server") {
      const url = this.cachedUrl(cell, use) ?? (await this.#signedUrl(cell.sha256, use))
      if (url !== null) return url
    }
    return (await this.#fromKernel(cell.sha256, use)).url
  }

  /** Resolves another URL after one failed: a newer one, a newly signed one, or the kernel's bytes. */
  async refreshUrl(cell: MediaAddress, use: MediaUse, failed: string): Promise<string> {
    const { sha256 } = cell
    if (!sha256 || failed.startsWith("blob:")) throw new BytesNotFoundError("This result cannot be shown.")
    const key = bytesKey(cell, use)
    const inUse = this.#addresses.get(key)
    const offered = offeredUrl(cell, use)
    for (const candidate of [inUse, offered]) {
      if (!candidate || resolveUrl(this.base, candidate) === failed) continue
      this.#addresses.set(key, candidate)
      return resolveUrl(this.base, candidate)
    }
    this.#addresses.delete(key)
    const isFresh = this.clock() - (this.#signedAt.get(key) ?? Number.NEGATIVE_INFINITY) < FRESH_MS
    const url = isFresh ? null : await this.#signedUrl(sha256, use)
    if (url !== null && url !== failed) return url
    return (await this.#fromKernel(sha256, use)).url
  }

  /** Reads the bytes. */
  async read(cell: MediaAddress, use: MediaUse = "asset"): Promise<Blob> {
    const url = await this.resolveUrl(cell, use)
    let response = await this.#fetch(url)
    if (!response?.ok) {
      response = await this.#fetch(await this.refreshUrl(cell, use, url))
      if (!response?.ok) throw new BytesNotFoundError("The bytes of this result are not available.")
    }
    return response.blob()
  }

  async #fetch(url: string): Promise<Response | null> {
    try {
      return await this.fetcher(url, { credentials: "same-origin" })
    } catch (error) {
      if (error instanceof TypeError) return null // fetch throws TypeError on network errors
      throw error
    }
  }

  /** Marks a URL as in use; returns the release function. */
  retain(url: string): () => void {
    const entry = [...this.#objectUrls].find(([, cached]) => cached.url === url)
    if (!entry) return () => undefined
    const [key, cached] = entry
    cached.users += 1
    this.#objectUrls.delete(key)
    this.#objectUrls.set(key, cached)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      cached.users -= 1
      this.#evict()
    }
  }

  /** Revokes all object URLs. */
  close(): void {
    this.#isClosed = true
    for (const cached of this.#objectUrls.values()) URL.revokeObjectURL(cached.url)
    this.#objectUrls.clear()
  }

  #cacheAddress(key: string, offered: string | undefined): string {
    const current = this.#addresses.get(key)
    if (current !== undefined) return current
    const address = offered ?? ""
    this.#addresses.set(key, address)
    if (this.#addresses.size > MAX_ADDRESSES) {
      for (const oldest of this.#addresses.keys()) {
        this.#addresses.delete(oldest)
        break
      }
    }
    return address
  }

  async #signedUrl(sha256: string, use: MediaUse): Promise<string | null> {
    const signed = (await this.#sign(sha256))[sha256]
    for (const variant of ["asset", "preview"] as const) {
      const address = variant === "asset" ? signed?.url : signed?.preview_url
      if (!address) continue
      this.#addresses.set(`${variant} ${sha256}`, address)
      this.#signedAt.set(`${variant} ${sha256}`, this.clock())
    }
    const address = use === "preview" ? (signed?.preview_url ?? signed?.url) : signed?.url
    return address ? resolveUrl(this.base, address) : null
  }

  /** Collects digests until the next task and signs them with one message. */
  #sign(sha256: string): Promise<Signed> {
    if (!this.#pendingSign || this.#pendingSign.sha256.size >= MAX_SIGNED_PER_MESSAGE) {
      const digests = new Set<string>()
      const batch = {
        sha256: digests,
        urls: new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
          if (this.#pendingSign === batch) this.#pendingSign = null
          return this.#signBatch([...digests])
        }),
      }
      this.#pendingSign = batch
    }
    this.#pendingSign.sha256.add(sha256)
    return this.#pendingSign.urls
  }

  /** Signs digests. The kernel refuses a batch with a missing asset: then retries one by one and omits the missing ones. */
  async #signBatch(sha256: string[]): Promise<Signed> {
    try {
      const { reply } = await this.session.request({ type: "sign", sha256 })
      return reply.urls ?? {}
    } catch (error) {
      // A kernel that does not respond would not respond to single requests either.
      if (!(error instanceof KernelError) || ["silence", "closed"].includes(error.facts.code)) throw error
      if (sha256.length === 1) return {}
      return Object.assign({}, ...(await Promise.all(sha256.map((digest) => this.#signBatch([digest])))))
    }
  }

  #fromKernel(sha256: string, use: MediaUse): Promise<CachedUrl> {
    const key = `${use} ${sha256}`
    const cached = this.#objectUrls.get(key)
    if (cached) return Promise.resolve(cached)
    const pending = this.#loading.get(key)
    if (pending) return pending
    const loading = this.#readFromKernel(sha256, use)
      .then((blob) => {
        const entry = { url: URL.createObjectURL(blob), size: blob.size, users: 0 }
        if (this.#isClosed) URL.revokeObjectURL(entry.url)
        else this.#objectUrls.set(key, entry)
        this.#evict(entry)
        return entry
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }

  async #readFromKernel(sha256: string, use: MediaUse): Promise<Blob> {
    const { reply, buffers } = await this.session.request({ type: "media", sha256, use }, undefined, MEDIA_TIMEOUT_MS)
    const [buffer] = buffers
    if (!buffer) throw new BytesNotFoundError("The kernel sent no bytes.")
    return new Blob([buffer as DataView<ArrayBuffer>], { type: reply.media_type ?? "" })
  }

  /** Revokes unused object URLs, oldest first, until the cache is within its limit. */
  #evict(newest?: CachedUrl): void {
    let size = 0
    for (const cached of this.#objectUrls.values()) size += cached.size
    for (const [key, cached] of this.#objectUrls) {
      if (size <= this.maxCachedBytes) return
      if (cached.users > 0 || cached === newest) continue
      URL.revokeObjectURL(cached.url)
      this.#objectUrls.delete(key)
      size -= cached.size
    }
  }
}

/** The URL sent with a result. The preview of an image without a thumbnail is the image itself. */
export function offeredUrl(cell: MediaAddress, use: MediaUse): string | undefined {
  if (use === "asset") return cell.url
  return cell.preview_url ?? (cell.media_type?.startsWith("image/") ? cell.url : undefined)
}

/** Cache key of the bytes. */
export const bytesKey = (cell: MediaAddress, use: MediaUse): string =>
  `${use} ${cell.sha256 ?? offeredUrl(cell, use) ?? ""}`
