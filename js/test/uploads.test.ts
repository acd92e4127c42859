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
  it("is that of node's crypto, for files of no, one and several slices, and tells how far it is", async () => {
    for (const size of [0, 3, (4 << 20) + 1, 9 << 20]) {
      const bytes = new Uint8Array(size).map((_, at) => (at * 31) & 255)
      const heard: number[] = []
      const found = await digest(new Blob([bytes]), (fraction) => heard.push(fraction))
      expect(found).toBe(createHash("sha256").update(bytes).digest("hex"))
      if (size > 0) expect(heard.at(-1)).toBe(1)
    }
  })
})

describe("a file", () => {
  it("is known by its type, else by its extension", () => {
    expect(fileKind(mediaTypeOf("a.bin", "image/PNG"))).toBe("image")
    expect(fileKind(mediaTypeOf("a.MOV", ""))).toBe("video")
    expect(fileKind(mediaTypeOf("a.flac", ""))).toBe("audio")
    expect(fileKind(mediaTypeOf("notes", ""))).toBeNull()
    expect(fileKind(mediaTypeOf("notes.txt", "text/plain"))).toBeNull()
  })

  it("goes where it fits, and is refused with the reason where it does not", () => {
    const fits = (kind: "image" | "video" | "audio", nodeId: string, port: string) =>
      fileMismatch(document, catalog, kind, { kind: "port", nodeId, port, at: HERE })
    expect(fits("image", "edit", "mask")).toBeNull()
    expect(fits("audio", "edit", "image")).toBe("image takes image, this is sound.")
    expect(fileMismatch(document, catalog, "image", { kind: "replace", nodeId: "film" })).toBe(
      "film holds a video, this is an image.",
    )
    expect(fileMismatch(document, catalog, "image", { kind: "replace", nodeId: "gone" })).toBe("The node is gone.")
  })

  it("that falls on a node goes into its best free port, or replaces the file that it holds", () => {
    const on = (id: string, kind: "image" | "video") => {
      const found = document.nodes.get(id)
      return found ? fileTargetOnNode(document, catalog, kind, found, HERE) : null
    }
    expect(on("film", "video")).toEqual({ kind: "replace", nodeId: "film" })
    expect(on("edit", "image")).toMatchObject({ kind: "port", port: expect.not.stringMatching(/^image$/) })
    expect(on("edit", "video")).toBeNull()
  })

  it("becomes one edit: a node, and the edge that takes the place of the one before", () => {
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
  const from: Uploads = new Map([["u", upload]])

  it("goes from phase to phase in order, can fail and be tried again, and late steps change nothing", () => {
    let now = reduceUploads(from, "u", { kind: "begin" })
    now = reduceUploads(now, "u", { kind: "progress", fraction: 0.424 })
    expect(phaseText(now.get("u") as Upload)).toBe("reading 42 %")
    expect(reduceUploads(now, "u", { kind: "progress", fraction: 0.4241 })).toBe(now)
    now = reduceUploads(now, "u", { kind: "send" })
    expect(now.get("u")?.progress).toBeNull()
    now = reduceUploads(now, "u", { kind: "fail", problem: "No." })
    expect(reduceUploads(now, "u", { kind: "progress", fraction: 1 })).toBe(now)
    expect(reduceUploads(now, "u", { kind: "store" })).toBe(now)
    now = reduceUploads(now, "u", { kind: "retry" })
    expect(now.get("u")).toEqual(upload)
    now = reduceUploads(now, "u", { kind: "end" })
    expect(now.size).toBe(0)
    expect(reduceUploads(now, "u", { kind: "begin" })).toBe(now)
  })

  it("says why it was refused: in the server's words, else by the status", () => {
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

  /** A session with its uploader, over a kernel and a server that answer as told. */
  async function bench(how: { hasServer: boolean; bucket?: boolean; put?: UploadDependencies["put"] }) {
    const sent: ToKernel[] = []
    const buffers: number[] = []
    let tell: (message: FromKernel, buffers: DataView[]) => void = () => undefined
    const channel: Channel = {
      listen(listener) {
        tell = listener
        return () => undefined
      },
      send(message, with_ = []) {
        sent.push(message)
        for (const one of with_) buffers.push(one.byteLength)
        const fields =
          message.type === "place_upload"
            ? how.bucket && !message.via
              ? { url: BUCKET_URL, headers: PINNED, media_type: "image/webp" }
              : { url: "fusionflow/uploads/x", headers: null, media_type: message.media_type }
            : message.type === "confirm_upload"
              ? { asset: { ...ASSET, media_type: message.media_type } }
              : message.type === "upload"
                ? { asset: ASSET }
                : null
        if (fields) queueMicrotask(() => tell({ type: "reply", id: message.id, ...fields }, []))
      },
    }
    const session = new Session(channel)
    session.store.setState({
      catalog,
      shared: { ...session.store.getState().shared, document: document },
      bytes: { nonce: "n", answer: "yes", has_bucket: how.bucket ?? false },
    })
    const fetcher = (async () => Response.json({ answer: how.hasServer ? "yes" : "no" })) as unknown as typeof fetch
    const puts: string[] = []
    const ways: UploadDependencies = {
      digest: (file, onProgress) => digest(file, onProgress),
      put: (...asked) => {
        puts.push(`${asked[0]} ${asked[2]["Content-Type"]}`)
        return how.put ? how.put(...asked) : Promise.resolve()
      },
      inspect: () => Promise.resolve({ facts: { width: 9, height: 6, duration_s: null }, preview: new ArrayBuffer(5) }),
    }
    const bytes = new MediaBytes(session, fetcher, "https://hub.example/")
    const uploader = new Uploader(session, new Editing(session, new DerivedState()), bytes, ways)
    const until = (is: (uploads: Uploads) => boolean) =>
      new Promise<void>((done) => {
        const look = () => {
          if (!is(session.store.getState().uploads)) return
          stop()
          done()
        }
        const stop = session.store.subscribe(look)
        look()
      })
    return { session, uploader, sent, puts, buffers, until }
  }
  const file = (name: string, size: number, type = "image/png") => new File([new Uint8Array(size)], name, { type })
  const place = () => ({ kind: "place", at: HERE }) as const
  const edits = (sent: ToKernel[]) => sent.filter((one) => one.type === "edits")

  it("asks where to put the bytes by their digest, puts them with their type, and places a node", async () => {
    const { uploader, sent, puts, until } = await bench({ hasServer: true })
    uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.size === 0)
    const sha256 = createHash("sha256").update(new Uint8Array(3)).digest("hex")
    expect(sent).toContainEqual(expect.objectContaining({ type: "place_upload", sha256, size_bytes: 3 }))
    expect(puts).toEqual(["https://hub.example/fusionflow/uploads/x image/png"])
    expect(edits(sent)).toMatchObject([{ edits: [{ kind: "add_node", node: { type: "load_image" } }] }])
  })

  it("goes straight to a bucket with what its signature pins, and tells what the page saw of it", async () => {
    for (const hasServer of [true, false]) {
      const seen: Parameters<UploadDependencies["put"]>[] = []
      const put: UploadDependencies["put"] = (...asked) => {
        seen.push(asked)
        return Promise.resolve()
      }
      const { uploader, sent, buffers, until } = await bench({ hasServer, bucket: true, put })
      uploader.add([file("a.png", 9000)], place)
      await until((uploads) => uploads.size === 0)
      expect(seen.map((asked) => [asked[0], asked[2]])).toEqual([[BUCKET_URL, PINNED]])
      expect(sent).toContainEqual(
        expect.objectContaining({
          type: "confirm_upload",
          size_bytes: 9000,
          media_type: "image/webp",
          width: 9,
          height: 6,
        }),
      )
      expect(buffers).toEqual([4096, 5]) // what tells the type, and the small picture: no more goes through the kernel
      expect(edits(sent)).toHaveLength(1)
    }
  })

  it("goes through Jupyter, else the kernel, where the bucket takes nothing from this page", async () => {
    const closed: UploadDependencies["put"] = (url) =>
      url === BUCKET_URL ? Promise.reject(new UploadRefusedError("offline", "No answer.")) : Promise.resolve()
    const there = await bench({ hasServer: true, bucket: true, put: closed })
    there.uploader.add([file("a.png", 3)], place)
    await there.until((uploads) => uploads.size === 0)
    expect(there.puts).toEqual([`${BUCKET_URL} image/webp`, "https://hub.example/fusionflow/uploads/x image/png"])
    expect(there.session.store.getState().notice?.text).toMatch(/doctor --r2/)
    const alone = await bench({ hasServer: false, bucket: true, put: closed })
    alone.uploader.add([file("a.png", 3)], place)
    await alone.until((uploads) => uploads.size === 0)
    expect(alone.sent.at(-2)?.type).toBe("upload")
  })

  it("goes to the kernel as one buffer where no server answers, but never one that would cut the connection", async () => {
    const { uploader, sent, buffers, puts, until } = await bench({ hasServer: false })
    uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.size === 0)
    expect(buffers).toEqual([3])
    expect(edits(sent)).toHaveLength(1)
    uploader.add([file("b.png", 10 << 20)], place)
    await until((uploads) => [...uploads.values()][0]?.phase === "failed")
    expect(buffers).toEqual([3])
    expect(puts).toEqual([])
  })

  it("is placed again once where its address has expired, and fails in words where that fails too", async () => {
    const expired = () => Promise.reject(new UploadRefusedError("expired_link", "This address has expired."))
    const { session, uploader, puts, sent, until } = await bench({ hasServer: true, put: expired })
    const [id] = uploader.add([file("a.png", 3)], place)
    await until((uploads) => [...uploads.values()][0]?.phase === "failed")
    expect(puts).toHaveLength(2)
    expect(session.store.getState().uploads.get(id ?? "")?.error).toBe("This address has expired.")
    expect(edits(sent)).toEqual([])
    uploader.cancel(id ?? "")
    expect(session.store.getState().uploads.size).toBe(0)
  })

  it("that was cancelled places nothing, whatever the server answers then", async () => {
    let answer: () => void = () => undefined
    const put = () =>
      new Promise<void>((resolve) => {
        answer = resolve
      })
    const { uploader, sent, until } = await bench({ hasServer: true, put })
    const [id] = uploader.add([file("a.png", 3)], place)
    await until((uploads) => uploads.get(id ?? "")?.phase === "sending")
    await new Promise((done) => setTimeout(done))
    uploader.cancel(id ?? "")
    answer()
    await new Promise((done) => setTimeout(done))
    expect(edits(sent)).toEqual([])
  })

  it("of what is no medium, or empty, is refused before anything is read", async () => {
    const { session, uploader } = await bench({ hasServer: true })
    expect(uploader.add([file("notes.txt", 3, "text/plain"), file("a.png", 0)], place)).toEqual([])
    expect(session.store.getState().notice?.text).toBe("a.png is empty.")
  })
})
