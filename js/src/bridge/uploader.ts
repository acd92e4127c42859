/** Uploads files to the store: to the bucket, through Jupyter, or through the kernel. Places each with one edit. */

import type { Editing } from "../state/editing"
import { type FileTarget, fileEdits, fileKind, fileMismatch, formatMegabytes, mediaTypeOf } from "../state/files"
import { KernelError } from "../state/kernel-reply"
import type { Session } from "../state/session"
import { reduceUploads, type Upload, type UploadStep } from "../state/uploads"
import type { JsonObject } from "../wire/flow"
import { newId } from "../wire/messages"
import type { MediaBytes } from "./bytes"
import { DigestUnavailableError, FileUnreadableError, sha256Of } from "./digest"
import { inspectFile } from "./file-facts"
import { putFile, UploadRefusedError } from "./put-file"
import { resolveUrl } from "./server"

const MAX_CONCURRENT = 3
/** Limit of the server extension. */
const MAX_BYTES = 2 * 2 ** 30
/** Jupyter closes the kernel connection, and with it the session, on a message of 10 MiB. */
const MAX_KERNEL_BYTES = 9 * 2 ** 20
const KERNEL_TIMEOUT_MS = 180_000

/** Number of leading bytes that identify the media type. */
const HEAD_BYTES = 4096
/** Confirming may require a request to a remote bucket. */
const CONFIRM_TIMEOUT_MS = 60_000

/** Functions that depend on the page. Tests pass their own. */
export interface UploadDependencies {
  digest: typeof sha256Of
  put: typeof putFile
  inspect: typeof inspectFile
}

/** The page cannot reach the bucket, and no server can forward the bytes. */
class ClosedBucketError extends Error {}

interface Job {
  file: Blob
  stop: AbortController
  /** Called with the stored asset. */
  place: (asset: JsonObject) => void
}

export class Uploader {
  readonly #jobs = new Map<string, Job>()
  readonly #queue: string[] = []
  #activeCount = 0

  constructor(
    private readonly session: Session,
    private readonly editing: Editing,
    private readonly bytes: MediaBytes,
    private readonly ways: UploadDependencies = { digest: sha256Of, put: putFile, inspect: inspectFile },
  ) {}

  /** Uploads files. Notifies the user about unsupported or misplaced files. Returns the ids of the started uploads. */
  add(files: readonly File[], targetOf: (kind: Upload["kind"], index: number) => FileTarget): string[] {
    const ids: string[] = []
    for (const file of files) {
      const mediaType = mediaTypeOf(file.name, file.type)
      const kind = fileKind(mediaType)
      const problem = kind === null ? `${file.name} is not an image, video or audio file.` : sizeProblem(file)
      if (kind === null || problem !== null) {
        this.session.notify(problem ?? "", "bad")
        continue
      }
      const target = targetOf(kind, ids.length)
      const { shared, catalog } = this.session.store.getState()
      const mismatch = fileMismatch(shared.document, catalog, kind, target)
      if (mismatch !== null) {
        this.session.notify(mismatch, "bad")
        continue
      }
      const place = (asset: JsonObject) => this.#place(kind, asset, file.name, target)
      ids.push(this.#enqueue(file, { name: file.name, kind, mediaType, target }, place))
    }
    return ids
  }

  /** Uploads bytes created by the page; the caller places the asset. */
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
    this.#queue.push(id)
    this.#startNext()
  }

  /** Aborts all uploads. */
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
    this.#queue.push(id)
    this.#startNext()
    return id
  }

  /** The bytes of an upload in progress, to preview them. */
  fileOf = (id: string): Blob | null => this.#jobs.get(id)?.file ?? null

  #startNext(): void {
    while (this.#activeCount < MAX_CONCURRENT) {
      const id = this.#queue.shift()
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
        // The kernel computes digests itself, and can store bytes that the page cannot send to the bucket.
        if (!(error instanceof DigestUnavailableError) && !(error instanceof ClosedBucketError)) throw error
      }
    }
    return await this.#uploadToKernel(upload, file, signal)
  }

  async #uploadToUrl(upload: Upload, file: Blob, signal: AbortSignal, hasServer: boolean): Promise<JsonObject> {
    const onProgress = (fraction: number) => this.#step(upload.id, { kind: "progress", fraction })
    const sha256 = await this.ways.digest(file, onProgress, signal)
    const metadata = { sha256, media_type: upload.mediaType, size_bytes: file.size }
    const inspection = this.ways.inspect(file, upload.kind, signal)
    this.#step(upload.id, { kind: "send" })
    const media_type = await this.#put(metadata, file, onProgress, signal, hasServer)
    this.#step(upload.id, { kind: "store" })
    const { facts, preview } = await inspection
    signal.throwIfAborted()
    const request = { type: "confirm_upload", ...metadata, media_type, ...facts } as const
    const { reply } = await this.session.request(request, preview ? [preview] : [], CONFIRM_TIMEOUT_MS)
    return reply.asset
  }

  /** Uploads the bytes to the URL from the kernel; returns their media type. */
  async #put(
    metadata: { sha256: string; media_type: string; size_bytes: number },
    file: Blob,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
    hasServer: boolean,
  ): Promise<string> {
    let hasRetried = false
    let via: { via?: "server" } = {}
    for (;;) {
      const head = await file.slice(0, HEAD_BYTES).arrayBuffer()
      const { reply } = await this.session.request({ type: "place_upload", ...metadata, ...via }, [head])
      signal.throwIfAborted()
      const media_type = reply.media_type ?? metadata.media_type
      const signedHeaders = reply.headers
      try {
        const url = resolveUrl(this.bytes.base, reply.url)
        await this.ways.put(url, file, signedHeaders ?? { "Content-Type": media_type }, onProgress, signal)
        return media_type
      } catch (error) {
        if (!(error instanceof UploadRefusedError)) throw error
        if (signedHeaders && error.code === "offline") {
          // The browser hides the cause: no network, or a missing CORS rule on the bucket.
          if (!hasServer) throw new ClosedBucketError()
          via = { via: "server" }
          this.session.notify(
            "The page cannot reach the bucket; uploaded through Jupyter. Check it with `fusionflow doctor --r2`.",
            "bad",
          )
        } else if (error.code === "expired_link" && !hasRetried) {
          hasRetried = true // the URL expired while other uploads ran
        } else throw error
      }
    }
  }

  async #uploadToKernel(upload: Upload, file: Blob, signal: AbortSignal): Promise<JsonObject> {
    if (file.size > MAX_KERNEL_BYTES) {
      const limit = formatMegabytes(MAX_KERNEL_BYTES)
      throw new UploadRefusedError(
        "too_large",
        `Too large: the limit is ${limit} without the Jupyter server extension. Load it from a cell by its path.`,
      )
    }
    this.#step(upload.id, { kind: "send" })
    const buffer = await file.arrayBuffer()
    signal.throwIfAborted()
    const request = { type: "upload", media_type: upload.mediaType } as const
    const { reply } = await this.session.request(request, [buffer], KERNEL_TIMEOUT_MS)
    return reply.asset
  }

  #place(kind: Upload["kind"], asset: JsonObject, name: string, target: FileTarget): void {
    const { shared, catalog } = this.session.store.getState()
    // If the node was removed during the upload, place the file on the canvas instead.
    const isGone = target.kind !== "place" && !shared.document.nodes.has(target.nodeId)
    const actualTarget: FileTarget = isGone
      ? { kind: "place", at: "at" in target ? target.at : { x: 0, y: 0 } }
      : target
    const { edits, id } = fileEdits(shared.document, catalog, { kind, asset, name }, actualTarget)
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

/** Error message with what to do next. */
function errorMessage(error: unknown): string {
  if (error instanceof UploadRefusedError || error instanceof KernelError) return error.message
  if (error instanceof FileUnreadableError) return "The file could not be read. It may have moved: choose it again."
  throw error
}
