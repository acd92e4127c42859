/** Brings files into the store: hashed, put into the bucket or through Jupyter, else the kernel; placed by one edit. */

import type { Editing } from "../state/editing"
import { type FileTarget, fileEdits, fileKind, fileMismatch, formatMegabytes, mediaTypeOf } from "../state/files"
import { KernelError, type Session } from "../state/session"
import { reduceUploads, type Upload, type UploadStep } from "../state/uploads"
import type { JsonObject } from "../wire/flow"
import { newId } from "../wire/messages"
import type { MediaBytes } from "./bytes"
import { DigestUnavailableError, FileUnreadableError, sha256Of } from "./digest"
import { inspectFile } from "./file-facts"
import { putFile, UploadRefusedError } from "./put-file"
import { resolveUrl } from "./server"

const MAX_CONCURRENT = 3
/** The server extension takes no more. */
const MAX_BYTES = 2 * 2 ** 30
/** Jupyter closes the connection to the kernel at a message of 10 MiB; with it would go the whole session. */
const MAX_KERNEL_BYTES = 9 * 2 ** 20
const KERNEL_TIMEOUT_MS = 180_000

/** As much of a file tells its type. */
const HEAD_BYTES = 4096
/** A bucket far away is asked whether it has the bytes. */
const CONFIRM_TIMEOUT_MS = 60_000

/** What a session of uploads needs of the page; a test brings its own. */
export interface UploadDependencies {
  digest: typeof sha256Of
  put: typeof putFile
  inspect: typeof inspectFile
}

/** No request of this page reaches the bucket, and there is no server that would pass the bytes on. */
class ClosedBucketError extends Error {}

interface Job {
  file: Blob
  stop: AbortController
  /** What happens with the stored asset. */
  place: (asset: JsonObject) => void
}

export class Uploader {
  readonly #jobs = new Map<string, Job>()
  readonly #waiting: string[] = []
  #activeCount = 0

  constructor(
    private readonly session: Session,
    private readonly editing: Editing,
    private readonly bytes: MediaBytes,
    private readonly ways: UploadDependencies = { digest: sha256Of, put: putFile, inspect: inspectFile },
  ) {}

  /** Take files in; what is no picture, video or sound, or does not fit, is refused in words. Returns ids of the others. */
  add(files: readonly File[], targetOf: (kind: Upload["kind"], index: number) => FileTarget): string[] {
    const ids: string[] = []
    for (const file of files) {
      const mediaType = mediaTypeOf(file.name, file.type)
      const kind = fileKind(mediaType)
      const problem = kind === null ? `${file.name} is no picture, video or sound.` : sizeProblem(file)
      if (kind === null || problem !== null) {
        this.session.notify(problem ?? "", "bad")
        continue
      }
      const target = targetOf(kind, ids.length)
      const { shared, catalog } = this.session.store.getState()
      const why = fileMismatch(shared.document, catalog, kind, target)
      if (why !== null) {
        this.session.notify(why, "bad")
        continue
      }
      const place = (asset: JsonObject) => this.#place(kind, asset, file.name, target)
      ids.push(this.#enqueue(file, { name: file.name, kind, mediaType, target }, place))
    }
    return ids
  }

  /** Store bytes that the page made itself, and let the caller place them. */
  store(file: Blob, name: string, target: FileTarget, place: (asset: JsonObject) => void): string {
    return this.#enqueue(file, { name, kind: fileKind(file.type) ?? "image", mediaType: file.type, target }, place)
  }

  cancel(id: string): void {
    this.#jobs.get(id)?.stop.abort()
    this.#jobs.delete(id)
    this.#step(id, { kind: "end" })
  }

  retry(id: string): void {
    const job = this.#jobs.get(id)
    if (!job) return
    job.stop = new AbortController()
    this.#step(id, { kind: "retry" })
    this.#waiting.push(id)
    this.#startNext()
  }

  /** Nothing goes on after this. */
  close(): void {
    for (const job of this.#jobs.values()) job.stop.abort()
    this.#jobs.clear()
  }

  #enqueue(
    file: Blob,
    facts: Pick<Upload, "name" | "kind" | "mediaType" | "target">,
    place: (asset: JsonObject) => void,
  ): string {
    const id = newId()
    const upload: Upload = {
      ...facts,
      id,
      sizeBytes: file.size,
      phase: "waiting",
      progress: null,
      error: null,
    }
    this.#jobs.set(id, { file, stop: new AbortController(), place })
    this.session.store.setState(({ uploads }) => ({ uploads: new Map(uploads).set(id, upload) }))
    this.#waiting.push(id)
    this.#startNext()
    return id
  }

  /** The bytes of an upload that goes on, for whoever wants to show them meanwhile. */
  fileOf = (id: string): Blob | null => this.#jobs.get(id)?.file ?? null

  #startNext(): void {
    while (this.#activeCount < MAX_CONCURRENT) {
      const id = this.#waiting.shift()
      if (id === undefined) return
      const job = this.#jobs.get(id)
      const upload = this.session.store.getState().uploads.get(id)
      if (!job || upload?.phase !== "waiting") continue
      this.#activeCount += 1
      void this.#runJob(upload, job).finally(() => {
        this.#activeCount -= 1
        this.#startNext()
      })
    }
  }

  async #runJob(upload: Upload, job: Job): Promise<void> {
    const { id } = upload
    const { signal } = job.stop
    try {
      this.#step(id, { kind: "begin" })
      const asset = await this.#upload(upload, job.file, signal)
      if (signal.aborted) return
      this.#jobs.delete(id)
      this.#step(id, { kind: "end" })
      job.place(asset)
    } catch (error) {
      if (signal.aborted) return
      this.#step(id, { kind: "fail", problem: errorMessage(error) })
    }
  }

  async #upload(upload: Upload, file: Blob, signal: AbortSignal): Promise<JsonObject> {
    const hasServer = (await this.bytes.source()) === "server"
    const hasBucket = this.session.store.getState().bytes?.has_bucket === true
    if (hasServer || hasBucket) {
      try {
        return await this.#uploadToUrl(upload, file, signal, hasServer)
      } catch (error) {
        // The kernel hashes by itself, and takes what a bucket does not take from this page.
        if (!(error instanceof DigestUnavailableError) && !(error instanceof ClosedBucketError)) throw error
      }
    }
    return await this.#uploadToKernel(upload, file, signal)
  }

  async #uploadToUrl(upload: Upload, file: Blob, signal: AbortSignal, hasServer: boolean): Promise<JsonObject> {
    const onProgress = (fraction: number) => this.#step(upload.id, { kind: "progress", fraction })
    const sha256 = await this.ways.digest(file, onProgress, signal)
    const about = { sha256, media_type: upload.mediaType, size_bytes: file.size }
    const seen = this.ways.inspect(file, upload.kind, signal)
    this.#step(upload.id, { kind: "send" })
    const media_type = await this.#put(about, file, onProgress, signal, hasServer)
    this.#step(upload.id, { kind: "store" })
    const { facts, preview } = await seen
    signal.throwIfAborted()
    const question = { type: "confirm_upload", ...about, media_type, ...facts } as const
    const { reply } = await this.session.request(question, preview ? [preview] : [], CONFIRM_TIMEOUT_MS)
    return reply.asset as JsonObject
  }

  /** Put the bytes where the kernel says, and tell what they are. */
  async #put(
    about: { sha256: string; media_type: string; size_bytes: number },
    file: Blob,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
    hasServer: boolean,
  ): Promise<string> {
    let isAgain = false
    let via: { via?: "server" } = {}
    for (;;) {
      const head = await file.slice(0, HEAD_BYTES).arrayBuffer()
      const { reply } = await this.session.request({ type: "place_upload", ...about, ...via }, [head])
      signal.throwIfAborted()
      const media_type = String(reply.media_type ?? about.media_type)
      const pinned = reply.headers as Record<string, string> | null | undefined
      try {
        const url = resolveUrl(this.bytes.base, String(reply.url))
        await this.ways.put(url, file, pinned ?? { "Content-Type": media_type }, onProgress, signal)
        return media_type
      } catch (error) {
        if (!(error instanceof UploadRefusedError)) throw error
        if (pinned && error.code === "offline") {
          // A browser does not say why: no network, or a bucket that knows nothing of this page (CORS).
          if (!hasServer) throw new ClosedBucketError()
          via = { via: "server" }
          this.session.notify(
            "The bucket takes nothing from this page: `fusionflow doctor --r2`. Sent through Jupyter.",
            "bad",
          )
        } else if (error.code === "expired_link" && !isAgain) {
          isAgain = true // the address had expired before the last of several was begun
        } else throw error
      }
    }
  }

  async #uploadToKernel(upload: Upload, file: Blob, signal: AbortSignal): Promise<JsonObject> {
    if (file.size > MAX_KERNEL_BYTES) {
      const most = formatMegabytes(MAX_KERNEL_BYTES)
      throw new UploadRefusedError(
        "too_large",
        `Too large: without the Jupyter server extension at most ${most} can be sent. Load it from a cell by its path.`,
      )
    }
    this.#step(upload.id, { kind: "send" })
    const buffer = await file.arrayBuffer()
    signal.throwIfAborted()
    const question = { type: "upload", media_type: upload.mediaType } as const
    const { reply } = await this.session.request(question, [buffer], KERNEL_TIMEOUT_MS)
    return reply.asset as JsonObject
  }

  #place(kind: Upload["kind"], asset: JsonObject, name: string, target: FileTarget): void {
    const { shared, catalog } = this.session.store.getState()
    // The node may have gone meanwhile: what was uploaded still comes onto the canvas.
    const isGone = target.kind !== "place" && !shared.document.nodes.has(target.nodeId)
    const there: FileTarget = isGone ? { kind: "place", at: "at" in target ? target.at : { x: 0, y: 0 } } : target
    const { edits, id } = fileEdits(shared.document, catalog, { kind, asset, name }, there)
    if (this.session.edit(edits)) this.editing.select([id])
  }

  #step(id: string, step: UploadStep): void {
    this.session.store.setState(({ uploads }) => ({ uploads: reduceUploads(uploads, id, step) }))
  }
}

function sizeProblem(file: File): string | null {
  if (file.size === 0) return `${file.name} is empty.`
  return file.size > MAX_BYTES ? `${file.name} has ${formatMegabytes(file.size)}; at most 2 GB can be uploaded.` : null
}

/** What went wrong, and what to do next. */
function errorMessage(error: unknown): string {
  if (error instanceof UploadRefusedError || error instanceof KernelError) return error.message
  if (error instanceof FileUnreadableError) return "The file could not be read. It may have moved: choose it again."
  throw error
}
