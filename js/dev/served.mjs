/** Build the dev page and serve it on a free port, for screenshots and browser tests. */
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
  // Software rendering, for WebGL2 without a GPU.
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
/** Reply to the probe that the dev kernel expects. */
const PROBE_ANSWER = "dev"
const TOKEN = "dev-token"

/** Build the dev page and serve it; `url` ends in a slash, `stop` ends the server. */
export async function served() {
  await build({ ...common, entryPoints: { page: "dev/page.tsx" }, outdir: "dev/built", sourcemap: "inline" })
  const entryPoints = { canvas: "src/index.tsx", layering: "src/layout/dagre.ts" }
  await build({ ...common, entryPoints, outdir: "dev/built", minify: true })
  return await listening(0)
}

/** Serve the built files, and store and serve bytes like the server extension. */
export async function listening(port) {
  const stored = new Map()
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://x")
    const match = /^\/fusionflow\/(\w+)(?:\/([0-9a-f]{64}))?/.exec(url.pathname)
    if (match) return void answer(stored, match[1], match[2], { url, request, response })
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
    sendBytes(bytes, { "content-type": type, "set-cookie": `_xsrf=${TOKEN}` }, request, response)
  } catch {
    response.writeHead(404).end()
  }
}

/** Send all bytes or the requested range; media players seek with range requests. */
function sendBytes(bytes, facts, request, response) {
  const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "")
  const head = { ...facts, "accept-ranges": "bytes" }
  if (!range) return response.writeHead(200, { ...head, "content-length": bytes.length }).end(bytes)
  const [start, last] = [Number(range[1]), range[2] === "" ? bytes.length - 1 : Number(range[2])]
  const part = bytes.subarray(start, last + 1)
  const contentRange = `bytes ${start}-${start + part.length - 1}/${bytes.length}`
  response.writeHead(206, { ...head, "content-length": part.length, "content-range": contentRange }).end(part)
}

const sendJson = (response, status, body) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
const sendError = (response, status, code, message) =>
  sendJson(response, status, { error: { code, node_id: null, message } })

async function answer(stored, use, sha256, { url, request, response }) {
  if (use === "probe") return sendJson(response, 200, { answer: PROBE_ANSWER })
  if (use === "uploads" && request.method === "PUT") return storeUpload(stored, sha256, { url, request, response })
  const asset = stored.get(sha256)
  if (!asset) return sendError(response, 404, "lost", "Asset not found.")
  if (url.searchParams.get("signature") !== "dev")
    return sendError(response, 403, "expired_link", "The link has expired.")
  sendBytes(asset.bytes, { "content-type": asset.type }, request, response)
}

/** Store an upload after the checks of the server extension: Jupyter's token, media type, length and digest. */
async function storeUpload(stored, sha256, { url, request, response }) {
  const parts = []
  for await (const part of request) parts.push(part)
  const bytes = Buffer.concat(parts)
  if (request.headers["x-xsrftoken"] !== TOKEN) return sendError(response, 403, "not_allowed", "The token is missing.")
  const type = request.headers["content-type"]
  if (type !== url.searchParams.get("media_type"))
    return sendError(response, 415, "wrong_type", `Unexpected media type ${type}.`)
  if (bytes.length !== Number(url.searchParams.get("size_bytes")))
    return sendError(response, 400, "wrong_length", "The length does not match.")
  if (createHash("sha256").update(bytes).digest("hex") !== sha256)
    return sendError(response, 422, "wrong_digest", "The digest does not match.")
  stored.set(sha256, { bytes, type })
  sendJson(response, 200, { sha256, media_type: type, size_bytes: bytes.length, ...sizeOf(bytes) })
}

/** Size of a PNG; nulls for other files. */
function sizeOf(bytes) {
  const isPng = bytes.subarray(1, 4).toString() === "PNG"
  const [width, height] = isPng ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] : [null, null]
  return { width, height, duration_s: null }
}
