/** The dev page, built and served on a free port, for screenshots and journeys. */
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
]
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".webp": "image/webp" }
const folder = fileURLToPath(new URL(".", import.meta.url))

/** Serve it; `url` ends in a slash, `stop` ends the server. */
export async function served() {
  await build({ ...common, entryPoints: { page: "dev/page.tsx" }, outdir: "dev/built", sourcemap: "inline" })
  await build({ ...common, entryPoints: { canvas: "src/index.tsx" }, outdir: "dev/built", minify: true })
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://x").pathname
    const file = normalize(join(folder, path === "/" ? "index.html" : path))
    try {
      if (!file.startsWith(folder)) throw new Error("outside")
      const bytes = await readFile(file)
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(bytes)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((done) => server.listen(0, "127.0.0.1", done))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => new Promise((done) => server.close(done)),
  }
}
