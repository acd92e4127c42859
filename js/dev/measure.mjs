/**
 * Benchmark of this canvas against plain React Flow with many nodes: `node dev/measure.mjs [--count 5000] [--rounds 3]
 * [--seconds 4] [--arms ours,card,label]`. Prints one JSON object per line with raw measurements.
 */
import { build } from "esbuild"
import { chromium } from "playwright-core"
import { common } from "../build.mjs"
import { FLAGS, listening } from "./served.mjs"

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const count = Number(option("count", 5000))
const rounds = Number(option("rounds", 3))
const seconds = Number(option("seconds", 4))
const PER_SECOND = 100
const ARMS = { ours: "arm=ours", card: "arm=plain&node=card", label: "arm=plain&node=label" }
const arms = option("arms", "ours,card,label").split(",")

const options = { ...common, outdir: "dev/built/measure", minify: true }
await build({ ...options, entryPoints: { ours: "dev/measure/ours.tsx" } })
// The other arms always use React itself.
await build({ ...options, alias: {}, entryPoints: { plain: "dev/measure/plain.tsx" } })
const { url, stop } = await listening(0)
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS })
const print = (facts) => console.log(JSON.stringify(facts))

/** Result of `work` and the CPU time of the page's main thread, which excludes other load on the machine. */
async function cpu(devtools, work) {
  const used = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics")
    return metrics.find((metric) => metric.name === "TaskDuration").value * 1000
  }
  const [before, startedAt] = [await used(), performance.now()]
  const result = await work()
  const cpu_ms = (await used()) - before
  return { result, cpu_ms, share: cpu_ms / (performance.now() - startedAt) }
}

async function round(arm) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(180_000)
  const problems = []
  page.on("pageerror", (error) => problems.push(error.message))
  const devtools = await page.context().newCDPSession(page)
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" })
  await page.goto(`${url}measure/index.html?${ARMS[arm]}&count=${count}`)
  await page.waitForFunction(() => "measured" in globalThis)
  const first = await cpu(devtools, () => page.evaluate(() => measured.firstRender()))
  print({ arm, what: "first", ms: first.result, cpu_ms: first.cpu_ms })
  await page.waitForTimeout(2000) // let the pictures load
  for (const view of ["near", "far"]) {
    await page.evaluate((view) => (view === "near" ? measured.moveTo({ x: 0, y: 0, zoom: 1 }) : measured.fit()), view)
    await page.waitForTimeout(4000) // exclude the cost of moving the viewport
    const wait = () => page.waitForTimeout(seconds * 1000)
    const idle = (await cpu(devtools, wait)).share
    await page.evaluate((per) => {
      globalThis.stopProgress = measured.sendProgress(per)
    }, PER_SECOND)
    await page.waitForTimeout(1500) // all nodes report progress now
    // Counting frames requests frames, so the CPU share is measured without it.
    const busy = (await cpu(devtools, wait)).share
    const fps = await page.evaluate((ms) => measured.frames(ms), seconds * 1000)
    const updates = await page.evaluate(() => stopProgress())
    const progress =
      view === "near" ? await page.evaluate(() => measured.shown().filter((text) => /\d %/.test(text)).length) : null
    if (progress === 0) throw new Error(`${arm}: no progress is shown`)
    print({ arm, what: "updates", view, idle, busy, fps, updates, progress })
  }
  if (problems.length > 0) throw new Error(`${arm}: ${problems.join("; ")}`)
  await page.close()
}

try {
  print({ what: "setting", count, rounds, seconds, browser: browser.version() })
  for (let count = 0; count < rounds; count++) for (const arm of arms) await round(arm)
} finally {
  await browser.close()
  await stop()
}
