import { describe, expect, it } from "vitest"
import { BytesNotFoundError, type MediaAddress, MediaBytes } from "../src/bridge/bytes"
import { resolveUrl, serverBaseUrl, xsrfToken } from "../src/bridge/server"
import { Session } from "../src/state/session"
import { type Channel, type FromKernel, type Snapshot, type ToKernel, WIRE_VERSION } from "../src/wire/messages"

const BASE = "https://hub.example/user/ada/"
const page = { config: null, bodyBase: null, href: "https://hub.example/user/ada/lab/tree/x.ipynb" }
const SNAPSHOT: Snapshot = {
  type: "snapshot",
  wire: WIRE_VERSION,
  rev: 0,
  seq: 0,
  flow: { id: "f", name: "f", variables: {}, graph: { nodes: [], edges: [], layout: {} } },
  catalog: [],
  models: [],
  plan: { rev: 0, nodes: {}, unpriced: [] },
  results: {},
  live: [],
  tape: { frames: [], generations: 0, cost_micro_usd: 0 },
  budgets: [],
  templates: [],
  history: { can_undo: false, can_redo: false },
  file: { path: null, saved_at_us: null, is_conflicting: false },
  bytes: { nonce: "ab".repeat(16), answer: "yes" },
}

type Answers = (message: ToKernel) => { more?: object; buffer?: Uint8Array } | null

/** A session with a scripted kernel and a scripted server. */
function createBytes(answers: Answers, server: (url: string) => Response | null, maxCachedBytes?: number) {
  const sent: ToKernel[] = []
  const requests: string[] = []
  let deliver: (message: FromKernel, buffers: DataView[]) => void = () => undefined
  const channel: Channel = {
    listen(listener) {
      deliver = listener
      return () => undefined
    },
    send(message) {
      sent.push(message)
      if (message.type === "ask") queueMicrotask(() => deliver({ ...SNAPSHOT, id: message.id }, []))
      const response = answers(message)
      if (!response) return
      const buffers = response.buffer ? [new DataView(response.buffer.buffer as ArrayBuffer)] : []
      queueMicrotask(() => deliver({ type: "reply", id: message.id, ...response.more }, buffers))
    },
  }
  const fetcher = (async (url: string) => {
    requests.push(url)
    const response = server(url)
    if (!response) throw new TypeError("connection refused")
    return response
  }) as typeof fetch
  let now = 1e6
  const bytes = new MediaBytes(new Session(channel), fetcher, BASE, () => now, maxCachedBytes)
  return { bytes, sent, requests, advance: (ms: number) => (now += ms) }
}

const probes = (answer: string) => (url: string) =>
  url.includes("/probe?") ? Response.json({ answer }) : new Response("ok")
const cell = (name: string): MediaAddress => ({ sha256: name, url: `fusionflow/assets/${name}.png?signature=1` })
const ofType = (sent: ToKernel[], type: string) => sent.filter((message) => message.type === type)

describe("URLs", () => {
  it("start at the page's base URL, else at the origin's root", () => {
    expect(serverBaseUrl({ ...page, config: '{"baseUrl": "/user/ada/"}' })).toBe(BASE)
    expect(serverBaseUrl({ ...page, config: '{"baseUrl": "/user/ada"}' })).toBe(BASE)
    expect(serverBaseUrl({ ...page, bodyBase: "/nb/" })).toBe("https://hub.example/nb/")
    expect(serverBaseUrl({ ...page, config: "no JSON" })).toBe("https://hub.example/")
    expect(serverBaseUrl(page)).toBe("https://hub.example/")
  })

  it("are unchanged if they are absolute", () => {
    expect(resolveUrl(BASE, "fusionflow/assets/a.png")).toBe(`${BASE}fusionflow/assets/a.png`)
    for (const url of ["https://bucket.example/a", "blob:x", "data:,", "//cdn.example/a"]) {
      expect(resolveUrl(BASE, url)).toBe(url)
    }
  })

  it("get the XSRF token from Jupyter's cookie", () => {
    expect(xsrfToken("a=1; _xsrf=2%7Cabc; b=2")).toBe("2|abc")
    expect(xsrfToken("my_xsrf=1")).toBeNull()
  })
})

describe("bytes", () => {
  it("come from the server after one successful probe", async () => {
    const { bytes, requests, sent } = createBytes(() => null, probes("yes"))
    expect(await bytes.resolveUrl(cell("a"), "asset")).toBe(`${BASE}fusionflow/assets/a.png?signature=1`)
    await bytes.resolveUrl(cell("b"), "asset")
    expect(requests.filter((url) => url.includes("probe"))).toEqual([
      `${BASE}fusionflow/probe?nonce=${"ab".repeat(16)}`,
    ])
    expect(ofType(sent, "media")).toEqual([])
  })

  for (const [what, server] of [
    ["another answer", probes("no")],
    ["404", () => new Response("", { status: 404 })],
    ["a page without JSON", () => new Response("<html>")],
    ["no server", () => null],
  ] as const) {
    it(`come from the kernel, once each, if the probe gets ${what}`, async () => {
      const { bytes, sent } = createBytes(
        (message) =>
          message.type === "media" ? { more: { media_type: "image/png" }, buffer: new Uint8Array([1, 2, 3]) } : null,
        server,
      )
      const [url, second] = await Promise.all([
        bytes.resolveUrl(cell("a"), "preview"),
        bytes.resolveUrl(cell("a"), "preview"),
      ])
      expect(url).toMatch(/^blob:/)
      expect(second).toBe(url)
      expect(ofType(sent, "media")).toHaveLength(1)
      bytes.close()
    })
  }

  it("are signed again once after a failure, in one message", async () => {
    const { bytes, sent, advance } = createBytes((message) => {
      if (message.type === "media") return { more: { error: { code: "lost", message: "The asset is lost." } } }
      if (message.type !== "sign") return null
      const signed = message.sha256.map((digest) => [digest, { url: `fusionflow/assets/${digest}.png?signature=2` }])
      return { more: { urls: Object.fromEntries(signed) } }
    }, probes("yes"))
    const old = await Promise.all([bytes.resolveUrl(cell("a"), "asset"), bytes.resolveUrl(cell("b"), "asset")])
    const fresh = await Promise.all([
      bytes.refreshUrl(cell("a"), "asset", old[0]),
      bytes.refreshUrl(cell("b"), "asset", old[1]),
    ])
    expect(fresh).toEqual(["a", "b"].map((digest) => `${BASE}fusionflow/assets/${digest}.png?signature=2`))
    expect(ofType(sent, "sign")).toMatchObject([{ sha256: ["a", "b"] }])
    // Another view with the old URL gets the new one without a request.
    expect(await bytes.refreshUrl(cell("a"), "asset", old[0])).toBe(fresh[0])
    const dead: MediaAddress = { sha256: "a" }
    await expect(bytes.refreshUrl(dead, "asset", fresh[0] as string)).rejects.toThrow("The asset is lost.")
    expect(ofType(sent, "sign")).toHaveLength(1)
    advance(120_000)
    await bytes.refreshUrl(dead, "asset", fresh[0] as string).catch(() => undefined)
    expect(ofType(sent, "sign")).toHaveLength(2)
  })

  it("are signed even if another asset of the batch is lost", async () => {
    const { bytes } = createBytes((message) => {
      if (message.type === "media") return { more: { error: { code: "lost", message: "The asset is lost." } } }
      if (message.type !== "sign") return null
      if (message.sha256.includes("gone")) return { more: { error: { code: "lost", message: "The asset is lost." } } }
      return {
        more: { urls: Object.fromEntries(message.sha256.map((digest) => [digest, { url: `fusionflow/${digest}` }])) },
      }
    }, probes("yes"))
    const results = await Promise.allSettled(["a", "gone", "b"].map((sha256) => bytes.resolveUrl({ sha256 }, "asset")))
    expect(results.map((result) => (result.status === "fulfilled" ? result.value : "lost"))).toEqual([
      `${BASE}fusionflow/a`,
      "lost",
      `${BASE}fusionflow/b`,
    ])
  })

  it("are signed on first use if only the digest is known", async () => {
    const { bytes } = createBytes(
      (message) => (message.type === "sign" ? { more: { urls: { a: { preview_url: "fusionflow/p" } } } } : null),
      probes("yes"),
    )
    expect(await bytes.resolveUrl({ sha256: "a" }, "preview")).toBe(`${BASE}fusionflow/p`)
    await expect(bytes.resolveUrl({}, "asset")).rejects.toThrow(BytesNotFoundError)
  })

  it("revoke unused object URLs, oldest first, and no used ones", async () => {
    const revoked: string[] = []
    const revoke = URL.revokeObjectURL
    URL.revokeObjectURL = (url) => void revoked.push(url)
    try {
      const { bytes } = createBytes(
        (message) => (message.type === "media" ? { buffer: new Uint8Array(100) } : null),
        () => null,
        250,
      )
      const a = await bytes.resolveUrl({ sha256: "a" }, "asset")
      const release = bytes.retain(a)
      const b = await bytes.resolveUrl({ sha256: "b" }, "asset")
      await bytes.resolveUrl({ sha256: "c" }, "asset")
      expect(revoked).toEqual([b])
      const d = await bytes.resolveUrl({ sha256: "d" }, "asset")
      expect(revoked).not.toContain(a)
      release()
      await bytes.resolveUrl({ sha256: "e" }, "asset")
      expect(revoked).toContain(a)
      expect(revoked).not.toContain(d)
    } finally {
      URL.revokeObjectURL = revoke
    }
  })

  it("are read through a new URL after expiry", async () => {
    const { bytes } = createBytes(
      (message) =>
        message.type === "sign" ? { more: { urls: { a: { url: "fusionflow/assets/a.png?signature=2" } } } } : null,
      (url) => (url.endsWith("signature=1") ? new Response("", { status: 403 }) : probes("yes")(url)),
    )
    expect(await (await bytes.read(cell("a"))).text()).toBe("ok")
  })
})
