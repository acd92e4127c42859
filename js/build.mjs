/**
 * Build the widget into the Python package as one ESM and one CSS file, with the layered layout beside them, and print
 * their sizes.
 *
 * `--serve [--port N]` serves the dev page instead. `--react` builds the other arm, with React itself where Preact
 * stands in for it, next to the dev page: it says what the stand-in saves and tells its bugs from ours.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { build, context } from "esbuild"

const here = fileURLToPath(new URL(".", import.meta.url))
const isReact = process.argv.includes("--react") || process.env.CANVAS_REACT === "1"
const preact = {
  react: "preact/compat",
  "react-dom": "preact/compat",
  "react-dom/client": "preact/compat/client",
  "react/jsx-runtime": "preact/jsx-runtime",
}

/** A module and all it imports, as one text. */
export async function textOf(path) {
  const made = await build({
    entryPoints: [path],
    bundle: true,
    format: "esm",
    target: ["es2022"],
    minify: true,
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
    absWorkingDir: here,
  })
  for (const input of Object.keys(made.metafile.inputs)) inTexts.add(input)
  return made.outputFiles[0].text
}

/** `bundled-text:./module.ts`: for a worker that begins from a blob. */
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
/** What went into such texts: its licences come along too. */
const inTexts = new Set()

export const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  plugins: [bundledText],
  alias: { "d3-color": resolve(here, "stand-ins/d3-color.ts"), ...(isReact ? {} : preact) },
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
}

async function serve() {
  const asked = process.argv.indexOf("--port")
  const page = await context({
    ...common,
    entryPoints: { page: "dev/page.tsx", layering: "src/layout/dagre.ts" },
    outdir: "dev/built",
    sourcemap: "inline",
  })
  await page.watch()
  const { listening } = await import("./dev/served.mjs")
  const { url } = await listening(asked < 0 ? 8711 : Number(process.argv[asked + 1]))
  console.log(`${url}?scene=city&theme=dark`)
}

/** The licences of all packages that went into the bundle, which their authors ask to come along. */
function licenses({ inputs }) {
  const found = [...Object.keys(inputs), ...inTexts].map(
    (path) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  )
  const parts = [...new Set(found.filter(Boolean))].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(new URL(`${folder}/package.json`, import.meta.url), "utf8"),
    )
    const file = ["LICENSE", "LICENSE.md", "license", "LICENSE.txt"].find((one) =>
      existsSync(new URL(`${folder}/${one}`, import.meta.url)),
    )
    const text = file
      ? readFileSync(new URL(`${folder}/${file}`, import.meta.url), "utf8").trim()
      : "(its package holds no licence text)"
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return parts.join(`\n${"-".repeat(80)}\n\n`)
}

async function bundle() {
  const outdir = isReact ? "dev/built" : "../fusionflow_nb/canvas/static"
  const entryPoints = { canvas: "src/index.tsx", layering: "src/layout/dagre.ts" }
  const made = { entryPoints, outdir, minify: true, legalComments: "none", metafile: true }
  const { metafile } = await build({ ...common, ...made })
  writeFileSync(new URL(`${outdir}/licenses.txt`, import.meta.url), licenses(metafile))
  let total = 0
  for (const name of ["canvas.js", "canvas.css"]) {
    const bytes = readFileSync(new URL(`${outdir}/${name}`, import.meta.url))
    const zipped = gzipSync(bytes, { level: 9 }).length
    total += zipped
    console.log(`${name}: ${(bytes.length / 1000).toFixed(1)} kB, ${(zipped / 1000).toFixed(1)} kB gzip`)
  }
  console.log(`together: ${(total / 1000).toFixed(1)} kB gzip`)
  const layering = readFileSync(new URL(`${outdir}/layering.js`, import.meta.url))
  console.log(
    `asked for when it is needed: layering.js, ${(gzipSync(layering, { level: 9 }).length / 1000).toFixed(1)} kB`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await (process.argv.includes("--serve") ? serve() : bundle())
