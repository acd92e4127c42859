/** The dev page, built and served on a free port, for screenshots and journeys. */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { common } from "../build.mjs"

export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // WebGL2 without a graphics card.
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
]
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".webp": "image/webp",
  ".png": "image/png",
  ".webm": "video/webm",
}
const folder = fileURLToPath(new URL(".", import.meta.url))
/** What the dev kernel expects as the answer to its probe. */
const ANSWER = "dev"
const TOKEN = "dev-token"

/** Build the dev page and serve it; `url` ends in a slash, `stop` ends the server. */
export async function served() {
  await build({ ...common, entryPoints: { page: "dev/page.tsx" }, outdir: "dev/built", sourcemap: "inline" })
  const entryPoints = { canvas: "src/index.tsx", layering: "src/layout/dagre.ts" }
  await build({ ...common, entryPoints, outdir: "dev/built", minify: true })
  return await listening(0)
}

/** Serve what is built, and take and give bytes as the server extension does. */
export async function listening(port) {
  const stored = new Map()
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://x")
    const own = /^\/fusionflow\/(\w+)(?:\/([0-9a-f]{64}))?/.exec(url.pathname)
    if (own) return void answer(stored, own[1], own[2], { url, request, response })
    void file(url.pathname, request, response)
  })
  await new Promise((done) => server.listen(port, "127.0.0.1", done))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => {
      server.closeAllConnections()
      return new Promise((done) => server.close(done))
    },
  }
}

async function file(path, request, response) {
  const name = normalize(join(folder, path === "/" ? "index.html" : path))
  try {
    if (!name.startsWith(folder)) throw new Error("outside")
    const bytes = await readFile(name)
    const type = TYPES[extname(name)] ?? "application/octet-stream"
    pour(bytes, { "content-type": type, "set-cookie": `_xsrf=${TOKEN}` }, request, response)
  } catch {
    response.writeHead(404).end()
  }
}

/** All of the bytes, or the range that was asked for: players seek by ranges. */
function pour(bytes, facts, request, response) {
  const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "")
  const head = { ...facts, "accept-ranges": "bytes" }
  if (!range) return response.writeHead(200, { ...head, "content-length": bytes.length }).end(bytes)
  const [start, last] = [Number(range[1]), range[2] === "" ? bytes.length - 1 : Number(range[2])]
  const part = bytes.subarray(start, last + 1)
  const said = `bytes ${start}-${start + part.length - 1}/${bytes.length}`
  response.writeHead(206, { ...head, "content-length": part.length, "content-range": said }).end(part)
}

const say = (response, status, said) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(said))
const refuse = (response, status, code, message) => say(response, status, { error: { code, node_id: null, message } })

async function answer(stored, use, sha256, { url, request, response }) {
  if (use === "probe") return say(response, 200, { answer: ANSWER })
  if (use === "uploads" && request.method === "PUT") return take(stored, sha256, { url, request, response })
  const asset = stored.get(sha256)
  if (!asset) return refuse(response, 404, "lost", "There is no such asset.")
  if (url.searchParams.get("signature") !== "dev") return refuse(response, 403, "expired_link", "This has expired.")
  pour(asset.bytes, { "content-type": asset.type }, request, response)
}

/** Bytes are taken only as the server extension takes them: announced, with Jupyter's token, and with that digest. */
async function take(stored, sha256, { url, request, response }) {
  const parts = []
  for await (const part of request) parts.push(part)
  const bytes = Buffer.concat(parts)
  if (request.headers["x-xsrftoken"] !== TOKEN) return refuse(response, 403, "not_allowed", "The token is missing.")
  const type = request.headers["content-type"]
  if (type !== url.searchParams.get("media_type")) return refuse(response, 415, "wrong_type", `This is ${type}.`)
  if (bytes.length !== Number(url.searchParams.get("size_bytes")))
    return refuse(response, 400, "wrong_length", "It has another length.")
  if (createHash("sha256").update(bytes).digest("hex") !== sha256)
    return refuse(response, 422, "wrong_digest", "The bytes are others than announced.")
  stored.set(sha256, { bytes, type })
  say(response, 200, { sha256, media_type: type, size_bytes: bytes.length, ...sizeOf(bytes) })
}

/** Of a PNG its size, as the store says it; of anything else nothing. */
function sizeOf(bytes) {
  const isPng = bytes.subarray(1, 4).toString() === "PNG"
  const [width, height] = isPng ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] : [null, null]
  return { width, height, duration_s: null }
}
