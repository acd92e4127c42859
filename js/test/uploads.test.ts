import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { MediaBytes } from "../src/bridge/bytes"
import { digest } from "../src/bridge/digest-worker"
import { bucketError, serverError, UploadRefusedError } from "../src/bridge/put-file"
import { type UploadDependencies, Uploader } from "../src/bridge/uploader"
import { applyEdits } from "../src/state/apply"
import { DerivedState } from "../src/state/derived"
import { emptyDocument } from "../src/state/document"
import { Editing } from "../src/state/editing"
import { fileEdits, fileKind, fileMismatch, fileTargetOnNode, mediaTypeOf } from "../src/state/files"
import { Session } from "../src/state/session"
import { phaseText, reduceUploads, type Upload, type Uploads } from "../src/state/uploads"
import type { Edit, JsonObject } from "../src/wire/flow"
import type { Channel, FromKernel, ToKernel } from "../src/wire/messages"
import { catalog } from "./catalog"

const BUCKET_URL = "https://bucket.example/key?signature"
const PINNED = { "Content-Type": "image/webp", "If-None-Match": "*" }
const ASSET = { sha256: "ab".repeat(32), media_type: "image/png", size_bytes: 3 }
const node = (id: string, type: string, params: JsonObject = {}): Edit => ({
  kind: "add_node",
  node: { id, type, params },
})
const { document } = applyEdits(emptyDocument, [
  node("still", "generate_image"),
  node("edit", "edit_image"),
  node("film", "load_video"),
  { kind: "add_edge", edge: { source: "still", sourceHandle: "image", target: "edit", targetHandle: "image" } },
])
const HERE = { x: 1.4, y: 2 }

describe("the digest of a file", () => {
  it("equals node's crypto for any number of slices", async () => {
    for (const size of [0, 3, (4 << 20) + 1, 9 << 20]) {
      const bytes = new Uint8Array(size).map((_, index) => (index * 31) & 255)
      const progress: number[] = []
      const sha256 = await digest(new Blob([bytes]), (fraction) => progress.push(fraction))
      expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"))
      if (size > 0) expect(progress.at(-1)).toBe(1)
    }
  })
})

describe("a file", () => {
  it("is identified by its type, else by its extension", () => {
    expect(fileKind(mediaTypeOf("a.bin", "image/PNG"))).toBe("image")
    expect(fileKind(mediaTypeOf("a.MOV", ""))).toBe("video")
    expect(fileKind(mediaTypeOf("a.flac", ""))).toBe("audio")
    expect(fileKind(mediaTypeOf("notes", ""))).toBeNull()
    expect(fileKind(mediaTypeOf("notes.txt", "text/plain"))).toBeNull()
  })

  it("is refused with a reason if it does not fit", () => {
    const fits = (kind: "image" | "video" | "audio", nodeId: string, port: string) =>
      fileMismatch(document, catalog, kind, { kind: "port", nodeId, port, at: HERE })
    expect(fits("image", "edit", "mask")).toBeNull()
    expect(fits("audio", "edit", "image")).toBe("image takes image, this is sound.")
    expect(fileMismatch(document, catalog, "image", { kind: "replace", nodeId: "film" })).toBe(
      "film holds a video, this is an image.",
    )
    expect(fileMismatch(document, catalog, "image", { kind: "replace", nodeId: "gone" })).toBe(
      "The node no longer exists.",
    )
  })

  it("dropped on a node goes to a free port or replaces its file", () => {
    const targetOn = (id: string, kind: "image" | "video") => {
      const dropped = document.nodes.get(id)
      return dropped ? fileTargetOnNode(document, catalog, kind, dropped, HERE) : null
    }
    expect(targetOn("film", "video")).toEqual({ kind: "replace", nodeId: "film" })
    expect(targetOn("edit", "image")).toMatchObject({ kind: "port", port: expect.not.stringMatching(/^image$/) })
    expect(targetOn("edit", "video")).toBeNull()
  })

  it("is placed and connected in one step", () => {
    const file = { kind: "image" as const, asset: ASSET, name: "a.png" }
    const { edits, id } = fileEdits(document, catalog, file, { kind: "port", nodeId: "edit", port: "image", at: HERE })
    const after = applyEdits(document, edits)
    expect(after.document.nodes.get(id)?.params).toEqual({ asset: ASSET, name: "a.png" })
    expect(after.document.edges).toEqual([{ source: id, sourceHandle: "image", target: "edit", targetHandle: "image" }])
    expect(applyEdits(after.document, [after.inverse]).document.nodes.has(id)).toBe(false)
  })
})

describe("an upload", () => {
  const upload: Upload = {
    id: "u",
    name: "a.png",
    kind: "image",
    mediaType: "image/png",
    sizeBytes: 3,
    target: { kind: "place", at: HERE },
    phase: "waiting",
    progress: null,
    error: null,
  }
  const initial: Uploads = new Map([["u", upload]])

  it("goes through its phases and ignores late steps", () => {
    let current = reduceUploads(initial, "u", { kind: "begin" })
    current = reduceUploads(current, "u", { kind: "progress", fraction: 0.424 })
    expect(phaseText(current.get("u") as Upload)).toBe("reading 42 %")
    expect(reduceUploads(current, "u", { kind: "progress", fraction: 0.4241 })).toBe(current)
    current = reduceUploads(current, "u", { kind: "send" })
    expect(current.get("u")?.progress).toBeNull()
    current = reduceUploads(current, "u", { kind: "fail", problem: "No." })
    expect(reduceUploads(current, "u", { kind: "progress", fraction: 1 })).toBe(current)
    expect(reduceUploads(current, "u", { kind: "store" })).toBe(current)
    current = reduceUploads(current, "u", { kind: "retry" })
    expect(current.get("u")).toEqual(upload)
    current = reduceUploads(current, "u", { kind: "end" })
    expect(current.size).toBe(0)
    expect(reduceUploads(current, "u", { kind: "begin" })).toBe(current)
  })

  it("reports the server's error message, else one by status", () => {
    expect(serverError(400, { error: { code: "wrong_length", message: "Short.", hint: "Again." } })).toMatchObject({
      code: "wrong_length",
      message: "Short. Again.",
    })
    expect(serverError(413, null).message).toMatch(/Too large/)
    expect(serverError(403, null).message).toMatch(/log in again/)
    expect(serverError(502, null).message).toMatch(/502/)
    expect(bucketError(400).message).toMatch(/changed/)
    expect(bucketError(403)).toMatchObject({ code: "expired_link", message: expect.stringMatching(/doctor/) })
    expect(bucketError(503).message).toMatch(/503/)
  })

  /** A session and its uploader with a scripted kernel and server. */
  async function createUploader(options: { hasServer: boolean; bucket?: boolean; put?: UploadDependencies["put"] }) {
    const sent: ToKernel[] = []
    const buffers: number[] = []
    let deliver: (message: FromKernel, buffers: DataView[]) => void = () => undefined
    const channel: Channel = {
      listen(listener) {
        deliver = listener
        return () => undefined
      },
      send(message, attached = []) {
        sent.push(message)
        for (const buffer of attached) buffers.push(buffer.byteLength)
        const fields =
          message.type === "place_upload"
            ? options.bucket && !message.via
              ? { url: BUCKET_URL, headers: PINNED, media_type: "image/webp" }
              : { url: "fusionflow/uploads/x", headers: null, media_type: message.media_type }
            : message.type === "confirm_upload"
              ? { asset: { ...ASSET, media_type: message.media_type } }
              : message.type === "upload"
                ? { asset: ASSET }
                : null
        if (fields) queueMicrotask(() => deliver({ type: "reply", id: message.id, ...fields }, []))
      },
    }
    const session = new Session(channel)
    session.store.setState({
      catalog,
      shared: { ...session.store.getState().shared, document: document },
      bytes: { nonce: "n", answer: "yes", has_bucket: options.bucket ?? false },
    })
    const fetcher = (async () => Response.json({ answer: options.hasServer ? "yes" : "no" })) as unknown as typeof fetch
    const puts: string[] = []
    const ways: UploadDependencies = {
      digest: (file, onProgress) => digest(file, onProgress),
      put: (...args) => {
        puts.push(`${args[0]} ${args[2]["Content-Type"]}`)
        return options.put ? options.put(...args) : Promise.resolve()
      },
      inspect: () => Promise.resolve({ facts: { width: 9, height: 6, duration_s: null }, preview: new ArrayBuffer(5) }),
    }
    const bytes = new MediaBytes(session, fetcher, "https://hub.example/")
    const uploader = new Uploader(session, new Editing(session, new DerivedState()), bytes, ways)
    const until = (isReached: (uploads: Uploads) => boolean) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if (!isReached(session.store.getState().uploads)) return
          stop()
          resolve()
        }
        const stop = session.store.subscribe(check)
        check()
      })
    return { session, uploader, sent, puts, buffers, until }
  }
  const file = (name: string, size: number, type = "image/png") => new File([new Uint8Array(size)], name, { type })
  const place = () => ({ kind: "place", at: HERE }) as const
  const edits = (sent: ToKernel[]) => sent.filter((message) => message.type === "edits")

  it("uploads the bytes and places a node", async () => {
    const { uploader, sent, puts, until } = await createUploader({ hasServer: true })
    uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.size === 0)
    const sha256 = createHash("sha256").update(new Uint8Array(3)).digest("hex")
    expect(sent).toContainEqual(expect.objectContaining({ type: "place_upload", sha256, size_bytes: 3 }))
    expect(puts).toEqual(["https://hub.example/fusionflow/uploads/x image/png"])
    expect(edits(sent)).toMatchObject([{ edits: [{ kind: "add_node", node: { type: "load_image" } }] }])
  })

  it("goes to a bucket with the signed headers", async () => {
    for (const hasServer of [true, false]) {
      const calls: Parameters<UploadDependencies["put"]>[] = []
      const put: UploadDependencies["put"] = (...args) => {
        calls.push(args)
        return Promise.resolve()
      }
      const { uploader, sent, buffers, until } = await createUploader({ hasServer, bucket: true, put })
      uploader.add([file("a.png", 9000)], place)
      await until((uploads) => uploads.size === 0)
      expect(calls.map((args) => [args[0], args[2]])).toEqual([[BUCKET_URL, PINNED]])
      expect(sent).toContainEqual(
        expect.objectContaining({
          type: "confirm_upload",
          size_bytes: 9000,
          media_type: "image/webp",
          width: 9,
          height: 6,
        }),
      )
      expect(buffers).toEqual([4096, 5]) // only the leading bytes and the preview
      expect(edits(sent)).toHaveLength(1)
    }
  })

  it("falls back to Jupyter, then the kernel, without CORS", async () => {
    const closed: UploadDependencies["put"] = (url) =>
      url === BUCKET_URL ? Promise.reject(new UploadRefusedError("offline", "No response.")) : Promise.resolve()
    const viaServer = await createUploader({ hasServer: true, bucket: true, put: closed })
    viaServer.uploader.add([file("a.png", 3)], place)
    await viaServer.until((uploads) => uploads.size === 0)
    expect(viaServer.puts).toEqual([`${BUCKET_URL} image/webp`, "https://hub.example/fusionflow/uploads/x image/png"])
    expect(viaServer.session.store.getState().notice?.text).toMatch(/doctor --r2/)
    const viaKernel = await createUploader({ hasServer: false, bucket: true, put: closed })
    viaKernel.uploader.add([file("a.png", 3)], place)
    await viaKernel.until((uploads) => uploads.size === 0)
    expect(viaKernel.sent.at(-2)?.type).toBe("upload")
  })

  it("goes to the kernel in one buffer, up to a size limit", async () => {
    const { uploader, sent, buffers, puts, until } = await createUploader({ hasServer: false })
    uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.size === 0)
    expect(buffers).toEqual([3])
    expect(edits(sent)).toHaveLength(1)
    uploader.add([file("b.png", 10 << 20)], place)
    await until((uploads) => [...uploads.values()][0]?.phase === "failed")
    expect(buffers).toEqual([3])
    expect(puts).toEqual([])
  })

  it("retries once with a new URL after expiry", async () => {
    const expired = () => Promise.reject(new UploadRefusedError("expired_link", "This URL has expired."))
    const { session, uploader, puts, sent, until } = await createUploader({ hasServer: true, put: expired })
    const [id] = uploader.add([file("a.png", 3)], place)
    await until((uploads) => [...uploads.values()][0]?.phase === "failed")
    expect(puts).toHaveLength(2)
    expect(session.store.getState().uploads.get(id ?? "")?.error).toBe("This URL has expired.")
    expect(edits(sent)).toEqual([])
    uploader.cancel(id ?? "")
    expect(session.store.getState().uploads.size).toBe(0)
  })

  it("places nothing after it was cancelled", async () => {
    let finish: () => void = () => undefined
    const put = () =>
      new Promise<void>((resolve) => {
        finish = resolve
      })
    const { uploader, sent, until } = await createUploader({ hasServer: true, put })
    const [id] = uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.get(id ?? "")?.phase === "sending")
    await new Promise((resolve) => setTimeout(resolve))
    uploader.cancel(id ?? "")
    finish()
    await new Promise((resolve) => setTimeout(resolve))
    expect(edits(sent)).toEqual([])
  })

  it("refuses empty files and other types before reading", async () => {
    const { session, uploader } = await createUploader({ hasServer: true })
    expect(uploader.add([file("notes.txt", 3, "text/plain"), file("a.png", 0)], place)).toEqual([])
    expect(session.store.getState().notice?.text).toBe("a.png is empty.")
  })
})
