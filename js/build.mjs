/**
 * Builds the widget into the Python package as one ESM and one CSS file, plus the separately loaded layered layout, and
 * prints their sizes.
 *
 * `--serve [--port N]` serves the dev page instead. `--react` builds with React instead of Preact, into the folder of the
 * dev page, to compare sizes and to tell Preact bugs from our own.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { build, context } from "esbuild"

const root = fileURLToPath(new URL(".", import.meta.url))
const isReact = process.argv.includes("--react") || process.env.CANVAS_REACT === "1"
const preact = {
  react: "preact/compat",
  "react-dom": "preact/compat",
  "react-dom/client": "preact/compat/client",
  "react/jsx-runtime": "preact/jsx-runtime",
}

/** Bundles a module and its imports into one text. */
export async function textOf(path) {
  const result = await build({
    entryPoints: [path],
    bundle: true,
    format: "esm",
    target: ["es2022"],
    minify: true,
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
    absWorkingDir: root,
  })
  for (const input of Object.keys(result.metafile.inputs)) textInputs.add(input)
  return result.outputFiles[0].text
}

/** `bundled-text:./module.ts`: imports a bundle as text, for workers started from a blob. */
const bundledText = {
  name: "bundled-text",
  setup(builder) {
    builder.onResolve({ filter: /^bundled-text:/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.slice("bundled-text:".length)),
      namespace: "bundled-text",
    }))
    builder.onLoad({ filter: /.*/, namespace: "bundled-text" }, async ({ path }) => ({
      contents: await textOf(path),
      loader: "text",
      watchFiles: [path],
    }))
  },
}
/** Inputs of these texts; their licenses are included too. */
const textInputs = new Set()

export const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  plugins: [bundledText],
  alias: { "d3-color": resolve(root, "stand-ins/d3-color.ts"), ...(isReact ? {} : preact) },
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
}

async function serve() {
  const portIndex = process.argv.indexOf("--port")
  const page = await context({
    ...common,
    entryPoints: { page: "dev/page.tsx", layering: "src/layout/dagre.ts" },
    outdir: "dev/built",
    sourcemap: "inline",
  })
  await page.watch()
  const { listening } = await import("./dev/served.mjs")
  const { url } = await listening(portIndex < 0 ? 8711 : Number(process.argv[portIndex + 1]))
  console.log(`${url}?scene=city&theme=dark`)
}

/** The licenses of all bundled packages, which must be distributed with the bundle. */
function licenses({ inputs }) {
  const folders = [...Object.keys(inputs), ...textInputs].map(
    (path) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  )
  const parts = [...new Set(folders.filter(Boolean))].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(new URL(`${folder}/package.json`, import.meta.url), "utf8"),
    )
    const file = ["LICENSE", "LICENSE.md", "license", "LICENSE.txt"].find((name) =>
      existsSync(new URL(`${folder}/${name}`, import.meta.url)),
    )
    const text = file
      ? readFileSync(new URL(`${folder}/${file}`, import.meta.url), "utf8").trim()
      : "(no license text in the package)"
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return parts.join(`\n${"-".repeat(80)}\n\n`)
}

async function bundle() {
  const outdir = isReact ? "dev/built" : "../fusionflow_nb/canvas/static"
  const entryPoints = { canvas: "src/index.tsx", layering: "src/layout/dagre.ts" }
  const options = { entryPoints, outdir, minify: true, legalComments: "none", metafile: true }
  const { metafile } = await build({ ...common, ...options })
  writeFileSync(new URL(`${outdir}/licenses.txt`, import.meta.url), licenses(metafile))
  let totalBytes = 0
  for (const name of ["canvas.js", "canvas.css"]) {
    const bytes = readFileSync(new URL(`${outdir}/${name}`, import.meta.url))
    const zipped = gzipSync(bytes, { level: 9 }).length
    totalBytes += zipped
    console.log(`${name}: ${(bytes.length / 1000).toFixed(1)} kB, ${(zipped / 1000).toFixed(1)} kB gzip`)
  }
  console.log(`total: ${(totalBytes / 1000).toFixed(1)} kB gzip`)
  const layering = readFileSync(new URL(`${outdir}/layering.js`, import.meta.url))
  console.log(`loaded on demand: layering.js, ${(gzipSync(layering, { level: 9 }).length / 1000).toFixed(1)} kB`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await (process.argv.includes("--serve") ? serve() : bundle())
