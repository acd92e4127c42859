/**
 * Where the bytes of a result come from: the Jupyter server by address, or the kernel as a buffer.
 *
 * One question (`BytesFacts`) decides for a session. An address that has expired is signed again, once; many that expire
 * together are signed by one message. What the kernel gives becomes an object URL; those that nobody shows any more are
 * revoked, the oldest first, when they grow too many.
 */

import { KernelError, type Session } from "../state/session"
import type { ResultCell } from "../wire/run"
import { currentPage, isAbsoluteUrl, resolveUrl, serverBaseUrl } from "./server"

export type MediaUse = "asset" | "preview"
export type BytesSource = "server" | "kernel"
/** What of a result says where its bytes are. */
export type MediaAddress = Pick<ResultCell, "sha256" | "url" | "preview_url" | "media_type">

/** Nobody has these bytes, or nobody said so in time. */
export class BytesNotFoundError extends Error {}

const MAX_CACHED_BYTES = 256 << 20
const MAX_ADDRESSES = 5000
/** Signed so lately and failing all the same: it is not the signature. */
const FRESH_MS = 60_000
/** The kernel signs no more by one message. */
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
  #probe: { nonce: string; source: Promise<BytesSource>; found: BytesSource | null } | null = null
  /** Addresses in use, by digest and use: the first that was seen stays, so that no picture is loaded twice. */
  readonly #addresses = new Map<string, string>()
  readonly #signedAt = new Map<string, number>()
  #signing: { sha256: Set<string>; answer: Promise<Signed> } | null = null
  /** Object URLs over the kernel's buffers, the least recently used first. */
  readonly #objectUrls = new Map<string, CachedUrl>()
  readonly #loading = new Map<string, Promise<CachedUrl>>()
  #isClosed = false

  constructor(
    private readonly session: Session,
    private readonly fetcher: typeof fetch = (...asked) => fetch(...asked),
    base?: string,
    private readonly clock: () => number = Date.now,
    private readonly mostKeptBytes = MAX_CACHED_BYTES,
  ) {
    this.base = base ?? (typeof document === "undefined" ? "" : serverBaseUrl(currentPage()))
  }

  /** Who gives bytes; asked once for each nonce, and the kernel wherever the server does not answer as it says. */
  source(): Promise<BytesSource> {
    const facts = this.session.store.getState().bytes
    if (!facts) return this.#whenReady().then(() => this.source())
    if (this.#probe?.nonce === facts.nonce) return this.#probe.source
    const probe = {
      nonce: facts.nonce,
      source: this.#probeServer(facts.nonce, facts.answer),
      found: null as BytesSource | null,
    }
    this.#probe = probe
    void probe.source.then((found) => {
      probe.found = found
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
      const said = ((await response.json()) as { answer?: unknown }).answer
      return answer !== "" && said === answer ? "server" : "kernel"
    } catch {
      return "kernel" // no server, a page of somebody else's, no JSON: whatever it is, it does not have our bytes
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

  /** The address that is known now, without asking anybody; null where somebody must be asked. */
  cachedUrl(cell: MediaAddress, use: MediaUse): string | null {
    const offered = offeredUrl(cell, use)
    if (offered && isAbsoluteUrl(offered)) return offered
    const key = bytesKey(cell, use)
    const kept = this.#objectUrls.get(key)
    if (kept) return kept.url
    if (!offered && !this.#addresses.has(key)) return null
    // Without a digest nobody could be asked: the address is all there is.
    if (this.#probe?.found === "server" || !cell.sha256) return resolveUrl(this.base, this.#cacheAddress(key, offered))
    return null
  }

  /**
   * An address for these bytes, asked for where need be. Keep it with `retain` while it is shown.
   *
   * Rejects with `BytesNotFoundError` where nobody gives any.
   */
  async resolveUrl(cell: MediaAddress, use: MediaUse): Promise<string> {
    const known = this.cachedUrl(cell, use)
    if (known !== null) return known
    if (!cell.sha256) throw new BytesNotFoundError("This result has no bytes.")
    if ((await this.source()) === "server") {
      const found = this.cachedUrl(cell, use) ?? (await this.#signedUrl(cell.sha256, use))
      if (found !== null) return found
    }
    return (await this.#fromKernel(cell.sha256, use)).url
  }

  /** Another address where this one failed: a newer one, one that is signed again, else the kernel's bytes. */
  async refreshUrl(cell: MediaAddress, use: MediaUse, failed: string): Promise<string> {
    const { sha256 } = cell
    if (!sha256 || failed.startsWith("blob:")) throw new BytesNotFoundError("These bytes cannot be shown.")
    const key = bytesKey(cell, use)
    const inUse = this.#addresses.get(key)
    const offered = offeredUrl(cell, use)
    for (const other of [inUse, offered]) {
      if (!other || resolveUrl(this.base, other) === failed) continue
      this.#addresses.set(key, other)
      return resolveUrl(this.base, other)
    }
    this.#addresses.delete(key)
    const isFresh = this.clock() - (this.#signedAt.get(key) ?? Number.NEGATIVE_INFINITY) < FRESH_MS
    const found = isFresh ? null : await this.#signedUrl(sha256, use)
    if (found !== null && found !== failed) return found
    return (await this.#fromKernel(sha256, use)).url
  }

  /** The bytes themselves. */
  async read(cell: MediaAddress, use: MediaUse = "asset"): Promise<Blob> {
    const url = await this.resolveUrl(cell, use)
    let response = await this.#fetch(url)
    if (!response?.ok) {
      response = await this.#fetch(await this.refreshUrl(cell, use, url))
      if (!response?.ok) throw new BytesNotFoundError("The bytes of this result are not to be had.")
    }
    return response.blob()
  }

  async #fetch(url: string): Promise<Response | null> {
    try {
      return await this.fetcher(url, { credentials: "same-origin" })
    } catch (error) {
      if (error instanceof TypeError) return null // as fetch says that nobody answered
      throw error
    }
  }

  /** Say that an address is shown; returns how to say that it is no more. */
  retain(url: string): () => void {
    const entry = [...this.#objectUrls].find(([, kept]) => kept.url === url)
    if (!entry) return () => undefined
    const [key, kept] = entry
    kept.users += 1
    this.#objectUrls.delete(key)
    this.#objectUrls.set(key, kept)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      kept.users -= 1
      this.#evict()
    }
  }

  /** Revoke everything. */
  close(): void {
    this.#isClosed = true
    for (const kept of this.#objectUrls.values()) URL.revokeObjectURL(kept.url)
    this.#objectUrls.clear()
  }

  #cacheAddress(key: string, offered: string | undefined): string {
    const known = this.#addresses.get(key)
    if (known !== undefined) return known
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
    for (const one of ["asset", "preview"] as const) {
      const address = one === "asset" ? signed?.url : signed?.preview_url
      if (!address) continue
      this.#addresses.set(`${one} ${sha256}`, address)
      this.#signedAt.set(`${one} ${sha256}`, this.clock())
    }
    const address = use === "preview" ? (signed?.preview_url ?? signed?.url) : signed?.url
    return address ? resolveUrl(this.base, address) : null
  }

  /** What is to be signed before the next task goes in one message. */
  #sign(sha256: string): Promise<Signed> {
    if (!this.#signing || this.#signing.sha256.size >= MAX_SIGNED_PER_MESSAGE) {
      const wanted = new Set<string>()
      const mine = {
        sha256: wanted,
        answer: new Promise<void>((go) => setTimeout(go)).then(() => {
          if (this.#signing === mine) this.#signing = null
          return this.#signBatch([...wanted])
        }),
      }
      this.#signing = mine
    }
    this.#signing.sha256.add(sha256)
    return this.#signing.answer
  }

  /** One that is lost makes the kernel refuse all: then each is asked for by itself. Lost ones are left out. */
  async #signBatch(sha256: string[]): Promise<Signed> {
    try {
      const { reply } = await this.session.request({ type: "sign", sha256 })
      return (reply.urls ?? {}) as Signed
    } catch (error) {
      // A kernel that says nothing says nothing of each by itself either.
      if (!(error instanceof KernelError) || ["silence", "closed"].includes(error.facts.code)) throw error
      if (sha256.length === 1) return {}
      return Object.assign({}, ...(await Promise.all(sha256.map((one) => this.#signBatch([one])))))
    }
  }

  #fromKernel(sha256: string, use: MediaUse): Promise<CachedUrl> {
    const key = `${use} ${sha256}`
    const kept = this.#objectUrls.get(key)
    if (kept) return Promise.resolve(kept)
    const known = this.#loading.get(key)
    if (known) return known
    const coming = this.#readFromKernel(sha256, use)
      .then((blob) => {
        const made = { url: URL.createObjectURL(blob), size: blob.size, users: 0 }
        if (this.#isClosed) URL.revokeObjectURL(made.url)
        else this.#objectUrls.set(key, made)
        this.#evict(made)
        return made
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, coming)
    return coming
  }

  async #readFromKernel(sha256: string, use: MediaUse): Promise<Blob> {
    const { reply, buffers } = await this.session.request({ type: "media", sha256, use }, undefined, MEDIA_TIMEOUT_MS)
    const [buffer] = buffers
    if (!buffer) throw new BytesNotFoundError("The kernel gave no bytes.")
    return new Blob([buffer as DataView<ArrayBuffer>], { type: String(reply.media_type ?? "") })
  }

  /** Let the oldest go that nobody shows, until what is kept is little enough. */
  #evict(newest?: CachedUrl): void {
    let size = 0
    for (const kept of this.#objectUrls.values()) size += kept.size
    for (const [key, kept] of this.#objectUrls) {
      if (size <= this.mostKeptBytes) return
      if (kept.users > 0 || kept === newest) continue
      URL.revokeObjectURL(kept.url)
      this.#objectUrls.delete(key)
      size -= kept.size
    }
  }
}

/** The address that came with a result. Of a picture without a preview the picture itself; of nothing else. */
export function offeredUrl(cell: MediaAddress, use: MediaUse): string | undefined {
  if (use === "asset") return cell.url
  return cell.preview_url ?? (cell.media_type?.startsWith("image/") ? cell.url : undefined)
}

/** What the same bytes are known by. */
export const bytesKey = (cell: MediaAddress, use: MediaUse): string =>
  `${use} ${cell.sha256 ?? offeredUrl(cell, use) ?? ""}`
